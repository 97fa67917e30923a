// Package pebbletest runs pebble, an ACME server for tests, and a DNS server that
// tells it where names are.
package pebbletest

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/originward/originward/internal/edge/localca"
)

// version is the one that test/clients uses, too.
const version = "v2.10.1"

// Server is an ACME server.
type Server struct {
	Directory string
	CAFile    string // PEM of what vouches for the server itself
	CA        *x509.Certificate

	mu  sync.Mutex
	txt map[string][]string // what DNS answers; guarded by mu
}

// Start runs a server that looks for names at an address, and checks them on these
// ports; the certificates that it issues live so long.
func Start(t testing.TB, at netip.Addr, httpPort, tlsPort int, life time.Duration) *Server {
	t.Helper()
	program := build(t)
	s := &Server{txt: map[string][]string{}}
	ca, err := localca.Open("", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Certificate("localhost")
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s.CA, s.CAFile = ca.Root(), write("ca.pem", "CERTIFICATE", ca.Root().Raw)
	port := freePort(t)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": fmt.Sprintf("127.0.0.1:%d", port), "managementListenAddress": "",
		"certificate": write("cert.pem", "CERTIFICATE", cert.Certificate[0]), "privateKey": write("key.pem", "PRIVATE KEY", key),
		"httpPort": httpPort, "tlsPort": tlsPort, "ocspResponderURL": "", "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "for tests", "validityPeriod": int(life.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(program, "-config", path, "-dnsserver", s.serveDNS(t, at), "-strict")
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0")
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("pebble:\n%s", said.String())
		}
	})
	s.Directory = fmt.Sprintf("https://localhost:%d/dir", port)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
			return s
		}
		if time.Now().After(end) {
			t.Fatal("pebble does not listen")
		}
	}
}

// build gives the program, which comes from the Go module proxy once.
func build(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("pebble"); err == nil {
		return path
	}
	dir := os.Getenv("CLIENTS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skipf("needs a cache folder for pebble: %v", err)
		}
		dir = filepath.Join(cache, "originward-test-clients")
	}
	path := filepath.Join(dir, "pebble")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	cmd := exec.Command("go", "install", "github.com/letsencrypt/pebble/v2/cmd/pebble@"+version)
	cmd.Dir = t.TempDir() // of no module
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("needs pebble, which cannot be built: %v\n%s", err, out)
	}
	return path
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// serveDNS answers the address for every name, and the texts that are set.
func (s *Server) serveDNS(t testing.TB, at netip.Addr) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // pebble asks over TCP
	if err != nil {
		t.Fatal(err)
	}
	answer := func(w dns.ResponseWriter, q *dns.Msg) {
		r := new(dns.Msg)
		r.SetReply(q)
		name, head := q.Question[0].Name, dns.RR_Header{Name: q.Question[0].Name, Rrtype: q.Question[0].Qtype, Class: dns.ClassINET}
		switch q.Question[0].Qtype {
		case dns.TypeA:
			r.Answer = append(r.Answer, &dns.A{Hdr: head, A: at.AsSlice()})
		case dns.TypeTXT:
			s.mu.Lock()
			for _, x := range s.txt[strings.ToLower(strings.TrimSuffix(name, "."))] {
				r.Answer = append(r.Answer, &dns.TXT{Hdr: head, Txt: []string{x}})
			}
			s.mu.Unlock()
		}
		_ = w.WriteMsg(r) // who does not hear it asks again
	}
	srv := &dns.Server{Listener: l, Handler: dns.HandlerFunc(answer)}
	go func() { _ = srv.ActivateAndServe() }() // ends with the test
	t.Cleanup(func() { _ = srv.Shutdown() })
	return l.Addr().String()
}

// SetTXT has DNS answer these texts, and no others.
func (s *Server) SetTXT(all map[string][]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.txt = all
}
