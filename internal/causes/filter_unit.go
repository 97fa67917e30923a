package causes

import (
	"net/netip"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

func containsInt(s []int, n int) bool { return slices.Contains(s, n) }

// unitDenies lists the edge's ranges (or, where they are known, its addresses)
// that a unit's IPAddressDeny= turns away and its IPAddressAllow= does not let
// in; everyone says that ordinary sources are turned away too.
func (v *View) unitDenies(s fact.Service, l *Leg) (denied []netip.Prefix, everyone bool) {
	fam := l.Origin.Family()
	var edges []netip.Prefix
	for _, a := range v.Egress {
		if originward.FamilyOf(a) == fam {
			edges = append(edges, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	if len(edges) == 0 {
		edges, _ = cdn.Ranges(cdn.Cloudflare, fam)
	}
	for _, e := range edges {
		if overlapsAny(s.IPDeny, e) && !coveredBy(s.IPAllow, e) {
			denied = append(denied, e)
		}
	}
	for _, p := range s.IPDeny {
		everyone = everyone || p.Bits() == 0
	}
	return denied, everyone
}

func overlapsAny(ps []netip.Prefix, e netip.Prefix) bool {
	return slices.ContainsFunc(ps, func(p netip.Prefix) bool { return p.Overlaps(e) })
}

func coveredBy(ps []netip.Prefix, e netip.Prefix) bool {
	return slices.ContainsFunc(ps, func(p netip.Prefix) bool { return p.Bits() <= e.Bits() && p.Contains(e.Addr()) })
}

func (v *View) unitCase(id originward.CauseID, l *Leg, s Service, denied []netip.Prefix, by []string) Verdict {
	fails, keys := v.Fails(l, 522)
	subj := l.Subject()
	subj.Unit, subj.Ranges = s.Unit, some(denied)
	c := newCase(id, subj).Explains(keys...)
	worst := originward.Likely
	if fails.IsNo() && v.EdgeGood().IsYes() {
		worst = originward.Possible
	}
	c.Ask("Does the edge's connect stay unanswered?", fails, worst, originward.Likely)
	c.Must("Does the unit's IPAddressDeny= cover the edge?", Yes("IPAddressDeny= of "+s.Unit+" covers "+rangesText(denied), append(by, s.By)...))
	v.citesDrop(c, l, dropSocket)
	affects := Unseen(lookRecord)
	if len(v.Egress) > 0 {
		affects = Yes("it covers addresses from which the edge connects", v.egressBy()...)
	} else if n, _ := cdn.Ranges(cdn.Cloudflare, l.Origin.Family()); len(denied) == len(n) {
		affects = Yes("it covers every range of the CDN", s.By)
	}
	c.Ask("Do the edge's own addresses lie among them?", affects, originward.Possible, originward.Likely)
	c.Says("the unit "+s.Unit+" denies the CDN", "systemd drops packets to "+s.Unit+" from "+rangesText(denied)+" (IPAddressDeny=), after the packet filter has let them in.")
	f := fix("Take the CDN's ranges out of IPAddressDeny=, or add them to IPAddressAllow=.",
		onHost("systemctl edit "+s.Unit+"   # IPAddressDeny= without the CDN's ranges, or IPAddressAllow= with them", "systemctl revert "+s.Unit),
		onHost("systemctl daemon-reload && systemctl restart "+s.Unit, ""))
	f.Verify = "systemctl show -p IPAddressDeny " + s.Unit + ", and " + v.diagnoseAgain()
	return c.Fix(f).Done()
}
