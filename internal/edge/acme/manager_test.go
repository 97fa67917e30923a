package acme

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/originward/originward/internal/edge/acme/pebbletest"
)

// logged is a log that is read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A certificate is renewed in time, and the next handshake shows the new one.
func TestRenewal(t *testing.T) {
	at := netip.MustParseAddr("127.39.0.1")
	l, err := net.Listen("tcp", netip.AddrPortFrom(at, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var log logged
	m := New(t.TempDir(), slog.New(slog.NewTextHandler(&log, nil)))
	m.renewAt, m.lookEvery = 0.99, 100*time.Millisecond                              // of five minutes: due three seconds in
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:errcheck // ends with the test
		if body, ok := m.Answer(strings.Split(r.Host, ":")[0], r.URL.Path); ok {
			_, _ = w.Write(body) // the asker tries again
			return
		}
		http.NotFound(w, r)
	}))
	p := pebbletest.Start(t, at, l.Addr().(*net.TCPAddr).Port, 1, 5*time.Minute)
	a := Account{Directory: p.Directory, Roots: []*x509.Certificate{p.CA}}
	w := Ways{HTTP: l.Addr().String()}
	m.Use(a, w, []string{"shop.example"})
	defer m.Close()
	serial := func() string {
		c := m.Certificate(&tls.ClientHelloInfo{ServerName: "shop.example", SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256}})
		if c == nil {
			return ""
		}
		return c.Leaf.SerialNumber.String()
	}
	await := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(60 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s did not happen\n%s", what, log.String())
			}
		}
	}
	await("issuance", func() bool { return serial() != "" })
	first := serial()
	if until := m.Expiries()["shop.example"]; time.Until(until) <= 0 || time.Until(until) > 6*time.Minute {
		t.Errorf("the certificate ends %v", until)
	}
	await("renewal", func() bool { return serial() != first })
	await("word of both", func() bool {
		s := log.String()
		return strings.Contains(s, "certificate obtained successfully") && strings.Contains(s, "certificate renewed successfully")
	})

	// The same once more changes nothing; without names nothing is managed.
	gen := m.current()
	m.Use(Account{Directory: p.Directory, Roots: []*x509.Certificate{p.CA}}, w, []string{"shop.example"})
	if m.current() != gen {
		t.Error("an unchanged account begins anew")
	}
	m.Use(a, w, nil)
	if serial() != "" || m.Managed("shop.example") || len(m.Expiries()) != 0 {
		t.Error("a name that is not asked for any more is still managed")
	}
	m.Close()
	m.Close()
}
