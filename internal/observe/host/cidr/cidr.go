// Package cidr crosses lists of address prefixes with the edge's ranges.
package cidr

import (
	"net/netip"
	"slices"
	"strings"
)

// Parse reads an address or prefix as configurations write them: "192.0.2.1",
// "192.0.2.0/24", "192.0.2.0/255.255.255.0", "[2001:db8::1]",
// "::ffff:192.0.2.1". Host bits are cleared.
func Parse(s string) (netip.Prefix, bool) {
	s = strings.TrimSpace(s)
	addr, bits, slash := strings.Cut(s, "/")
	addr = strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]")
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.Prefix{}, false
	}
	a = a.WithZone("")
	if !slash {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	if m, err := netip.ParseAddr(bits); err == nil && m.Is4() && a.Is4() {
		n, ok := maskBits(m)
		return netip.PrefixFrom(a, n).Masked(), ok
	}
	p, err := netip.ParsePrefix(a.String() + "/" + bits)
	if err != nil {
		return netip.Prefix{}, false
	}
	return Unmap(p.Masked()), true
}

// Unmap turns a prefix of IPv4-mapped addresses into the IPv4 prefix.
func Unmap(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Masked()
	}
	return p
}

func maskBits(m netip.Addr) (int, bool) {
	b := m.As4()
	n, ended := 0, false
	for _, o := range b {
		for i := 7; i >= 0; i-- {
			one := o>>i&1 == 1
			if one && ended {
				return 0, false
			}
			if one {
				n++
			} else {
				ended = true
			}
		}
	}
	return n, true
}

// Touching gives those of ranges that share an address with p.
func Touching(ranges []netip.Prefix, p netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, r := range ranges {
		if r.Overlaps(p) {
			out = append(out, r)
		}
	}
	return out
}

// Containing is the smallest of list that contains all of p.
func Containing(list []netip.Prefix, p netip.Prefix) (netip.Prefix, bool) {
	best, found := netip.Prefix{}, false
	for _, l := range list {
		if l.Bits() <= p.Bits() && l.Contains(p.Addr()) && (!found || l.Bits() > best.Bits()) {
			best, found = l, true
		}
	}
	return best, found
}

// Covered reports whether list together contains every address of p.
func Covered(p netip.Prefix, list []netip.Prefix) bool {
	var inside []netip.Prefix
	for _, l := range list {
		if !l.Overlaps(p) {
			continue
		}
		if l.Bits() <= p.Bits() {
			return true
		}
		inside = append(inside, l)
	}
	if len(inside) == 0 {
		return false
	}
	lo, hi := halves(p)
	return Covered(lo, inside) && Covered(hi, inside)
}

// Uncovered gives those of ranges that list does not contain whole.
func Uncovered(ranges, list []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, r := range ranges {
		if !Covered(r, list) {
			out = append(out, r)
		}
	}
	return out
}

// Stale gives the entries of list that belong to no range any more, when the
// list is plainly a list of the edge's ranges: at least three of its entries,
// and most of its public networks, are. Private networks and single addresses
// are never stale: they name the operator's own machines.
func Stale(list, ranges []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	known := 0
	for _, l := range list {
		switch {
		case len(Touching(ranges, l)) > 0:
			known++
		case Local(l.Addr()) || l.IsSingleIP():
		default:
			out = append(out, l)
		}
	}
	if known < 3 || known < len(out) {
		return nil
	}
	return out
}

// halves splits a prefix that is not a single address.
func halves(p netip.Prefix) (lo, hi netip.Prefix) {
	bits := p.Bits() + 1
	lo = netip.PrefixFrom(p.Addr(), bits)
	raw := p.Addr().AsSlice()
	raw[p.Bits()/8] |= 1 << (7 - p.Bits()%8)
	a, _ := netip.AddrFromSlice(raw)
	return lo, netip.PrefixFrom(a, bits)
}

// shared is the address space of carrier NAT (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// Local reports whether an address can only be a machine of the operator's own
// networks: loopback, link-local, private (RFC 1918, RFC 4193) or carrier NAT.
func Local(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified() || shared.Contains(a)
}

// Sort orders prefixes by family, address and length and drops doubles.
func Sort(list []netip.Prefix) []netip.Prefix {
	slices.SortFunc(list, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	return slices.Compact(list)
}

// List writes at most max prefixes, separated by commas, and how many more
// there are.
func List(list []netip.Prefix, max int) string {
	var b strings.Builder
	for i, p := range list {
		if i == max {
			b.WriteString(", …")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// Outside is the first address of p that is in none of list.
func Outside(p netip.Prefix, list []netip.Prefix) (netip.Addr, bool) {
	var inside []netip.Prefix
	for _, l := range list {
		if !l.Overlaps(p) {
			continue
		}
		if l.Bits() <= p.Bits() {
			return netip.Addr{}, false
		}
		inside = append(inside, l)
	}
	if len(inside) == 0 {
		return p.Addr(), true
	}
	lo, hi := halves(p)
	if a, ok := Outside(lo, inside); ok {
		return a, true
	}
	return Outside(hi, inside)
}

// Representatives gives one address for each part into which list cuts r:
// whatever is decided by membership in list alone is the same for a whole
// part, so asking these addresses asks for all of r.
func Representatives(r netip.Prefix, list []netip.Prefix) []netip.Addr {
	parts := []netip.Prefix{r}
	for _, l := range list {
		if l.Bits() > r.Bits() && r.Contains(l.Addr()) {
			parts = append(parts, l)
		}
	}
	parts = Sort(parts)
	var out []netip.Addr
	for i, p := range parts {
		// Sorted, a prefix comes directly before those inside it.
		j := i + 1
		for j < len(parts) && p.Contains(parts[j].Addr()) {
			j++
		}
		if a, ok := Outside(p, parts[i+1:j]); ok {
			out = append(out, a)
		}
	}
	return out
}

// nobody are networks that no edge or visitor comes from: for documentation
// (RFC 5737) and for benchmarks (RFC 2544).
var nobody = []netip.Prefix{
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
}

// Stranger is an address that no entry of list names: asked about, it shows
// what a list does with those whom it does not know.
func Stranger(list []netip.Prefix) (netip.Addr, bool) {
	for _, p := range nobody {
		if a, ok := Outside(p, list); ok {
			return a, true
		}
	}
	return netip.Addr{}, false
}
