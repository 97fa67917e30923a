package eval

import (
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// filter keeps the sources in one range or one set, or those outside.
type filter struct {
	iv  interval.Iv
	set *interval.Set // used instead of iv when not nil; never written to
	inv bool
}

// piece is a part of the packets an expression matched: those that pass the filter, on those ports, provided the tags.
// Pieces without tags are disjoint; what no piece covers does not match.
type piece struct {
	f    *filter       // nil: every source
	p    *interval.Set // nil: every port
	tags []Tag
	// data is what a load or look-up stored for this piece, nil when nothing.
	data []sym
	// verdict is set by a verdict map.
	verdict *ruleset.Verdict
	// object is the name an object map selected.
	object string
	from   *source
}

// source is the set whose element selected a piece, to name the element later. The element is found again by the address.
type source struct {
	set *ruleset.Set
	ips *ruleset.IPSet
}

// outcome of an expression on a cursor.
type did uint8

const (
	didMatch   did = iota // goes on unchanged
	didBreak              // does not match
	didSplit              // goes on in pieces
	didVerdict            // ended the rule with a verdict
)

// maxSplit bounds how many ranges an address mask may be split into before it is called unknown.
const maxSplit = 4096

// equal compares bytes with constants and returns the pieces that match.
func (e *engine) equal(s []sym, want []byte) (did, []piece) {
	var srcMask, srcVal [16]byte
	var portMask, portVal [2]byte
	src, port, unk := false, false, false
	for i := range s {
		b := s[i]
		if (want[i]^b.val)&^b.mask != 0 && b.kind != symConst || b.kind == symConst && b.val != want[i] {
			return didBreak, nil
		}
		bits := (want[i] ^ b.val) & b.mask
		switch b.kind {
		case symSrc:
			if srcVal[b.idx]&srcMask[b.idx]&b.mask != bits&srcMask[b.idx] {
				return didBreak, nil // the same bits asked for twice, differently
			}
			src = true
			srcMask[b.idx] |= b.mask
			srcVal[b.idx] |= bits
		case symPort:
			port = true
			portMask[b.idx] |= b.mask
			portVal[b.idx] |= bits
		case symUnk:
			unk = true
		}
	}
	if !src && !port && !unk {
		return didMatch, nil
	}
	var out piece
	if unk {
		if !e.possible(s, want) {
			return didBreak, nil
		}
		out.tags = e.tagsOf(s)
	}
	if port {
		ivs, ok := interval.Masked(number(portMask[:]), number(portVal[:]), 16, 65536)
		if !ok {
			return e.tagged(s)
		}
		out.p = interval.Of(ivs...)
	}
	if src {
		f, ok := e.maskFilter(srcMask, srcVal)
		if !ok {
			return didSplit, []piece{{tags: []Tag{{TagUnknown, "address mask", "an address mask that is no prefix"}}}}
		}
		out.f = f
	}
	return didSplit, e.one(out)
}

// one returns a single piece without allocating.
func (e *engine) one(p piece) []piece {
	e.scratch[0] = p
	return e.scratch[:1]
}

// tagged is a match that is only possible.
func (e *engine) tagged(s []sym) (did, []piece) {
	tags := e.tagsOf(s)
	if len(tags) == 0 {
		tags = []Tag{{TagUnknown, "comparison", "a comparison of part of an address"}}
	}
	return didSplit, e.one(piece{tags: tags})
}

// maskFilter turns fixed address bits into a filter.
func (e *engine) maskFilter(mask, val [16]byte) (*filter, bool) {
	n := e.width / 8
	m, v := number(mask[:n]), number(val[:n])
	ones := m.OnesCount()
	if e.width-ones == m.TrailingZeros() || ones == e.width {
		free := interval.Max(e.width - ones)
		return &filter{iv: interval.Iv{Lo: v, Hi: v.Or(free)}}, true
	}
	ivs, ok := interval.Masked(m, v, e.width, maxSplit)
	if !ok {
		return nil, false
	}
	return &filter{set: interval.Of(ivs...)}, true
}

// possible reports whether a comparison of whole unknowns can come out equal.
func (e *engine) possible(s []sym, want []byte) bool {
	for i := 0; i < len(s); {
		if s[i].kind != symUnk {
			i++
			continue
		}
		sl := e.slots[s[i].idx]
		w := int(sl.width)
		if i+w <= len(s) && w <= 8 {
			if _, ok := e.fullSlot(s[i : i+w]); ok {
				if v := number(want[i : i+w]).Lo; v < sl.lo || v > sl.hi {
					return false
				}
				i += w
				continue
			}
		}
		i++
	}
	return true
}

// not turns the pieces of a match into those of its opposite.
func (e *engine) not(d did, in []piece) (did, []piece) {
	switch d {
	case didMatch:
		return didBreak, nil
	case didBreak:
		return didMatch, nil
	}
	if len(in) != 1 {
		return e.notMany(in)
	}
	p := in[0]
	if len(p.tags) > 0 {
		// Outside the filter it certainly does not match; inside nobody knows.
		out := []piece{{f: p.f, p: p.p, tags: p.tags}}
		return didSplit, append(out, outside(p)...)
	}
	return didSplit, outside(p)
}

// outside returns the complement of one piece's filter and ports, as disjoint pieces.
func outside(p piece) []piece {
	var out []piece
	if p.f != nil {
		f := *p.f
		f.inv = !f.inv
		out = append(out, piece{f: &f})
	}
	if p.p != nil {
		rest := interval.Of(allPorts).Subtract(p.p)
		if !rest.Empty() {
			out = append(out, piece{f: p.f, p: rest})
		}
	}
	return out
}

// notMany is the complement of several pieces: exact when ports do not matter, else only possible.
func (e *engine) notMany(in []piece) (did, []piece) {
	sure, maybe := &interval.Set{}, &interval.Set{}
	var tags []Tag
	for _, p := range in {
		s := e.filterSet(p.f)
		switch {
		case p.p != nil:
			maybe.Add(s)
			tags = addTag(tags, field("source port"))
		case len(p.tags) > 0:
			maybe.Add(s)
			tags = addTags(tags, p.tags)
		default:
			sure.Add(s)
		}
	}
	maybe.Extract(sure)
	all := sure.Clone()
	all.Add(maybe)
	out := []piece{{f: &filter{set: all, inv: true}}}
	if !maybe.Empty() {
		out = append(out, piece{f: &filter{set: maybe}, tags: tags})
	}
	return didSplit, out
}

// filterSet spells a filter out.
func (e *engine) filterSet(f *filter) *interval.Set {
	switch {
	case f == nil:
		return e.space()
	case f.inv:
		out := e.space()
		if f.set != nil {
			out.Extract(f.set)
		} else {
			out.Carve(f.iv, nil)
		}
		return out
	case f.set != nil:
		return f.set
	}
	return interval.Of(f.iv)
}

func (e *engine) space() *interval.Set {
	return interval.Of(interval.Iv{Hi: interval.Max(e.width)})
}

// ordered compares bytes as a big-endian number: those with lo <= x <= hi match, where strictly outside is the opposite.
func (e *engine) ordered(s []sym, lo, hi []byte) (did, []piece) {
	var buf [64]byte
	if b, ok := constants(s, buf[:]); ok {
		if compareBytes(lo, b) <= 0 && compareBytes(b, hi) <= 0 {
			return didMatch, nil
		}
		return didBreak, nil
	}
	if compareBytes(lo, hi) > 0 {
		return didBreak, nil
	}
	switch {
	case fullPort(s):
		l, h := number(lo), number(hi)
		return didSplit, e.one(piece{p: interval.Of(interval.Iv{Lo: l, Hi: h})})
	case len(s) <= 8:
		if sl, ok := e.fullSlot(s); ok {
			l, h := number(lo).Lo, number(hi).Lo
			switch {
			case l <= sl.lo && sl.hi <= h:
				return didMatch, nil
			case h < sl.lo || sl.hi < l:
				return didBreak, nil
			}
			return e.tagged(s)
		}
	}
	if bits, ok := addrPrefix(s); ok && len(s)*8 <= e.width {
		return e.orderedPrefix(s, bits, lo, hi)
	}
	return e.tagged(s)
}

// orderedPrefix compares the leading bits of the address: monotone in the address, hence one range.
func (e *engine) orderedPrefix(s []sym, bits int, lo, hi []byte) (did, []piece) {
	shift := e.width - bits
	drop := len(s)*8 - bits // bits of the compared bytes that the mask makes zero
	l, h := number(lo), number(hi)
	low := interval.Max(drop)
	// Smallest prefix value >= lo, largest <= hi, in units of the prefix.
	first := shr(l, drop)
	if !l.And(low).IsZero() {
		first = first.Inc()
	}
	last := shr(h, drop)
	if last.Less(first) || interval.Max(bits).Less(first) {
		return didBreak, nil
	}
	iv := interval.Iv{Lo: first.Shl(shift), Hi: last.Shl(shift).Or(interval.Max(shift))}
	return didSplit, e.one(piece{f: &filter{iv: iv}})
}

func shr(u interval.U128, n int) interval.U128 {
	for ; n >= 8; n -= 8 {
		u = interval.U128{Hi: u.Hi >> 8, Lo: u.Lo>>8 | u.Hi<<56}
	}
	if n == 0 {
		return u
	}
	return interval.U128{Hi: u.Hi >> n, Lo: u.Lo>>n | u.Hi<<(64-n)}
}

func compareBytes(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			if a[i] < b[i] {
				return -1
			}
			return 1
		}
	}
	return 0
}
