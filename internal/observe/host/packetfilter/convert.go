package packetfilter

import (
	"cmp"
	"math/big"
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/firewall"
)

// Bounds of what is kept of an answer as evidence.
const (
	maxCDN    = 128
	maxOthers = 24
	maxPath   = 40
	maxText   = 400
)

// answer makes the firewall's answer evidence.
func answer(a firewall.Answer) fact.FirewallAnswer {
	out := fact.FirewallAnswer{
		Dst: a.Dst, Port: a.Port, Family: originward.FamilyOf(a.Dst), CDN: segments(a, a.CDN, maxCDN), Others: segments(a, a.Others, maxOthers),
	}
	if len(a.In) == 1 {
		out.Iface = escape.Line(a.In[0].Name, 32)
	}
	return out
}

func segments(a firewall.Answer, side firewall.Side, most int) []fact.FirewallSegment {
	out := []fact.FirewallSegment{}
	for _, s := range side.Segments {
		f := segment(a, s)
		f.All = len(side.Segments) == 1 && side.Omitted == 0
		out = append(out, f)
	}
	if most == maxOthers {
		slices.SortStableFunc(out, func(x, y fact.FirewallSegment) int { // decimal numbers, the largest first
			return cmp.Or(cmp.Compare(len(y.Addresses), len(x.Addresses)), cmp.Compare(y.Addresses, x.Addresses))
		})
	}
	return out[:min(len(out), most)]
}

func segment(a firewall.Answer, s firewall.Segment) fact.FirewallSegment {
	f := fact.FirewallSegment{
		Ranges: s.Prefixes, Verdict: verdict(s), With: with(s.RejectWith), Hook: s.Hook, Reply: s.Reply, DependsOn: depends(s), Confirmed: s.Confirmed,
	}
	if s.PrefixCount == len(s.Prefixes) {
		f.Addresses = addresses(s.Prefixes)
	}
	if s.Redirect != nil {
		f.Redirect = redirect(a, *s.Redirect)
	}
	var chains []string
	for _, st := range s.Path {
		chains = append(chains, st.Chain)
		if len(f.Path) < maxPath {
			f.Path = append(f.Path, station(st))
		}
	}
	if s.Rule != nil {
		f.Rule = rule(*s.Rule, chains, s.Prefixes)
	}
	return f
}

// verdict names the end of a segment in the words of fact.
func verdict(s firewall.Segment) string {
	switch s.Verdict {
	case firewall.Accept:
		return fact.VerdictAccept
	case firewall.Drop:
		return fact.VerdictDrop
	case firewall.Reject:
		return fact.VerdictReject
	case firewall.Depends:
		return fact.VerdictMayDrop
	}
	return fact.VerdictUnknown
}

// with is the answer of a reject in one spelling for all families and tools:
// "tcp-reset", "icmp-port-unreachable", "icmp-admin-prohibited" …
func with(k firewall.RejectKind) string {
	kind, rest, ok := strings.Cut(string(k), " ")
	if !ok {
		return string(k)
	}
	if strings.HasPrefix(kind, "icmp") {
		kind = "icmp"
	}
	return kind + "-" + rest
}

func depends(s firewall.Segment) []string {
	var out []string
	add := func(o firewall.Outcome) {
		for _, t := range o.DependsOn {
			text := string(t.Kind) + ": " + t.Name
			if t.Text != "" && t.Text != t.Name {
				text += " (" + t.Text + ")"
			}
			if text = escape.Line(text, maxText); !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	add(s.Outcome)
	for _, o := range s.Alternatives {
		add(o)
	}
	return out
}

func redirect(a firewall.Answer, r firewall.Redirect) netip.AddrPort {
	to, port := r.To, r.ToPort
	if !to.IsValid() {
		if r.ToText != "" {
			return netip.AddrPort{} // one of several: not known which
		}
		to = a.Dst
	}
	return netip.AddrPortFrom(to, cmp.Or(port, a.Port))
}

func station(s firewall.Step) string {
	text := strings.Join([]string{s.Family, s.Table, s.Chain}, " ")
	if s.Reply {
		text = "reply: " + text
	}
	return escape.Line(text+": "+s.Verdict, 200)
}

func rule(r firewall.RuleRef, chains []string, prefixes []netip.Prefix) *fact.FirewallRule {
	f := &fact.FirewallRule{
		Engine: string(r.Engine), Family: r.Family, Table: escape.Line(r.Table, 128), Chain: escape.Line(r.Chain, 128),
		Handle: r.Handle, Line: r.Position, Policy: r.Policy, Text: escape.Line(r.Text, maxText), Comment: escape.Line(r.Comment, maxText),
		Set: escape.Line(r.Set, 128), Show: escape.Line(r.Show, maxText), Remove: escape.Line(r.Remove, maxText), Restore: escape.Line(r.RemoveUndo, maxText),
	}
	if r.Element != nil {
		f.Element = escape.Line(r.Element.Key, 200)
		if f.Comment == "" {
			f.Comment = escape.Line(r.Element.Comment, maxText)
		}
		if r.Element.Expires > 0 {
			f.Expires = r.Element.Expires.String()
		}
	}
	if r.Packets != nil {
		f.Packets = *r.Packets
	}
	attribute(f, chains)
	byTool(f, prefixes)
	return f
}

// byTool replaces the command that removes a ban by the ban tool's own: taken
// out of the packet filter alone, the tool puts it back at its next start.
func byTool(f *fact.FirewallRule, prefixes []netip.Prefix) {
	if f.Owner == "firewalld" {
		richRule(f)
		return
	}
	what := f.Element
	if what == "" && len(prefixes) == 1 {
		what = prefixes[0].String()
	}
	p, err := netip.ParsePrefix(what)
	if err != nil {
		a, err := netip.ParseAddr(what)
		if err != nil {
			return
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	one := p.String()
	if p.IsSingleIP() {
		one = p.Addr().String()
	}
	switch {
	case f.Owner == "fail2ban" && f.Jail != "":
		f.Remove = escape.Shell("fail2ban-client", "set", f.Jail, "unbanip", one)
		f.Restore = escape.Shell("fail2ban-client", "set", f.Jail, "banip", one)
	case f.Owner == "crowdsec" && p.IsSingleIP():
		f.Remove, f.Restore = escape.Shell("cscli", "decisions", "delete", "--ip", one), escape.Shell("cscli", "decisions", "add", "--ip", one)
	case f.Owner == "crowdsec":
		f.Remove, f.Restore = escape.Shell("cscli", "decisions", "delete", "--range", one), escape.Shell("cscli", "decisions", "add", "--range", one)
	}
}

// addresses counts the addresses of disjoint prefixes.
func addresses(ps []netip.Prefix) string {
	sum, one := new(big.Int), big.NewInt(1)
	for _, p := range ps {
		sum.Add(sum, new(big.Int).Lsh(one, uint(p.Addr().BitLen()-p.Bits())))
	}
	return sum.String()
}
