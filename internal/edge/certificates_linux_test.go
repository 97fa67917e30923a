package edge

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/acme/pebbletest"
)

// shown is the certificate that a visitor of a name is shown.
func shown(t *testing.T, to, name string) (issuer, serial string) {
	t.Helper()
	c, err := tls.Dial("tcp", to, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	leaf := c.ConnectionState().PeerCertificates[0]
	if err := leaf.VerifyHostname(name); err != nil {
		t.Error(err)
	}
	return leaf.Issuer.CommonName, leaf.SerialNumber.String()
}

// issued waits until a name has a certificate of the ACME server.
func issued(t *testing.T, to string, names ...string) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		missing := ""
		for _, name := range names {
			if issuer, _ := shown(t, to, name); !strings.HasPrefix(issuer, "Pebble") {
				missing = name + " has one of " + issuer
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatal("no certificate: " + missing)
		}
	}
}

func acmeSite(edge, origin netip.Addr, port uint16, p *pebbletest.Server, data, challenges string) string {
	return fmt.Sprintf(`
listen: {http: ['%s:80'], https: ['%[1]s:443'], dns: ['127.0.0.1:0']}
data: %s
acme: {directory: %s, ca_file: %s, email: ops@shop.example, agree: true, challenges: [%s]}
zones:
- name: shop.example
  ssl: flexible
  acme: true
  always_use_https: true
  records:
  - {type: A, name: shop.example, content: %s, proxied: true}
  - {type: A, name: www.shop.example, content: %[6]s, proxied: true}
  - {type: A, name: '*.wild.shop.example', content: %[6]s, proxied: true}
  - {type: A, name: grey.shop.example, content: %[6]s}
  rules:
    custom: [{expression: 'not http.user_agent contains "friend"', action: block}]
    origin: [{expression: ssl, action_parameters: {origin: {port: %[7]d}}}]
- name: other.example
  ssl: flexible
  records: [{type: A, name: other.example, content: %[6]s, proxied: true}]
  rules: {origin: [{expression: 'not ssl', action_parameters: {origin: {port: %[7]d}}}]}
`, edge, data, p.Directory, p.CAFile, challenges, origin, port)
}

// Certificates are obtained by each challenge although rules block everybody and
// visitors are sent to https; until then, and for other names, the local CA serves.
func TestACME(t *testing.T) {
	for name, tc := range map[string]struct {
		challenges string
		names      []string
	}{
		"http":     {"http-01", []string{"shop.example", "www.shop.example"}},
		"tls":      {"tls-alpn-01", []string{"shop.example", "www.shop.example"}},
		"both":     {"http-01, dns-01", []string{"shop.example", "www.shop.example", "a.wild.shop.example"}},
		"only dns": {"dns-01", []string{"shop.example", "www.shop.example", "a.wild.shop.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			challenges, names := tc.challenges, tc.names
			t.Parallel()
			e, o, _ := hosts()
			ap, _ := origin(t, o, 0, echoPath)
			p := pebbletest.Start(t, e, 80, 443, time.Hour)
			data := t.TempDir()
			text := acmeSite(e, o, ap.Port(), p, data, challenges)
			w := start(t, text)
			w.edge.OnConfig(func(c *config.Config) { p.SetTXT(texts(c)) })
			to := w.tls.String()
			if issuer, _ := shown(t, to, "other.example"); !strings.Contains(issuer, "local CA") {
				t.Errorf("a zone that wants none has a certificate of %s", issuer)
			}
			issued(t, to, names...)
			if issuer, _ := shown(t, to, "grey.shop.example"); !strings.Contains(issuer, "local CA") {
				t.Errorf("a name that is not proxied has a certificate of %s", issuer)
			}
			if left := texts(w.edge.proofs.in(w.edge.Config())); len(left) != 0 {
				t.Errorf("DNS still answers %v", left)
			}
			// No challenge under way: the origin may have its own.
			path := "/.well-known/acme-challenge/its-own"
			if r := w.get("http://other.example" + path); r.body != path {
				t.Errorf("the origin's own challenge is answered %d %s", r.StatusCode, r.body)
			}
			if r := w.get("http://shop.example" + path); r.StatusCode != http.StatusMovedPermanently {
				t.Errorf("a challenge that is not under way is answered %d", r.StatusCode)
			}

			// What is kept is used again at once.
			_, serial := shown(t, to, names[0])
			again := start(t, strings.NewReplacer(e.String()+":80", e.String()+":0", e.String()+":443", e.String()+":0").Replace(text))
			if issuer, same := shown(t, again.tls.String(), names[0]); same != serial {
				t.Errorf("another start shows another certificate, of %s", issuer)
			}
		})
	}
}

// texts are the TXT records of a configuration.
func texts(c *config.Config) map[string][]string {
	out := map[string][]string{}
	for _, z := range c.Zones {
		for _, r := range z.Records {
			if r.Type == "TXT" {
				out[r.Name] = append(out[r.Name], strings.Trim(r.Content, `"`))
			}
		}
	}
	return out
}

// lateDir is a directory that is removed when what is written into it beside the
// edge's end, which nothing waits for, has been.
func lateDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "acme")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for end := time.Now().Add(5 * time.Second); os.RemoveAll(dir) != nil; {
			if time.Now().After(end) {
				t.Errorf("%s cannot be removed", dir)
				return
			}
		}
	})
	return dir
}

// An ACME server that cannot be reached keeps nobody from being served.
func TestACMEServerIsDown(t *testing.T) {
	e, o, dead := hosts()
	ap, _ := origin(t, o, 0, echoPath)
	p := &pebbletest.Server{Directory: "https://" + dead.String() + ":1/dir", CAFile: filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(p.CAFile, pemOf(testCA().Root()), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	w := start(t, acmeSite(e, o, ap.Port(), p, lateDir(t), "http-01"))
	if issuer, _ := shown(t, w.tls.String(), "shop.example"); !strings.Contains(issuer, "local CA") {
		t.Errorf("a certificate of %s", issuer)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the edge served after %v", took)
	}
}

// A successor shows what its predecessor has obtained.
func TestACMEHandover(t *testing.T) {
	s := startProcess(t, echoPath)
	at := netip.MustParseAddrPort(s.tls).Addr()
	p := pebbletest.Start(t, at, int(netip.MustParseAddrPort(s.http).Port()), 443, time.Hour)
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.write(strings.Replace(string(text), "zones:\n- name: shop.example", fmt.Sprintf(
		"data: %s\nacme: {directory: %s, ca_file: %s, agree: true}\nzones:\n- name: shop.example\n  acme: true", t.TempDir(), p.Directory, p.CAFile), 1))
	if err := syscall.Kill(s.newest(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	issued(t, s.tls, "shop.example")
	_, serial := shown(t, s.tls, "shop.example")
	old := s.newest()
	if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	s.await(func() bool { return s.newest() != old })
	for range 20 { // of either program
		if issuer, same := shown(t, s.tls, "shop.example"); same != serial {
			t.Fatalf("another certificate, of %s", issuer)
		}
	}
}

func TestCertified(t *testing.T) {
	z := config.Zone{ACME: true}
	for _, name := range []string{"shop.example", "www.shop.example", "*.shop.example", "a.b.shop.example", "_dmarc.shop.example"} {
		z.Records = append(z.Records, originward.Record{Type: "A", Name: name, Proxied: true})
	}
	z.Records = append(z.Records, originward.Record{Type: "A", Name: "grey.shop.example"})
	given := z
	given.Certificate = &tls.Certificate{}
	off := z
	off.ACME = false
	names, left := certified([]config.Zone{z, given, off}, false)
	if got := fmt.Sprint(names, left); got != "[a.b.shop.example shop.example www.shop.example] [*.shop.example]" {
		t.Error(got)
	}
	names, left = certified([]config.Zone{z}, true)
	if got := fmt.Sprint(names, left); got != "[*.shop.example a.b.shop.example shop.example] []" {
		t.Error(got)
	}
}
