package webconfig

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/originward/originward/fact"
)

// peeked is a connection whose first byte was looked at.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// TestBackendThatHangsUpOnPlainHTTP: a server that speaks TLS only and closes
// on anything else without an alert, as Python's does.
func TestBackendThatHangsUpOnPlainHTTP(t *testing.T) {
	certs := httptest.NewUnstartedServer(nil)
	certs.StartTLS()
	t.Cleanup(certs.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			if b, err := r.Peek(1); err == nil && b[0] == 0x16 {
				_ = tls.Server(peeked{c, r}, certs.TLS).HandshakeContext(context.Background())
			}
			c.Close()
		}
	}()
	u := fact.Upstream{Name: l.Addr().String(), Scheme: "http", Addr: netip.MustParseAddrPort(l.Addr().String())}
	tr := &trying{env: env(t)}
	tr.exchange(t.Context(), &u, "shop.example")
	if u.Answers != fact.Yes || u.Speaks != "tls" {
		t.Errorf("answers %q, speaks %q (%s)", u.Answers, u.Speaks, u.Errno)
	}
}
