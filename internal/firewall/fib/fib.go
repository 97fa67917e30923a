// Package fib models what routing contributes to a firewall's answer: which interface a route to an address leaves by,
// which kind of address it is, and whether a packet is for this host. Look-ups are symbolic: one call partitions the
// whole address space.
package fib

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/originward/originward/internal/firewall/interval"
)

// Route types (RTN_*).
const (
	Unspec      = 0
	Unicast     = 1
	Local       = 2
	Broadcast   = 3
	Anycast     = 4
	Multicast   = 5
	Blackhole   = 6
	Unreachable = 7
	Prohibit    = 8
	Throw       = 9
)

// The well-known tables.
const (
	TableDefault = 253
	TableMain    = 254
	TableLocal   = 255
)

// Link is a network interface.
type Link struct {
	Index int
	Name  string
	// Type is the ARPHRD number: 1 Ethernet, 772 loopback, 65534 none.
	Type     uint16
	Group    uint32
	Kind     string
	MAC      []byte
	MTU      int
	Up       bool
	Loopback bool
	// Master is the index of the bridge, bond or VRF it belongs to, Parent that of the interface a VLAN is on; 0 for none.
	Master, Parent int
	// XDP and TC say that a program outside netfilter may take packets before it.
	XDP, TC bool
}

// Addr is an address of this host.
type Addr struct {
	Prefix netip.Prefix
	Index  int
}

// Route is one entry of a routing table.
type Route struct {
	Dst    netip.Prefix
	Table  int
	Type   uint8
	Oifs   []int
	Gws    []netip.Addr
	Metric int
	TOS    int
}

// Rule is one policy rule.
type Rule struct {
	Priority   int
	Src, Dst   netip.Prefix
	Iif, Oif   string
	Mark, Mask uint32
	HasMark    bool
	Table      int
	Type       uint8
	Invert     bool
	// SuppressLen rejects results with a prefix this short or shorter; -1 for none.
	SuppressLen int
	// Unmodelled names a selector this package does not know.
	Unmodelled string
}

// Family holds one address family's routing.
type Family struct {
	Routes  []Route
	Rules   []Rule
	Forward bool
	// Unread says why it could not be read; look-ups are then unknown.
	Unread string
}

// Net is a network namespace's interfaces and routing.
type Net struct {
	Links []Link
	Addrs []Addr
	V4    Family
	V6    Family
}

// Link returns an interface by index, or nil.
func (n *Net) Link(index int) *Link {
	for i := range n.Links {
		if n.Links[i].Index == index {
			return &n.Links[i]
		}
	}
	return nil
}

// ByName returns an interface by name, or nil.
func (n *Net) ByName(name string) *Link {
	for i := range n.Links {
		if n.Links[i].Name == name {
			return &n.Links[i]
		}
	}
	return nil
}

// Family returns the routing of the address width 32 or 128.
func (n *Net) Family(width int) *Family {
	if width == 32 {
		return &n.V4
	}
	return &n.V6
}

// Query is what a look-up holds fixed. The destination of the look-up is what it partitions by.
type Query struct {
	Width int
	// Src is the look-up's own source address, which rules may ask for; invalid when unspecified.
	Src  netip.Addr
	Mark uint32
	// Iif is the name rules compare with "iif"; "lo" for look-ups of this host itself.
	Iif string
	// OnlyLocal restricts the look-up to the local table.
	OnlyLocal bool
	// Link restricts link-local destinations to one interface; 0 for none.
	Link int
}

// Part is a piece of the address space that routes alike.
type Part struct {
	Set  *interval.Set
	Type uint8
	Oifs []int
}

// Uses reports whether the part's route leaves by the interface.
func (p Part) Uses(index int) bool { return slices.Contains(p.Oifs, index) }

// maxRoutes bounds the partition: beyond it (a full internet table) routing is called unknown.
const maxRoutes = 200_000

// Partition divides the whole address space by the route each destination takes. Destinations without a route are in a
// part of type Unreachable without interfaces.
func (n *Net) Partition(q Query) ([]Part, error) {
	f := n.Family(q.Width)
	if f.Unread != "" {
		return nil, fmt.Errorf("routes: %s", f.Unread)
	}
	if len(f.Routes) > maxRoutes {
		return nil, fmt.Errorf("%d routes, more than %d", len(f.Routes), maxRoutes)
	}
	left := interval.Of(interval.Iv{Hi: interval.Max(q.Width)})
	var parts []Part
	rules := f.Rules
	if q.OnlyLocal {
		rules = []Rule{{Table: TableLocal, SuppressLen: -1}}
	}
	for _, r := range rules {
		match, err := r.matches(q)
		if err != nil {
			return nil, err
		}
		if !match || left.Empty() {
			continue
		}
		scope := left
		if r.Dst.IsValid() {
			iv := interval.FromPrefix(r.Dst)
			if r.Invert {
				keep := interval.FromSorted(left.Carve(iv, nil))
				scope, left = left, keep
			} else {
				scope = interval.FromSorted(left.Carve(iv, nil))
			}
		} else {
			left = &interval.Set{}
		}
		if r.Type != Unicast && r.Type != 0 {
			parts = append(parts, Part{Set: scope, Type: r.Type})
			continue
		}
		parts = n.table(f, r, q, scope, parts)
		left.Add(scope)
	}
	if !left.Empty() {
		parts = append(parts, Part{Set: left, Type: Unreachable})
	}
	return merge(parts), nil
}

// matches reports whether a rule's selectors, other than its destination, accept the look-up.
func (r Rule) matches(q Query) (bool, error) {
	if r.Unmodelled != "" {
		return false, fmt.Errorf("routing rule %d: %s", r.Priority, r.Unmodelled)
	}
	ok := true
	if r.Src.IsValid() && r.Src.Bits() > 0 {
		ok = ok && q.Src.IsValid() && r.Src.Contains(q.Src)
	}
	if r.HasMark {
		ok = ok && q.Mark&r.Mask == r.Mark
	}
	if r.Iif != "" {
		ok = ok && r.Iif == q.Iif
	}
	if r.Oif != "" {
		ok = false // none of our look-ups is bound to an interface
	}
	if r.Invert && !r.Dst.IsValid() {
		return !ok, nil
	}
	if r.Invert && !ok {
		return false, fmt.Errorf("routing rule %d: inverted with several selectors", r.Priority)
	}
	return ok, nil
}

// table takes from scope what a table's routes cover and appends it to parts.
func (n *Net) table(f *Family, r Rule, q Query, scope *interval.Set, parts []Part) []Part {
	var routes []*Route
	for i := range f.Routes {
		rt := &f.Routes[i]
		if rt.Table == r.Table && rt.TOS == 0 && (r.SuppressLen < 0 || rt.Dst.Bits() > r.SuppressLen) {
			routes = append(routes, rt)
		}
	}
	slices.SortStableFunc(routes, func(a, b *Route) int {
		if d := b.Dst.Bits() - a.Dst.Bits(); d != 0 {
			return d
		}
		return a.Metric - b.Metric
	})
	var thrown []interval.Iv
	for _, rt := range routes {
		if q.Link != 0 && rt.Dst.Addr().IsLinkLocalUnicast() && !slices.Contains(rt.Oifs, q.Link) {
			continue
		}
		got := scope.Carve(interval.FromPrefix(rt.Dst), nil)
		switch {
		case len(got) == 0:
		case rt.Type == Throw:
			thrown = append(thrown, got...)
		default:
			parts = append(parts, Part{Set: interval.FromSorted(got), Type: rt.Type, Oifs: rt.Oifs})
		}
	}
	for _, iv := range thrown {
		scope.AddRange(iv)
	}
	return parts
}

// merge joins parts that route alike.
func merge(parts []Part) []Part {
	var out []Part
	at := map[string]int{}
	for _, p := range parts {
		if p.Set.Empty() {
			continue
		}
		key := fmt.Sprint(p.Type, p.Oifs)
		if i, ok := at[key]; ok {
			out[i].Set.Add(p.Set)
			continue
		}
		at[key] = len(out)
		out = append(out, p)
	}
	return out
}

// Lookup returns the part a single address is in.
func Lookup(parts []Part, a interval.U128) (Part, bool) {
	for _, p := range parts {
		if p.Set.Contains(a) {
			return p, true
		}
	}
	return Part{}, false
}

// AddrType4 is the IPv4 address type the kernel's inet_addr_type gives: only the local table counts. parts is the
// partition of the local table.
func AddrType4(parts []Part, a interval.U128) uint8 {
	switch v := uint32(a.Lo); {
	case v>>24 == 0, v == 0xffffffff:
		return Broadcast
	case v>>28 == 0xe:
		return Multicast
	}
	if p, ok := Lookup(parts, a); ok && len(p.Oifs) > 0 {
		return p.Type
	}
	return Unicast
}

// IsLocal reports whether a is delivered on this host.
func (n *Net) IsLocal(a netip.Addr) bool {
	for _, have := range n.Addrs {
		if have.Prefix.Addr().Unmap() == a.Unmap() {
			return true
		}
	}
	f := n.Family(a.Unmap().BitLen())
	for _, r := range f.Routes {
		if r.Type == Local && r.Dst.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}
