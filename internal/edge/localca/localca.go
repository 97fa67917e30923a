// Package localca is the edge's own certificate authority: it issues a
// certificate for a host name on first use, for development and for sites that
// have none yet. Browsers trust it once its root is installed.
package localca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Lifetimes. 90 days is what public authorities issue; a leaf is replaced when a
// third of that is left.
const (
	rootLife = 10 * 365 * 24 * time.Hour
	leafLife = 90 * 24 * time.Hour
	renewAt  = leafLife / 3
)

// maxCached bounds the certificates held in memory; beyond it any one makes room.
const maxCached = 10_000

// CA issues certificates. It is safe for concurrent use.
type CA struct {
	dir  string // empty = nothing is kept
	now  func() time.Time
	root *x509.Certificate
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	leaves map[string]*tls.Certificate // guarded by mu
}

// Open reads the authority kept in dir, or makes one and keeps it there. An empty
// dir keeps it in memory only.
func Open(dir string, now func() time.Time) (*CA, error) {
	ca := &CA{dir: dir, now: now, leaves: map[string]*tls.Certificate{}}
	if dir == "" {
		return ca, ca.create()
	}
	if err := os.MkdirAll(filepath.Join(dir, "hosts"), 0o700); err != nil {
		return nil, fmt.Errorf("local CA: %w", err)
	}
	pair, err := readPair(ca.path("ca.pem"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := ca.create(); err != nil {
			return nil, err
		}
		if err := writePair(ca.path("ca.pem"), ca.root.Raw, ca.key); err != nil {
			return nil, err
		}
		return ca, ca.showRoot()
	case err != nil:
		return nil, fmt.Errorf("local CA: %s: %w; remove it to have a new one made", ca.path("ca.pem"), err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("local CA: %s holds no ECDSA key", ca.path("ca.pem"))
	}
	ca.root, ca.key = pair.Leaf, key
	return ca, ca.showRoot()
}

func (ca *CA) path(name string) string { return filepath.Join(ca.dir, name) }

// Root is the authority's certificate.
func (ca *CA) Root() *x509.Certificate { return ca.root }

func (ca *CA) create() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("local CA: %w", err)
	}
	t, err := template("Originward local CA", ca.now(), rootLife)
	if err != nil {
		return err
	}
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return fmt.Errorf("local CA: %w", err)
	}
	ca.root, err = x509.ParseCertificate(der)
	ca.key = key
	return err
}

func template(cn string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("local CA: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: cn},
		// An hour back, for visitors whose clock is behind.
		NotBefore: now.Add(-time.Hour),
		NotAfter:  now.Add(life),
	}, nil
}

// Certificate is the certificate for a host name, issued when there is none that
// lasts. host must be a lower-case DNS name.
func (ca *CA) Certificate(host string) (*tls.Certificate, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if c := ca.leaves[host]; c != nil && ca.lasts(c) {
		return c, nil
	}
	c, err := ca.kept(host)
	if err != nil {
		if c, err = ca.issue(host); err != nil {
			return nil, err
		}
	}
	if len(ca.leaves) >= maxCached {
		for h := range ca.leaves {
			delete(ca.leaves, h)
			break
		}
	}
	ca.leaves[host] = c
	return c, nil
}

func (ca *CA) lasts(c *tls.Certificate) bool {
	return ca.now().Add(renewAt).Before(c.Leaf.NotAfter)
}

var errNotKept = errors.New("no certificate is kept")

// kept reads a certificate of an earlier run, if it is ours and lasts.
func (ca *CA) kept(host string) (*tls.Certificate, error) {
	if ca.dir == "" {
		return nil, errNotKept
	}
	pair, err := readPair(ca.leafPath(host))
	if err != nil {
		return nil, err
	}
	if !ca.lasts(pair) || pair.Leaf.CheckSignatureFrom(ca.root) != nil || pair.Leaf.VerifyHostname(host) != nil {
		return nil, errNotKept
	}
	pair.Certificate = append(pair.Certificate[:1], ca.root.Raw)
	return pair, nil
}

func (ca *CA) leafPath(host string) string { return filepath.Join(ca.dir, "hosts", host+".pem") }

func (ca *CA) issue(host string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("local CA: %w", err)
	}
	t, err := template(host, ca.now(), leafLife)
	if err != nil {
		return nil, err
	}
	if len(host) > 64 { // the longest common name (RFC 5280 ub-common-name)
		t.Subject = pkix.Name{}
	}
	t.DNSNames = []string{host}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, t, ca.root, key.Public(), ca.key)
	if err != nil {
		return nil, fmt.Errorf("local CA: %s: %w", host, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("local CA: %s: %w", host, err)
	}
	if ca.dir != "" {
		if err := writePair(ca.leafPath(host), der, key); err != nil {
			return nil, err
		}
	}
	return &tls.Certificate{Certificate: [][]byte{der, ca.root.Raw}, PrivateKey: key, Leaf: leaf}, nil
}
