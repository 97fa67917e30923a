package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// DNS is how the edge answers for its zones.
type DNS struct {
	NameServers []string       // of every zone; empty = ns1 of each zone
	Addresses   []netip.Addr   // what proxied names answer; empty = those of listen.http and listen.https
	RateLimit   int            // equal answers per second to one network; 0 = no limit
	Transfer    []netip.Prefix // who may have whole zones (AXFR); empty = nobody
	TLS         *tls.Certificate
}

// DNSKey signs a zone's answers.
type DNSKey struct {
	Private *ecdsa.PrivateKey // P-256: algorithm 13
	Created time.Time
}

// defaultRateLimit lets busy resolvers through and makes the server useless for
// floods by forged senders; the limit is per name and network of the sender.
const defaultRateLimit = 200

func (v value) dns() DNS {
	d := DNS{RateLimit: defaultRateLimit}
	v.object(
		key{"name_servers", func(v value) {
			v.list(func(v value) {
				if s, ok := v.hostName(false); ok {
					d.NameServers = append(d.NameServers, s)
				}
			})
		}},
		key{"addresses", func(v value) { d.Addresses = v.egress() }},
		key{"rate_limit", func(v value) { d.RateLimit, _ = v.integer(0, 1_000_000) }},
		key{"transfer", func(v value) {
			v.list(func(v value) {
				s, ok := v.text()
				if !ok {
					return
				}
				p, err := netip.ParsePrefix(s)
				if a, aerr := netip.ParseAddr(s); aerr == nil {
					p, err = netip.PrefixFrom(a, a.BitLen()), nil
				}
				if err != nil {
					v.fail("neither an address nor a range", "192.0.2.53", "192.0.2.0/24")
					return
				}
				d.Transfer = append(d.Transfer, p.Masked())
			})
		}},
		key{"certificate", func(v value) { d.TLS = v.keyPair() }},
	)
	return d
}

// dnsNeedsMore refuses DNS listeners that could not answer.
func (v value) dnsNeedsMore(c *Config) {
	if len(c.Listen.DNSTLS) > 0 && c.DNS.TLS == nil {
		v.fail("dns_tls needs a certificate", "dns: {certificate: {cert: FILE, key: FILE}}")
	}
}

// dnssec reads the key that signs a zone: {key: FILE}, PEM, P-256.
func (v value) dnssec() *DNSKey {
	var signs *DNSKey
	given := false
	v.object(key{"key", func(v value) {
		given = true
		path, ok := v.filePath()
		if !ok {
			return
		}
		raw, ok := readSecondary(v, path)
		if !ok {
			return
		}
		k, err := signingKey(raw)
		if err != nil {
			v.fail(err.Error(), "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256")
			return
		}
		signs = &DNSKey{Private: k}
	}})
	if !given {
		v.fail("needs a key", "dnssec: {key: zone.key}")
	}
	return signs
}

var errSigningKey = errors.New("holds no private key of P-256 in PEM form")

// signingKey reads a private key of P-256, in either of the forms that OpenSSL writes.
func signingKey(raw []byte) (*ecdsa.PrivateKey, error) {
	for len(raw) > 0 {
		var block *pem.Block
		if block, raw = pem.Decode(raw); block == nil {
			break
		}
		var k any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			k, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			k, err = x509.ParseECPrivateKey(block.Bytes)
		default:
			continue // parameters of the curve
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errSigningKey, err)
		}
		if ec, ok := k.(*ecdsa.PrivateKey); ok && ec.Curve == elliptic.P256() {
			return ec, nil
		}
		return nil, errSigningKey
	}
	return nil, errSigningKey
}
