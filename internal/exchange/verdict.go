package exchange

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// Verdict is what the strict SSL modes make of a certificate.
type Verdict struct {
	// Judged is Yes when Reasons is complete, and unknown when there were no roots to
	// judge by; Err then says why.
	Judged fact.Tri
	// Reasons are all the reasons for a refusal; empty and judged = accepted.
	Reasons []fact.CertReason
	// Trust is the store that vouches for the chain: public, origin_ca or custom.
	Trust string
	// Stapled is what a stapled OCSP answer says: good, revoked, unknown; empty = none
	// or none that can be believed.
	Stapled string
	// MissingIssuer is the issuer whose certificate the server did not send and which is
	// not trusted; empty when the chain sent ends in a self-signed certificate or in a
	// trusted issuer. MissingURL is where the certificate says it can be fetched.
	MissingIssuer, MissingURL string
	// Err is the error of crypto/x509 behind the first reason that has one.
	Err error
}

// Judge works out every reason for which the strict SSL modes refuse a chain, as
// sent, leaf first. names are the requested and the target host name: one has to
// match; without names the name is not judged. staple is the stapled OCSP answer,
// nil when there was none. A nil trust means the system's roots.
//
// A chain that ends at an issuer which was not sent and is not trusted can be one
// that lacks an intermediate, or one of a private authority whose root is never
// sent; from outside these are look-alikes. It is called chain_incomplete when the
// missing link is known: a certificate of [Trust.Intermediates] completes it, or,
// where the leaf came alone and public roots count, the leaf names an http(s)
// address at which its issuer is published (authority information access), or
// carries the proof that a public log has it (an embedded SCT), which only public
// authorities produce. Otherwise it is unknown_issuer, with MissingIssuer set.
func Judge(chain []*x509.Certificate, staple []byte, names []string, trust *Trust) Verdict {
	if len(chain) == 0 {
		return Verdict{Judged: fact.Yes, Reasons: []fact.CertReason{fact.CertNone}}
	}
	if trust == nil {
		trust = new(Trust)
	}
	j := judge{Verdict: Verdict{Judged: fact.Yes}, chain: chain, leaf: chain[0], trust: trust, now: trust.now()}
	j.validity()
	j.name(names)
	j.path()
	j.revoked()
	j.staple(staple)
	return j.Verdict
}

type judge struct {
	Verdict
	chain []*x509.Certificate
	leaf  *x509.Certificate
	trust *Trust
	now   time.Time
	built []*x509.Certificate // verified path, leaf first; nil = none
}

func (j *judge) add(r fact.CertReason, err error) {
	if !slices.Contains(j.Reasons, r) {
		j.Reasons = append(j.Reasons, r)
	}
	if j.Err == nil {
		j.Err = err
	}
}

func (j *judge) validity() {
	switch {
	case !j.now.Before(j.leaf.NotAfter): // documented: notBefore < now < notAfter
		j.add(fact.CertExpired, x509.CertificateInvalidError{Cert: j.leaf, Reason: x509.Expired})
	case !j.now.After(j.leaf.NotBefore):
		j.add(fact.CertNotYetValid, x509.CertificateInvalidError{Cert: j.leaf, Reason: x509.Expired})
	}
}

func (j *judge) name(names []string) {
	asked := ""
	for _, n := range names {
		if n == "" {
			continue
		}
		if matchesName(j.leaf, n) {
			return
		}
		if asked == "" {
			asked = n
		}
	}
	if asked != "" {
		j.add(fact.CertNameMismatch, x509.HostnameError{Certificate: j.leaf, Host: asked})
	}
}

// revoked asks for the certificates of the path, or of the chain when there is none.
func (j *judge) revoked() {
	if len(j.trust.Revoked) == 0 {
		return
	}
	certs := j.built
	if certs == nil {
		certs = j.chain
	}
	for _, c := range certs {
		if at, ok := j.trust.Revoked[NameOf(c)]; ok {
			j.add(fact.CertRevoked, &RevokedError{Cert: c, At: at})
		}
	}
}

// RevokedError is a certificate that its issuer has taken back.
type RevokedError struct {
	Cert *x509.Certificate
	At   time.Time
}

// Error says which, by whom and since when.
func (e *RevokedError) Error() string {
	return fmt.Sprintf("certificate %x was revoked by %s on %s", e.Cert.SerialNumber, escape.Line(e.Cert.Issuer.CommonName, maxName), e.At.UTC().Format(time.RFC3339))
}

// staple reads a stapled OCSP answer. Only one that the issuer signed counts.
func (j *judge) staple(raw []byte) {
	if len(raw) == 0 {
		return
	}
	issuer := j.issuerOfLeaf()
	if issuer == nil {
		return
	}
	r, err := ocsp.ParseResponseForCert(raw, j.leaf, issuer)
	if err != nil {
		return // not believable: as if it had not been sent
	}
	switch {
	case r.Status == ocsp.Revoked:
		j.Stapled = "revoked"
		j.add(fact.CertRevoked, errRevoked)
	case r.Status == ocsp.Good && (r.NextUpdate.IsZero() || j.now.Before(r.NextUpdate)):
		j.Stapled = "good"
	default:
		j.Stapled = "unknown"
	}
}

var errRevoked = errors.New("the stapled OCSP answer says that the certificate is revoked")

func (j *judge) issuerOfLeaf() *x509.Certificate {
	if len(j.built) > 1 {
		return j.built[1]
	}
	for _, c := range j.chain[1:] {
		if issued(c, j.leaf) == issuedYes {
			return c
		}
	}
	return nil
}

// matchesName tells whether a certificate is for a host name or address: by SAN
// or, unlike crypto/x509 and as documented, by CN. A wildcard stands for one label.
func matchesName(c *x509.Certificate, host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		for _, ip := range c.IPAddresses {
			if a, ok := netip.AddrFromSlice(ip); ok && a.Unmap() == addr.Unmap() {
				return true
			}
		}
		return c.Subject.CommonName == host
	}
	for _, pattern := range c.DNSNames {
		if matchesPattern(pattern, host) {
			return true
		}
	}
	return matchesPattern(c.Subject.CommonName, host)
}
