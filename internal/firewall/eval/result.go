package eval

import (
	"slices"
	"sort"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// Result is what one evaluation found.
type Result struct {
	// Outcomes are all possible ends; a source in more than one has its end depend on their tags.
	Outcomes []Outcome
	Limits   []Limit
	// Feeds lists what remembers packets on their way.
	Feeds []Feed
	// Delivery is local, forward or none; with rewrites, that of the last state.
	Delivery string
	engine   *engine
}

// Station is one step of a packet's path.
type Station struct {
	Chain *ruleset.Chain
	Hook  ruleset.Hook
	Rule  *ruleset.Rule // nil for the policy
	// Verdict is accept, drop, reject, jump, goto, dnat …; empty when the rule's own verdict tells.
	Verdict string
	Reply   bool
	// First is true on the first step in a base chain.
	First bool
}

// indexed is an interval of a layer's entry, for searching.
type indexed struct {
	iv    interval.Iv
	entry int
}

// indexFrom is how many entries make an index cheaper than asking each.
const indexFrom = 64

// find returns the entry of a layer that let an address pass.
func (l *layer) find(a interval.U128) (passed, bool) {
	if len(l.entries) <= indexFrom {
		for i := range l.entries {
			if l.entries[i].a.Contains(a) {
				return l.entries[i], true
			}
		}
		return passed{}, false
	}
	if l.index == nil {
		for i := range l.entries {
			l.entries[i].a.Each(func(iv interval.Iv) bool {
				l.index = append(l.index, indexed{iv, i})
				return true
			})
		}
		slices.SortFunc(l.index, func(a, b indexed) int { return a.iv.Lo.Cmp(b.iv.Lo) })
	}
	// Entries overlap only where something is undecided; the nearest start below is as good as any.
	i := sort.Search(len(l.index), func(k int) bool { return a.Less(l.index[k].iv.Lo) })
	for i--; i >= 0 && i > len(l.index)-1-1<<20; i-- {
		if !l.index[i].iv.Hi.Less(a) {
			return l.entries[l.index[i].entry], true
		}
		if i < len(l.index)-64 {
			break
		}
	}
	return passed{}, false
}

// Path returns the way of an address to an outcome: every base chain it passed, and the jumps to the last rule.
func (r *Result) Path(o *Outcome, a interval.U128) []Station {
	var out []Station
	for _, l := range o.run.layers[:min(o.Layers, len(o.run.layers))] {
		if p, ok := l.find(a); ok {
			v := "accept"
			if p.nat != nil && p.nat.rule == p.Rule {
				v = p.nat.kind
			}
			out = append(out, stations(l.chain, l.hook, l.reply, p.Place, v)...)
		}
	}
	if o.Chain != nil {
		v := map[End]string{EndDrop: "drop", EndReject: "reject", EndStolen: "stolen", EndAccept: "accept"}[o.End]
		if o.End != EndAccept {
			out = append(out, stations(base(o.Chain, o.stack), o.Hook, o.Reply, o.Place, v)...)
		}
	}
	return out
}

// base is the base chain a stack of jumps started in.
func base(c *ruleset.Chain, f *frame) *ruleset.Chain {
	for ; f != nil; f = f.parent {
		c = f.rule.Chain
	}
	return c
}

// stations unrolls a stack of jumps.
func stations(c *ruleset.Chain, hook ruleset.Hook, reply bool, p Place, last string) []Station {
	var jumps []Station
	for f := p.stack; f != nil; f = f.parent {
		v := "jump"
		if f.goTo {
			v = "goto"
		}
		jumps = append(jumps, Station{Chain: f.rule.Chain, Hook: hook, Rule: f.rule, Verdict: v, Reply: reply})
	}
	slices.Reverse(jumps)
	if p.Rule == nil {
		// The policy decides back in the base chain, wherever the packet had been.
		last = "policy " + last
		jumps = append(jumps, Station{Chain: c, Hook: hook, Verdict: last, Reply: reply})
	} else {
		jumps = append(jumps, Station{Chain: p.Rule.Chain, Hook: hook, Rule: p.Rule, Verdict: last, Reply: reply})
	}
	jumps[0].First = true
	return jumps
}

// Redirect says how the destination was rewritten, if it was.
func (o *Outcome) Redirect() (rule *ruleset.Rule, kind string, to interval.U128, port uint16, addrKnown, portKnown bool) {
	if o.nat == nil {
		return nil, "", interval.U128{}, 0, false, false
	}
	n := o.nat
	return n.rule, n.kind, n.to, n.port, !n.unkAddr, !n.unkPort
}

// deciding splits accepted sources by the rule that accepted them, looking at the input or forward chains first, for
// those are what an administrator calls the firewall.
func (r *Result) deciding(o *Outcome) []Outcome {
	layers := o.run.layers[:min(o.Layers, len(o.run.layers))]
	main := pick(layers, func(l *layer) bool {
		return !l.reply && (l.hook == ruleset.Input || l.hook == ruleset.Forward) && l.chain.Base.Type != "nat"
	})
	if len(main) == 0 {
		main = pick(layers, func(l *layer) bool { return !l.reply && l.chain.Base.Type != "nat" })
	}
	left := o.Set.Clone()
	var out []Outcome
	for i := len(main) - 1; i >= 0 && !left.Empty(); i-- {
		for _, p := range main[i].entries {
			if p.Rule == nil || left.Empty() {
				continue
			}
			if got := left.Extract(p.a); !got.Empty() {
				n := *o
				n.Set, n.Place = got, p.Place
				out = append(out, n)
			}
		}
	}
	if !left.Empty() {
		n := *o
		n.Set = left
		if len(main) > 0 {
			n.Place = Place{Chain: main[len(main)-1].chain}
		}
		out = append(out, n)
	}
	return out
}

func pick(ls []*layer, keep func(*layer) bool) []*layer {
	var out []*layer
	for _, l := range ls {
		if keep(l) {
			out = append(out, l)
		}
	}
	return out
}
