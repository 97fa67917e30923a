package exchange

import (
	"crypto/tls"
	"net/netip"
)

// Target is one way to reach one origin address. It is comparable: equal
// targets share pooled connections.
type Target struct {
	// Addr is the address and port that is dialled.
	Addr netip.AddrPort
	// Source is our own address towards it (egress); zero = the system's choice.
	Source netip.Addr
	// TLS is how TLS is spoken; nil = plain HTTP. Share one policy among targets: it is
	// compared by identity.
	TLS *TLSPolicy
	// SNI is the server name sent; empty = none.
	SNI string
	// Host and AltHost are the names of which a validating policy wants one in the
	// certificate: the requested and the target host name. AltHost may be empty.
	Host, AltHost string
}

// Scheme is "https" or "http".
func (t Target) Scheme() string {
	if t.TLS != nil {
		return "https"
	}
	return "http"
}

// Proto is the protocol that a connection speaks.
type Proto uint8

// The protocols. The zero Proto is unknown.
const (
	ProtoUnknown Proto = iota
	HTTP1
	HTTP2
)

// String is the ALPN name.
func (p Proto) String() string {
	switch p {
	case HTTP1:
		return "http/1.1"
	case HTTP2:
		return "h2"
	}
	return ""
}

// ALPN is which protocols are offered to the origin.
type ALPN uint8

// The offers. The documented default is both, h2 first.
const (
	ALPNBoth  ALPN = iota // h2, http/1.1
	ALPNHTTP1             // http/1.1
	ALPNHTTP2             // h2
	ALPNNone              // no ALPN extension
)

// Hello is the kind of ClientHello.
type Hello uint8

// The kinds. Default is small: one packet, no post-quantum share.
const (
	HelloDefault Hello = iota
	HelloSmall         // X25519 and NIST curves only; fits one packet
	HelloLarge         // with an X25519MLKEM768 share, beyond one packet of 1460 bytes
)

// TLSPolicy is how TLS is spoken with an origin and what is asked of its
// certificate. It must not be changed once in use; share it by pointer. The zero
// policy is that of SSL mode full: the documented offer, any certificate passes.
type TLSPolicy struct {
	// Validate refuses certificates that the strict modes refuse. The verdict is worked
	// out either way.
	Validate bool
	// Trust is whom a strict verdict trusts; nil = the system's roots.
	Trust *Trust
	// ALPN is which protocols are offered.
	ALPN ALPN
	// Hello is the kind of ClientHello.
	Hello Hello
	// MinVersion and MaxVersion pin TLS versions; 0 = 1.0 and 1.3, as documented.
	MinVersion, MaxVersion uint16
	// ClientCert is presented when the origin asks for one (authenticated origin pulls);
	// nil = none.
	ClientCert *tls.Certificate
}
