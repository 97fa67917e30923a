package config

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// ACME is the server that certificates for visitors are asked of.
type ACME struct {
	Directory  string
	Email      string
	Roots      []*x509.Certificate // that vouch for the server; empty = the system's
	Challenges []string            // ways to prove a name, of [ACMEChallenges]
	KeyID      string              // of an account that exists elsewhere; empty = none
	MACKey     string              // its key, base64url
}

// ACMEChallenges are the ways to prove a name.
func ACMEChallenges() []string { return []string{"http-01", "tls-alpn-01", "dns-01"} }

// defaultDirectory is Let's Encrypt's.
const defaultDirectory = "https://acme-v02.api.letsencrypt.org/directory"

func (v value) acme() *ACME {
	a := &ACME{Directory: defaultDirectory}
	agreed := false
	if !v.object(
		key{"directory", func(v value) { a.Directory = v.directory() }},
		key{"email", func(v value) { a.Email = v.email() }},
		key{"ca_file", func(v value) { a.Roots = v.certificates() }},
		key{"agree", func(v value) { agreed, _ = v.flag() }},
		key{"challenges", func(v value) {
			v.list(func(v value) {
				if s, ok := v.oneOf(ACMEChallenges()...); ok && !slices.Contains(a.Challenges, s) {
					a.Challenges = append(a.Challenges, s)
				}
			})
		}},
		key{"eab", func(v value) { a.KeyID, a.MACKey = v.eab() }},
	) {
		return nil
	}
	if !agreed {
		v.fail("certificates are issued to those who agree to the terms of the ACME server only", "agree: true, once you have read them")
	}
	if len(a.Challenges) == 0 {
		a.Challenges = ACMEChallenges()[:2]
	}
	return a
}

func (v value) directory() string {
	s, ok := v.text()
	if !ok {
		return ""
	}
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" {
		v.fail("not the directory of an ACME server", "a URL with https://, for example "+defaultDirectory)
	}
	return s
}

func (v value) email() string {
	s, ok := v.text()
	if at := strings.IndexByte(s, '@'); ok && (at <= 0 || at == len(s)-1 || strings.ContainsAny(s, " \t,<>")) {
		v.fail("not an email address", "ops@shop.example")
	}
	return s
}

// eab reads the binding to an account that exists elsewhere (RFC 8555 section 7.3.4).
func (v value) eab() (id, mac string) {
	v.object(
		key{"key_id", func(v value) { id, _ = v.text() }},
		key{"mac_key_file", func(v value) {
			path, ok := v.filePath()
			if !ok {
				return
			}
			raw, ok := readSecondary(v, path)
			if !ok {
				return
			}
			mac = strings.TrimRight(strings.TrimSpace(string(raw)), "=")
			if _, err := base64.RawURLEncoding.DecodeString(mac); err != nil || mac == "" {
				v.fail("the file must hold the key as base64url")
			}
			v.warnReadable(path, "key")
		}},
	)
	if id == "" || mac == "" {
		v.fail("needs both", "{key_id: ID, mac_key_file: FILE}")
	}
	return id, mac
}

// acmeNeedsMore refuses an ACME server whose challenges cannot be met.
func (v value) acmeNeedsMore(c *Config) {
	if c.Data == "" {
		v.fail("accounts and certificates have to be kept: data is missing", "data: FOLDER")
	}
	needs := map[string]bool{"http-01": len(c.Listen.HTTP) > 0, "tls-alpn-01": len(c.Listen.HTTPS) > 0, "dns-01": len(c.Listen.DNS) > 0}
	where := map[string]string{"http-01": "listen.http", "tls-alpn-01": "listen.https", "dns-01": "listen.dns"}
	met := false
	for _, s := range c.ACME.Challenges {
		met = met || needs[s]
	}
	if !met {
		var want []string
		for _, s := range c.ACME.Challenges {
			want = append(want, where[s]+" for "+s)
		}
		v.fail("no challenge can be met: there is nothing to listen on", want...)
	}
}

// acmeNeedsServer refuses zones that want certificates without a server to ask.
func (v value) acmeNeedsServer(zones []Zone) {
	for i, z := range zones {
		if z.ACME {
			at := value{v.r, &yaml.Node{Kind: yaml.MappingNode, Line: z.Line}, fmt.Sprintf("%s[%d].acme", v.path, i)}
			at.fail("there is no server to ask for certificates", "acme: {email: ops@shop.example, agree: true} beside zones")
		}
	}
}
