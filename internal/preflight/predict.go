package preflight

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// Of predicts for every origin address that the bundle holds direct exchanges
// with. Ports beside 80 and 443 are in the matrix when they were measured.
func Of(b *originward.Bundle) Matrix {
	m := Matrix{Host: b.Host, Cells: []Cell{}}
	xs := measured(b)
	for _, mode := range originward.SSLModes() {
		for _, v := range visits(xs) {
			for _, a := range addresses(xs) {
				m.Cells = append(m.Cells, predict(xs, mode, v, a))
			}
		}
	}
	return m
}

// visit is a scheme and port that a visitor may use.
type visit struct {
	scheme string
	port   uint16
}

type key struct {
	addr    netip.AddrPort
	scheme  string
	variant string
}

// exchanges are the measured exchanges by what was asked. Of several alike the
// failed one counts: a fault that comes and goes is a fault.
type exchanges map[key]fact.Item[fact.Exchange]

func measured(b *originward.Bundle) exchanges {
	xs := exchanges{}
	for _, it := range fact.All[fact.Exchange](b, originward.Outside) {
		k := key{it.Fact.Target, it.Fact.Scheme, it.Fact.Variant}
		if old, ok := xs[k]; !ok || worse(it, old) {
			xs[k] = it
		}
	}
	return xs
}

// worse orders exchanges so that the choice does not depend on their order.
func worse(a, b fact.Item[fact.Exchange]) bool {
	if (a.Fact.Fault != nil) != (b.Fact.Fault != nil) {
		return a.Fact.Fault != nil
	}
	return a.ID < b.ID
}

func visits(xs exchanges) []visit {
	out := []visit{{"http", 80}, {"https", 443}}
	for k := range xs {
		if v := (visit{k.scheme, k.addr.Port()}); k.variant == fact.VariantPlain && !slices.Contains(out, v) && v.port != 80 && v.port != 443 {
			out = append(out, v)
		}
	}
	slices.SortFunc(out[2:], func(a, b visit) int { return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(a.scheme, b.scheme)) })
	return out
}

func addresses(xs exchanges) []netip.Addr {
	var out []netip.Addr
	for k := range xs {
		if !slices.Contains(out, k.addr.Addr()) {
			out = append(out, k.addr.Addr())
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

func predict(xs exchanges, mode originward.SSLMode, v visit, a netip.Addr) Cell {
	c := Cell{Mode: mode, Scheme: v.scheme, Port: v.port, Addr: a, Family: originward.FamilyOf(a), Outcome: Unknown}
	c.OriginScheme, c.OriginPort, _ = mode.OriginScheme(v.scheme, v.port)
	switch {
	case cdn.PortSupported(cdn.Cloudflare, v.scheme, v.port) == fact.No:
		c.Outcome = Unsupported
		c.Why = fmt.Sprintf("the edge does not take %s on port %d", v.scheme, v.port)
		return c
	case mode == originward.SSLOff && v.scheme == "https":
		c.Outcome, c.Status = Redirected, 301
		c.Why = "the edge sends visitors on https to http"
		return c
	}
	at := netip.AddrPortFrom(a, c.OriginPort)
	it, ok := xs[key{at, c.OriginScheme, fact.VariantPlain}]
	if !ok {
		c.Why = fmt.Sprintf("%s on port %d was not tried", c.OriginScheme, c.OriginPort)
		return c
	}
	if v.scheme == "https" && c.OriginScheme == "http" {
		if fl, ok := xs[key{at, "http", fact.VariantFlexible}]; ok {
			it = fl
		} else if fact.SameOnHTTPS(it.Fact) {
			c.Why, c.Evidence = "the origin redirects http to https; whether it does so for visitors on https was not tried", it.ID
			return c
		}
	}
	c.Evidence = it.ID
	c.judge(it.Fact)
	return c
}

func (c *Cell) judge(x fact.Exchange) {
	if f := x.Fault; f != nil {
		c.fail(*f)
		return
	}
	if c.OriginScheme == "https" && c.Mode.Validates() {
		switch {
		case x.TLS == nil || x.TLS.Judged != fact.Yes:
			c.Why = "the certificate could not be judged"
			return
		case len(x.TLS.Reasons) > 0:
			code := originward.CodeFor(originward.PhaseTLS, originward.TLSCertificateError)
			c.Outcome, c.Status, c.Error = Failed, code.Status, code.Error
			c.Fault, c.Phase, c.Reasons = originward.TLSCertificateError, originward.PhaseTLS, x.TLS.Reasons
			c.Why = "the certificate is refused: " + reasons(x.TLS.Reasons)
			return
		}
	}
	if x.Response == nil {
		c.Why = "the exchange ended without a response and without a fault"
		return
	}
	c.Outcome, c.Status = Served, x.Response.Status
	c.Why = fmt.Sprintf("the origin answers %d", c.Status)
	if c.Scheme == "https" && c.OriginScheme == "http" && fact.SameOnHTTPS(x) {
		c.Outcome = Loop
		c.Why = "the origin redirects to https although the visitor is on https already"
	}
}

func (c *Cell) fail(f fact.Fault) {
	c.Fault, c.Phase = f.Type, f.Phase
	code := originward.CodeFor(f.Phase, f.Type)
	if code.IsZero() {
		c.Outcome = Cut
		c.Why = fmt.Sprintf("the body fails: %s", f.Type)
		return
	}
	c.Outcome, c.Status, c.Error = Failed, code.Status, code.Error
	c.Why = fmt.Sprintf("%s in phase %s", f.Type, f.Phase)
}

func reasons(rs []fact.CertReason) string {
	var words []string
	for _, r := range rs {
		words = append(words, strings.ReplaceAll(string(r), "_", " "))
	}
	return strings.Join(words, ", ")
}
