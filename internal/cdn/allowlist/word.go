package allowlist

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// prefixes reads one word: an address, a CIDR, an address with a netmask, or
// two addresses with a dash. ok is false when the word does not look like an
// address at all; err tells what is wrong with one that does.
func prefixes(word string) (ps []netip.Prefix, ok bool, err error) {
	if !looksLikeAddress(word) {
		return nil, false, nil
	}
	if from, to, dash := strings.Cut(word, "-"); dash {
		a, errA := netip.ParseAddr(from)
		b, errB := netip.ParseAddr(to)
		if errA != nil || errB != nil || a.BitLen() != b.BitLen() || b.Less(a) {
			return nil, true, fmt.Errorf("%q is not a range from a lower to a higher address", word)
		}
		return split(a.Unmap(), b.Unmap()), true, nil
	}
	base, mask, slash := strings.Cut(word, "/")
	a, aerr := netip.ParseAddr(strings.Trim(base, "[]"))
	if aerr != nil || a.Zone() != "" {
		return nil, true, fmt.Errorf("%q is not an address", word)
	}
	n := a.BitLen()
	if slash {
		if n, err = maskLen(mask, a); err != nil {
			return nil, true, fmt.Errorf("%q: %w", word, err)
		}
	}
	if a.Is4In6() && n >= 96 {
		a, n = a.Unmap(), n-96
	}
	return []netip.Prefix{netip.PrefixFrom(a, n).Masked()}, true, nil
}

// maskLen reads "20" or "255.255.240.0".
func maskLen(mask string, a netip.Addr) (int, error) {
	if n, err := strconv.Atoi(mask); err == nil {
		if n < 0 || n > a.BitLen() {
			return 0, fmt.Errorf("a prefix length is 0 to %d here", a.BitLen())
		}
		return n, nil
	}
	m, err := netip.ParseAddr(mask)
	if err != nil || !m.Is4() || !a.Is4() {
		return 0, fmt.Errorf("neither a prefix length nor a netmask")
	}
	b := m.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	n := bits.LeadingZeros32(^v)
	if v != ^uint32(0)<<(32-n) {
		return 0, fmt.Errorf("not a contiguous netmask")
	}
	return n, nil
}

// looksLikeAddress parts words that are meant as addresses from names, ports
// and options.
func looksLikeAddress(w string) bool {
	if strings.Trim(w, "0123456789abcdefABCDEF.:/-[]") != "" {
		return false
	}
	dots, colons := strings.Count(w, "."), strings.Count(w, ":")
	if strings.Contains(w, "]:") || dots == 3 && colons == 1 {
		return false // an address with a port is where something listens
	}
	first := w != "" && (w[0] >= '0' && w[0] <= '9' || w[0] == ':' || w[0] == '[' || colons > 1)
	return first && (dots >= 3 || colons >= 2)
}

// split covers the addresses from a to b, both included, with the fewest
// prefixes.
func split(a, b netip.Addr) []netip.Prefix {
	var out []netip.Prefix
	for a.IsValid() && a.Compare(b) <= 0 {
		p := netip.PrefixFrom(a, a.BitLen())
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(a, p.Bits()-1)
			if wider.Masked().Addr() != a || last(wider).Compare(b) > 0 {
				break
			}
			p = wider
		}
		out = append(out, p)
		a = last(p).Next()
	}
	return out
}

// last is the highest address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// classful reads Apache's short form "10.1" or "10.1.": the first one to three
// numbers of an IPv4 address.
func classful(word string) (netip.Prefix, bool) {
	parts := strings.Split(strings.TrimSuffix(word, "."), ".")
	if len(parts) > 3 {
		return netip.Prefix{}, false
	}
	var b [4]byte
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 8)
		if err != nil {
			return netip.Prefix{}, false
		}
		b[i] = byte(n)
	}
	return netip.PrefixFrom(netip.AddrFrom4(b), 8*len(parts)), true
}
