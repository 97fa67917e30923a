// Package cache is a shared HTTP cache (RFC 9111) with the habits of a CDN's
// edge: what may be kept, for how long, under which key, and what of it answers
// a request. It does no I/O of its own but for its disk tier; fetching is the
// edge's.
//
//	control.go   Cache-Control and its targeted kin, read leniently, applied strictly
//	policy.go    may a response be kept; how long is it fresh
//	key.go       what names a response; Vary
//	entry.go     a kept response, its age, its validators
//	body.go      a body that can be read while it still grows
//	store.go     memory, bounded by bytes, then disk
//	flight.go    one fetch for many visitors
//	serve.go     conditional and range requests, answered from an entry
//
// A visitor's own Cache-Control and Pragma are not obeyed, as CDNs do: nobody
// from outside can make an origin work harder (cloudflare cache-control docs).
package cache
