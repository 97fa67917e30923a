package rules

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ListKind is what a named list holds.
type ListKind string

// The kinds of named lists, under Cloudflare's names.
const (
	ListIP       ListKind = "ip"       // addresses and ranges
	ListASN      ListKind = "asn"      // numbers of autonomous systems
	ListHostname ListKind = "hostname" // host names, "*.example.com" for all below one
)

// List is a named list of items of one kind.
type List struct {
	kind  ListKind
	ips   ipSet
	ints  map[int64]struct{}
	names map[string]struct{}
	below map[string]struct{} // of "*." names, without the star
}

// maxItems bounds a list (Cloudflare's largest account limit is 500,000).
const maxItems = 1_000_000

// NewList reads the items of a list. The error names the item and what is allowed.
func NewList(k ListKind, items []string) (*List, error) {
	if len(items) > maxItems {
		return nil, fmt.Errorf("%d items; at most %d are allowed", len(items), maxItems)
	}
	l := &List{kind: k, ints: map[int64]struct{}{}, names: map[string]struct{}{}, below: map[string]struct{}{}}
	var ranges []ipRange
	for _, s := range items {
		switch k {
		case ListIP:
			r, err := parseRange(s)
			if err != nil {
				return nil, err
			}
			ranges = append(ranges, r)
		case ListASN:
			n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(s), "AS"), 10, 32)
			if err != nil {
				return nil, fmt.Errorf("%q is no number of an autonomous system; allowed: 13335, AS13335", s)
			}
			l.ints[int64(n)] = struct{}{} //nolint:gosec // 32 bits
		case ListHostname:
			s = strings.ToLower(strings.TrimSuffix(s, "."))
			if name, star := strings.CutPrefix(s, "*"); star && strings.HasPrefix(name, ".") {
				l.below[name] = struct{}{}
			} else {
				l.names[s] = struct{}{}
			}
		default:
			return nil, fmt.Errorf("kind %q: allowed are ip, asn, hostname", k)
		}
	}
	l.ips = newIPSet(ranges)
	return l, nil
}

func parseRange(s string) (ipRange, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if p.Masked() != p {
			return ipRange{}, fmt.Errorf("%s has bits set behind its length; did you mean %s?", p, p.Masked())
		}
		return ipRange{p.Addr(), lastAddr(p)}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return ipRange{}, fmt.Errorf("%q is no address and no range; allowed: 192.0.2.1, 192.0.2.0/24, 2001:db8::/32", s)
	}
	return ipRange{a.Unmap(), a.Unmap()}, nil
}

// test is the condition that an operand is in the list; nil when the kinds differ.
func (l *List) test(o *operand) predicate {
	switch {
	case l.kind == ListIP && o.kind == kindIP:
		return compareIP(false, o.ip, l.ips)
	case l.kind == ListASN && o.kind == kindInt:
		f := o.i
		return func(r *Request) bool {
			v, ok := f(r)
			if !ok {
				return false
			}
			_, ok = l.ints[v]
			return ok
		}
	case l.kind == ListHostname && o.kind == kindString:
		f := o.s
		return func(r *Request) bool { return l.hasName(f(r)) }
	}
	return nil
}

// hasName looks a lower-case name up, and every name above it among the "*." ones.
func (l *List) hasName(name []byte) bool {
	if _, ok := l.names[string(name)]; ok {
		return true
	}
	if len(l.below) == 0 {
		return false
	}
	for i, c := range name {
		if c == '.' {
			if _, ok := l.below[string(name[i:])]; ok {
				return true
			}
		}
	}
	return false
}
