package interval

import (
	"net/netip"
	"slices"
	"sort"
)

// Iv is an inclusive range.
type Iv struct{ Lo, Hi U128 }

// Size is the number of members, as a float64 because the whole IPv6 space has 2^128.
func (iv Iv) Size() float64 { return iv.Hi.Sub(iv.Lo).Float() + 1 }

// FromPrefix returns a prefix as a range.
func FromPrefix(p netip.Prefix) Iv {
	p = p.Masked()
	width := 128
	if p.Addr().Is4() {
		width = 32
	}
	lo := FromAddr(p.Addr())
	return Iv{lo, lo.Or(Max(width - p.Bits()))}
}

// maxChunk is where a chunk is split: large enough that the index stays small for half a million ranges, small
// enough that moving half a chunk (8 KiB) costs well under a microsecond.
const maxChunk = 512

type chunk struct {
	iv     []Iv
	shared bool // referenced by a clone as well: copy before writing
}

// Set is a set of numbers. The zero value is empty and ready to use. Not safe for concurrent writes.
type Set struct{ c []chunk }

// Of returns the set of the given ranges, in any order, overlapping or not.
func Of(ivs ...Iv) *Set {
	s := &Set{}
	if len(ivs) == 1 {
		s.c = []chunk{{iv: []Iv{ivs[0]}}}
		return s
	}
	sorted := slices.Clone(ivs)
	Sort(sorted)
	s.load(Merge(sorted))
	return s
}

// FromSorted returns the set of ranges that are already sorted, disjoint and not adjacent. It takes the slice over.
func FromSorted(ivs []Iv) *Set {
	s := &Set{}
	s.load(ivs)
	return s
}

func (s *Set) load(ivs []Iv) {
	s.c = s.c[:0]
	for len(ivs) > 0 {
		n := min(len(ivs), maxChunk)
		// The capacity is cut so that growing one chunk never writes into the next.
		s.c = append(s.c, chunk{iv: ivs[:n:n]})
		ivs = ivs[n:]
	}
}

// Sort sorts ranges by their lower end.
func Sort(ivs []Iv) {
	byLo := func(a, b Iv) int { return a.Lo.Cmp(b.Lo) }
	if slices.IsSortedFunc(ivs, byLo) {
		return
	}
	if len(ivs) >= RadixFrom && narrow(ivs) {
		Radix(ivs, func(iv *Iv) uint32 { return uint32(iv.Lo.Lo) }) //nolint:gosec // narrow
		return
	}
	slices.SortFunc(ivs, byLo)
}

// narrow reports that all lower ends have at most 32 bits.
func narrow(ivs []Iv) bool {
	for i := range ivs {
		if ivs[i].Lo.Hi != 0 || ivs[i].Lo.Lo>>32 != 0 {
			return false
		}
	}
	return true
}

// Merge joins overlapping and adjacent ranges of a sorted slice in place.
func Merge(ivs []Iv) []Iv {
	if len(ivs) < 2 {
		return ivs
	}
	out := ivs[:1]
	for _, iv := range ivs[1:] {
		last := &out[len(out)-1]
		if touches(last.Hi, iv.Lo) {
			if last.Hi.Less(iv.Hi) {
				last.Hi = iv.Hi
			}
			continue
		}
		out = append(out, iv)
	}
	return out
}

// Joined is Merge without changing its argument: the slice itself when there is nothing to join, else a copy.
func Joined(ivs []Iv) []Iv {
	for i := 1; i < len(ivs); i++ {
		if touches(ivs[i-1].Hi, ivs[i].Lo) {
			return Merge(slices.Clone(ivs))
		}
	}
	return ivs
}

// touches reports lo <= hi+1, without wrapping at the top.
func touches(hi, lo U128) bool { return !hi.Less(lo) || hi.Inc() == lo }

// Empty reports whether the set has no member.
func (s *Set) Empty() bool { return len(s.c) == 0 }

// Len is the number of ranges.
func (s *Set) Len() int {
	n := 0
	for i := range s.c {
		n += len(s.c[i].iv)
	}
	return n
}

// Size is the number of members.
func (s *Set) Size() float64 {
	n := 0.0
	s.Each(func(iv Iv) bool { n += iv.Size(); return true })
	return n
}

// Each calls f for every range in order until f returns false.
func (s *Set) Each(f func(Iv) bool) {
	for i := range s.c {
		for _, iv := range s.c[i].iv {
			if !f(iv) {
				return
			}
		}
	}
}

// Ranges returns all ranges in order, as a new slice.
func (s *Set) Ranges() []Iv {
	out := make([]Iv, 0, s.Len())
	for i := range s.c {
		out = append(out, s.c[i].iv...)
	}
	return out
}

// First returns the lowest range; ok is false for an empty set.
func (s *Set) First() (iv Iv, ok bool) {
	if len(s.c) == 0 {
		return Iv{}, false
	}
	return s.c[0].iv[0], true
}

// Clone returns an independent copy; ranges are copied only when one of the two is written to.
func (s *Set) Clone() *Set {
	for i := range s.c {
		s.c[i].shared = true
	}
	return &Set{c: slices.Clone(s.c)}
}

// find returns the first chunk and place whose range ends at or after v.
func (s *Set) find(v U128) (ci, i int) {
	ci = sort.Search(len(s.c), func(k int) bool {
		iv := s.c[k].iv
		return !iv[len(iv)-1].Hi.Less(v)
	})
	if ci == len(s.c) {
		return ci, 0
	}
	iv := s.c[ci].iv
	return ci, sort.Search(len(iv), func(k int) bool { return !iv[k].Hi.Less(v) })
}

// Contains reports membership.
func (s *Set) Contains(v U128) bool {
	ci, i := s.find(v)
	return ci < len(s.c) && !v.Less(s.c[ci].iv[i].Lo)
}

// Overlaps reports whether any member lies in the range.
func (s *Set) Overlaps(r Iv) bool {
	ci, i := s.find(r.Lo)
	return ci < len(s.c) && !r.Hi.Less(s.c[ci].iv[i].Lo)
}

// Covers reports whether every member of the range is in the set.
func (s *Set) Covers(r Iv) bool {
	ci, i := s.find(r.Lo)
	return ci < len(s.c) && !r.Lo.Less(s.c[ci].iv[i].Lo) && !s.c[ci].iv[i].Hi.Less(r.Hi)
}

// Equal reports whether both sets have the same members.
func (s *Set) Equal(t *Set) bool {
	return s.Len() == t.Len() && slices.Equal(s.Ranges(), t.Ranges())
}
