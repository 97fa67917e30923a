package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// issued is an authority and a certificate that it has issued.
type issued struct {
	ca, leaf      *x509.Certificate
	caKey, key    *ecdsa.PrivateKey
	leafPEM, keys []byte
}

func issue(t *testing.T) issued {
	t.Helper()
	var x issued
	now := time.Now()
	make := func(cn string, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		tmpl := &x509.Certificate{
			SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: cn}, DNSNames: []string{"shop.example"},
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: parent == nil, BasicConstraintsValid: true,
		}
		if parent == nil {
			parent, signer = tmpl, key
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c, key
	}
	x.ca, x.caKey = make("CA", nil, nil)
	x.leaf, x.key = make("shop.example", x.ca, x.caKey)
	der, err := x509.MarshalPKCS8PrivateKey(x.key)
	if err != nil {
		t.Fatal(err)
	}
	x.leafPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: x.leaf.Raw})
	x.keys = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return x
}

func (x issued) answer(t *testing.T, r ocsp.Response) []byte {
	t.Helper()
	now := time.Now()
	if r.SerialNumber == nil {
		r.SerialNumber = x.leaf.SerialNumber
	}
	if r.ThisUpdate.IsZero() {
		r.ThisUpdate = now.Add(-time.Minute)
	}
	if r.NextUpdate.IsZero() {
		r.NextUpdate = now.Add(time.Hour)
	}
	raw, err := ocsp.CreateResponse(x.ca, x.ca, r, x.caKey)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// An OCSP answer is stapled when it is good, of this certificate and in time;
// whatever else it is is said, and visitors are served without it.
func TestStaple(t *testing.T) {
	x, other := issue(t), issue(t)
	chain := slices.Concat(x.leafPEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: x.ca.Raw}))
	now := time.Now()
	for name, tc := range map[string]struct {
		cert, answer []byte
		want         string // in the warning; empty = stapled
	}{
		"good":      {chain, x.answer(t, ocsp.Response{}), ""},
		"expired":   {chain, x.answer(t, ocsp.Response{NextUpdate: now.Add(-time.Second)}), "expired on"},
		"too early": {chain, x.answer(t, ocsp.Response{ThisUpdate: now.Add(time.Minute)}), "valid only from"},
		"another's": {chain, x.answer(t, ocsp.Response{SerialNumber: big.NewInt(7)}), "another certificate"},
		"forged":    {chain, other.answer(t, ocsp.Response{SerialNumber: x.leaf.SerialNumber}), "of no use"},
		"revoked":   {chain, x.answer(t, ocsp.Response{Status: ocsp.Revoked, RevokedAt: now}), "was revoked"},
		"unknown":   {chain, x.answer(t, ocsp.Response{Status: ocsp.Unknown}), "does not know"},
		"try later": {chain, ocsp.TryLaterErrorResponse, "of no use"},
		"no OCSP":   {chain, []byte("nonsense"), "of no use"},
		"PEM":       {chain, x.leafPEM, "is DER"},
		"too large": {chain, make([]byte, maxStaple+1), "larger than"},
		"no issuer": {x.leafPEM, x.answer(t, ocsp.Response{}), "lacks the issuer"},
		"empty":     {chain, nil, "of no use"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "c.pem", tc.cert)
			write(t, dir, "c.key", x.keys)
			write(t, dir, "c.ocsp", tc.answer)
			c, err := Loader{}.Parse(filepath.Join(dir, "edge.yaml"), []byte("listen: {}\nzones:\n- name: shop.example\n  certificate: {cert: c.pem, key: c.key, ocsp: c.ocsp}\n"))
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, w := range c.Warnings {
				said = append(said, w.Error())
			}
			all := strings.Join(said, "\n")
			if stapled := c.Zones[0].Staple.Raw != nil; stapled != (tc.want == "") {
				t.Errorf("stapled: %v; %s", stapled, all)
			}
			if tc.want != "" && (!strings.Contains(all, tc.want) || !strings.Contains(all, "edge.yaml:4: zones[0].certificate.ocsp")) {
				t.Errorf("said %q, want %q with its place", all, tc.want)
			}
			if !slices.Contains(c.Files, filepath.Join(dir, "c.ocsp")) {
				t.Error("the file is not among those that are watched")
			}
		})
	}
}

func TestTicketKeys(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("a", 40)
	write(t, dir, "two", []byte("# shared\n"+long+"\n\n"+long+"b\n"))
	write(t, dir, "short", []byte(long+"\nshort\n"))
	write(t, dir, "none", []byte("\n"))
	parse := func(text string) (*Config, error) {
		return Loader{}.Parse(filepath.Join(dir, "edge.yaml"), []byte("listen: {}\ntls:\n  "+text))
	}
	c, err := parse("{ticket_keys: two, ticket_rotation: 2h}")
	if err != nil || len(c.TLS.TicketSecrets) != 2 || c.TLS.TicketLife != 2*time.Hour {
		t.Errorf("%+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"{ticket_keys: short}":    `edge.yaml:3: tls.ticket_keys: "short": line 2 of the file`,
		"{ticket_keys: none}":     "1 to 8 secrets",
		"{ticket_keys: gone}":     "cannot be read",
		"{ticket_rotation: 10s}":  "1m0s to 168h0m0s",
		"{ticket_rotation: 200h}": "1m0s to 168h0m0s",
		"{tickets: two}":          "unknown key",
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestHTTP3(t *testing.T) {
	c, err := Loader{}.Parse("edge.yaml", []byte("listen: {https: [':443'], http3: ['[2001:db8::1]:443', ':443']}\nzones: [{name: a.example}, {name: b.example, http3: off}]"))
	if err != nil || !slices.Equal(c.Listen.HTTP3, []string{"[2001:db8::1]:443", ":443"}) || c.Zones[0].NoHTTP3 || !c.Zones[1].NoHTTP3 {
		t.Errorf("%+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"listen: {http3: [443]}":                           "edge.yaml:1: listen.http3[0]",
		"listen: {http3: [':53'], dns: [':53']}":           "already used by listen.",
		"listen: {}\nzones: [{name: a.example, http3: 3}]": "edge.yaml:2: zones[0].http3",
	} {
		if _, err := (Loader{}).Parse("edge.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Whatever stands in the file, reading it ends in an answer.
func FuzzStaple(f *testing.F) {
	t := new(testing.T)
	x := issue(t)
	c := &tls.Certificate{Certificate: [][]byte{x.leaf.Raw, x.ca.Raw}, Leaf: x.leaf}
	f.Add(x.answer(t, ocsp.Response{}))
	f.Add(ocsp.TryLaterErrorResponse)
	f.Add([]byte("-----BEGIN CERTIFICATE-----"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		until, why := checkStaple(raw, c, time.Now())
		if (why == "") == until.IsZero() {
			t.Errorf("until %v, %q", until, why)
		}
	})
}
