package remedy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
	"github.com/originward/originward/internal/firewall"
)

// gate is a copy of the host's packet filter in which changes are tried, and
// what has been tried so far.
type gate struct {
	copy *firewall.Copy
	m    *Machine // the copy
	ask  []firewall.Question
	// touched are what the trials changed; their differences are the plan.
	chains []chainAt
	sets   []setAt
	ipsets []string
	ranges []netip.Prefix
}

type chainAt struct {
	engine               firewall.Engine
	family, table, chain string
}

type setAt struct{ family, table, set string }

// cdnRanges are all ranges of the CDN.
func cdnRanges() []netip.Prefix {
	var out []netip.Prefix
	for _, f := range []originward.Family{originward.IP4, originward.IP6} {
		ranges, _ := cdn.Ranges(cdn.Cloudflare, f)
		out = append(out, ranges...)
	}
	return out
}

// openGate copies the host's packet filter. It asks for the destinations of
// the evidence whose ports the findings name.
func (s *site) openGate(ctx context.Context, found []originward.Finding) (*gate, error) {
	snap, err := firewall.Collect(ctx, firewall.Options{})
	if err != nil {
		return nil, err
	}
	g := &gate{ranges: cdnRanges()}
	for _, it := range fact.All[fact.Firewall](s.b, originward.Host) {
		for _, a := range it.Fact.Answers {
			about := func(f originward.Finding) bool {
				return (f.Subject.Port == 0 || f.Subject.Port == a.Port) && (f.Subject.Family == "" || f.Subject.Family == originward.FamilyOf(a.Dst))
			}
			if slices.ContainsFunc(found, about) && a.Dst.IsValid() {
				g.ask = append(g.ask, firewall.Question{Dst: a.Dst, Port: a.Port, Ranges: g.ranges})
			}
		}
	}
	if len(g.ask) == 0 {
		return nil, errors.New("the evidence holds no answer of the packet filter for that port; diagnose with host evidence collected as root")
	}
	if g.copy, err = snap.Copy(ctx); err != nil {
		return nil, fmt.Errorf("no copy of the packet filter could be made to try the change in: %w", err)
	}
	g.m = &Machine{within: g.copy.Do}
	return g, nil
}

func (g *gate) close() { g.copy.Close() }

// blocked are the groups of the CDN's addresses that the copy turns away.
func (g *gate) blocked(ctx context.Context) (*firewall.Snapshot, []blockedAt, error) {
	snap, err := g.copy.Collect(ctx)
	if err != nil {
		return nil, nil, err
	}
	var out []blockedAt
	for _, q := range g.ask {
		for _, seg := range snap.Ask(q).CDN.Segments {
			if (seg.Verdict == firewall.Drop || seg.Verdict == firewall.Reject) && seg.Rule != nil {
				out = append(out, blockedAt{q, seg})
			}
		}
	}
	return snap, out, nil
}

type blockedAt struct {
	q   firewall.Question
	seg firewall.Segment
}

// rounds bounds how many rules, one behind the other, are taken out.
const rounds = 400

// open lets every range of the CDN through, by the given cure for what blocks;
// a cure says no by an error.
func (g *gate) open(ctx context.Context, cure func(context.Context, *gate, *firewall.Snapshot, blockedAt) error) error {
	for range rounds {
		snap, all, err := g.blocked(ctx)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return nil
		}
		done := map[string]bool{}
		for _, b := range all {
			// Rules move when one goes: of one chain, one a round.
			at := fmt.Sprint(b.seg.Rule.Engine, b.seg.Rule.Family, b.seg.Rule.Table, b.seg.Rule.Chain)
			if done[at] {
				continue
			}
			done[at] = true
			if err := cure(ctx, g, snap, b); err != nil {
				return err
			}
		}
	}
	return errors.New("the packet filter turns the CDN away by too many rules")
}

// remove takes out what turns the CDN away: elements of a set, or the rule.
func remove(ctx context.Context, g *gate, _ *firewall.Snapshot, b blockedAt) error {
	r := b.seg.Rule
	set := sourceSet.FindStringSubmatch(r.Text)
	switch {
	case r.Element != nil && r.Element.IPSet:
		return g.clearIPSet(ctx, r.Set)
	case r.Engine == firewall.NFT && set != nil:
		return g.clearSet(ctx, setAt{r.Family, r.Table, set[1]})
	case r.Policy:
		return fmt.Errorf("what turns the CDN away is the policy of chain %s, and no rule", r.Chain)
	case r.Handle != 0 && r.Engine == firewall.NFT:
		g.touchChain(r)
		_, err := g.m.Run(ctx, "", "nft", "delete", "rule", r.Family, r.Table, r.Chain, "handle", fmt.Sprint(r.Handle))
		return err
	case r.Position > 0 && r.Engine != firewall.NFT:
		g.touchChain(r)
		_, err := g.m.Run(ctx, "", tool(r), "-t", r.Table, "-D", r.Chain, fmt.Sprint(r.Position))
		return err
	}
	return fmt.Errorf("how to take out “%s” is not known", r.Text)
}

// sourceSet finds the named set or map in which a native rule looks the source
// up.
var sourceSet = regexp.MustCompile(`\bip6? saddr (?:vmap )?@(\S+)`)

// tool is the command of a rule's engine and family.
func tool(r *firewall.RuleRef) string {
	base := "iptables"
	if r.Family == "ip6" {
		base = "ip6tables"
	}
	name := base + "-nft"
	if r.Engine == firewall.IptablesLegacy {
		name = base + "-legacy"
	}
	if has(name) {
		return name
	}
	return base
}

func (g *gate) touchChain(r *firewall.RuleRef) {
	c := chainAt{r.Engine, r.Family, r.Table, r.Chain}
	if !slices.Contains(g.chains, c) {
		g.chains = append(g.chains, c)
	}
}

// subtract gives the prefixes that cover p without q.
func subtract(p, q netip.Prefix) []netip.Prefix {
	switch {
	case !p.Overlaps(q):
		return []netip.Prefix{p}
	case q.Bits() <= p.Bits():
		return nil
	}
	low := netip.PrefixFrom(p.Addr(), p.Bits()+1).Masked()
	high := netip.PrefixFrom(flip(low.Addr(), p.Bits()), p.Bits()+1)
	return append(subtract(low, q), subtract(high, q)...)
}

// flip turns one bit of an address, counted from the first.
func flip(a netip.Addr, bit int) netip.Addr {
	b := a.AsSlice()
	b[bit/8] ^= 0x80 >> (bit % 8)
	out, _ := netip.AddrFromSlice(b)
	return out
}
