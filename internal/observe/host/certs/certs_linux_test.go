package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/hosttest"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig"
)

var serial int64

// pair makes a self-signed certificate and its key, as PEM.
func pair(t testing.TB, name string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial++
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	kd, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kd})
}

func write(t testing.TB, name string, parts ...[]byte) {
	t.Helper()
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	c1, k1 := pair(t, "a.example")
	c2, k2 := pair(t, "b.example")
	write(t, dir+"/chain.pem", c1, c2)
	write(t, dir+"/a.key", k1)
	write(t, dir+"/b.key", k2)
	write(t, dir+"/both.pem", k1, c1)
	write(t, dir+"/junk.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	write(t, dir+"/text", []byte("hello"))
	write(t, dir+"/locked.key", []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	tree := rootfs.FS{Root: dir}
	for _, tt := range []struct {
		cert, key string
		chain     int
		readable  fact.Tri
		match     fact.Tri
		bad       bool
	}{
		{"/chain.pem", "/a.key", 2, fact.Yes, fact.Yes, false},
		{"/chain.pem", "/b.key", 2, fact.Yes, fact.No, false},
		{"/both.pem", "/both.pem", 1, fact.Yes, fact.Yes, false},
		{"/chain.pem", "/none.key", 2, fact.Yes, fact.Unknown, false},
		{"/chain.pem", "/locked.key", 2, fact.Yes, fact.Unknown, false},
		{"/none.pem", "/a.key", 0, fact.No, fact.Unknown, true},
		{"/junk.pem", "/a.key", 0, fact.Yes, fact.Unknown, true},
		{"/text", "/a.key", 0, fact.Yes, fact.Unknown, true},
		{"/a.key", "/a.key", 0, fact.Yes, fact.Unknown, true},
	} {
		f, _ := readFile(tree, fact.CertPair{Cert: tt.cert, Key: tt.key})
		if len(f.Chain) != tt.chain || f.Readable != tt.readable || f.KeyMatch != tt.match || (f.Error != "") != tt.bad {
			t.Errorf("%s, %s: %+v", tt.cert, tt.key, f)
		}
	}
}

func TestServedAgainstFile(t *testing.T) {
	bin, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	dir := t.TempDir()
	for _, n := range []string{"a.example", "b.example"} {
		c, k := pair(t, n)
		write(t, filepath.Join(dir, n+".pem"), c)
		write(t, filepath.Join(dir, n+".key"), k)
	}
	port := hosttest.Port(t)
	conf := fmt.Sprintf(`pid own.pid;
worker_processes 1;
error_log error.log;
events {}
http {
	access_log off;
	server { listen 127.0.0.1:%[1]d ssl; server_name a.example; ssl_certificate %[2]s/a.example.pem; ssl_certificate_key %[2]s/a.example.key; }
	server { listen 127.0.0.1:%[1]d ssl; server_name *.b.example; ssl_certificate %[2]s/b.example.pem; ssl_certificate_key %[2]s/b.example.key; }
	server { listen 127.0.0.1:%[1]d ssl; server_name c.example; ssl_reject_handshake on; }
}
`, port, dir)
	write(t, dir+"/own.conf", []byte(conf))
	cmd := exec.Command(bin, "-p", dir, "-c", "own.conf", "-e", dir+"/error.log", "-g", "daemon off;")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); <-done })
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			b, _ := os.ReadFile(dir + "/error.log")
			t.Fatalf("nginx does not listen: %s", b)
		}
		time.Sleep(20 * time.Millisecond)
	}
	env := collect.NewEnv(collect.Ask{Host: "a.example"}, collect.Sources{
		Processes: func(ctx context.Context, e *collect.Env) procs.Table { return procs.Read(ctx, e.Proc) },
	})
	look := func() map[string]fact.Certificates {
		seen, _ := run(t.Context(), env, webconfig.New())
		out := map[string]fact.Certificates{}
		for _, e := range seen {
			if e.Text == "" || e.Reproduce == "" {
				t.Errorf("item without text or command: %+v", e)
			}
			if strings.HasPrefix(e.Subject.File, dir) {
				out[filepath.Base(e.Subject.File)] = e.Fact.(fact.Certificates)
			}
			if e.Subject.Host == "c.example" {
				out["c"] = e.Fact.(fact.Certificates)
			}
		}
		return out
	}
	got := look()
	a, b := got["a.example.pem"], got["b.example.pem"]
	if len(a.Served) != 1 || a.Served[0].Same != fact.Yes || a.Files[0].KeyMatch != fact.Yes || a.Files[0].Loaded.IsZero() || a.Files[0].Names[0] != "a.example" {
		t.Errorf("a: %+v", a)
	}
	if len(b.Served) != 1 || b.Served[0].Same != fact.Yes || b.Served[0].SNI != "originward-check.b.example" {
		t.Errorf("b: %+v", b)
	}
	if c := got["c"]; len(c.Served) != 1 || c.Served[0].Fault == nil || c.Served[0].Same != fact.Unknown {
		t.Errorf("c: %+v", c)
	}

	// Renewed on disk, not reloaded.
	c, k := pair(t, "a.example")
	write(t, dir+"/a.example.pem", c)
	write(t, dir+"/a.example.key", k)
	a = look()["a.example.pem"]
	if len(a.Served) != 1 || a.Served[0].Same != fact.No || a.Served[0].TLS.Chain[0].Serial == a.Files[0].Chain[0].Serial {
		t.Errorf("renewed: %+v", a)
	}
}

func TestDial(t *testing.T) {
	for in, want := range map[string]string{
		"*:443": "127.0.0.1:443", "[::]:443": "[::1]:443", "0.0.0.0:443": "127.0.0.1:443", "192.0.2.1:443": "192.0.2.1:443", "name:443": "127.0.0.1:443", "[2001:db8::1]:443": "[2001:db8::1]:443",
	} {
		if got := dial(fact.Listen{Addr: in, Port: 443}); got != netip.MustParseAddrPort(want) {
			t.Errorf("%s: %v, want %s", in, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	env := collect.NewEnv(collect.Ask{Host: "z.example"}, collect.Sources{})
	got := namesOf(env, fact.Site{Names: []string{"_", "~^x$", "A.example", "*.b.example", ".c.example", "d.*", "e.example", "z.example"}}, fact.Listen{})
	if strings.Join(got, " ") != "z.example a.example originward-check.b.example c.example" {
		t.Errorf("%v", got)
	}
	if got := namesOf(env, fact.Site{}, fact.Listen{Default: true}); len(got) != 1 || got[0] != "z.example" {
		t.Errorf("%v", got)
	}
}

func FuzzParsePEM(f *testing.F) {
	c, k := pair(f, "x")
	f.Add(c)
	f.Add(append(k, c...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := parsePEM(b)
		if len(p.certs) == 0 && len(p.keys) == 0 && !p.lock && p.bad == "" && len(b) == 0 {
			t.Error("an empty file is fine")
		}
	})
}
