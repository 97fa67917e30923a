package remedy

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/originward/originward/internal/firewall"
)

// steps are the differences between the host and the copy, as steps: sets
// first, for rules look sources up in them.
func (g *gate) steps(ctx context.Context, host *Machine) ([]Step, error) {
	var out []Step
	for _, name := range g.ipsets {
		s := &IPSet{Set: name}
		now, err := s.entries(ctx, host)
		if err != nil {
			return nil, err
		}
		then, err := s.entries(ctx, g.m)
		if err != nil {
			return nil, err
		}
		for k := range now {
			if _, ok := then[k]; !ok {
				s.Delete = append(s.Delete, k)
			}
		}
		for k, line := range then {
			if _, ok := now[k]; !ok {
				s.Add = append(s.Add, line)
			}
		}
		sort.Strings(s.Delete)
		sort.Strings(s.Add)
		out = append(out, step("ipset", editTitle("ipset "+name, len(s.Delete), len(s.Add)), s))
	}
	n, err := g.nftStep(ctx, host)
	if err != nil {
		return nil, err
	}
	if n != nil {
		out = append(out, step("nft", n.title(), n))
	}
	tables, err := g.iptablesSteps(ctx, host)
	return append(out, tables...), err
}

func editTitle(what string, gone, fresh int) string {
	switch {
	case fresh == 0:
		return fmt.Sprintf("take %s out of %s", Plural(gone, "entry", "entries"), what)
	case gone == 0:
		return fmt.Sprintf("put %s into %s", Plural(fresh, "entry", "entries"), what)
	}
	return fmt.Sprintf("take %s out of %s and put %d in for what is not the CDN's", Plural(gone, "entry", "entries"), what, fresh)
}

// Plural counts things by their word.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// nftStep is everything that changed in nf_tables, as one transaction.
func (g *gate) nftStep(ctx context.Context, host *Machine) (*NFT, error) {
	n := &NFT{}
	for _, at := range g.sets {
		s := NFTSet{Family: at.family, Table: at.table, Set: at.set}
		var now []string
		if strings.HasPrefix(at.set, admitSet) && !s.there(ctx, host) {
			s.Make = "type ipv4_addr; flags interval;"
			if strings.HasSuffix(at.set, "6") {
				s.Make = "type ipv6_addr; flags interval;"
			}
		} else {
			var err error
			if now, err = setElements(ctx, host, at); err != nil {
				return nil, err
			}
		}
		then, err := setElements(ctx, g.m, at)
		if err != nil {
			return nil, err
		}
		for _, e := range now {
			if !hasKey(then, e) {
				s.Delete = append(s.Delete, elementKey(e))
			}
		}
		for _, e := range then {
			if !hasKey(now, e) {
				s.Add = append(s.Add, e)
			}
		}
		n.Sets = append(n.Sets, s)
	}
	for _, c := range g.chains {
		if c.engine != firewall.NFT {
			continue
		}
		now, err := nftList(ctx, host, c.family, c.table, c.chain)
		if err != nil {
			return nil, err
		}
		then, err := nftList(ctx, g.m, c.family, c.table, c.chain)
		if err != nil {
			return nil, err
		}
		n.Chains = append(n.Chains, NFTChain{c.family, c.table, c.chain, listEdit{ruleTexts(now), ruleTexts(then)}})
	}
	if len(n.Sets)+len(n.Chains) == 0 {
		return nil, nil
	}
	return n, nil
}

func (n *NFT) title() string {
	var what []string
	for _, s := range n.Sets {
		what = append(what, editTitle("set "+s.Set, len(s.Delete), len(s.Add)))
	}
	for _, c := range n.Chains {
		what = append(what, chainTitle(c.Table+" "+c.Chain, c.listEdit))
	}
	return strings.Join(what, "; ")
}

func chainTitle(chain string, e listEdit) string {
	ops := e.against(e.From)
	switch {
	case len(ops.Insert) == 0:
		return fmt.Sprintf("take %s out of chain %s", Plural(len(ops.Delete), "rule", "rules"), chain)
	case len(ops.Delete) == 0:
		return fmt.Sprintf("put %s into chain %s", Plural(len(ops.Insert), "rule", "rules"), chain)
	}
	return fmt.Sprintf("change %d rules of chain %s", len(ops.Insert)+len(ops.Delete), chain)
}

// setElements lists a set whole.
func setElements(ctx context.Context, m *Machine, at setAt) ([]string, error) {
	out, err := m.Run(ctx, "", "nft", "list", "set", at.family, at.table, at.set)
	if err != nil {
		if out, err = m.Run(ctx, "", "nft", "list", "map", at.family, at.table, at.set); err != nil {
			return nil, err
		}
	}
	return listedElements(out), nil
}

func hasKey(all []string, e string) bool {
	return slices.ContainsFunc(all, func(x string) bool { return elementKey(x) == elementKey(e) })
}

func (g *gate) iptablesSteps(ctx context.Context, host *Machine) ([]Step, error) {
	var all []*Iptables
	for _, c := range g.chains {
		if c.engine == firewall.NFT {
			continue
		}
		name := tool(&firewall.RuleRef{Engine: c.engine, Family: c.family})
		i := slices.IndexFunc(all, func(t *Iptables) bool { return t.Tool == name && t.Table == c.table })
		if i < 0 {
			all = append(all, &Iptables{Tool: name, Table: c.table})
			i = len(all) - 1
		}
		now, err := all[i].list(ctx, host)
		if err != nil {
			return nil, err
		}
		then, err := all[i].list(ctx, g.m)
		if err != nil {
			return nil, err
		}
		_, there := now[c.chain]
		all[i].Chains = append(all[i].Chains, IptablesChain{c.chain, !there, listEdit{now[c.chain], then[c.chain]}})
	}
	var out []Step
	for _, t := range all {
		var what []string
		for _, c := range t.Chains {
			what = append(what, chainTitle(c.Chain, c.listEdit))
		}
		out = append(out, step("iptables", t.Tool+": "+strings.Join(what, "; "), t))
	}
	return out, nil
}
