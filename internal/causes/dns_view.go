package causes

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// record is one record of the name at the CDN.
type record struct {
	fact.CDNRecord
	by string
}

// RecordFor answers whether the CDN's records hold an address.
func (v *View) RecordFor(a netip.Addr) Ans {
	if v.balanced() {
		return v.pooled(a)
	}
	if len(v.cdnRecs) == 0 {
		return Unseen(lookRecords)
	}
	for _, r := range v.recordList {
		if c, err := netip.ParseAddr(r.Content); err == nil && c.Unmap() == a {
			return Yes("the CDN's "+r.Type+" record is "+r.Content, r.by)
		}
		if slices.Contains(r.Resolved, a) {
			return Yes("the CDN's record "+r.Content+" leads to "+a.String(), r.by)
		}
	}
	return No("no record of the CDN holds "+a.String(), v.cdnRecs[0].ID)
}

// edgeUses answers whether the edge is known to use an address: by the CDN's
// records, or by its own record of exchanges.
func (v *View) edgeUses(o *Origin) Ans {
	if a := v.RecordFor(o.Addr); a.Known() {
		return a
	}
	for _, l := range v.Legs {
		if l.Origin == o && len(l.Exact) > 0 {
			return Yes("the edge connects to "+o.Addr.String(), l.Exact[0].By...)
		}
	}
	return Unseen(lookRecords)
}

func (v *View) readRecords() {
	if v.balanced() {
		return // a load balancer takes the name before them
	}
	for _, it := range v.cdnRecs {
		for _, r := range it.Fact.Records[:min(len(it.Fact.Records), maxItems)] {
			v.recordList = append(v.recordList, record{r, it.ID})
		}
	}
}

// Covered answers whether something of the CDN takes the name before the
// record counts.
func (v *View) Covered() Ans {
	for _, it := range v.cdnRecs {
		if it.Fact.Covered != fact.Unknown {
			return tri(it.Fact.Covered, "covered by "+firstOf(it.Fact.CoveredBy, "nothing"), lookRules, it.ID)
		}
	}
	return Unseen(lookRules)
}

// goodElsewhere finds another origin address whose exchanges end well.
func (v *View) goodElsewhere(o *Origin) (*Leg, Ans) {
	for _, l := range v.Legs {
		if l.Origin != o && directWorks(l).IsYes() {
			return l, directWorks(l)
		}
	}
	for _, l := range v.Legs {
		if l.Origin != o && v.edgeReaches(l).IsYes() {
			return l, v.edgeReaches(l)
		}
	}
	return nil, Unseen(lookDirect)
}

// legsOf are the used legs of an origin.
func (v *View) legsOf(o *Origin) []*Leg {
	var out []*Leg
	for _, l := range v.Legs {
		if l.Origin == o && l.Used != fact.No {
			out = append(out, l)
		}
	}
	return out
}

// hostPublic lists the public addresses of the host.
func (v *View) hostPublic() (out []netip.Addr, by []string) {
	for _, it := range v.addresses {
		by = append(by, it.ID)
		for _, a := range it.Fact.Public {
			out = append(out, a.Unmap())
		}
		for _, i := range it.Fact.Interfaces {
			for _, p := range i.Addrs {
				if a := p.Addr().Unmap(); a.IsGlobalUnicast() && !private(a) && !slices.Contains(out, a) {
					out = append(out, a)
				}
			}
		}
	}
	return out, by
}

func addrsText(as []netip.Addr) string {
	var s []string
	for _, a := range as[:min(len(as), maxShown)] {
		s = append(s, a.String())
	}
	return strings.Join(s, ", ")
}

// siteDNS are the answers for the visitor's name.
func (v *View) siteDNS() []fact.Item[fact.DNS] {
	var out []fact.Item[fact.DNS]
	for _, d := range v.dns {
		if d.Fact.Role != "origin" {
			out = append(out, d)
		}
	}
	return out
}

// placeholder is the cdn package's word on reserved addresses; the empty
// address is none.
func placeholder(a netip.Addr) bool { return a.IsValid() && cdn.Placeholder(a) }

// originNames are the names that the CDN forwards to.
func (v *View) originNames() (names []string, by []string) {
	add := func(n, id string) {
		n = strings.TrimSuffix(lower(n), ".")
		if n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
		by = addIDs(by, []string{id})
	}
	for _, r := range v.recordList {
		if r.Type == "CNAME" {
			add(r.Content, r.by)
		}
	}
	for m := range v.poolOrigins() {
		if _, err := netip.ParseAddr(m.Address); err != nil {
			add(m.Address, m.by)
		}
	}
	for _, s := range v.settings {
		if s.Fact.OriginName != "" {
			add(s.Fact.OriginName, s.ID)
		}
	}
	for _, h := range v.Hits {
		if h.Name != "" {
			add(h.Name, h.By[len(h.By)-1])
		}
	}
	return names, by
}

var subjectOf = func(a netip.Addr) originward.Subject {
	return originward.Subject{Addr: a, Family: originward.FamilyOf(a)}
}
