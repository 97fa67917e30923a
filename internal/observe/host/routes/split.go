package routes

import (
	"cmp"
	"net/netip"
	"slices"
)

// split cuts a range into the largest prefixes inside which no table entry or
// rule begins or ends, so that one look-up speaks for a whole piece. cuts are
// the entries' prefixes; at most max pieces come back, and whole is false when
// that was not enough.
func split(r netip.Prefix, cuts []netip.Prefix, max int) (pieces []netip.Prefix, whole bool) {
	inside := cuts[:0:0]
	for _, c := range cuts {
		if c.Bits() > r.Bits() && r.Contains(c.Addr()) {
			inside = append(inside, c)
		}
	}
	if len(inside) == 0 {
		return []netip.Prefix{r}, true
	}
	if max < 2 {
		return []netip.Prefix{r}, false
	}
	low, high := halves(r)
	a, okA := split(low, inside, max-1)
	b, okB := split(high, inside, max-len(a))
	return append(a, b...), okA && okB
}

func halves(p netip.Prefix) (low, high netip.Prefix) {
	bits := p.Bits() + 1
	low = netip.PrefixFrom(p.Masked().Addr(), bits)
	b := low.Addr().AsSlice()
	b[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	a, _ := netip.AddrFromSlice(b)
	return low, netip.PrefixFrom(a, bits)
}

// join merges neighbouring prefixes into the fewest, in ascending order.
func join(ps []netip.Prefix) []netip.Prefix {
	ps = slices.Clone(ps)
	slices.SortFunc(ps, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), a.Bits()-b.Bits())
	})
	var out []netip.Prefix
	for _, p := range ps {
		if n := len(out); n > 0 && out[n-1].Bits() <= p.Bits() && out[n-1].Contains(p.Addr()) {
			continue
		}
		out = append(out, p)
		for n := len(out); n > 1; n = len(out) {
			a, b := out[n-2], out[n-1]
			if a.Bits() != b.Bits() || a.Bits() == 0 {
				break
			}
			up := netip.PrefixFrom(a.Addr(), a.Bits()-1).Masked()
			if up.Addr() != a.Addr() || !up.Contains(b.Addr()) {
				break
			}
			out = append(out[:n-2], up)
		}
	}
	return out
}

// last is the highest address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
