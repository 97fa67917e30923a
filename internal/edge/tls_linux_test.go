package edge

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// siteFiles writes a certificate of an authority for shop.example with an OCSP
// answer that is valid until the given time, and gives the folder.
func siteFiles(t *testing.T, until time.Time) string {
	t.Helper()
	newKey := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	caKey, key := newKey(), newKey()
	now := time.Now()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"shop.example"}}
	caDER, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(caDER)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), DNSNames: []string{"shop.example"}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := ocsp.CreateResponse(ca, ca, ocsp.Response{SerialNumber: big.NewInt(2), ThisUpdate: now.Add(-time.Minute), NextUpdate: until}, caKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})...)
	for name, b := range map[string][]byte{"cert": chain, "key": pairPEM(t, &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}), "ocsp": answer} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func stapledSite(edge fmt.Stringer, dir string) string {
	return fmt.Sprintf("listen: {https: ['%s:0']}\nzones: [{name: shop.example, certificate: {cert: %s/cert, key: %[2]s/key, ocsp: %[2]s/ocsp}}]", edge, dir)
}

// What openssl asks for is stapled; when its time is over, no more.
func TestStaple(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("needs openssl")
	}
	e, _, _ := hosts()
	w := start(t, stapledSite(e, siteFiles(t, time.Now().Add(time.Hour))))
	out, err := exec.Command("openssl", "s_client", "-connect", w.tls.String(), "-servername", "shop.example", "-status").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("OCSP Response Status: successful")) || !bytes.Contains(out, []byte("Cert Status: good")) {
		t.Errorf("openssl s_client -status: %v\n%s", err, out)
	}
}

func TestStapleExpires(t *testing.T) {
	e, _, _ := hosts()
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	cfg, err := Loader().Parse("edge.yaml", []byte(stapledSite(e, siteFiles(t, now.Add(time.Hour)))))
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	edge, err := New(cfg, Options{Now: clock, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	staple := func() []byte {
		z := edge.state.Load().routes.zones["shop.example"]
		c, err := z.tls.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.OCSPStaple
	}
	if len(staple()) == 0 {
		t.Error("nothing is stapled while the answer is valid")
	}
	reported := map[string]time.Time{}
	edge.reportStaples(reported)
	mu.Lock()
	now = now.Add(2 * time.Hour)
	mu.Unlock()
	if len(staple()) != 0 {
		t.Error("an expired answer is stapled")
	}
	edge.reportStaples(reported)
	edge.reportStaples(reported)
	if n := strings.Count(said.String(), "the OCSP answer has expired"); n != 1 {
		t.Errorf("said %d times: %s", n, said.String())
	}
}

// resumes asks over one session memory and tells whether each connection resumed.
func resumes(t *testing.T, cache tls.ClientSessionCache, version uint16, to string) bool {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{ServerName: "shop.example", InsecureSkipVerify: true, ClientSessionCache: cache, MaxVersion: version}}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /cdn-cgi/trace HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil { // TLS 1.3 gives tickets behind the handshake
		t.Fatal(err)
	}
	return c.(*tls.Conn).ConnectionState().DidResume
}

// Visitors resume across reloads and across a change of the program.
func TestResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			s := startProcess(t, echoPath)
			cache := tls.NewLRUClientSessionCache(10)
			if resumes(t, cache, version, s.tls) {
				t.Fatal("the first connection resumed")
			}
			if !resumes(t, cache, version, s.tls) {
				t.Error("the second one did not resume")
			}
			text, err := os.ReadFile(s.config)
			if err != nil {
				t.Fatal(err)
			}
			s.write("colo: AAA\n" + string(text))
			if err := syscall.Kill(s.newest(), syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			s.await(func() bool { return strings.Contains(s.trace(t), "colo=AAA") })
			if !resumes(t, cache, version, s.tls) {
				t.Error("no resumption after a reload")
			}
			old := s.newest()
			s.write("colo: BBB\n" + string(text))
			if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
				t.Fatal(err)
			}
			// The successor serves once the file's new word is served by each connection.
			s.await(func() bool { return s.newest() != old && s.alone(t, "colo=BBB") })
			if !resumes(t, cache, version, s.tls) {
				t.Error("no resumption after a change of the program")
			}
		})
	}
}

// alone tells that several connections in a row are answered with a text.
func (s *started) alone(t *testing.T, want string) bool {
	for range 5 {
		if !strings.Contains(s.trace(t), want) {
			return false
		}
	}
	return true
}

// trace is what the edge says of itself.
func (s *started) trace(t *testing.T) string {
	t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", s.http)
	}, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr, Timeout: 10 * time.Second}).Get("http://shop.example/cdn-cgi/trace")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Two edges with one secret resume each other's sessions; without it they do not.
func TestSharedTickets(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "keys"), slices.Repeat([]byte("k"), 40), 0o600); err != nil {
		t.Fatal(err)
	}
	edge := func(more string) *world {
		e, _, _ := hosts()
		return start(t, fmt.Sprintf("listen: {https: ['%s:0']}\nzones: [{name: shop.example}]\n%s", e, more))
	}
	shared := "tls: {ticket_keys: " + filepath.Join(dir, "keys") + "}"
	a, b, c := edge(shared), edge(shared), edge("")
	cache := tls.NewLRUClientSessionCache(10)
	resumes(t, cache, 0, a.tls.String())
	if !resumes(t, cache, 0, b.tls.String()) {
		t.Error("the other machine with the same secret does not resume")
	}
	if resumes(t, cache, 0, c.tls.String()) {
		t.Error("a machine without the secret resumes")
	}
}
