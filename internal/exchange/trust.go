package exchange

import (
	"crypto/x509"
	"time"
)

// Trust is whom the strict SSL modes trust. It must not be changed once in use.
type Trust struct {
	// Roots are the publicly trusted roots; nil = the system's.
	Roots *x509.CertPool
	// OriginCA are the roots of the CDN's own origin CA, trusted beside Roots; nil = none.
	OriginCA *x509.CertPool
	// Custom is the custom origin trust store: once given, Roots is ignored entirely
	// (cloudflare custom-origin-trust-store). nil = none.
	Custom *x509.CertPool
	// Intermediates are known intermediate certificates. They never make a chain pass;
	// they tell a chain that lacks one from an unknown issuer. nil = none.
	Intermediates *x509.CertPool
	// Revoked are certificates that their issuer has taken back, and since when. It is
	// asked of every certificate of a chain, whoever vouches for it. nil = none are known.
	Revoked map[CertName]time.Time
	// Now is the clock for validity; nil = time.Now.
	Now func() time.Time
}

// CertName names a certificate: its issuer's name as encoded, and its serial number
// in bytes. Nobody but the issuer can give one certificate another name, while the
// bytes of a signature, and so those of the whole, can be others.
type CertName struct{ Issuer, Serial string }

// NameOf is the name of a certificate.
func NameOf(c *x509.Certificate) CertName {
	return CertName{Issuer: string(c.RawIssuer), Serial: string(c.SerialNumber.Bytes())}
}

func (t *Trust) now() time.Time {
	if t == nil || t.Now == nil {
		return time.Now()
	}
	return t.Now()
}
