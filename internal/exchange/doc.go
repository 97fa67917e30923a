// Package exchange is the heart of Originward: one exchange with an origin,
// resolve → connect → TLS → write → first byte → headers → body, each phase
// timed and the failure of each named exactly. The edge serves with it, probes
// measure with it. Nothing else in the tree dials an origin.
//
// # For the edge
//
// A [Client] dials ([Dialer]) and keeps idle connections. The caller's own
// goroutine writes the request and reads the response; over HTTP/1.1 no other
// goroutine takes part:
//
//	ep := client.Endpoint(target)                    // keep it: it is the pool's slot for the target
//	conn, head, fault := ep.Do(ctx, &req, &trace)    // one dead reused connection is retried
//	n, err := conn.Body().WriteTo(visitor)           // err may be a *originward.Fault of the body phase
//	conn.Release()                                   // back into the pool, or closed
//
// # For probes
//
// [Probe] does one whole exchange and returns it as evidence, [fact.Exchange].
// It dials in the goroutine that calls it, so a caller locked into a network
// namespace measures from there.
//
// # Faults
//
// Every failure is an [*originward.Fault]: phase, RFC 9209 type, and the real
// error, from which [FactOf] works out errno, TLS alert, parse kind and
// certificate reasons. Classification looks at error values only (errno, alert
// number, x509 type, parse kind), never at their text.
package exchange
