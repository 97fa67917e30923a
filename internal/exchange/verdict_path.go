package exchange

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/originward/originward/fact"
)

// store is one set of roots under the name that evidence gives it.
type store struct {
	name  string
	roots *x509.CertPool
}

// stores are the sets of roots that count, in the order in which they are asked.
func (t *Trust) stores() ([]store, error) {
	var out []store
	if t.OriginCA != nil {
		out = append(out, store{"origin_ca", t.OriginCA})
	}
	if t.Custom != nil { // the public list is ignored entirely
		return append(out, store{"custom", t.Custom}), nil
	}
	roots := t.Roots
	if roots == nil {
		var err error
		if roots, err = x509.SystemCertPool(); err != nil {
			return out, fmt.Errorf("roots of this system: %w", err)
		}
		if roots.Equal(x509.NewCertPool()) {
			return out, errors.New("roots of this system: none are installed; name a file of trusted roots")
		}
	}
	return append(out, store{"public", roots}), nil
}

// path builds a chain to a trusted root. Validity of the leaf is judged on its
// own, so a leaf that is out of date is taken at a time at which it was valid.
func (j *judge) path() {
	stores, storeErr := j.trust.stores()
	at := j.now
	switch {
	case !at.Before(j.leaf.NotAfter):
		at = j.leaf.NotAfter.Add(-time.Second)
	case !at.After(j.leaf.NotBefore):
		at = j.leaf.NotBefore.Add(time.Second)
	}
	var worst error
	for _, s := range stores {
		built, err := j.verify(s.roots, nil, at)
		if err == nil {
			j.built, j.Trust = built, s.name
			return
		}
		if worst == nil || !aboutCertificate(worst) {
			worst = err // an error that found a root says more than one that did not
		}
	}
	if storeErr != nil {
		// Without the public roots, trust cannot be judged; the other reasons stand.
		j.Judged, j.Err = fact.Unknown, storeErr
		return
	}
	j.untrusted(worst, stores, at)
}

// verify is crypto/x509's path building with the certificates sent and extra ones.
func (j *judge) verify(roots *x509.CertPool, extra *x509.CertPool, at time.Time) ([]*x509.Certificate, error) {
	inter := x509.NewCertPool()
	if extra != nil {
		inter = extra.Clone()
	}
	for _, c := range j.chain[1:] {
		inter.AddCert(c)
	}
	chains, err := j.leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: inter, CurrentTime: at})
	if err != nil {
		return nil, err
	}
	return chains[0], nil
}

// untrusted finds the reasons for which no chain could be built.
func (j *judge) untrusted(err error, stores []store, at time.Time) {
	if aboutCertificate(err) {
		j.invalid(err)
		return
	}
	top, broken := j.top()
	switch {
	case broken != nil:
		j.add(fact.CertUnusable, broken)
	case selfIssued(j.leaf):
		j.add(fact.CertSelfSigned, err)
	case selfIssued(top):
		j.add(fact.CertUnknownIssuer, err)
	default:
		j.MissingIssuer = top.Issuer.String()
		j.MissingURL = issuerURL(top)
		if j.linkKnown(top, stores, at) {
			j.add(fact.CertChainIncomplete, err)
		} else {
			j.add(fact.CertUnknownIssuer, err)
		}
	}
}

// aboutCertificate tells an error about a certificate of a chain whose authorities
// are known from a failure to find them. The latter is an UnknownAuthorityError or,
// when an authority has the right name and another key, a signature's error.
func aboutCertificate(err error) bool {
	var (
		invalid   x509.CertificateInvalidError
		critical  x509.UnhandledCriticalExtension
		algorithm x509.InsecureAlgorithmError
		limits    x509.ConstraintViolationError
	)
	return errors.As(err, &invalid) || errors.As(err, &critical) || errors.As(err, &algorithm) || errors.As(err, &limits)
}

// linkKnown tells whether the certificate that is missing is known to exist.
func (j *judge) linkKnown(top *x509.Certificate, stores []store, at time.Time) bool {
	if j.trust.Intermediates != nil {
		for _, s := range stores {
			if _, err := j.verify(s.roots, j.trust.Intermediates, at); err == nil {
				return true
			}
		}
	}
	// Behind an intermediate that was sent the next issuer is normally the root, which is
	// never sent; and a custom store knows nothing of public authorities.
	return top == j.leaf && j.trust.Custom == nil && (j.MissingURL != "" || hasSCT(j.leaf))
}

// invalid classifies an error about a chain whose authorities are known.
func (j *judge) invalid(err error) {
	var inv x509.CertificateInvalidError
	if errors.As(err, &inv) && inv.Reason == x509.Expired && inv.Cert != nil {
		if j.now.Before(inv.Cert.NotBefore) {
			j.add(fact.CertNotYetValid, err)
		} else {
			j.add(fact.CertExpired, err)
		}
		return
	}
	j.add(fact.CertUnusable, err)
}

// top follows the issuers from the leaf through the certificates sent and returns
// the last one. broken is the error of a signature that the named issuer's key
// refutes, or whose algorithm is no longer accepted.
func (j *judge) top() (top *x509.Certificate, broken error) {
	top = j.leaf
	for range j.chain {
		if selfIssued(top) {
			return top, nil
		}
		var next *x509.Certificate
		for _, c := range j.chain[1:] {
			switch issued(c, top) {
			case issuedYes:
				next = c
			case issuedBroken:
				broken = top.CheckSignatureFrom(c)
			}
			if next != nil {
				break
			}
		}
		if next == nil {
			return top, broken
		}
		top, broken = next, nil
	}
	return top, nil
}

type issuance uint8

const (
	issuedNo issuance = iota
	issuedYes
	issuedBroken // it is the issuer by key id or key, but not validly so
)

// issued tells whether parent issued child.
func issued(parent, child *x509.Certificate) issuance {
	if !bytes.Equal(parent.RawSubject, child.RawIssuer) || parent.Equal(child) {
		return issuedNo
	}
	switch {
	case child.CheckSignatureFrom(parent) == nil:
		return issuedYes
	case parent.CheckSignature(child.SignatureAlgorithm, child.RawTBSCertificate, child.Signature) == nil:
		return issuedBroken // its key signed, but it is no authority
	case len(child.AuthorityKeyId) > 0 && bytes.Equal(child.AuthorityKeyId, parent.SubjectKeyId):
		return issuedBroken
	}
	return issuedNo
}

// selfIssued tells whether a certificate names itself as its issuer and its own key
// bears that out, as far as its algorithm can still be checked.
func selfIssued(c *x509.Certificate) bool {
	if !bytes.Equal(c.RawSubject, c.RawIssuer) {
		return false
	}
	err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	var weak x509.InsecureAlgorithmError
	return err == nil || errors.As(err, &weak)
}

// issuerURL is the first http(s) address at which the issuer's certificate is published.
func issuerURL(c *x509.Certificate) string {
	for _, u := range c.IssuingCertificateURL {
		if strings.HasPrefix(u, "http://") || strings.HasPrefix(u, "https://") {
			return u
		}
	}
	return ""
}

// oidSCT is the extension of embedded signed certificate timestamps (RFC 6962 section 3.3).
var oidSCT = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}

func hasSCT(c *x509.Certificate) bool {
	for _, e := range c.Extensions {
		if e.Id.Equal(oidSCT) {
			return true
		}
	}
	return false
}
