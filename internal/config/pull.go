package config

import (
	"crypto/tls"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// hostCerts reads client certificates for single host names of a zone.
func (v value) hostCerts(zone string) map[string]*tls.Certificate {
	out := map[string]*tls.Certificate{}
	v.list(func(v value) {
		var name string
		var at value
		cert := v.keyPairWith(key{"hostname", func(v value) { at = v; name, _ = v.hostName(false) }})
		switch {
		case at.n == nil:
			v.fail("the host name is missing", "{hostname: NAME, cert: FILE, key: FILE}")
		case name == "":
		case name != zone && !strings.HasSuffix(name, "."+zone):
			at.fail("not a name of the zone " + zone)
		case out[name] != nil:
			at.fail("this name was given already")
		case cert != nil:
			out[name] = cert
		}
	})
	return out
}

// pullsNeedCertificate refuses zones that present the edge's certificate where the
// edge has none.
func (v value) pullsNeedCertificate(zones []Zone) {
	for i, z := range zones {
		if z.TLSClientAuth && z.ClientCert == nil {
			at := value{v.r, &yaml.Node{Kind: yaml.MappingNode, Line: z.Line}, fmt.Sprintf("%s[%d].tls_client_auth", v.path, i)}
			at.fail("there is no certificate to present", "origin_pull_certificate: {cert: FILE, key: FILE}, of the edge or of the zone")
		}
	}
}
