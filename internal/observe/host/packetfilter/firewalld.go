package packetfilter

import (
	"net/netip"
	"regexp"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// firewalld compiles a rich rule of a zone that turns a source away into a rule
// of the zone's own deny chain (firewalld 1.x, nftables backend).
var (
	denyChain  = regexp.MustCompile(`^filter_IN_([A-Za-z0-9_-]+)_deny$`)
	denySource = regexp.MustCompile(`^ip6? saddr ([0-9a-fA-F.:/]+) (drop|reject with icmpv?6?x? (?:type )?port-unreachable)$`)
)

// richRule gives the commands that take the rich rule behind a rule away, and
// put it back: taken out of the packet filter alone, it comes back with the
// next reload. Rules of another form are left as they are.
func richRule(f *fact.FirewallRule) {
	chain, rule := denyChain.FindStringSubmatch(f.Chain), denySource.FindStringSubmatch(f.Text)
	if chain == nil || rule == nil {
		return
	}
	p, err := netip.ParsePrefix(rule[1])
	if err != nil {
		a, err := netip.ParseAddr(rule[1])
		if err != nil {
			return
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	source := p.String()
	if p.IsSingleIP() {
		source = p.Addr().String()
	}
	family, action := "ipv4", "reject"
	if originward.FamilyOf(p.Addr()) == originward.IP6 {
		family = "ipv6"
	}
	if rule[2] == "drop" {
		action = "drop"
	}
	text := `rule family="` + family + `" source address="` + source + `" ` + action
	f.Remove = escape.Shell("firewall-cmd", "--zone="+chain[1], "--remove-rich-rule="+text)
	f.Restore = escape.Shell("firewall-cmd", "--zone="+chain[1], "--add-rich-rule="+text)
}
