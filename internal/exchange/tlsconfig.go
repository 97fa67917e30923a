package exchange

import (
	"crypto/tls"
	"crypto/x509"
)

// offeredCiphers is the documented cipher offer (cloudflare cipher-suites) for TLS
// 1.0 to 1.2, as far as crypto/tls has it; the suites of TLS 1.3 are not
// configurable there and are the documented three. The order on the wire is
// crypto/tls's; the origin chooses. Missing there: ECDHE-RSA-AES256-SHA384, which
// nothing speaks without also speaking ECDHE-RSA-AES256-GCM-SHA384 or AES256-SHA.
var offeredCiphers = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_RSA_WITH_AES_256_CBC_SHA,
	tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, // documented for TLS 1.0 only; crypto/tls offers per connection, not per version
}

// Key exchanges of the two kinds of ClientHello. crypto/tls sends a share for the
// first of its own order that is listed, and a classical one beside a hybrid one.
var (
	smallCurves = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	largeCurves = []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
)

// seen is what the handshake showed on its way, whether or not it completed.
type seen struct {
	rawCerts   [][]byte
	clientCert bool // the peer asked for a client certificate
}

// config is the tls.Config of one handshake. Verification is switched off in
// crypto/tls, because the mode full accepts every certificate and because
// crypto/tls would stop at the first reason; validation follows the handshake.
func (p *TLSPolicy) config(sni string, s *seen) *tls.Config {
	c := &tls.Config{
		ServerName:         sni,
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS10,
		MaxVersion:         tls.VersionTLS13,
		CipherSuites:       offeredCiphers,
		CurvePreferences:   smallCurves,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			s.rawCerts = raw
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			s.clientCert = true
			if p.ClientCert != nil {
				return p.ClientCert, nil
			}
			return new(tls.Certificate), nil
		},
	}
	if p.MinVersion != 0 {
		c.MinVersion = p.MinVersion
	}
	if p.MaxVersion != 0 {
		c.MaxVersion = p.MaxVersion
	}
	if p.Hello == HelloLarge {
		c.CurvePreferences = largeCurves
	}
	switch p.ALPN {
	case ALPNBoth:
		c.NextProtos = []string{"h2", "http/1.1"}
	case ALPNHTTP1:
		c.NextProtos = []string{"http/1.1"}
	case ALPNHTTP2:
		c.NextProtos = []string{"h2"}
	}
	return c
}
