package eval

import (
	"fmt"
	"strings"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// groups collects the elements that match by what they lead to: value, ports and conditions. A map of ten thousand
// addresses to two verdicts is two pieces.
type groups struct {
	e     *engine
	s     *ruleset.Set
	isMap bool
	list  []*group
	byKey map[string]*group
	// last saves the search for runs of elements that lead to the same.
	lastInfo int32
	last     *group
}

type group struct {
	info *ruleset.ElemInfo
	p    *interval.Set
	tags []Tag
	all  bool // every source
	ivs  []interval.Iv
}

func newGroups(e *engine, s *ruleset.Set, isMap bool) *groups {
	return &groups{e: e, s: s, isMap: isMap, byKey: map[string]*group{}, lastInfo: -2}
}

// key tells what an element leads to apart.
func (g *groups) key(info *ruleset.ElemInfo, p *interval.Set, tags []Tag) string {
	var b strings.Builder
	if info != nil {
		b.WriteString(info.Stateful)
		if g.isMap {
			fmt.Fprintf(&b, "|%d|%s|%x|%s", info.Verdict.Code, info.Verdict.Chain, info.Data, info.Object)
		}
	}
	if p != nil {
		fmt.Fprintf(&b, "|%v", p.Ranges())
	}
	if len(tags) > 0 {
		fmt.Fprintf(&b, "|%v", tags)
	}
	return b.String()
}

func (g *groups) group(idx int32, p *interval.Set, tags []Tag) *group {
	if p == nil && tags == nil && idx == g.lastInfo {
		return g.last
	}
	info := g.s.Extra(idx)
	k := g.key(info, p, tags)
	gr := g.byKey[k]
	if gr == nil {
		gr = &group{info: info, p: p, tags: tags}
		g.byKey[k] = gr
		g.list = append(g.list, gr)
	}
	if p == nil && tags == nil {
		g.lastInfo, g.last = idx, gr
	}
	return gr
}

// addRange files an element that matches a range of addresses.
func (g *groups) addRange(iv interval.Iv, idx int32) {
	gr := g.group(idx, nil, nil)
	gr.ivs = append(gr.ivs, iv)
}

// add files what a comparison with an element came to.
func (g *groups) add(d did, ps []piece, idx int32) {
	switch d {
	case didBreak:
		return
	case didMatch:
		g.group(idx, nil, nil).all = true
		return
	}
	for _, p := range ps {
		gr := g.group(idx, p.p, p.tags)
		switch {
		case p.f == nil:
			gr.all = true
		case p.f.set == nil && !p.f.inv:
			gr.ivs = append(gr.ivs, p.f.iv)
		default:
			gr.ivs = append(gr.ivs, g.e.filterSet(p.f).Ranges()...)
		}
	}
}

// pieces returns one piece per group.
func (g *groups) pieces() []piece {
	out := make([]piece, 0, len(g.list))
	for _, gr := range g.list {
		p := piece{p: gr.p, tags: gr.tags}
		if !gr.all {
			p.f = &filter{set: interval.Of(gr.ivs...)}
		}
		g.e.fill(&p, g.s, gr.info, g.isMap)
		out = append(out, p)
	}
	return out
}
