package rules

import (
	"net/netip"
	"slices"
	"sort"
)

// ipSet is a set of addresses as sorted ranges that do not overlap, so that a
// look-up is a binary search however long the list is.
type ipSet struct {
	ranges []ipRange
}

type ipRange struct{ from, to netip.Addr }

func newIPSet(ranges []ipRange) ipSet {
	slices.SortFunc(ranges, func(a, b ipRange) int { return a.from.Compare(b.from) })
	var out []ipRange
	for _, r := range ranges {
		if n := len(out); n > 0 && out[n-1].from.BitLen() == r.from.BitLen() && !out[n-1].to.Less(r.from) {
			if out[n-1].to.Less(r.to) {
				out[n-1].to = r.to
			}
			continue
		}
		out = append(out, r)
	}
	return ipSet{out}
}

func (s ipSet) contains(a netip.Addr) bool {
	a = a.Unmap()
	i := sort.Search(len(s.ranges), func(i int) bool { return a.Less(s.ranges[i].from) })
	if i == 0 {
		return false
	}
	r := s.ranges[i-1]
	return r.from.BitLen() == a.BitLen() && !r.to.Less(a)
}

// lastAddr is the highest address of a prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// intSet is a set of integers as inclusive ranges.
type intSet [][2]int64

func (s intSet) contains(v int64) bool {
	for _, r := range s {
		if v >= r[0] && v <= r[1] {
			return true
		}
	}
	return false
}
