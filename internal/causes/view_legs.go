package causes

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Leg is one origin address and port with everything that was seen of it.
type Leg struct {
	Origin *Origin
	Port   uint16
	Scheme string   // towards the origin
	Used   fact.Tri // the edge uses it: by its record, or by mode and visitor scheme
	Main   bool     // it carries https visitors, or all; not only plain http ones

	Direct   []fact.Item[fact.Exchange] // from outside, plain, not from a CDN's address
	FromCDN  []fact.Item[fact.Exchange] // the same from an address of the CDN
	Variants []fact.Item[fact.Exchange] // from outside, with one thing changed
	Local    []fact.Item[fact.Exchange] // from the origin host itself
	Exact    []Hit                      // the edge's exchanges with this very address and port
	Mapped   []Hit                      // answers of the edge that must have come this way, or another's of the same scheme

	Bads []Bad // failures observed on it
}

// Bad is one observed failure.
type Bad struct {
	Key    string // identity, equal for every judge that speaks of it
	Code   int
	By     []string
	Edge   bool // the edge saw it; else it follows from a direct exchange
	Egress []netip.Addr
	Fault  originward.FaultType
	Phase  originward.Phase
	Leg    *Leg
}

// Addr is the leg's origin address.
func (l *Leg) Addr() netip.Addr { return l.Origin.Addr }

// Target is address and port.
func (l *Leg) Target() netip.AddrPort { return netip.AddrPortFrom(l.Origin.Addr, l.Port) }

// Subject is the leg as a subject.
func (l *Leg) Subject() originward.Subject {
	return originward.Subject{Addr: l.Origin.Addr, Port: l.Port, Family: l.Origin.Family()}
}

// hits are the leg's exchanges with the edge, its very own first.
func (l *Leg) hits() iter.Seq[*Hit] {
	return func(yield func(*Hit) bool) {
		for _, hs := range [][]Hit{l.Exact, l.Mapped} {
			for i := range hs {
				if !yield(&hs[i]) {
					return
				}
			}
		}
	}
}

// String is the leg for a sentence.
func (l *Leg) String() string {
	if !l.Origin.Addr.IsValid() {
		return "port " + itoa(int(l.Port)) + " of the origin"
	}
	return l.Target().String()
}

// leg finds or makes the leg of an address and port.
func (v *View) leg(o *Origin, port uint16, scheme string) *Leg {
	for _, l := range v.Legs {
		if l.Origin == o && l.Port == port {
			return l
		}
	}
	l := &Leg{Origin: o, Port: port, Scheme: scheme, Used: fact.No}
	if len(v.Legs) < maxLegs {
		v.Legs = append(v.Legs, l)
	}
	return l // beyond the bound it is nobody's: what is put into it is lost
}

// readLegs makes the legs and hands every exchange and hit to its own.
func (v *View) readLegs() {
	ways := v.ways()
	for _, o := range v.Origins {
		for _, w := range ways {
			for _, port := range v.portsAt(o.Addr, w.port) {
				l := v.leg(o, port, w.scheme)
				l.Main = l.Main || w.main
				if o.Published != fact.No && l.Used != fact.Yes {
					l.Used = w.used
				}
			}
		}
	}
	for i := range v.Hits {
		v.hitToLegs(&v.Hits[i])
	}
	for _, x := range v.exchanges {
		v.exchangeToLeg(x)
	}
	slices.SortFunc(v.Legs, func(a, b *Leg) int {
		if c := a.Origin.Addr.Compare(b.Origin.Addr); c != 0 {
			return c
		}
		return int(a.Port) - int(b.Port)
	})
	for _, l := range v.Legs {
		l.borrow()
	}
	for _, l := range v.Legs {
		l.Bads = v.badsOf(l)
	}
}

func (v *View) hitToLegs(h *Hit) {
	if h.Origin.IsValid() {
		o := v.origin(h.Origin.Addr())
		if o == nil {
			return
		}
		l := v.leg(o, h.Origin.Port(), h.To)
		l.Used = fact.Yes
		l.Main = l.Main || h.Scheme != "http"
		l.Exact = append(l.Exact, *h)
		return
	}
	for _, l := range v.Legs {
		if l.Used != fact.No && v.leads(*h, l) {
			l.Mapped = append(l.Mapped, *h)
		}
	}
}

// leads reports whether a visitor's request may have come over this leg.
func (v *View) leads(h Hit, l *Leg) bool {
	scheme, port := h.Scheme, h.Port
	if port == 0 || !cdnPort(scheme, port) {
		port = visitorPort(scheme)
	}
	if s, p, ok := v.Mode.SSL.OriginScheme(scheme, port); ok {
		if set, _, has := v.Setting(func(s fact.CDNSettings) bool { return s.OriginPort > 0 }); has {
			return l.Scheme == s && int(l.Port) == set.OriginPort
		}
		return l.Scheme == s && l.Port == p
	}
	switch {
	case scheme == "http":
		return l.Scheme == "http" && l.Port == port
	case h.Code == 525 || h.Code == 526 || v.Mode.HTTPS.IsYes():
		return l.Scheme == "https"
	}
	to := v.wentTo(scheme)
	return to == "" || l.Scheme == to
}

// wentTo is the scheme towards the origin of every request of visitors of a
// scheme of which the edge says where it went; empty when it says of none, or
// differs.
func (v *View) wentTo(scheme string) string {
	to := ""
	for _, h := range v.Hits {
		if !h.Origin.IsValid() || h.Scheme != "" && h.Scheme != scheme || h.To == "" || h.To == to {
			continue
		}
		if to != "" {
			return ""
		}
		to = h.To
	}
	return to
}

func (v *View) exchangeToLeg(x fact.Item[fact.Exchange]) {
	f := x.Fact
	if !f.Target.IsValid() {
		return
	}
	if x.Vantage == originward.Host {
		v.localToLegs(x)
		return
	}
	if x.Vantage != originward.Outside || v.ownFault(x) {
		return
	}
	o := v.origin(f.Target.Addr())
	if o == nil {
		return
	}
	l := v.leg(o, f.Target.Port(), f.Scheme)
	plain := plainLook(f.Variant)
	switch {
	case !plain:
		l.Variants = append(l.Variants, x)
	case v.IsEdge(f.Source):
		l.FromCDN = append(l.FromCDN, x)
	default:
		l.Direct = append(l.Direct, x)
	}
}

// plainLook reports whether a variant is the edge's own way to ask.
func plainLook(variant string) bool {
	return variant == fact.VariantPlain || variant == fact.VariantSecondVisit || variant == fact.VariantTCP
}

// borrow takes exchanges from an address of the CDN for ordinary ones where
// there are no others: once connected, handshake and answer are the same from
// everywhere. How a connect ends is not: it tells of the CDN's addresses only.
func (l *Leg) borrow() {
	if len(l.Direct) > 0 {
		return
	}
	for _, x := range l.FromCDN {
		if x.Fact.Connected() {
			l.Direct = append(l.Direct, x)
		}
	}
}

// localToLegs hands an exchange made on the host to the legs of its port: those
// of its address, and over loopback those of its family, for a server may
// listen in one family only.
func (v *View) localToLegs(x fact.Item[fact.Exchange]) {
	to := x.Fact.Target.Addr().Unmap()
	for _, l := range v.Legs {
		kin := to.IsLoopback() && (!l.Addr().IsValid() || l.Addr().Is4() == to.Is4())
		if l.Port == x.Fact.Target.Port() && (l.Addr() == to || kin) {
			l.Local = append(l.Local, x)
		}
	}
}
