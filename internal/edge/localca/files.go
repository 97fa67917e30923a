package localca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

// readPair reads a file that holds a certificate and its key.
func readPair(path string) (*tls.Certificate, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(raw, raw)
	if err != nil {
		return nil, err
	}
	return &pair, nil
}

// showRoot writes the authority's certificate without its key beside it, for those
// who are to trust it.
func (ca *CA) showRoot() error {
	path := ca.path("root.pem")
	want := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.root.Raw})
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := os.WriteFile(path, want, 0o644); err != nil { //nolint:gosec // it is public
		return fmt.Errorf("local CA: %w", err)
	}
	return nil
}

// writePair writes certificate and key into one file, whole or not at all: a crash
// in between must not leave an authority without its key.
func writePair(path string, der []byte, key *ecdsa.PrivateKey) error {
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("local CA: %w", err)
	}
	var b bytes.Buffer
	for _, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := pem.Encode(&b, block); err != nil {
			return fmt.Errorf("local CA: %w", err)
		}
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("local CA: %w", err)
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	if _, err := tmp.Write(b.Bytes()); err != nil {
		tmp.Close()
		return fmt.Errorf("local CA: %w", err)
	}
	if err := tmp.Sync(); err != nil {
		tmp.Close()
		return fmt.Errorf("local CA: %w", err)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("local CA: %w", err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("local CA: %w", err)
	}
	return nil
}
