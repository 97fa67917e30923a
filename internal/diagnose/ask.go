package diagnose

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/observe/cdn"
	"github.com/originward/originward/internal/observe/outside"
)

// Ask is what a person wants to know and from where we may look. Only Site is
// needed; every vantage that is not at hand is named in the diagnosis.
type Ask struct {
	Site      Site
	Origins   []string         // as ParseOrigin reads them
	Resolvers []netip.AddrPort // none = the system's
	Roots     *x509.CertPool   // extra roots the CDN trusts; nil = none
	SSL       originward.SSLMode
	Patient   bool // the edge's documented timers

	Edge     netip.AddrPort // zero = as DNS says; port 0 = the scheme's own
	CDN      string         // whose API it is: one of CDNs; empty = its host tells
	CDNAPI   string         // empty = not at hand
	CDNToken string
	Ray      string

	HostEvidence *originward.Bundle // nil = none
	LocalHost    bool
	SSH          string // USER@HOST
	SSHSudo      bool
	// HostAfar collects on the origin where a way there is open already; nil = none.
	HostAfar func(context.Context, HostAsk) (*originward.Bundle, error)
	Since    time.Duration // how far back logs are read; 0 = an hour

	Probes []string      // of a fleet
	Watch  time.Duration // 0 = look once
	Window time.Duration // how long the host's kernel is watched for drops; 0 = not at all

	Now      func() time.Time // nil = time.Now
	Progress func(what string)
}

func (a *Ask) now() time.Time {
	if a.Now == nil {
		return time.Now().UTC()
	}
	return a.Now().UTC()
}

func (a *Ask) say(what string) {
	if a.Progress != nil {
		a.Progress(what)
	}
}

// ParseOrigin reads ADDR[:PORT] or a name.
func ParseOrigin(s string) (outside.Origin, error) { return outside.ParseOrigin(s) }

// CDNs lists the CDNs whose API can be read.
func CDNs() []string { return cdn.CDNs() }

// ResolveAPI completes whose API is read and where it is, or tells what is wrong with
// what was given; neither is no API.
func (a *Ask) ResolveAPI() (err error) {
	if a.CDN == "" && a.CDNAPI == "" {
		return nil
	}
	a.CDN, a.CDNAPI, err = cdn.Resolve(a.CDN, a.CDNAPI)
	return err
}

// ParseRoots reads certificates in PEM form.
func ParseRoots(raw []byte) (*x509.CertPool, error) {
	pool, n := x509.NewCertPool(), 0
	for len(raw) > 0 {
		var block *pem.Block
		if block, raw = pem.Decode(raw); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a %q; only certificates are wanted here", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", n+1, err)
		}
		pool.AddCert(cert)
		n++
	}
	if n == 0 {
		return nil, errors.New("holds no certificate in PEM form")
	}
	return pool, nil
}
