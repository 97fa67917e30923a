package edge

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/exchange"
)

// originTLS is how TLS is spoken with a zone's origins: shared policies, because
// pools of connections compare them by identity. It is never changed.
type originTLS struct {
	trust    *exchange.Trust
	base     *exchange.Trust     // the edge's, when trust is the zone's own
	policies policies            // with the zone's client certificate, or the edge's
	hosts    map[string]policies // with a host name's own
}

// policyKey tells the policies of one client certificate apart.
type policyKey struct{ validate, http1 bool }

type policies struct {
	cert *tls.Certificate // nil = none is presented
	by   map[policyKey]*exchange.TLSPolicy
}

// policy is the one for a host name. A certificate of the name goes before the
// zone's, and that before the edge's (cloudflare authenticated-origin-pull).
func (o *originTLS) policy(host []byte, k policyKey) *exchange.TLSPolicy {
	if p, ok := o.hosts[string(host)]; ok {
		return p.by[k]
	}
	return o.policies.by[k]
}

// newOriginTLS builds it for a zone. What is the same as before stays the same
// value, so that idle connections stay usable.
func (st *state) newOriginTLS(zc config.Zone, was *zone) *originTLS {
	o := &originTLS{trust: st.trust, hosts: map[string]policies{}}
	cert := zc.ClientCert
	if cert == nil && zc.TLSClientAuth {
		cert = st.cfg.PullCert
	}
	var old *originTLS
	if was != nil {
		old = was.origins
	}
	if len(zc.Trust) > 0 {
		if old != nil && old.base == st.trust && len(was.Trust) > 0 && slices.EqualFunc(was.Trust, zc.Trust, (*x509.Certificate).Equal) {
			o.trust = old.trust
		} else {
			own := *st.trust
			own.Custom = exchange.CertPool(zc.Trust)
			o.trust = &own
		}
	}
	o.base = st.trust
	if old != nil && old.trust == o.trust {
		o.policies = reuse(old.policies, o.trust, cert)
	} else {
		old, o.policies = nil, newPolicies(o.trust, cert)
	}
	for host, c := range zc.HostCerts {
		if old != nil {
			if p, ok := old.hosts[host]; ok {
				o.hosts[host] = reuse(p, o.trust, c)
				continue
			}
		}
		o.hosts[host] = newPolicies(o.trust, c)
	}
	return o
}

// differs tells that policies of a zone before are not used any more.
func (o *originTLS) differs(old *originTLS) bool {
	if !o.policies.same(old.policies) || len(o.hosts) != len(old.hosts) {
		return true
	}
	for host, p := range o.hosts {
		if q, ok := old.hosts[host]; !ok || !p.same(q) {
			return true
		}
	}
	return false
}

func (p policies) same(q policies) bool { return p.by[policyKey{}] == q.by[policyKey{}] }

// reuse gives policies again when they are for the same certificate.
func reuse(p policies, trust *exchange.Trust, cert *tls.Certificate) policies {
	if sameCert(p.cert, cert) {
		return p
	}
	return newPolicies(trust, cert)
}

func sameCert(a, b *tls.Certificate) bool {
	return a == b || a != nil && b != nil && slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal)
}

func newPolicies(trust *exchange.Trust, cert *tls.Certificate) policies {
	out := policies{cert, map[policyKey]*exchange.TLSPolicy{}}
	for _, validate := range []bool{false, true} {
		for _, http1 := range []bool{false, true} {
			p := &exchange.TLSPolicy{Validate: validate, Trust: trust, ClientCert: cert}
			if http1 {
				p.ALPN = exchange.ALPNHTTP1
			}
			out.by[policyKey{validate, http1}] = p
		}
	}
	return out
}

func newTrust(t config.Trust, now func() time.Time) *exchange.Trust {
	out := &exchange.Trust{Roots: exchange.CertPool(t.Roots), OriginCA: exchange.CertPool(t.OriginCA), Custom: exchange.CertPool(t.Custom), Now: now}
	if len(t.Revoked) > 0 {
		out.Revoked = make(map[exchange.CertName]time.Time, len(t.Revoked))
		for _, r := range t.Revoked {
			out.Revoked[exchange.CertName{Issuer: r.Issuer, Serial: r.Serial}] = r.At
		}
	}
	return out
}

// sameTrust tells whether two configurations hold the very same certificates: those
// of one file that was read once.
func sameTrust(a, b config.Trust) bool {
	return slices.Equal(a.Roots, b.Roots) && slices.Equal(a.OriginCA, b.OriginCA) && slices.Equal(a.Custom, b.Custom) &&
		slices.Equal(a.Revoked, b.Revoked)
}
