// Package edgeapi is the edge's control API. It answers in the envelope and under
// the paths of Cloudflare's API v4, so that programs written for that work with an
// Originward edge too, and adds the edge's own record below /client/v4/originward/.
//
// What it changes is kept in a store (package store) and put in force before the
// call is answered (Live). Zones of the configuration file are read-only. What is
// not served is answered with 501 and a list of what is.
//
//	routes.go                 every call, one line each
//	access.go                 who asks, and what they may
//	server.go envelope.go     the way of a call
//	live.go compile.go        the store's zones as the edge serves them
package edgeapi
