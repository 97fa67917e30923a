package eval

import (
	"bytes"
	"errors"
	"sort"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
)

var errUnknownMark = errors.New("routing by a mark that is not known")

// lookup finds a key in a set or map.
func (e *engine) lookup(ex *ruleset.Expr, c *cursor) (did, []piece) {
	s := ex.X.Set
	isMap := ex.Base == 1 || ex.Kind == ruleset.KindObjrefMap
	if t, ok := e.unreadable(s, ex, &c.env); ok {
		if isMap {
			e.strange(c, t) // any verdict or value
			return didSplit, []piece{{tags: []Tag{t}}}
		}
		return didSplit, []piece{{tags: []Tag{t}}}
	}
	key := load(c, ex.SReg, s.KeyLen)
	if key == nil {
		return didSplit, []piece{{tags: []Tag{{TagUnknown, "register", "out of bounds"}}}}
	}
	var pieces []piece
	if isMap {
		pieces = e.find(s, key, true)
	} else {
		pieces = e.find(s, key, false)
	}
	if s.CatchAll != nil {
		pieces = append(pieces, e.rest(s, pieces, isMap)...)
	}
	switch {
	case len(pieces) == 0:
		if ex.Inv {
			return didMatch, nil
		}
		return didBreak, nil
	case ex.Inv:
		d, p := e.not(whole(pieces))
		for i := range p {
			p[i].from = &source{set: s}
		}
		return d, p
	}
	return didSplit, pieces
}

// whole recognises a single piece that takes everything.
func whole(p []piece) (did, []piece) {
	if len(p) == 1 && p[0].f == nil && p[0].p == nil && len(p[0].tags) == 0 {
		return didMatch, nil
	}
	return didSplit, p
}

// unreadable says why a set's contents cannot be relied on.
func (e *engine) unreadable(s *ruleset.Set, ex *ruleset.Expr, v *env) (Tag, bool) {
	switch {
	case s == nil:
		return Tag{TagUnknown, "set " + ex.X.Name, "it is not in the dump"}, true
	case s.Unread != "":
		return Tag{TagUnknown, "set " + s.Name, s.Unread}, true
	case v.touched&e.dynsets[s] != 0:
		return Tag{TagStateful, "set " + s.Name, "an earlier rule changes it for this packet"}, true
	}
	return Tag{}, false
}

// rest is the piece of the catch-all element: what no other element matched.
func (e *engine) rest(s *ruleset.Set, found []piece, isMap bool) []piece {
	var out []piece
	switch d, p := e.not(whole(found)); {
	case len(found) == 0:
		out = []piece{{}}
	case d == didSplit:
		out = append(out, p...)
	}
	for i := range out {
		e.fill(&out[i], s, s.CatchAll, isMap)
	}
	return out
}

// fill gives a piece an element's value and conditions.
func (e *engine) fill(p *piece, s *ruleset.Set, info *ruleset.ElemInfo, isMap bool) {
	p.from = &source{set: s}
	st := s.Stateful
	if info != nil && info.Stateful != "" {
		st = info.Stateful
	}
	if st != "" {
		p.tags = addTag(p.tags, Tag{TagStateful, "element of " + s.Name, st})
	}
	if !isMap || info == nil {
		return
	}
	switch {
	case info.Object != "":
		p.object = info.Object
	case info.Data != nil:
		p.data = make([]sym, len(info.Data))
		putConst(p.data, info.Data)
	default:
		v := info.Verdict
		p.verdict = &v
	}
}

// find returns the pieces of the elements that can match the key.
func (e *engine) find(s *ruleset.Set, key []sym, isMap bool) []piece {
	var buf [64]byte
	if b, ok := constants(key, buf[:]); ok {
		return e.findConst(s, b, isMap)
	}
	plain := len(s.Wide) == 0 && s.Info == nil && s.Stateful == ""
	if fullAddr(key, e.width) && !isMap && plain {
		if len(s.Keys) == 0 {
			return nil
		}
		return []piece{{f: &filter{set: e.h.index(s)}, from: &source{set: s}}}
	}
	g := newGroups(e, s, isMap)
	if fullAddr(key, e.width) && len(s.Wide) == 0 {
		for i := range s.Keys {
			g.addRange(s.Keys[i], s.KeyInfo(i))
		}
		return g.pieces()
	}
	n := s.KeyLen
	for i := range s.Keys {
		lo, hi := s.Keys[i].Lo.Bytes16(), s.Keys[i].Hi.Bytes16()
		d, p := e.between(key, lo[16-n:], hi[16-n:])
		g.add(d, p, s.KeyInfo(i))
	}
	for i := range s.Wide {
		d, p := e.wide(s, key, &s.Wide[i])
		g.add(d, p, s.Wide[i].Info)
	}
	return g.pieces()
}

// between is equality or an order comparison.
func (e *engine) between(key []sym, lo, hi []byte) (did, []piece) {
	if bytes.Equal(lo, hi) {
		return e.equal(key, lo)
	}
	return e.ordered(key, lo, hi)
}

// wide compares field by field.
func (e *engine) wide(s *ruleset.Set, key []sym, w *ruleset.WideElem) (did, []piece) {
	if bytes.Equal(w.Key, w.End) {
		return e.equal(key, w.Key)
	}
	fields := s.Fields
	if len(fields) == 0 {
		if s.Flags&ruleset.SetConcat != 0 {
			return didSplit, []piece{{tags: []Tag{{TagUnknown, "set " + s.Name, "the fields of its key are not known"}}}}
		}
		fields = []int{s.KeyLen}
	}
	sum := piece{}
	at := 0
	for _, n := range fields {
		if at+n > len(key) {
			return didBreak, nil
		}
		d, p := e.between(key[at:at+n], w.Key[at:at+n], w.End[at:at+n])
		switch d {
		case didBreak:
			return didBreak, nil
		case didSplit:
			if len(p) != 1 {
				return didSplit, []piece{{tags: []Tag{{TagUnknown, "set " + s.Name, "a key that splits in many"}}}}
			}
			e.conjoin(&sum, p[0])
		}
		at += (n + 3) &^ 3
	}
	if sum.f == nil && sum.p == nil && len(sum.tags) == 0 {
		return didMatch, nil
	}
	return didSplit, []piece{sum}
}

// conjoin narrows a piece by another.
func (e *engine) conjoin(p *piece, q piece) {
	switch {
	case p.f == nil:
		p.f = q.f
	case q.f != nil:
		p.f = &filter{set: e.filterSet(p.f).Intersect(e.filterSet(q.f))}
	}
	switch {
	case p.p == nil:
		p.p = q.p
	case q.p != nil:
		p.p = p.p.Intersect(q.p)
	}
	p.tags = addTags(p.tags, q.tags)
}

// findConst looks a constant key up.
func (e *engine) findConst(s *ruleset.Set, key []byte, isMap bool) []piece {
	if len(s.Wide) == 0 {
		v := number(key)
		i := sort.Search(len(s.Keys), func(k int) bool { return !s.Keys[k].Hi.Less(v) })
		if i == len(s.Keys) || v.Less(s.Keys[i].Lo) {
			return nil
		}
		var p piece
		e.fill(&p, s, s.Extra(s.KeyInfo(i)), isMap)
		return []piece{p}
	}
	for i := range s.Wide {
		if s.Wide[i].Matches(s.Fields, key) {
			var p piece
			e.fill(&p, s, s.Extra(s.Wide[i].Info), isMap)
			return []piece{p}
		}
	}
	return nil
}

// index is the set of all keys, for sets of plain addresses; it is made once per snapshot.
func (h *Host) index(s *ruleset.Set) *interval.Set {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ix := h.sets[s]; ix != nil {
		return ix
	}
	if h.sets == nil {
		h.sets = map[*ruleset.Set]*interval.Set{}
	}
	ix := interval.FromSorted(interval.Joined(s.Keys))
	h.sets[s] = ix
	return ix
}
