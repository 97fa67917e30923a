package config

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// readSecondary reads a file that the configuration names.
func readSecondary(v value, path string) ([]byte, bool) {
	f, err := os.Open(path)
	if err != nil {
		v.fail("cannot be read: " + plainPathError(err))
		return nil, false
	}
	defer f.Close()
	v.r.files = append(v.r.files, path)
	raw, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		v.fail("cannot be read: " + plainPathError(err))
		return nil, false
	}
	return raw, true
}

func plainPathError(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Sprintf("%s: %v", pe.Path, pe.Err)
	}
	return err.Error()
}

func loadKeyPair(certAt, keyAt value, certFile, keyFile string) *tls.Certificate {
	certPEM, ok1 := readSecondary(certAt, certFile)
	keyPEM, ok2 := readSecondary(keyAt, keyFile)
	if !ok1 || !ok2 {
		return nil
	}
	if b, _ := pem.Decode(certPEM); b == nil {
		certAt.fail("not a certificate: there is no PEM block in it", "a file that begins with -----BEGIN CERTIFICATE-----")
		return nil
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		certAt.fail("cannot be used with the key " + keyFile + ": " + err.Error())
		return nil
	}
	if leaf := pair.Leaf; leaf != nil && time.Now().After(leaf.NotAfter) {
		certAt.warn("this certificate expired on " + leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	return &pair
}

func (v value) trust() Trust {
	var t Trust
	files := func(dst *[]*x509.Certificate) func(value) {
		return func(v value) { v.list(func(v value) { *dst = append(*dst, v.certificates()...) }) }
	}
	v.object(
		key{"roots", files(&t.Roots)},
		key{"origin_ca", files(&t.OriginCA)},
		key{"custom", files(&t.Custom)},
	)
	return t
}

// certificates reads every certificate of a PEM file.
func (v value) certificates() []*x509.Certificate {
	path, ok := v.filePath()
	if !ok {
		return nil
	}
	raw, ok := readSecondary(v, path)
	if !ok {
		return nil
	}
	var out []*x509.Certificate
	skipped := 0
	for {
		var b *pem.Block
		if b, raw = pem.Decode(raw); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			skipped++
			continue
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		v.fail("no certificate in this file", "a file with -----BEGIN CERTIFICATE----- blocks")
	} else if skipped > 0 {
		v.warn(fmt.Sprintf("%d certificates in this file cannot be read", skipped))
	}
	return out
}

// minToken is the shortest token taken: 128 bits as hexadecimal digits are 32,
// as base64 22; less can be guessed.
const minToken = 16

func (v value) tokens() []Token {
	var out []Token
	v.list(func(v value) {
		var t Token
		var named, filed bool
		if !v.object(
			key{"name", func(v value) { t.Name, named = v.text() }},
			key{"file", func(v value) { t.SHA256, filed = v.tokenFile() }},
		) {
			return
		}
		if !named || !filed {
			if len(v.n.Content) < 4 {
				v.fail("needs a name and a file", "{name: NAME, file: FILE}")
			}
			return
		}
		for _, o := range out {
			if o.Name == t.Name {
				v.fail(fmt.Sprintf("the name %q is used twice", t.Name))
			}
		}
		out = append(out, t)
	})
	return out
}

func (v value) tokenFile() (sum [32]byte, ok bool) {
	path, ok := v.filePath()
	if !ok {
		return sum, false
	}
	raw, ok := readSecondary(v, path)
	if !ok {
		return sum, false
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) < minToken || bytes.ContainsAny(raw, " \t\r\n") {
		v.fail(fmt.Sprintf("the file must hold one token of at least %d characters", minToken))
		return sum, false
	}
	v.warnReadable(path, "token")
	return sha256.Sum256(raw), true
}

// warnReadable warns of a secret that is none.
func (v value) warnReadable(path, what string) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
		v.warn("everybody on this machine can read the " + what + ": chmod 600")
	}
}
