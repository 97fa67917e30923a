package remedy

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/originward/originward"
)

// zoneChain finds the zone in the name of a chain that firewalld makes for what
// comes in.
var zoneChain = regexp.MustCompile(`^(?:filter_)?IN_(.+?)(?:_(?:deny|allow|pre|post|log))?$`)

// richSource finds the source of a rich rule that turns it away.
var richSource = regexp.MustCompile(`^rule (?:priority="-?\d+" )?family="ipv[46]" source address="([^"]+)" .*\b(?:drop|reject)\b`)

// firewalldZone is the zone whose rules turn the CDN away.
func (s *site) firewalldZone(found []originward.Finding) string {
	for r := range s.turnedAwayBy(found) {
		if z := zoneChain.FindStringSubmatch(r.Chain); z != nil {
			return z[1]
		}
	}
	return ""
}

// byFirewalld has firewalld itself take out what turns the CDN away, or let it
// in; none = it does not run, or nothing of it is known to be the reason. Sim is
// the same change in the packet filter.
func (s *site) byFirewalld(ctx context.Context, found []originward.Finding, cure func(context.Context, *Firewalld, []string) string, sim []Step) []Step {
	if s.keeper(found) != "firewalld" || !has("firewall-cmd") {
		return nil
	}
	if _, err := s.m.Run(ctx, "", "firewall-cmd", "--state"); err != nil {
		return nil
	}
	zone := s.firewalldZone(found)
	if zone == "" {
		return nil
	}
	f := &Firewalld{Zone: zone}
	var ps []string
	for _, p := range ports(found) {
		ps = append(ps, fmt.Sprint(p))
	}
	title := cure(ctx, f, ps)
	if title == "" {
		return nil
	}
	st := step("firewalld", title, f)
	st.Sim = networked(sim)
	return []Step{st}
}

// unblockZone takes the rich rules and sources out that are the CDN's alone.
func (s *site) unblockZone(ctx context.Context, f *Firewalld, _ []string) string {
	st, err := f.look(ctx, s.m)
	if err != nil {
		return ""
	}
	for _, r := range st.Rich {
		if m := richSource.FindStringSubmatch(r); m != nil && ofCDN(m[1]) {
			f.Remove = append(f.Remove, r)
		}
	}
	if f.Zone == "drop" || f.Zone == "block" {
		f.Sources = slices.DeleteFunc(st.Sources, func(n string) bool { return !ofCDN(n) })
	}
	switch rules, nets := len(f.Remove), len(f.Sources); {
	case rules > 0:
		return "firewalld: take " + Plural(rules, "rich rule", "rich rules") + " against the CDN out of zone " + f.Zone
	case nets > 0:
		return "firewalld: take " + Plural(nets, "network", "networks") + " of the CDN out of zone " + f.Zone
	}
	return ""
}

// admitZone lets the CDN's ranges in, and nobody else.
func (s *site) admitZone(_ context.Context, f *Firewalld, ps []string) string {
	for _, p := range ps {
		for _, r := range cdnRanges() {
			family := "ipv4"
			if r.Addr().Is6() {
				family = "ipv6"
			}
			f.Add = append(f.Add, fmt.Sprintf(`rule family="%s" source address="%s" port port="%s" protocol="tcp" accept`, family, r, p))
		}
	}
	if len(f.Add) == 0 {
		return ""
	}
	return "firewalld: let the CDN's ranges in at port " + strings.Join(ps, " and ") + " of zone " + f.Zone
}

// ofCDN reports whether a network is the CDN's, all of it.
func ofCDN(text string) bool {
	ps := parts(text)
	if len(ps) == 0 {
		return false
	}
	for _, p := range ps {
		if !slices.ContainsFunc(cdnRanges(), func(r netip.Prefix) bool { return r.Contains(p.Addr()) && r.Bits() <= p.Bits() }) {
			return false
		}
	}
	return true
}
