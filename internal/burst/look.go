package burst

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/edge"
	"github.com/originward/originward/internal/edgeapi"
)

// Look observes a site from the edge: through it, with its own record and
// configuration, and straight at the origin from the edge's machine.
func Look(ctx context.Context, e *edge.Edge, b edge.Burst) (*originward.Bundle, error) {
	site, err := diagnose.ParseSite(address(b))
	if err != nil {
		return nil, err
	}
	cfg := e.Config()
	base, token, end, err := inside(e)
	if err != nil {
		return nil, err
	}
	defer end()
	return diagnose.Observe(ctx, diagnose.Ask{
		Site: site, Resolvers: cfg.Resolver, Roots: trusted(cfg.Trust), Edge: b.Edge, CDNAPI: base, CDNToken: token, Ray: b.Ray,
	}), nil
}

// address is the URL that the visitors asked for, but for the path.
func address(b edge.Burst) string {
	own := uint16(80)
	if b.Scheme == "https" {
		own = 443
	}
	host := b.Host
	if p := b.Edge.Port(); p != own {
		host = net.JoinHostPort(host, strconv.Itoa(int(p)))
	}
	return b.Scheme + "://" + host + "/"
}

// trusted are the roots by which the edge judges origins.
func trusted(t config.Trust) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, list := range [][]*x509.Certificate{t.Roots, t.OriginCA, t.Custom} {
		for _, c := range list {
			pool.AddCert(c)
		}
	}
	return pool
}

// inside serves the edge's API, reading only, to this look alone: on a loopback
// address under a token of its own, until end is called.
func inside(e *edge.Edge) (base, token string, end func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		if l, err = net.Listen("tcp", "[::1]:0"); err != nil {
			return "", "", nil, fmt.Errorf("serve the edge's record to its own diagnosis: %w", err)
		}
	}
	token = rand.Text()
	// No address: nobody is let in without the token.
	s := &http.Server{Handler: edgeapi.New(e, netip.Addr{}, edgeapi.Options{Token: token}), ReadTimeout: lookTime, WriteTimeout: lookTime}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return "http://" + l.Addr().String(), token, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
			_ = s.Close() // what still asks is our own and has been given up
		}
		<-served
	}, nil
}
