// Package edge is the visitor's side: it listens, routes by zone and record,
// applies rules, and passes requests to origins through package exchange with
// Cloudflare's semantics. Every failure is answered with its documented code, in
// the form the visitor asked for, and leaves a record that says phase and type.
//
// The path of one request, each step in its file:
//
//	visitor.go, visitor2.go   the connection, HTTP/1.1 or HTTP/2
//	visit.go                  one request: the order of the steps below
//	cdncgi.go                 what the edge itself serves
//	routing.go                host → site
//	loop.go                   requests that have been here before
//	rules.go                  custom rules and rate limits
//	origin.go                 SSL mode → plan → address → exchange, one retry
//	balanced.go, health.go    the same for a load balancer: pool → origin; who is healthy
//	tohead.go                 the request head as the origin gets it
//	respond.go, respond2.go   the response as the visitor gets it
//	answer.go                 answers of the edge's own
//	record.go, accesslog.go   what is kept of it
//
// Everything that a new configuration replaces is one immutable state (state.go):
// a request keeps the one it began with.
package edge
