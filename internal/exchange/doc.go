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
//
// # What crypto/tls cannot do
//
// The offer is the documented one (cloudflare cipher-suites) as far as Go 1.26 has
// it. An origin is refused here, with a fault of the tls phase, that an edge built
// on another library would accept, when it has nothing but
//
//   - ECDHE-RSA-AES256-SHA384, or an ECDSA key under TLS 1.0 and 1.1 (both lists
//     lack a suite for it as well);
//   - SHA-1 signatures in a TLS 1.2 handshake (the program's GODEBUG tlssha1=1
//     allows them), an RSA key below 1024 bits (rsa1024min=0) or above 8192
//     (tlsmaxrsasize), or a certificate that crypto/x509 cannot parse, such as one
//     with a negative serial number (x509negativeserial=1);
//   - a request for a client certificate by renegotiation.
//
// 3DES is documented for TLS 1.0 only and offered here up to TLS 1.2, because the
// list of suites is one for all versions.
package exchange
