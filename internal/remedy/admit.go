package remedy

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/cdn"
	"github.com/originward/originward/internal/firewall"
)

// Names of what admits the CDN.
const (
	admitSet     = "originward_cdn" // of nf_tables, with 4 or 6 behind it
	admitChain   = "originward-cdn" // of iptables
	admitComment = "originward: the CDN"
)

// rangesOf are the CDN's ranges of one family.
func rangesOf(f originward.Family) []netip.Prefix {
	out, _ := cdn.Ranges(cdn.Cloudflare, f)
	return out
}

// admit lets the CDN's ranges in before the rule that turns them away, and
// nobody else.
func admit(ctx context.Context, g *gate, _ *firewall.Snapshot, b blockedAt) error {
	if b.seg.Rule.Engine == firewall.NFT {
		return g.admitNFT(ctx, b)
	}
	return g.admitIptables(ctx, b)
}

// portsAsked are the ports that the gate is asked about.
func (g *gate) portsAsked() []string {
	var out []string
	for _, q := range g.ask {
		if p := fmt.Sprint(q.Port); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

func (g *gate) admitNFT(ctx context.Context, b blockedAt) error {
	r := b.seg.Rule
	family, proto, typ := originward.FamilyOf(b.q.Dst), "ip", "ipv4_addr"
	name := admitSet + "4"
	if family == originward.IP6 {
		name, proto, typ = admitSet+"6", "ip6", "ipv6_addr"
	}
	s := NFTSet{Family: r.Family, Table: r.Table, Set: name, Make: "type " + typ + "; flags interval;"}
	for _, p := range rangesOf(family) {
		s.Add = append(s.Add, p.String())
	}
	ports := g.portsAsked()
	dport := ports[0]
	if len(ports) > 1 {
		dport = "{ " + strings.Join(ports, ", ") + " }"
	}
	rule := fmt.Sprintf("%s saddr @%s tcp dport %s accept comment \"%s\"", proto, name, dport, admitComment)
	if b.seg.Reply {
		rule = fmt.Sprintf("%s daddr @%s tcp sport %s accept comment \"%s\"", proto, name, dport, admitComment)
	}
	now, err := nftList(ctx, g.m, r.Family, r.Table, r.Chain)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(now, func(x nftRule) bool { return x.text == rule }) {
		return fmt.Errorf("chain %s turns the CDN away in spite of a rule that lets it in", r.Chain)
	}
	lines := []string{}
	if !s.there(ctx, g.m) {
		lines = append(lines, fmt.Sprintf("add set %s %s %s { %s }", s.Family, word(s.Table), name, s.Make))
	}
	more, err := s.script(ctx, g.m, nil, s.Add)
	if err != nil {
		return err
	}
	lines = append(lines, more...)
	at := fmt.Sprintf("%s %s %s", r.Family, word(r.Table), word(r.Chain))
	if r.Policy {
		lines = append(lines, "add rule "+at+" "+rule)
	} else {
		lines = append(lines, fmt.Sprintf("insert rule %s handle %d %s", at, r.Handle, rule))
	}
	g.touchChain(r)
	if set := (setAt{r.Family, r.Table, name}); !slices.Contains(g.sets, set) {
		g.sets = append(g.sets, set)
	}
	return nftRun(ctx, g.m, lines)
}

func (g *gate) admitIptables(ctx context.Context, b blockedAt) error {
	r := b.seg.Rule
	t := &Iptables{Tool: tool(r), Table: r.Table}
	now, err := t.list(ctx, g.m)
	if err != nil {
		return err
	}
	match, name, side := "-p tcp -m tcp --dport ", admitChain, "-s "
	if ports := g.portsAsked(); len(ports) > 1 {
		match = "-p tcp -m multiport --dports " + strings.Join(ports, ",")
	} else {
		match += ports[0]
	}
	if b.seg.Reply {
		match, name, side = strings.NewReplacer("--dport", "--sport").Replace(match), admitChain+"-out", "-d "
	}
	lines := []string{"*" + r.Table}
	if _, there := now[name]; !there {
		lines = append(lines, ":"+name+" - [0:0]")
		for _, p := range rangesOf(originward.FamilyOf(b.q.Dst)) {
			lines = append(lines, "-A "+name+" "+side+p.String()+" -j ACCEPT")
		}
	}
	at := r.Position
	if r.Policy {
		at = len(now[r.Chain]) + 1
	}
	if at == 0 {
		return fmt.Errorf("the place of the rule in chain %s is not known", r.Chain)
	}
	jump := match + " -j " + name
	if slices.Contains(now[r.Chain], jump) {
		return fmt.Errorf("chain %s turns the CDN away in spite of a rule that lets it in", r.Chain)
	}
	lines = append(lines, fmt.Sprintf("-I %s %d %s", r.Chain, at, jump), "COMMIT")
	made := *r
	made.Chain = name
	g.touchChain(&made)
	g.touchChain(r)
	_, err = g.m.Run(ctx, strings.Join(lines, "\n")+"\n", t.program("restore"), "--noflush")
	return err
}

// fill puts the ranges that are missing into the lists that let sources in;
// where there is none, it lets the CDN in by a rule.
func fill(ctx context.Context, g *gate, snap *firewall.Snapshot, b blockedAt) error {
	lists, _ := snap.SourceSets(b.q.Port)
	for _, s := range lists {
		if !s.Accepts {
			continue
		}
		if done, err := g.fillSet(ctx, s, originward.FamilyOf(b.q.Dst)); done || err != nil {
			return err
		}
	}
	return admit(ctx, g, snap, b)
}

// fillSet reports whether the set lacked ranges of the family and has them now.
func (g *gate) fillSet(ctx context.Context, s firewall.SourceSet, f originward.Family) (bool, error) {
	if s.Engine == "ipset" {
		return g.fillIPSet(ctx, s.Name, f)
	}
	at := setAt{s.Family, s.Table, s.Name}
	head, err := g.m.Run(ctx, "", "nft", "-t", "list", "set", s.Family, s.Table, s.Name)
	if err != nil {
		return false, err
	}
	want := map[originward.Family]string{originward.IP4: "type ipv4_addr", originward.IP6: "type ipv6_addr"}[f]
	if !strings.Contains(head, want) || !strings.Contains(head, "interval") {
		return false, nil
	}
	all, err := setElements(ctx, g.m, at)
	if err != nil {
		return false, err
	}
	set := NFTSet{Family: s.Family, Table: s.Table, Set: s.Name, Add: missing(all, f)}
	if len(set.Add) == 0 {
		return false, nil
	}
	if !slices.Contains(g.sets, at) {
		g.sets = append(g.sets, at)
	}
	return true, (&NFT{Sets: []NFTSet{set}}).Apply(ctx, g.m)
}

func (g *gate) fillIPSet(ctx context.Context, name string, f originward.Family) (bool, error) {
	head, err := g.m.Run(ctx, "", "ipset", "-t", "list", name)
	if err != nil {
		return false, err
	}
	family := map[originward.Family]string{originward.IP4: "family inet ", originward.IP6: "family inet6 "}[f]
	if !strings.Contains(head, "Type: hash:net\n") || !strings.Contains(head, family) {
		return false, nil
	}
	s := &IPSet{Set: name}
	now, err := s.entries(ctx, g.m)
	if err != nil {
		return false, err
	}
	var keys []string
	for k := range now {
		keys = append(keys, k)
	}
	if s.Add = missing(keys, f); len(s.Add) == 0 {
		return false, nil
	}
	if !slices.Contains(g.ipsets, name) {
		g.ipsets = append(g.ipsets, name)
	}
	return true, s.Apply(ctx, g.m)
}

// missing are the CDN's ranges of a family that the keys do not cover whole;
// those that they touch in part are left: adding them would clash.
func missing(keys []string, f originward.Family) []string { return uncovered(rangesOf(f), keys, f) }

// uncovered are the parts of ranges of a family that no key covers.
func uncovered(ranges []netip.Prefix, keys []string, f originward.Family) []string {
	var have []netip.Prefix
	for _, k := range keys {
		have = append(have, parts(elementKey(k))...)
	}
	var out []string
	for _, r := range ranges {
		if originward.FamilyOf(r.Addr()) != f {
			continue
		}
		rest := []netip.Prefix{r}
		for _, h := range have {
			var next []netip.Prefix
			for _, p := range rest {
				if p.Addr().Is4() != h.Addr().Is4() {
					next = append(next, p)
					continue
				}
				next = append(next, subtract(p, h)...)
			}
			rest = next
		}
		for _, p := range rest {
			out = append(out, p.String())
		}
	}
	return out
}
