package nft

import (
	"slices"
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
	if len(p) < 4096 || !radixable(p) {
		slices.SortFunc(p, comparePoints)
		return
	}
	radix(p)
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

// radix sorts by the low 32 bits, 11 at a time.
func radix(p []point) {
	src, dst := p, make([]point, len(p))
	for shift := 0; shift < 33; shift += 11 {
		var at [2048]int
		for i := range src {
			at[src[i].key.Lo>>shift&2047]++
		}
		sum := 0
		for i, n := range at {
			at[i] = sum
			sum += n
		}
		for i := range src {
			k := src[i].key.Lo >> shift & 2047
			dst[at[k]] = src[i]
			at[k]++
		}
		src, dst = dst, src
	}
	// Three rounds leave the result in the second buffer.
	copy(p, src)
}
