package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"golang.org/x/crypto/ocsp"
)

// TLS is how the edge speaks TLS with visitors of every zone.
type TLS struct {
	// TicketSecrets are what keys of session tickets are worked out from; several
	// machines may share them. Empty = random keys.
	TicketSecrets [][]byte
	TicketLife    time.Duration // how long a key seals; 0 = 12 h
}

// Staple is an OCSP answer for a zone's certificate.
type Staple struct {
	Raw   []byte    // DER; nil = none
	Until time.Time // it must not be used from then on
}

// Bounds: crypto/tls offers a ticket for seven days at most (RFC 8446 section
// 4.6.1); a secret of fewer characters can be guessed; an OCSP answer with the
// responder's certificate has a few KiB.
const (
	minTicketLife, maxTicketLife = time.Minute, 7 * 24 * time.Hour
	minSecret, maxSecrets        = 32, 8
	maxStaple                    = 64 << 10
)

func (v value) tls() TLS {
	var t TLS
	v.object(
		key{"ticket_keys", func(v value) { t.TicketSecrets = v.ticketSecrets() }},
		key{"ticket_rotation", func(v value) { t.TicketLife, _ = v.duration(minTicketLife, maxTicketLife) }},
	)
	return t
}

// ticketSecrets reads a file with one secret in each line.
func (v value) ticketSecrets() (out [][]byte) {
	path, ok := v.filePath()
	if !ok {
		return nil
	}
	raw, ok := readSecondary(v, path)
	if !ok {
		return nil
	}
	const want = "one secret in each line, for example of: openssl rand -base64 48"
	for i, line := range bytes.Split(raw, []byte("\n")) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 || line[0] == '#':
		case len(line) < minSecret || bytes.ContainsAny(line, " \t"):
			v.fail(fmt.Sprintf("line %d of the file is no secret of at least %d characters", i+1, minSecret), want)
			return nil
		default:
			out = append(out, line)
		}
	}
	if len(out) == 0 || len(out) > maxSecrets {
		v.fail(fmt.Sprintf("the file must hold 1 to %d secrets and has %d", maxSecrets, len(out)), want)
		return nil
	}
	v.warnReadable(path, "secrets")
	return out
}

// staple reads an OCSP answer. One that cannot be used is left out with a warning:
// it is renewed by a program of its own, and visitors are served without it.
func (v value) staple(c *tls.Certificate, now time.Time) Staple {
	path, ok := v.filePath()
	if !ok {
		return Staple{}
	}
	raw, ok := readSecondary(v, path)
	if !ok || c == nil {
		return Staple{}
	}
	until, why := checkStaple(raw, c, now)
	if why != "" {
		v.warn("not stapled: " + why)
		return Staple{}
	}
	return Staple{raw, until}
}

// checkStaple tells until when an OCSP answer may be stapled, or why it may not.
func checkStaple(raw []byte, c *tls.Certificate, now time.Time) (until time.Time, why string) {
	switch {
	case len(raw) > maxStaple:
		return until, fmt.Sprintf("the file is larger than %d KiB", maxStaple>>10)
	case bytes.HasPrefix(bytes.TrimSpace(raw), []byte("-----BEGIN")):
		return until, "the file is PEM; an OCSP answer is DER, as `openssl ocsp -respout FILE` writes it"
	case len(c.Certificate) < 2:
		return until, "the certificate's file lacks the issuer's certificate, without which the answer cannot be checked: append it"
	}
	issuer, err := x509.ParseCertificate(c.Certificate[1])
	if err != nil {
		return until, "the issuer's certificate cannot be read: " + err.Error()
	}
	r, err := ocsp.ParseResponse(raw, issuer)
	if err != nil { // malformed, not signed by the issuer, or not successful
		return until, "the OCSP answer is of no use: " + err.Error()
	}
	switch {
	case r.SerialNumber == nil || c.Leaf == nil || r.SerialNumber.Cmp(c.Leaf.SerialNumber) != 0:
		return until, "the OCSP answer is for another certificate"
	case r.Status == ocsp.Revoked:
		return until, "the OCSP answer says that the certificate was revoked on " + r.RevokedAt.UTC().Format(time.DateOnly) + ": replace the certificate"
	case r.Status != ocsp.Good:
		return until, "the responder does not know the certificate"
	case now.Before(r.ThisUpdate):
		return until, "the OCSP answer is valid only from " + r.ThisUpdate.UTC().Format(time.RFC3339)
	case r.NextUpdate.IsZero():
		return until, "the OCSP answer does not say until when it is valid"
	case !now.Before(r.NextUpdate):
		return until, "the OCSP answer expired on " + r.NextUpdate.UTC().Format(time.RFC3339)
	}
	return r.NextUpdate, ""
}
