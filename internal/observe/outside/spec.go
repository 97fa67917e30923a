package outside

import (
	"crypto/rand"
	"encoding/hex"
	"net/netip"
	"slices"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/exchange"
)

// userAgent tells an origin's log who asked.
const userAgent = "Mozilla/5.0 (compatible; Originward; +https://github.com/originward/originward)"

// goal is one origin address to look at.
type goal struct {
	addr   netip.Addr
	port   uint16 // 0 = the usual ones
	name   string // origin name that it came from, or the site's own
	site   bool   // it came from the site's own name: visitors reach it without an edge
	source netip.Addr
}

// spec is the exchange with one door of a goal.
func (r *run) spec(g goal, d door, variant string) exchange.ProbeSpec {
	s := exchange.ProbeSpec{
		Target:    exchange.Target{Addr: netip.AddrPortFrom(g.addr, d.port), Host: r.ask.Host, AltHost: g.altHost(r.ask.Host)},
		Variant:   variant,
		Name:      g.name,
		Path:      r.ask.Path,
		Host:      hostField(r.ask.Host, r.ask, d),
		Header:    r.header(g, d, variant),
		NoRequest: handshakeOnly(variant),
		Profile:   r.profile,
		MaxBody:   maxBody,
	}
	if d.scheme == "https" && variant != fact.VariantPlainHTTP {
		s.Target.TLS, s.Target.SNI = &exchange.TLSPolicy{Trust: r.ask.Trust}, r.ask.Host
		s.ClientCert = r.ask.ClientCert
	}
	if variant == fact.VariantHead {
		s.Method = "HEAD"
	}
	return s
}

// handshake is the exchange that finds out whether a port speaks TLS.
func (r *run) handshake(g goal, d door) exchange.ProbeSpec {
	s := r.spec(g, d, fact.VariantPlain)
	s.NoRequest = true
	return s
}

// maxBody bounds what is read of a page: error pages are far smaller, and a
// hostile drip ends with the budget.
const maxBody = 64 << 10

// altHost is the second name that a strict edge accepts in the certificate: the
// target's (cloudflare 526: requested or target host name).
func (g goal) altHost(host string) string {
	if g.name == host {
		return ""
	}
	return g.name
}

// hostField is the Host that the edge sends: the visitor's, with the port when
// it is not the scheme's own.
func hostField(host string, a Ask, d door) string {
	if a.Port != 0 && a.Port == d.port && a.Port != 80 && a.Port != 443 {
		return exchangeHost(host, a.Port)
	}
	return host
}

// header are the request's fields: those that an edge adds (cloudflare.md §10),
// but for addresses that visitors reach themselves and for the bare variant.
func (r *run) header(g goal, d door, variant string) [][2]string {
	h := [][2]string{{"User-Agent", userAgent}, {"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}}
	if r.ask.Cookie != "" && variant != fact.VariantNoCookie {
		h = append(h, [2]string{"Cookie", r.ask.Cookie})
	}
	if (g.site && variant != fact.VariantFlexible) || variant == fact.VariantBare {
		return h
	}
	scheme := d.scheme
	if variant == fact.VariantFlexible {
		scheme = "https"
	}
	h = append(h,
		[2]string{"X-Forwarded-Proto", scheme},
		[2]string{"CF-Visitor", `{"scheme":"` + scheme + `"}`},
		[2]string{"CF-Ray", newRay()},
		[2]string{"CDN-Loop", "cloudflare"},
	)
	if g.source.IsValid() {
		src := g.source.String()
		h = append(h, [2]string{"CF-Connecting-IP", src}, [2]string{"X-Forwarded-For", src})
	}
	return slices.Clip(h)
}

// newRay is a ray of ours, so that the request is found again in the origin's
// log: 16 hex digits and a place.
func newRay() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:]) + "-ORW"
}
