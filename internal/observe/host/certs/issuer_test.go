package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// link is a certificate that can sign others.
type link struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// signed makes a certificate; a nil signer makes a root.
func signed(t *testing.T, name string, ca bool, by *link) *link {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial++
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, IsCA: ca, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	parent, key := tpl, k
	if by != nil {
		parent, key = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, parent, k.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &link{c, k, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func TestFindIssuer(t *testing.T) {
	root := signed(t, "root", true, nil)
	inter := signed(t, "intermediate", true, root)
	leaf, private := signed(t, "shop.example", false, inter), signed(t, "own.example", false, root)
	other := signed(t, "intermediate", true, root) // the same name, another key
	dir := t.TempDir()
	write(t, filepath.Join(dir, "leaf.pem"), leaf.pem)
	write(t, filepath.Join(dir, "private.pem"), private.pem)
	write(t, filepath.Join(dir, "a-decoy.pem"), other.pem)
	write(t, filepath.Join(dir, "chain.crt"), inter.pem)
	write(t, filepath.Join(dir, "full.pem"), leaf.pem, inter.pem)
	write(t, filepath.Join(dir, "root.ca"), root.pem)
	write(t, filepath.Join(dir, "notes.txt"), inter.pem)
	for file, want := range map[string]string{"leaf.pem": "chain.crt", "private.pem": "root.ca", "full.pem": "root.ca", "root.ca": ""} {
		f, _ := readFile(rootfs.FS{}, fact.CertPair{Cert: filepath.Join(dir, file)})
		if got := filepath.Base(f.IssuerFile); f.IssuerFile == "" && want != "" || f.IssuerFile != "" && got != want {
			t.Errorf("%s: issuer in %q, want %q", file, f.IssuerFile, want)
		}
		if f.Issuer != nil && f.Issuer.SelfSigned != (want == "root.ca") {
			t.Errorf("%s: %+v", file, f.Issuer)
		}
	}
}
