package exchange

import "crypto/x509"

// CertPool is a pool of certificates; nil for none, which is how "none given" is said
// wherever a pool is asked for.
func CertPool(certs []*x509.Certificate) *x509.CertPool {
	if len(certs) == 0 {
		return nil
	}
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}
