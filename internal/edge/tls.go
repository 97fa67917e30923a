package edge

import (
	"crypto/tls"

	"strings"
)

// visitorTLS is how the edge speaks TLS with visitors.
type visitorTLS struct {
	base     *tls.Config // for the listeners; picks the zone's by server name
	fallback *tls.Config // for names of no zone, and for none
}

// fallbackName stands in certificates for visitors that ask for no site of this
// edge: they get an error page over a connection that no browser trusts.
const fallbackName = "edge.invalid"

func (st *state) newVisitorTLS() error {
	st.tls.fallback = visitorConfig(tls.VersionTLS12, func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return st.ca.Certificate(fallbackName)
	})
	for _, z := range st.routes.zones {
		z.tls = st.zoneTLS(z)
	}
	st.tls.base = visitorConfig(tls.VersionTLS10, st.tls.fallback.GetCertificate)
	st.tls.base.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if z, _ := st.routes.find([]byte(strings.ToLower(hello.ServerName))); z != nil {
			return z.tls, nil
		}
		return st.tls.fallback, nil
	}
	return nil
}

func visitorConfig(minVersion uint16, get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:     minVersion,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: get,
	}
}

func (st *state) zoneTLS(z *zone) *tls.Config {
	version := z.MinTLS
	if version == 0 {
		version = tls.VersionTLS12
	}
	if z.Certificate != nil {
		return visitorConfig(version, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return z.Certificate, nil })
	}
	return visitorConfig(version, func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name := strings.ToLower(hello.ServerName)
		// Only names that exist get a certificate: an endless supply of names must not fill
		// the disk.
		if _, s := st.routes.find([]byte(name)); s == nil {
			return st.ca.Certificate(fallbackName)
		} else if strings.HasPrefix(s.name, "*.") {
			return st.ca.Certificate(wildcardName(s.name, name))
		}
		return st.ca.Certificate(name)
	})
}

// wildcardName is the name to certify for a visitor's name under a wildcard
// record. One label deep, one certificate serves all; deeper names, which a
// certificate's wildcard does not reach, are certified by the wildcard of their parent.
func wildcardName(record, name string) string { return "*." + parent(name) }
