package config

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/originward/originward"
)

func (v value) zones() []Zone {
	var out []Zone
	seen := map[string]int{}
	v.list(func(v value) {
		z, ok := v.zone()
		if !ok {
			return
		}
		if line, twice := seen[z.Name]; twice {
			v.fail(fmt.Sprintf("the zone %s was given in line %d already", z.Name, line))
			return
		}
		seen[z.Name] = v.n.Line
		out = append(out, z)
	})
	return out
}

// minTLSVersions are the values of Cloudflare's setting min_tls_version.
var minTLSVersions = map[string]uint16{
	"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13,
}

func (v value) zone() (Zone, bool) {
	v, ok := v.resolve()
	if !ok {
		return Zone{}, false
	}
	z := Zone{Line: v.n.Line}
	z.SSL = originward.SSLFull
	var records, rules, cert, acme, balancers, hostCerts value
	if !v.object(
		key{"name", func(v value) { z.Name, _ = v.hostName(false) }},
		key{"ssl", func(v value) { z.SSL = v.sslMode() }},
		key{"certificate", func(v value) { cert = v; z.Certificate, z.Staple = v.stapledPair() }},
		key{"acme", func(v value) { acme = v; z.ACME, _ = v.flag() }},
		key{"http2", func(v value) { on, ok := v.flag(); z.NoHTTP2 = ok && !on }},
		key{"origin_max_http_version", func(v value) { s, _ := v.oneOf("1", "2"); z.OriginHTTP1 = s == "1" }},
		key{"http3", func(v value) { on, ok := v.flag(); z.NoHTTP3 = ok && !on }},
		key{"always_use_https", func(v value) { z.AlwaysUseHTTPS, _ = v.flag() }},
		key{"min_tls_version", func(v value) {
			s, _ := v.oneOf("1.0", "1.1", "1.2", "1.3")
			z.MinTLS = minTLSVersions[s]
		}},
		key{"proxy_read_timeout", func(v value) {
			// Seconds, as in Cloudflare's API; at most 6,000 there.
			if n, ok := v.integer(1, 6000); ok {
				z.ReadTimeout = time.Duration(n) * time.Second
			}
		}},
		key{"cache", func(v value) { z.Cache = v.zoneCache() }},
		key{"origin_pull_certificate", func(v value) { z.ClientCert = v.keyPair() }},
		key{"origin_pull_hostnames", func(v value) { hostCerts = v }},
		key{"tls_client_auth", func(v value) { z.TLSClientAuth, _ = v.flag() }},
		key{"trust", func(v value) { v.list(func(v value) { z.Trust = append(z.Trust, v.certificates()...) }) }},
		key{"records", func(v value) { records = v }},
		key{"dnssec", func(v value) { z.DNSSEC = v.dnssec() }},
		key{"rules", func(v value) { rules = v }},
		key{"load_balancers", func(v value) { balancers = v }},
		key{"diagnosis", func(v value) {
			base := v.r.diagnosis
			if base == (Diagnosis{}) {
				base = defaultDiagnosis()
			}
			d := v.diagnosis(base)
			z.Diagnosis = &d
		}},
		key{"error_pages", func(v value) { z.ErrorPages = v.errorPages() }},
	) {
		return z, false
	}
	if z.Name == "" {
		v.problemOnce("the zone has no name", "name: shop.example")
		return z, false
	}
	if c := z.Certificate; c != nil && c.Leaf != nil && c.Leaf.VerifyHostname(z.Name) != nil {
		cert.warn(fmt.Sprintf("the certificate does not name %s, so browsers will refuse it there", z.Name), c.Leaf.DNSNames...)
	}
	if z.ACME && z.Certificate != nil {
		acme.warn("the zone has a certificate of its own, so none is asked for")
	}
	if hostCerts.n != nil {
		z.HostCerts = hostCerts.hostCerts(z.Name)
	}
	if records.n != nil {
		z.Records = records.records(z.Name)
	}
	if rules.n != nil {
		z.Rules = rules.rules()
	}
	if balancers.n != nil {
		z.LoadBalancers = balancers.loadBalancers(z.Name)
	}
	return z, true
}

// problemOnce reports a missing name unless a bad one was reported already.
func (v value) problemOnce(msg string, allowed ...string) {
	for _, p := range v.r.problems {
		if p.Key == v.path+".name" {
			return
		}
	}
	v.fail(msg, allowed...)
}

func (v value) sslMode() originward.SSLMode {
	s, ok := v.text()
	if !ok {
		return ""
	}
	m, err := originward.ParseSSLMode(s)
	if err != nil {
		names := make([]string, 0, 5)
		for _, m := range originward.SSLModes() {
			names = append(names, string(m))
		}
		v.fail("not an SSL mode", names...)
	}
	return m
}

// hostName reads a DNS name: lower case, ASCII, without a final dot.
func (v value) hostName(wildcard bool) (string, bool) {
	s, ok := v.text()
	if !ok {
		return "", false
	}
	name := strings.TrimSuffix(s, ".")
	star := ""
	if wildcard && strings.HasPrefix(name, "*.") {
		star, name = "*.", name[2:]
	}
	if _, err := netip.ParseAddr(name); err == nil {
		v.fail("an address is not a name", "a DNS name, for example shop.example")
		return "", false
	}
	ascii, err := nameProfile.ToASCII(name)
	if err != nil || !nameForm.MatchString(ascii) || len(ascii) > 253 {
		v.fail("not a DNS name", "a DNS name, for example shop.example")
		return "", false
	}
	return star + ascii, true
}

// nameForm is what DNS names hold in practice: underscores too.
var nameForm = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)

// nameProfile maps what people write to what DNS holds.
var nameProfile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false), idna.VerifyDNSLength(true), idna.ValidateLabels(true))
