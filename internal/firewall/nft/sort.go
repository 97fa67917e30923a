package nft

import (
	"slices"

	"github.com/originward/originward/internal/firewall/interval"
)

// sortPoints sorts by key; at the same key an end comes before a start, so that neighbours pair up. Interval sets come
// from the kernel sorted one way or the other and hash sets in random order.
func sortPoints(p []point) {
	switch {
	case slices.IsSortedFunc(p, comparePoints):
		return
	case slices.IsSortedFunc(p, func(a, b point) int { return comparePoints(b, a) }):
		slices.Reverse(p)
		return
	}
	if len(p) < interval.RadixFrom || !radixable(p) {
		slices.SortFunc(p, comparePoints)
		return
	}
	interval.Radix(p, func(x *point) uint32 { return uint32(x.key.Lo) }) //nolint:gosec // radixable
}

func comparePoints(a, b point) int {
	if c := a.key.Cmp(b.key); c != 0 {
		return c
	}
	switch {
	case a.end == b.end:
		return 0
	case a.end:
		return -1
	}
	return 1
}

// radixable reports keys of at most 32 bits without interval ends: large sets of IPv4 addresses.
func radixable(p []point) bool {
	for i := range p {
		if p[i].key.Hi != 0 || p[i].key.Lo>>32 != 0 || p[i].end {
			return false
		}
	}
	return true
}
