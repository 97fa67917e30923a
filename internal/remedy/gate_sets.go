package remedy

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/originward/originward/internal/firewall/interval"
)

// parts reads an element's key as prefixes: a prefix, an address or a range of
// addresses. Other keys (addresses with ports, names) are none.
func parts(key string) []netip.Prefix {
	if p, err := netip.ParsePrefix(key); err == nil {
		return []netip.Prefix{p.Masked()}
	}
	if a, err := netip.ParseAddr(key); err == nil {
		return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}
	}
	from, to, ok := strings.Cut(key, "-")
	if !ok {
		return nil
	}
	lo, err1 := netip.ParseAddr(from)
	hi, err2 := netip.ParseAddr(to)
	if err1 != nil || err2 != nil || lo.Is4() != hi.Is4() || hi.Less(lo) {
		return nil
	}
	ps, _ := interval.Prefixes(interval.Iv{Lo: interval.FromAddr(lo), Hi: interval.FromAddr(hi)}, lo.BitLen(), 256)
	return ps
}

// without splits a key: does it hold addresses of the CDN, and what remains
// when these are taken out.
func (g *gate) without(key string) (holds bool, rest []string) {
	ps := parts(key)
	for _, r := range g.ranges {
		var next []netip.Prefix
		for _, p := range ps {
			if p.Addr().Is4() != r.Addr().Is4() || !p.Overlaps(r) {
				next = append(next, p)
				continue
			}
			holds = true
			next = append(next, subtract(p, r)...)
		}
		ps = next
	}
	if !holds {
		return false, nil
	}
	for _, p := range ps {
		rest = append(rest, p.String())
	}
	return true, rest
}

// clearIPSet takes the CDN's addresses out of an ipset.
func (g *gate) clearIPSet(ctx context.Context, name string) error {
	s := &IPSet{Set: name}
	now, err := s.entries(ctx, g.m)
	if err != nil {
		return err
	}
	for key, line := range now {
		holds, rest := g.without(key)
		if !holds {
			continue
		}
		s.Delete = append(s.Delete, key)
		for _, p := range rest {
			s.Add = append(s.Add, p+strings.TrimPrefix(line, key))
		}
	}
	if len(s.Delete) == 0 {
		return fmt.Errorf("no entry of ipset %s holds addresses of the CDN alone: it is a list of another kind", name)
	}
	sort.Strings(s.Delete)
	if !slices.Contains(g.ipsets, name) {
		g.ipsets = append(g.ipsets, name)
	}
	return s.Apply(ctx, g.m)
}

// clearSet takes the CDN's addresses out of an nf_tables set or map.
func (g *gate) clearSet(ctx context.Context, at setAt) error {
	all, err := setElements(ctx, g.m, at)
	if err != nil {
		return err
	}
	s := NFTSet{Family: at.family, Table: at.table, Set: at.set}
	for _, e := range all {
		key := elementKey(e)
		holds, rest := g.without(key)
		if !holds {
			continue
		}
		s.Delete = append(s.Delete, key)
		for _, p := range rest {
			s.Add = append(s.Add, p+strings.TrimPrefix(e, key))
		}
	}
	if len(s.Delete) == 0 {
		return fmt.Errorf("no element of set %s holds addresses of the CDN: it is a set of another kind", at.set)
	}
	if !slices.Contains(g.sets, at) {
		g.sets = append(g.sets, at)
	}
	return (&NFT{Sets: []NFTSet{s}}).Apply(ctx, g.m)
}
