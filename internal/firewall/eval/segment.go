package eval

import (
	"fmt"
	"slices"
	"strings"

	"github.com/originward/originward/internal/firewall/interval"
)

// Verdict is what becomes of a segment.
type Verdict string

// The verdicts; see the public API for their meaning.
const (
	VerdictAccept  Verdict = "accept"
	VerdictDrop    Verdict = "drop"
	VerdictReject  Verdict = "reject"
	VerdictDepends Verdict = "depends"
	VerdictUnknown Verdict = "unknown"
)

// Segment is a set of sources with the same possible ends.
type Segment struct {
	Set      *interval.Set
	Verdict  Verdict
	Outcomes []*Outcome // the worst first
}

// Segments divides the whole address space by possible ends.
func (r *Result) Segments() []Segment {
	all := make([]Outcome, 0, len(r.Outcomes)+16)
	for i := range r.Outcomes {
		if o := &r.Outcomes[i]; o.End == EndAccept {
			for _, n := range r.deciding(o) {
				all = join(all, n)
			}
		} else {
			all = append(all, *o)
		}
	}
	groups := overlaps(all, r.engine.width)
	segs := make([]Segment, 0, len(groups))
	for _, g := range groups {
		s := Segment{Set: g.set, Outcomes: make([]*Outcome, 0, len(g.ids))}
		for _, id := range g.ids {
			s.Outcomes = append(s.Outcomes, &all[id])
		}
		if len(s.Outcomes) > 1 {
			s.Outcomes = distinct(s.Outcomes)
		}
		s.Verdict = judge(s.Outcomes)
		segs = append(segs, s)
	}
	return segs
}

// join adds an accept to one by the same rule, which the route of the answer had split off.
func join(all []Outcome, o Outcome) []Outcome {
	const look = 64 // those split off stand close together
	for i := len(all) - 1; i >= 0 && i >= len(all)-look; i-- {
		a := &all[i]
		if a.End == EndAccept && a.Place == o.Place && a.nat == o.nat && samePorts(a.Ports, o.Ports) && sameTags(a.Tags, o.Tags) {
			a.Set = a.Set.Clone()
			a.Set.Add(o.Set)
			a.Layers = max(a.Layers, o.Layers)
			return all
		}
	}
	return append(all, o)
}

type overlap struct {
	ids []int
	set *interval.Set
}

// overlaps finds the maximal groups of addresses that are in the same outcomes.
func overlaps(all []Outcome, width int) []overlap {
	type edge struct {
		at   interval.U128
		id   int
		open bool
	}
	n := 0
	for i := range all {
		n += all[i].Set.Len()
	}
	if n > sweepLimit && exactCover(all, width) {
		out := make([]overlap, len(all))
		for i := range all {
			out[i] = overlap{[]int{i}, all[i].Set}
		}
		return out
	}
	edges := make([]edge, 0, 2*n)
	top := interval.Max(width)
	for i := range all {
		all[i].Set.Each(func(iv interval.Iv) bool {
			edges = append(edges, edge{iv.Lo, i, true})
			if iv.Hi != top {
				edges = append(edges, edge{iv.Hi.Inc(), i, false})
			}
			return true
		})
	}
	slices.SortFunc(edges, func(a, b edge) int { return a.at.Cmp(b.at) })
	var active []int
	byKey := map[string]int{}
	single := map[int]int{}
	var ivs [][]interval.Iv
	var ids [][]int
	add := func(iv interval.Iv) {
		k, ok := 0, false
		if len(active) == 1 {
			k, ok = single[active[0]]
		} else {
			k, ok = byKey[fmt.Sprint(active)]
		}
		if !ok {
			k = len(ids)
			ids = append(ids, slices.Clone(active))
			ivs = append(ivs, nil)
			if len(active) == 1 {
				single[active[0]] = k
			} else {
				byKey[fmt.Sprint(active)] = k
			}
		}
		ivs[k] = append(ivs[k], iv)
	}
	for i := 0; i < len(edges); {
		at := edges[i].at
		for ; i < len(edges) && edges[i].at == at; i++ {
			p, found := slices.BinarySearch(active, edges[i].id)
			if edges[i].open && !found {
				active = slices.Insert(active, p, edges[i].id)
			} else if !edges[i].open && found {
				active = slices.Delete(active, p, p+1)
			}
		}
		if len(active) == 0 {
			continue
		}
		hi := top
		if i < len(edges) {
			hi = edges[i].at.Dec()
		}
		add(interval.Iv{Lo: at, Hi: hi})
	}
	out := make([]overlap, len(ids))
	for i := range ids {
		out[i] = overlap{ids[i], interval.FromSorted(interval.Merge(ivs[i]))}
	}
	return out
}

// sweepLimit is the number of ranges beyond which the sweep is avoided when it is not needed.
const sweepLimit = 20_000

// exactCover reports that the outcomes' sizes add up to the whole space. Every address has at least one outcome, so they
// then cannot overlap.
func exactCover(all []Outcome, width int) bool {
	var sum interval.U128
	wraps := 0
	for i := range all {
		all[i].Set.Each(func(iv interval.Iv) bool {
			next := sum.Add(iv.Hi.Sub(iv.Lo)).Inc()
			if !sum.Less(next) {
				wraps++
			}
			sum = next
			return true
		})
	}
	if width == 128 {
		return sum.IsZero() && wraps == 1
	}
	return wraps == 0 && sum == interval.Max(width).Inc()
}

// distinct drops outcomes that tell the same story twice and puts the worst first.
func distinct(os []*Outcome) []*Outcome {
	var out []*Outcome
next:
	for _, o := range os {
		for _, have := range out {
			if have.End == o.End && have.With == o.With && have.Rule == o.Rule && have.Chain == o.Chain && have.Hook == o.Hook && have.Reply == o.Reply &&
				have.nat == o.nat && samePorts(have.Ports, o.Ports) {
				have.Tags = fewer(have.Tags, o.Tags)
				continue next
			}
		}
		cp := *o
		out = append(out, &cp)
	}
	slices.SortStableFunc(out, func(a, b *Outcome) int {
		if d := badness(b) - badness(a); d != 0 {
			return d
		}
		return len(a.Tags) - len(b.Tags)
	})
	return out
}

func fewer(a, b []Tag) []Tag {
	if len(b) < len(a) {
		return b
	}
	return a
}

func badness(o *Outcome) int {
	switch o.End {
	case EndDrop:
		return 3
	case EndReject:
		return 2
	case EndStolen:
		return 1
	}
	return 0
}

func unknowns(tags []Tag) (out []string) {
	for _, t := range tags {
		if t.Kind == TagUnknown {
			out = append(out, t.Name)
		}
	}
	return out
}

// judge folds the possible ends of a segment into a verdict. An unknown condition counts only when it could add an end
// that is not possible without it.
func judge(os []*Outcome) Verdict {
	if len(os) == 1 && len(os[0].Tags) == 0 {
		return map[End]Verdict{
			EndAccept: VerdictAccept, EndDrop: VerdictDrop, EndReject: VerdictReject, EndStolen: VerdictDepends,
		}[os[0].End]
	}
	ends := map[string]bool{}
	unsure := map[string]bool{}
	for _, o := range os {
		k := fmt.Sprint(o.End, o.With)
		if len(unknowns(o.Tags)) > 0 {
			unsure[k] = true
		} else {
			ends[k] = true
		}
	}
	for k := range unsure {
		if len(ends) == 1 && !ends[k] || len(ends) == 0 && len(unsure) > 1 {
			return VerdictUnknown
		}
	}
	for k := range unsure {
		ends[k] = true
	}
	if len(ends) > 1 {
		return VerdictDepends
	}
	switch os[0].End {
	case EndDrop:
		return VerdictDrop
	case EndReject:
		return VerdictReject
	case EndAccept:
		return VerdictAccept
	}
	if len(unknowns(os[0].Tags)) > 0 {
		return VerdictUnknown
	}
	return VerdictDepends
}

// Key tells what a segment says apart, for segments of different evaluations on one host.
func (s Segment) Key() string {
	var b strings.Builder
	for _, o := range s.Outcomes {
		fmt.Fprintf(&b, "%d|%s|%p|%p|%v|%v|%v;", o.End, o.With, o.Rule, o.Chain, o.Hook, o.Reply, o.Tags)
	}
	return b.String()
}

// String renders a segment for tests and messages.
func (s Segment) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", s.Verdict)
	for _, o := range s.Outcomes {
		fmt.Fprintf(&b, " [%d %s %v]", o.End, o.With, o.Tags)
	}
	return b.String()
}
