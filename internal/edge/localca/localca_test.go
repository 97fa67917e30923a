package localca

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func verify(t *testing.T, ca *CA, host string, at time.Time) {
	t.Helper()
	c, err := ca.Certificate(host)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Root())
	if _, err := c.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: at}); err != nil {
		t.Errorf("%s: %v", host, err)
	}
}

func TestIssuesAndKeeps(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	dir := filepath.Join(t.TempDir(), "ca")
	a, err := Open(dir, clock)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + ".example"
	for _, host := range []string{"shop.example", long} {
		verify(t, a, host, now)
	}
	first, _ := a.Certificate("shop.example")
	b, err := Open(dir, clock)
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.Certificate("shop.example")
	if err != nil {
		t.Fatal(err)
	}
	if !b.Root().Equal(a.Root()) || !bytes.Equal(first.Certificate[0], second.Certificate[0]) {
		t.Error("a second run has another authority or certificate")
	}
	now = now.Add(leafLife - renewAt)
	third, err := b.Certificate("shop.example")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(third.Certificate[0], second.Certificate[0]) {
		t.Error("a certificate near its end was not replaced")
	}
	verify(t, b, "shop.example", now)
	info, err := os.Stat(filepath.Join(dir, "ca.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the authority's file: %v, %v; want mode 0600", info, err)
	}
}

func TestInMemory(t *testing.T) {
	ca, err := Open("", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { verify(t, ca, "a.example", time.Now()) })
	}
	wg.Wait()
}

func TestBrokenFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, time.Now); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "ca.pem")) {
		t.Errorf("error %v, want one that names the file", err)
	}
	if _, err := Open("/dev/null/x", time.Now); err == nil {
		t.Error("a folder that cannot be made is no error")
	}
}

// The root is there for those who are to trust it, and without its key.
func TestRootIsShown(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	for range 2 { // made, and found
		ca, err := Open(dir, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, "root.pem"))
		if err != nil || bytes.Contains(raw, []byte("PRIVATE")) {
			t.Fatalf("%s: %v", raw, err)
		}
		roots := x509.NewCertPool()
		c, err := ca.Certificate("shop.example")
		if err != nil || !roots.AppendCertsFromPEM(raw) {
			t.Fatal(err)
		}
		if _, err := c.Leaf.Verify(x509.VerifyOptions{DNSName: "shop.example", Roots: roots}); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "root.pem"), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
