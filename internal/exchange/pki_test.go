package exchange

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// testNow is the clock of certificate tests.
var testNow = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// entity is a certificate with its key and issuer.
type entity struct {
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	issuer *entity
}

var serial atomic.Int64

// issue makes a certificate; a nil issuer makes it self-signed. change may alter the template.
func issue(t testing.TB, issuer *entity, cn string, change func(*x509.Certificate)) *entity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)),
		Subject:      pkix.Name{CommonName: cn, Organization: []string{"Test"}},
		NotBefore:    testNow.Add(-24 * time.Hour),
		NotAfter:     testNow.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{cn},
	}
	if change != nil {
		change(tmpl)
	}
	e := &entity{key: key, issuer: issuer}
	parent, signer := tmpl, crypto.Signer(key)
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if e.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return e
}

// authority makes a CA certificate.
func authority(t testing.TB, issuer *entity, cn string, change func(*x509.Certificate)) *entity {
	return issue(t, issuer, cn, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid = true, true
		c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		c.ExtKeyUsage, c.DNSNames = nil, nil
		c.NotBefore, c.NotAfter = testNow.AddDate(-5, 0, 0), testNow.AddDate(5, 0, 0)
		if change != nil {
			change(c)
		}
	})
}

func pool(es ...*entity) *x509.CertPool {
	p := x509.NewCertPool()
	for _, e := range es {
		p.AddCert(e.cert)
	}
	return p
}

// chainOf is what a server sends: the entities' certificates, with the first one's key.
func chainOf(es ...*entity) tls.Certificate {
	c := tls.Certificate{PrivateKey: es[0].key}
	for _, e := range es {
		c.Certificate = append(c.Certificate, e.cert.Raw)
	}
	return c
}

// staple signs an OCSP answer for e by signer.
func staple(t testing.TB, e, signer *entity, status int, next time.Time) []byte {
	t.Helper()
	der, err := ocsp.CreateResponse(signer.cert, signer.cert, ocsp.Response{
		Status: status, SerialNumber: e.cert.SerialNumber,
		ThisUpdate: testNow.Add(-time.Hour), NextUpdate: next, RevokedAt: testNow.Add(-2 * time.Hour),
	}, signer.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// serveTLS serves an HTTP answer over TLS.
func serveTLS(c *tls.Config, handle func(net.Conn)) func(net.Conn) {
	return func(nc net.Conn) {
		s := tls.Server(nc, c)
		if s.Handshake() != nil {
			return
		}
		handle(s)
	}
}

func writePEM(t testing.TB, file string, es ...*entity) {
	t.Helper()
	var b []byte
	for _, e := range es {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.cert.Raw})...)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeKey(t testing.TB, file string, e *entity) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(e.key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// rsaConfig serves a self-signed RSA certificate, for what ECDSA cannot do.
func rsaConfig(t testing.TB) *tls.Config {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shop.example"}, DNSNames: []string{"shop.example"},
		NotBefore: testNow.Add(-time.Hour), NotAfter: testNow.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS10, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
