package causes

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// Origin is an address to which the edge connects, or may connect.
type Origin struct {
	Addr      netip.Addr // zero: nothing tells the address
	By        []string
	Published fact.Tri // the CDN's records or the edge's own record hold it
	Named     bool     // the user, DNS or a probe named it
}

// Family is the origin's address family.
func (o *Origin) Family() originward.Family { return originward.FamilyOf(o.Addr) }

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

// readOrigins collects every origin address and who named it.
func (v *View) readOrigins() {
	v.originsFromCDN()
	for _, h := range v.Hits {
		if h.Origin.IsValid() {
			v.addOrigin(h.Origin.Addr(), fact.Yes, true, h.By...)
		}
	}
	told := slices.ContainsFunc(v.Origins, func(o *Origin) bool { return o.Published == fact.Yes })
	for _, x := range v.exchanges {
		if x.Vantage == originward.Outside && x.Fact.Target.IsValid() && !v.isFront(x.Fact.Target.Addr().Unmap()) {
			v.addOrigin(x.Fact.Target.Addr(), fact.TriOf(!told), true, x.ID)
		}
	}
	for _, d := range v.dns {
		if d.Fact.Role == "origin" || d.Fact.Colour == "grey" {
			for _, a := range d.Fact.Addrs() {
				if !v.isFront(a.Unmap()) {
					v.addOrigin(a, fact.TriOf(!told), true, d.ID)
				}
			}
		}
	}
	if len(v.Origins) == 0 {
		for _, a := range v.addresses {
			for _, x := range a.Fact.Asked {
				v.addOrigin(x.Addr, fact.Unknown, true, a.ID)
			}
		}
	}
	if len(v.Origins) == 0 {
		v.Origins = append(v.Origins, &Origin{})
	}
}

func (v *View) originsFromCDN() {
	for _, r := range v.cdnRecs {
		for _, rec := range r.Fact.Records {
			if a, err := netip.ParseAddr(rec.Content); err == nil && (rec.Type == "A" || rec.Type == "AAAA") {
				v.addOrigin(a, fact.Yes, true, r.ID)
			}
			for _, a := range rec.Resolved {
				v.addOrigin(a, fact.Yes, true, r.ID)
			}
		}
	}
}

func (v *View) addOrigin(a netip.Addr, published fact.Tri, named bool, by ...string) {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || v.isFront(a) && published != fact.Yes {
		return
	}
	for _, o := range v.Origins {
		if o.Addr == a {
			o.By = addIDs(o.By, by)
			if published == fact.Yes {
				o.Published = fact.Yes
			}
			return
		}
	}
	if len(v.Origins) < maxOrigins {
		v.Origins = append(v.Origins, &Origin{Addr: a, By: addIDs(nil, by), Published: published, Named: named})
	}
}

// way is one scheme and port that the edge uses towards origins.
type way struct {
	scheme string
	port   uint16
	used   fact.Tri
	main   bool
}

// ways are the schemes and ports that visitors lead to, by mode.
func (v *View) ways() []way {
	visitors := []way{{"https", 443, "", true}, {"http", 80, "", false}}
	httpsSeen := len(v.Hits) == 0 || slices.ContainsFunc(v.Hits, func(h Hit) bool { return h.Scheme != "http" })
	if !httpsSeen {
		visitors[0].main, visitors[1].main = false, true
	}
	for _, h := range v.Hits {
		if h.Port != 0 && h.Scheme != "" && cdnPort(h.Scheme, h.Port) {
			w := way{h.Scheme, h.Port, "", h.Scheme == "https" || !httpsSeen}
			if !slices.Contains(visitors, w) {
				visitors = append(visitors, w)
			}
		}
	}
	visitors = append(visitors, v.portsOfOrigin()...)
	if elsewhere := visitors[2:]; len(elsewhere) > 0 && !slices.ContainsFunc(v.Hits, defaultPort) {
		visitors = elsewhere // the site was asked for on ports of its own, and on no other
	}
	if v.askedElsewhere() {
		return nil // what direct exchanges met is all that is known of such a port
	}
	set, _, hasPort := v.Setting(func(s fact.CDNSettings) bool { return s.OriginPort > 0 && s.OriginPort < 65536 })
	var out []way
	for _, w := range visitors {
		s, p, ok := v.Mode.SSL.OriginScheme(w.scheme, w.port)
		if !ok {
			out = append(out, v.waysUnknown(w)...)
			continue
		}
		if hasPort {
			p = uint16(set.OriginPort) //nolint:gosec // bounded above
		}
		out = addWay(out, way{s, p, fact.Yes, w.main})
	}
	return out
}

// portsOfOrigin are the ways of a site that was looked at only from outside,
// without the edge, and on other ports than the usual two.
func (v *View) portsOfOrigin() []way {
	if len(v.Hits) > 0 || len(v.answers) > 0 {
		return nil
	}
	var out []way
	for _, x := range v.exchanges {
		if x.Vantage != originward.Outside {
			continue
		}
		w := way{x.Fact.Scheme, x.Fact.Target.Port(), "", true}
		if w.port == 80 || w.port == 443 {
			return nil
		}
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// askedElsewhere reports whether every visit was to ports that no CDN carries,
// and none was answered: the usual ports are then not what was asked for. An
// edge on a port of its own is asked there for the usual ports all the same, and
// its Host then names no port.
func (v *View) askedElsewhere() bool {
	for _, a := range v.answers {
		f := a.Fact
		same := strings.HasSuffix(f.Host, fmt.Sprintf(":%d", f.Target.Port())) || slices.ContainsFunc(v.exchanges, func(x fact.Item[fact.Exchange]) bool {
			return x.Vantage == originward.Outside && x.Fact.Target.Port() == f.Target.Port()
		})
		if f.Status != 0 || !failedVisit(f) || !same || cdn.PortSupported(cdn.Cloudflare, f.Scheme, f.Target.Port()) != fact.No {
			return false
		}
	}
	return len(v.answers) > 0 && len(v.Hits) == 0
}

// defaultPort reports whether a visit came to the usual port of its scheme.
func defaultPort(h Hit) bool { return h.Port == 443 || h.Port == 80 }

// waysUnknown are the ways of a visitor while the mode is not known.
func (v *View) waysUnknown(w way) []way {
	if w.scheme == "https" && w.port == 443 && !v.Mode.HTTPS.IsYes() {
		return []way{{"https", 443, fact.Unknown, true}, {"http", 80, fact.Unknown, true}}
	}
	w.used = fact.Yes
	return []way{w}
}

func addWay(ws []way, w way) []way {
	for i := range ws {
		if ws[i].scheme == w.scheme && ws[i].port == w.port {
			ws[i].main = ws[i].main || w.main
			if w.used == fact.Yes {
				ws[i].used = fact.Yes
			}
			return ws
		}
	}
	return append(ws, w)
}

// cdnPort reports whether a CDN carries the port to an origin as it is: a
// test edge on a port of its own does not tell the origin's port.
func cdnPort(scheme string, port uint16) bool {
	return cdn.PortSupported(cdn.Cloudflare, scheme, port) == fact.Yes
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

// isFront reports whether an address is one at which the edge answers
// visitors: what is seen there is no origin's.
func (v *View) isFront(a netip.Addr) bool {
	for _, x := range v.answers {
		if x.Fact.Target.Addr().Unmap() == a && x.Fact.Target.IsValid() {
			return true
		}
	}
	for _, d := range v.dns {
		if d.Fact.Role != "origin" && slices.ContainsFunc(d.Fact.InCDN, func(c fact.AddrCDN) bool { return c.Addr.Unmap() == a }) {
			return true
		}
	}
	return false
}

func (v *View) origin(a netip.Addr) *Origin {
	a = a.Unmap().WithZone("")
	for _, o := range v.Origins {
		if o.Addr == a {
			return o
		}
	}
	return nil
}

// readLegs makes the legs and hands every exchange and hit to its own.
func (v *View) readLegs() {
	ways := v.ways()
	for _, o := range v.Origins {
		for _, w := range ways {
			l := v.leg(o, w.port, w.scheme)
			l.Main = l.Main || w.main
			if o.Published != fact.No && l.Used != fact.Yes {
				l.Used = w.used
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
	return true
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
	plain := f.Variant == fact.VariantPlain || f.Variant == fact.VariantSecondVisit || f.Variant == fact.VariantTCP
	switch {
	case !plain:
		l.Variants = append(l.Variants, x)
	case v.IsEdge(f.Source):
		l.FromCDN = append(l.FromCDN, x)
	default:
		l.Direct = append(l.Direct, x)
	}
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

// IsEdge reports whether an address belongs to the edge: by a published list,
// by the ranges the CDN states today, or by the edge's own record.
func (v *View) IsEdge(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() {
		return false
	}
	if slices.Contains(v.Egress, a) {
		return true
	}
	for _, s := range v.settings {
		for _, p := range s.Fact.Ranges {
			if p.Contains(a) {
				return true
			}
		}
	}
	id, _ := cdn.LookupEgress(a)
	return id != ""
}

// ownFault reports whether an exchange failed for want of the observer's own
// network: nothing may be concluded from it.
func (v *View) ownFault(x fact.Item[fact.Exchange]) bool {
	if o := OutcomeOf(x.Fact); o != OutUnreachable && o != OutTimeout {
		return false
	}
	return v.ownNetwork(originward.FamilyOf(x.Fact.Target.Addr())).IsNo()
}

// ownNetwork says whether the observer's own network carries the family.
func (v *View) ownNetwork(f originward.Family) Ans {
	for _, o := range v.own {
		if o.Vantage != originward.Outside {
			continue
		}
		for _, s := range o.Fact.Families {
			if s.Family == f && s.Usable != fact.Unknown {
				return tri(s.Usable, fmt.Sprintf("the observer's own network carries %s: %s", f, s.Usable), lookDirect, o.ID)
			}
		}
	}
	return Unseen(lookDirect)
}
