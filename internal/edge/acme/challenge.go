package acme

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"github.com/mholt/acmez/v3/acme"
)

// PathPrefix is where the answers to HTTP-01 challenges lie (RFC 8555 section 8.3).
const PathPrefix = "/.well-known/acme-challenge/"

// Answer is the answer to an HTTP-01 challenge; ok is false when none is under way
// for the host, here or at a program that shares the folder.
func (m *Manager) Answer(host, path string) (body []byte, ok bool) {
	g := m.current()
	if g == nil || !m.Managed(host) {
		return nil, false
	}
	w := answer{head: http.Header{}}
	r := &http.Request{Method: http.MethodGet, Host: host, URL: &url.URL{Path: path}, RequestURI: path, Header: http.Header{}}
	if !g.issuer.HandleHTTPChallenge(&w, r) || w.status != 0 && w.status != http.StatusOK {
		return nil, false
	}
	return w.body.Bytes(), true
}

// answer takes what certmagic answers.
type answer struct {
	head   http.Header
	status int
	body   bytes.Buffer
}

// Header is the answer's.
func (a *answer) Header() http.Header { return a.head }

// WriteHeader notes the status.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write takes a part of the body.
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

// solver meets DNS-01 challenges.
type solver struct{ txt TXT }

// Present has the name answer.
func (s solver) Present(_ context.Context, c acme.Challenge) error {
	s.txt.Present(c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
	return nil
}

// CleanUp ends that.
func (s solver) CleanUp(_ context.Context, c acme.Challenge) error {
	s.txt.CleanUp(c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
	return nil
}

// split gives host and port of an address; zero values for none.
func split(addr string) (host string, port int) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0
	}
	port, _ = strconv.Atoi(text) // listened on already, so it is a number
	return host, port
}
