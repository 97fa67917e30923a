// Package edgedns answers DNS for the edge's zones, over UDP, TCP and TLS.
//
// Proxied names answer the edge's addresses with 300 seconds, DNS-only names
// their content. A CNAME of the zone itself, or a proxied one, is flattened to
// addresses. What is answered comes from one immutable snapshot of the zones; a
// change of a zone makes a new one, so a change is answered at once.
//
//	snapshot.go zone.go   the zones as they are answered from
//	answer.go             a question → a message
//	flatten.go            addresses of names elsewhere
//	sign.go               DNSSEC, signed while answering
//	wire.go cache.go      a packet → a packet, from memory where it can be
//	server.go udp.go tcp.go  sockets
//	limit.go              equal answers per second
package edgedns
