package causes

import (
	"fmt"
	"net/netip"
	"slices"

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

// readOrigins collects every origin address and who named it.
func (v *View) readOrigins() {
	v.originsFromCDN()
	for _, h := range v.Hits {
		if h.Origin.IsValid() {
			v.addOrigin(h.Origin.Addr(), fact.Yes, true, h.By...)
		}
	}
	told := len(v.balancer) > 0 || slices.ContainsFunc(v.Origins, func(o *Origin) bool { return o.Published == fact.Yes })
	for _, x := range v.exchanges {
		if x.Vantage == originward.Outside && x.Fact.Target.IsValid() && !v.isFront(x.Fact.Target.Addr().Unmap()) {
			v.addOrigin(x.Fact.Target.Addr(), fact.TriOf(!told || v.inPool(x.Fact.Name)), true, x.ID)
		}
	}
	for _, d := range v.dns {
		if d.Fact.Role == "origin" || d.Fact.Colour == "grey" {
			for _, a := range d.Fact.Addrs() {
				if !v.isFront(a.Unmap()) {
					v.addOrigin(a, fact.TriOf(!told || v.inPool(d.Fact.Name)), true, d.ID)
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
	if v.balanced() { // its records do not count
		for m := range v.poolOrigins() {
			if a, err := netip.ParseAddr(m.Address); err == nil {
				v.addOrigin(a, fact.Yes, true, m.by)
			}
		}
		return
	}
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
