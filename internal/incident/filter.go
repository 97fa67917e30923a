package incident

import (
	"cmp"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// filterForms are the packet filter, bans and routes of the host.
var filterForms = []form{
	{"host firewall", (*builder).gate},
	{"host ban", (*builder).ban},
	{"host bans", (*builder).noBans},
	{"host routes", (*builder).goodRoutes},
	{"host route", (*builder).route},
}

// answer is the packet filter's answer for an address and port, made when it
// is first spoken of: everything is let in.
func (b *builder) answer(dst netip.Addr, port uint16) *fact.FirewallAnswer {
	if b.firewall == nil {
		b.firewall = &fact.Firewall{Engines: []string{"nft"}, Proof: "model"}
	}
	for i := range b.firewall.Answers {
		if a := &b.firewall.Answers[i]; a.Dst == dst && a.Port == port {
			return a
		}
	}
	f := originward.FamilyOf(dst)
	b.firewall.Answers = append(b.firewall.Answers, fact.FirewallAnswer{
		Dst: dst, Port: port, Family: f, Iface: "eth0", SetsAll: fact.Yes,
		CDN:    []fact.FirewallSegment{whole(ranges(f), fact.VerdictAccept)},
		Others: []fact.FirewallSegment{whole([]netip.Prefix{others(f)}, fact.VerdictAccept)},
	})
	return &b.firewall.Answers[len(b.firewall.Answers)-1]
}

func ranges(f originward.Family) []netip.Prefix {
	ps, _ := cdn.Ranges(cdn.Cloudflare, f)
	return ps
}

// others stands for the sources that are no edge: the half of the internet in
// which the prober stands.
func others(f originward.Family) netip.Prefix {
	if f == originward.IP6 {
		return netip.MustParsePrefix("2001::/16")
	}
	return netip.MustParsePrefix("198.48.0.0/13")
}

func whole(ps []netip.Prefix, verdict string) fact.FirewallSegment {
	return fact.FirewallSegment{Ranges: ps, All: true, Verdict: verdict, Addresses: count(ps)}
}

// count is how many addresses some ranges hold.
func count(ps []netip.Prefix) string {
	sum := new(big.Int)
	for _, p := range ps {
		sum.Add(sum, new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))) //nolint:gosec // 0 to 128
	}
	return sum.String()
}

// gate reads "firewall cdn|others|all [ADDR] PORT: accept|drop|reject [WITH] …".
// With ranges= it speaks of these only, and the rest stays as it was; before
// "others" they may be any, such as a balancer's private address.
func (b *builder) gate(l *line) error {
	if len(l.head) < 2 {
		return fmt.Errorf("allowed is firewall cdn|others|all [ADDRESS] PORT")
	}
	side := l.head[0]
	if err := choose("side", side, "cdn", "others", "all"); err != nil {
		return err
	}
	to, err := target(originward.Outside, "https", l.head[1:])
	if err != nil {
		return err
	}
	s := fact.FirewallSegment{Verdict: l.word(), Hook: "input", All: true}
	if err := choose("verdict", s.Verdict, fact.VerdictAccept, fact.VerdictDrop, fact.VerdictReject, fact.VerdictUnknown, fact.VerdictMayDrop); err != nil {
		return err
	}
	if s.Verdict == fact.VerdictReject {
		s.With = cmp.Or(l.word(), "icmp-port-unreachable")
		if err := choose("with", s.With, "tcp-reset", "icmp-port-unreachable", "icmp-host-prohibited", "icmp-admin-prohibited", "icmp-net-unreachable"); err != nil {
			return err
		}
	}
	if s.Rule, err = rule(l); err != nil {
		return err
	}
	s.Hook = cmp.Or(l.opt("hook"), "input")
	if s.Verdict == fact.VerdictAccept && s.Rule == nil {
		s.Hook = ""
	}
	if r := l.opt("redirect"); r != "" {
		if s.Redirect, err = netip.ParseAddrPort(r); err != nil {
			return fmt.Errorf("redirect=%s: allowed is ADDRESS:PORT", r)
		}
	}
	part, err := prefixes(l.list("ranges"))
	if err != nil {
		return err
	}
	a := b.answer(to.Addr(), to.Port())
	if side != "others" {
		if a.CDN, err = over(a.CDN, s, part, ranges(a.Family)); err != nil {
			return err
		}
	}
	switch {
	case side == "others" && len(part) > 0:
		s.Ranges, s.Addresses, s.All = part, count(part), false
		a.Others = append(a.Others, s)
	case side != "cdn":
		a.Others, err = over(a.Others, s, nil, []netip.Prefix{others(a.Family)})
	}
	return b.set(a, l, err)
}

// set reads set-size=N: how many entries the set of the rule holds.
func (b *builder) set(a *fact.FirewallAnswer, l *line, err error) error {
	if l.opt("allow-set") != "" {
		n, numErr := l.number("allow-set-size")
		if numErr != nil {
			return numErr
		}
		a.Sets = append(a.Sets, fact.FirewallSet{Engine: "nft", Name: l.opt("allow-set"), Elements: n, Accepts: fact.Yes})
	}
	return err
}

// over lays a segment over others: for some ranges, or for all.
func over(old []fact.FirewallSegment, s fact.FirewallSegment, part, all []netip.Prefix) ([]fact.FirewallSegment, error) {
	if len(part) == 0 {
		s.Ranges, s.Addresses = all, count(all)
		return []fact.FirewallSegment{s}, nil
	}
	s.Ranges, s.Addresses, s.All = part, count(part), false
	out := []fact.FirewallSegment{s}
	for _, o := range old {
		rest := carve(o.Ranges, part)
		if len(rest) > 0 {
			o.Ranges, o.Addresses, o.All = rest, count(rest), false
			out = append(out, o)
		}
	}
	for _, p := range part {
		if !slices.ContainsFunc(all, func(r netip.Prefix) bool { return r.Overlaps(p) }) {
			return nil, fmt.Errorf("%s lies in no range of the CDN", p)
		}
	}
	return out, nil
}

// carve takes ranges out of others, by halving.
func carve(from, out []netip.Prefix) []netip.Prefix {
	var rest []netip.Prefix
	for _, p := range from {
		switch {
		case slices.ContainsFunc(out, func(o netip.Prefix) bool { return o.Bits() <= p.Bits() && o.Contains(p.Addr()) }):
		case !slices.ContainsFunc(out, p.Overlaps):
			rest = append(rest, p)
		default:
			low := netip.PrefixFrom(p.Addr(), p.Bits()+1)
			b := low.Addr().AsSlice()
			b[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
			high, _ := netip.AddrFromSlice(b)
			rest = append(rest, carve([]netip.Prefix{low, netip.PrefixFrom(high, p.Bits()+1)}, out)...)
		}
	}
	return rest
}

// rule reads the deciding rule: rule="…" or policy=CHAIN, with its place.
func rule(l *line) (*fact.FirewallRule, error) {
	r := &fact.FirewallRule{
		Engine: cmp.Or(l.opt("engine"), "nft"), Family: "inet", Table: cmp.Or(l.opt("table"), "filter"), Chain: cmp.Or(l.opt("chain"), "input"),
		Text: l.opt("rule"), Set: l.opt("set"), Owner: l.opt("owner"), Jail: l.opt("jail"), Comment: l.opt("comment"), Element: l.opt("element"),
	}
	if strings.HasPrefix(r.Engine, "iptables") {
		r.Family, r.Chain = "ip", cmp.Or(l.opt("chain"), "INPUT")
	}
	n, err := l.number("line")
	if err != nil {
		return nil, err
	}
	r.Line = n
	if p := l.opt("policy"); p != "" {
		r.Chain, r.Policy, r.Text = p, true, "policy"
	}
	if r.Text == "" {
		return nil, nil
	}
	r.Handle = uint64(10 + len(r.Text)) //nolint:gosec // a text's length
	return r, nil
}

// ban reads "ban TOOL [JAIL]: ADDR|RANGE … [list] [total=N] [action=…]".
func (b *builder) ban(l *line) error {
	if len(l.head) < 1 || len(l.head) > 2 {
		return fmt.Errorf("allowed is ban TOOL [JAIL]")
	}
	if b.bans == nil {
		b.bans = &fact.Bans{}
	}
	s := fact.BanSource{
		Tool: l.head[0], State: fact.Yes, CDN: []fact.Ban{}, Private: []fact.Ban{}, Action: l.opt("action"), LogFile: l.opt("log"), File: l.opt("file"),
		IgnoreCDN: fact.No, Sets: l.list("sets"),
	}
	if len(l.head) == 2 {
		s.Jail = l.head[1]
	}
	if l.has("list") {
		s.List = fact.Yes
	}
	gateway := l.has("gateway")
	var err error
	if s.Enforced, err = triOf(l.opt("enforced")); err != nil {
		return err
	}
	if s.Total, err = l.number("total"); err != nil {
		return err
	}
	ps, err := prefixes(l.words)
	if err != nil {
		return err
	}
	l.words = nil
	for _, p := range ps {
		e := fact.Ban{Prefix: p, Since: "today", Reason: l.opt("reason"), Place: place(l.opt("place"))}
		if id, in := cdn.Lookup(p.Addr()); id != "" {
			e.CDN, e.Range = string(id), in
			s.CDN = append(s.CDN, e)
		} else if p.Addr().IsPrivate() {
			e.Gateway = fact.TriOf(gateway)
			s.Private = append(s.Private, e)
		}
		s.Total++
	}
	b.bans.Sources = append(b.bans.Sources, s)
	return nil
}

// noBans reads "bans: none": every tool was looked at, and nobody is banned.
func (b *builder) noBans(l *line) error {
	if !l.has("none") {
		return fmt.Errorf("allowed is none")
	}
	b.bans = &fact.Bans{Sources: []fact.BanSource{{Tool: "fail2ban", State: fact.No, Why: "not installed", CDN: []fact.Ban{}, Private: []fact.Ban{}}}}
	return nil
}

func (b *builder) ways() *fact.Routes {
	if b.routes == nil {
		b.routes = &fact.Routes{Default4: fact.Yes, Default6: fact.Yes}
		for _, f := range []originward.Family{originward.IP4, originward.IP6} {
			g := fact.RouteGroup{Ranges: ranges(f), CDN: true, Family: f, Type: "unicast", Iface: "eth0", Gateway: netip.MustParseAddr("203.0.113.1"), Default: true, InOK: fact.Yes, InIface: "eth0", Neighbor: "reachable"}
			o := g
			o.Ranges, o.CDN = []netip.Prefix{netip.MustParsePrefix("8.8.8.8/32")}, false
			if f == originward.IP6 {
				g.Gateway, o.Gateway = netip.MustParseAddr("2001:db8:a::1"), netip.MustParseAddr("2001:db8:a::1")
				o.Ranges = []netip.Prefix{netip.MustParsePrefix("2001:4860:4860::8888/128")}
			}
			b.routes.Groups = append(b.routes.Groups, g, o)
		}
	}
	return b.routes
}

// goodRoutes reads "routes: default": every reply leaves by the default route.
func (b *builder) goodRoutes(l *line) error {
	if !l.has("default") {
		return fmt.Errorf("allowed is default; name others with route RANGE")
	}
	b.ways()
	return nil
}

// route reads "route RANGE: blackhole|unreachable|prohibit|via IFACE [rp-filter]".
func (b *builder) route(l *line) error {
	if len(l.head) != 1 {
		return fmt.Errorf("allowed is route RANGE")
	}
	p, err := netip.ParsePrefix(l.head[0])
	if err != nil {
		return fmt.Errorf("%q is no range", l.head[0])
	}
	f, fam := b.ways(), originward.FamilyOf(p.Addr())
	g := fact.RouteGroup{CDN: true, Family: fam, InOK: fact.Yes, InIface: "eth0"}
	sp := fact.SpecialRoute{Prefix: p, Table: "main", Text: p.String()}
	switch w := l.word(); w {
	case "blackhole", "unreachable", "prohibit":
		g.Type, sp.Type = w, w
		g.Errno = map[string]string{"blackhole": "EINVAL", "unreachable": "EHOSTUNREACH", "prohibit": "EACCES"}[w]
	case "via":
		g.Type, sp.Type, g.Iface, g.Private = "unicast", "unicast", l.word(), true
		sp.Iface = g.Iface
		if l.has("rp-filter") {
			g.InOK, g.InErrno = fact.No, "EXDEV"
		}
	default:
		return fmt.Errorf("%q: allowed are blackhole, unreachable, prohibit, via IFACE", w)
	}
	for i := range f.Groups {
		o := &f.Groups[i]
		if !o.CDN || o.Family != fam {
			continue
		}
		for _, r := range o.Ranges {
			if p.Overlaps(r) {
				g.Ranges = append(g.Ranges, r)
			}
		}
		o.Ranges = slices.DeleteFunc(slices.Clone(o.Ranges), p.Overlaps)
	}
	if len(g.Ranges) == 0 {
		return fmt.Errorf("%s touches no range of the CDN", p)
	}
	sp.Covers = g.Ranges
	f.Groups = slices.DeleteFunc(append(f.Groups, g), func(o fact.RouteGroup) bool { return len(o.Ranges) == 0 })
	f.Special = append(f.Special, sp)
	return nil
}

// port reads a port.
func port(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("port %q: allowed are 1 to 65535", s)
	}
	return uint16(n), nil
}
