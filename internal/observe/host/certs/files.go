package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// Bounds of hostile files.
const (
	maxFile  = 2 << 20
	maxChain = 32
)

// parsed is what a PEM file holds.
type parsed struct {
	certs []*x509.Certificate
	keys  []crypto.PublicKey // public halves of the private keys; the keys themselves are not kept
	lock  bool               // an encrypted key
	bad   string             // the first thing that could not be read
}

// parsePEM reads certificates and private keys of a file.
func parsePEM(b []byte) parsed {
	var p parsed
	fail := func(err error) {
		if p.bad == "" {
			p.bad = escape.Line(err.Error(), 200)
		}
	}
	found := false
	for len(p.certs) < maxChain {
		var block *pem.Block
		block, b = pem.Decode(b)
		if block == nil {
			break
		}
		found = true
		switch {
		case block.Type == "CERTIFICATE" || block.Type == "TRUSTED CERTIFICATE" || block.Type == "X509 CERTIFICATE":
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				fail(err)
				continue
			}
			p.certs = append(p.certs, c)
		case block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			p.lock = true
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			k, err := public(block.Bytes)
			if err != nil {
				fail(err)
				continue
			}
			p.keys = append(p.keys, k)
		}
	}
	if !found {
		fail(errors.New("no PEM block in it"))
	}
	return p
}

// public is the public half of a private key in any of the usual forms.
func public(der []byte) (crypto.PublicKey, error) {
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k.Public(), nil
	}
	if k, err := x509.ParseECPrivateKey(der); err == nil {
		return k.Public(), nil
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	switch k := k.(type) {
	case *rsa.PrivateKey:
		return k.Public(), nil
	case *ecdsa.PrivateKey:
		return k.Public(), nil
	case ed25519.PrivateKey:
		return k.Public(), nil
	}
	return nil, errors.New("a key of a kind that is not used for TLS")
}

// same compares public keys.
func same(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// readFile reads a certificate file and compares it with its key.
func readFile(tree rootfs.FS, pair fact.CertPair) (fact.CertFile, []*x509.Certificate) {
	f := fact.CertFile{File: pair.Cert, Key: pair.Key, Chain: []fact.Cert{}}
	b, err := tree.Read(pair.Cert, maxFile)
	if err != nil {
		f.Error = reason(err)
		if errors.Is(err, fs.ErrNotExist) {
			f.Readable = fact.No
		}
		return f, nil
	}
	f.Readable = fact.Yes
	if fi, err := tree.Stat(pair.Cert); err == nil {
		f.Modified = fi.ModTime().UTC()
	}
	p := parsePEM(b)
	for _, c := range p.certs {
		f.Chain = append(f.Chain, exchange.CertOf(c))
	}
	switch {
	case p.bad != "":
		f.Error = p.bad
	case len(p.certs) == 0:
		f.Error = "no certificate in it"
	}
	if len(p.certs) > 0 {
		f.KeyMatch = keyMatch(tree, pair, p)
		findIssuer(tree, &f, p.certs)
	}
	return f, p.certs
}

// keyMatch says whether the key belongs to the leaf; unknown when it may not be
// read, which is as it should be for anyone but root.
func keyMatch(tree rootfs.FS, pair fact.CertPair, p parsed) fact.Tri {
	keys, locked := p.keys, p.lock
	if pair.Key != "" && pair.Key != pair.Cert {
		b, err := tree.Read(pair.Key, maxFile)
		if err != nil {
			return fact.Unknown
		}
		k := parsePEM(b)
		keys, locked = k.keys, k.lock
	}
	if len(keys) == 0 || locked {
		return fact.Unknown
	}
	for _, k := range keys {
		if same(k, p.certs[0].PublicKey) {
			return fact.Yes
		}
	}
	return fact.No
}

func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return escape.Line(pe.Err.Error(), 200)
	}
	return escape.Line(err.Error(), 200)
}
