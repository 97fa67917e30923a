package certs

import (
	"bytes"
	"crypto/x509"
	"path/filepath"
	"slices"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// Bounds of looking beside a certificate file: where certificates are kept
// there are a few for each site, and the system's own store is not meant.
const (
	maxBeside     = 128
	maxBesideFile = 256 << 10
)

// besideNames are how files with certificates are named.
var besideNames = []string{".pem", ".crt", ".cer", ".cert", ".chain", ".bundle", ".ca-bundle", ".ca"}

// findIssuer looks in the directory of a certificate file for the certificate
// that signed the last one of the file. Whether that is an intermediate, which
// should have been in the file, or a private root tells apart what looks the
// same from outside.
func findIssuer(tree rootfs.FS, f *fact.CertFile, chain []*x509.Certificate) {
	if len(chain) == 0 {
		return
	}
	last := chain[len(chain)-1]
	if bytes.Equal(last.RawIssuer, last.RawSubject) {
		return
	}
	dir := filepath.Dir(f.File)
	entries, err := tree.ReadDir(dir)
	if err != nil || len(entries) > maxBeside {
		return
	}
	for _, e := range entries {
		name := filepath.Join(dir, e)
		if name == f.File || !slices.Contains(besideNames, strings.ToLower(filepath.Ext(e))) {
			continue
		}
		b, err := tree.Read(name, maxBesideFile)
		if err != nil || !bytes.Contains(b, []byte("-----BEGIN ")) {
			continue
		}
		for _, c := range parsePEM(b).certs {
			if c.IsCA && bytes.Equal(c.RawSubject, last.RawIssuer) && last.CheckSignatureFrom(c) == nil {
				found := exchange.CertOf(c)
				f.Issuer, f.IssuerFile = &found, name
				return
			}
		}
	}
}
