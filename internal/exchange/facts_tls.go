package exchange

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// Bounds of what a certificate says in evidence.
const (
	maxName  = 256 // bytes of a name; a host name has at most 253
	maxNames = 100 // alternative names
	maxChain = 10  // certificates
)

// tlsFacts is what the handshake showed, as plain data.
func (c *Conn) tlsFacts() *fact.TLS {
	out := &fact.TLS{
		Complete:   c.state.HandshakeComplete,
		Version:    versionName(c.state.Version),
		ALPN:       escape.Line(c.state.NegotiatedProtocol, maxName),
		ClientCert: c.askedForCert(),
	}
	if c.state.CipherSuite != 0 {
		out.Cipher = tls.CipherSuiteName(c.state.CipherSuite)
	}
	chain := c.seen.chain()
	for _, cert := range chain[:min(len(chain), maxChain)] {
		out.Chain = append(out.Chain, CertOf(cert))
	}
	if len(chain) == 0 && !out.Complete {
		return out // nothing was shown that could be judged
	}
	v := c.verdict()
	out.Reasons, out.Judged, out.Trust, out.Stapled = v.Reasons, v.Judged, v.Trust, v.Stapled
	out.Missing, out.MissingURL = escape.Line(v.MissingIssuer, maxName), escape.Line(v.MissingURL, maxName)
	return out
}

func versionName(v uint16) string {
	switch v {
	case tls.VersionTLS10:
		return "1.0"
	case tls.VersionTLS11:
		return "1.1"
	case tls.VersionTLS12:
		return "1.2"
	case tls.VersionTLS13:
		return "1.3"
	}
	return ""
}

// CertOf is a certificate as plain data, its names escaped and bounded.
func CertOf(c *x509.Certificate) fact.Cert {
	sum := sha256.Sum256(c.Raw)
	out := fact.Cert{
		Subject:    escape.Line(c.Subject.String(), maxName),
		Issuer:     escape.Line(c.Issuer.String(), maxName),
		CN:         escape.Line(c.Subject.CommonName, maxName),
		Names:      []string{},
		NotBefore:  c.NotBefore.UTC(),
		NotAfter:   c.NotAfter.UTC(),
		SHA256:     hex.EncodeToString(sum[:]),
		KeyType:    keyType(c),
		SelfSigned: selfIssued(c),
		CA:         c.BasicConstraintsValid && c.IsCA,
	}
	if c.SerialNumber != nil {
		out.Serial = escape.Line(fmt.Sprintf("%x", c.SerialNumber), maxName)
	}
	for _, n := range c.DNSNames {
		out.Names = append(out.Names, escape.Line(n, maxName))
	}
	for _, ip := range c.IPAddresses {
		out.Names = append(out.Names, ip.String())
	}
	out.Names = out.Names[:min(len(out.Names), maxNames)]
	return out
}

func keyType(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return c.PublicKeyAlgorithm.String()
}
