package routes

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// entry is one entry of a routing table.
type entry struct {
	netlink.Route
	prefix netip.Prefix
}

// maxEntries bounds the tables that are kept; a router with a full BGP table
// has more, and is not an ordinary origin.
const maxEntries = 200_000

// table reads all routing tables of a family. cut says that there are more
// entries than are kept.
func table(h *netlink.Handle, family int) (entries []entry, cut bool, err error) {
	err = h.RouteListFilteredIter(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
		if len(entries) >= maxEntries {
			cut = true
			return false
		}
		entries = append(entries, entry{r, prefixOf(r.Dst, family)})
		return true
	})
	return entries, cut, err
}

func prefixOf(n *net.IPNet, family int) netip.Prefix {
	if n == nil {
		if family == netlink.FAMILY_V4 {
			return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		}
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	a, ok := netip.AddrFromSlice(n.IP)
	ones, _ := n.Mask.Size()
	if !ok {
		return netip.Prefix{}
	}
	if family == netlink.FAMILY_V4 {
		a = a.Unmap()
	}
	return netip.PrefixFrom(a, ones)
}

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// gateway is the next hop of a route, also of the other family (RFC 8950).
func gateway(r netlink.Route) netip.Addr {
	if v, ok := r.Via.(*netlink.Via); ok && v != nil {
		return addrOf(v.Addr)
	}
	return addrOf(r.Gw)
}

var typeNames = map[int]string{
	unix.RTN_UNICAST: "unicast", unix.RTN_LOCAL: "local", unix.RTN_BROADCAST: "broadcast", unix.RTN_ANYCAST: "anycast",
	unix.RTN_MULTICAST: "multicast", unix.RTN_BLACKHOLE: "blackhole", unix.RTN_UNREACHABLE: "unreachable",
	unix.RTN_PROHIBIT: "prohibit", unix.RTN_THROW: "throw", unix.RTN_NAT: "nat",
}

func typeName(t int) string {
	if n, ok := typeNames[t]; ok {
		return n
	}
	return "type" + strconv.Itoa(t)
}

// tableName is the name of a table as /etc/iproute2/rt_tables has it by
// default.
func tableName(t int) string {
	switch t {
	case unix.RT_TABLE_MAIN:
		return "main"
	case unix.RT_TABLE_LOCAL:
		return "local"
	case unix.RT_TABLE_DEFAULT:
		return "default"
	}
	return strconv.Itoa(t)
}

// text prints an entry as `ip route show table …` does.
func (e entry) text(ifname func(int) string) string {
	var b strings.Builder
	if e.Type != unix.RTN_UNICAST {
		b.WriteString(typeName(e.Type) + " ")
	}
	if e.prefix.Bits() == 0 {
		b.WriteString("default")
	} else {
		b.WriteString(e.prefix.String())
	}
	if g := gateway(e.Route); g.IsValid() {
		b.WriteString(" via " + g.String())
	}
	if e.LinkIndex > 0 && e.Type != unix.RTN_BLACKHOLE && e.Type != unix.RTN_PROHIBIT && e.Type != unix.RTN_UNREACHABLE {
		b.WriteString(" dev " + ifname(e.LinkIndex))
	}
	for _, hop := range e.MultiPath {
		fmt.Fprintf(&b, " nexthop via %s dev %s", addrOf(hop.Gw), ifname(hop.LinkIndex))
	}
	if e.Table != unix.RT_TABLE_MAIN && e.Table != unix.RT_TABLE_LOCAL {
		b.WriteString(" table " + tableName(e.Table))
	}
	if e.Priority > 0 {
		fmt.Fprintf(&b, " metric %d", e.Priority)
	}
	return b.String()
}

// maxRules bounds the policy rules in evidence.
const maxRules = 200

// rules gives the policy rules beyond the three that every system has.
func rules(h *netlink.Handle, family int) (text []string, to []netip.Prefix, err error) {
	list, err := h.RuleList(family)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range list {
		if r.Dst != nil {
			to = append(to, prefixOf(r.Dst, family))
		}
		if isDefaultRule(r) || len(text) >= maxRules {
			continue
		}
		text = append(text, ruleText(r))
	}
	return text, to, nil
}

func isDefaultRule(r netlink.Rule) bool {
	plain := r.Src == nil && r.Dst == nil && r.Mark == 0 && r.IifName == "" && r.OifName == "" && !r.Invert
	switch r.Priority {
	case 0, -1:
		return plain && r.Table == unix.RT_TABLE_LOCAL
	case 32766:
		return plain && r.Table == unix.RT_TABLE_MAIN
	case 32767:
		return plain && r.Table == unix.RT_TABLE_DEFAULT
	}
	return false
}

// ruleText prints a rule as `ip rule` does.
func ruleText(r netlink.Rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:", max(r.Priority, 0))
	if r.Invert {
		b.WriteString(" not")
	}
	if r.Src != nil {
		b.WriteString(" from " + r.Src.String())
	} else {
		b.WriteString(" from all")
	}
	if r.Dst != nil {
		b.WriteString(" to " + r.Dst.String())
	}
	if r.Mark != 0 {
		fmt.Fprintf(&b, " fwmark %#x", r.Mark)
	}
	if r.IifName != "" {
		b.WriteString(" iif " + escape.Line(r.IifName, 32))
	}
	if r.OifName != "" {
		b.WriteString(" oif " + escape.Line(r.OifName, 32))
	}
	switch {
	case r.Type == unix.RTN_BLACKHOLE, r.Type == unix.RTN_PROHIBIT, r.Type == unix.RTN_UNREACHABLE:
		b.WriteString(" " + typeName(int(r.Type)))
	default:
		b.WriteString(" lookup " + tableName(r.Table))
	}
	if r.SuppressPrefixlen >= 0 {
		fmt.Fprintf(&b, " suppress_prefixlength %d", r.SuppressPrefixlen)
	}
	return b.String()
}

// neighbors gives the state of each neighbour of a family.
func neighbors(h *netlink.Handle, family int) map[netip.Addr]string {
	out := map[netip.Addr]string{}
	list, err := h.NeighList(0, family)
	if err != nil {
		return out
	}
	for _, n := range list {
		out[addrOf(n.IP)] = neighborState(n.State)
	}
	return out
}

// maxSilent bounds the neighbours that did not answer: a scan of a network
// leaves hundreds.
const maxSilent = 64

// silent lists the neighbours of a family that did not answer.
func silent(h *netlink.Handle, family int, ifname func(int) string) []fact.Neighbor {
	list, err := h.NeighList(0, family)
	if err != nil {
		return nil
	}
	var out []fact.Neighbor
	for _, n := range list {
		a := addrOf(n.IP)
		if state := neighborState(n.State & (unix.NUD_INCOMPLETE | unix.NUD_FAILED)); state != "" && a.IsValid() && !a.IsLinkLocalUnicast() {
			out = append(out, fact.Neighbor{Addr: a, Iface: ifname(n.LinkIndex), State: state})
		}
	}
	slices.SortFunc(out, func(a, b fact.Neighbor) int { return a.Addr.Compare(b.Addr) })
	return out[:min(len(out), maxSilent)]
}

func neighborState(s int) string {
	for bit, name := range map[int]string{
		unix.NUD_INCOMPLETE: "incomplete", unix.NUD_REACHABLE: "reachable", unix.NUD_STALE: "stale", unix.NUD_DELAY: "delay",
		unix.NUD_PROBE: "probe", unix.NUD_FAILED: "failed", unix.NUD_NOARP: "noarp", unix.NUD_PERMANENT: "permanent",
	} {
		if s&bit != 0 {
			return name
		}
	}
	return ""
}

// errnoName is the symbolic name of an errno inside err; empty when there is
// none.
func errnoName(err error) string {
	var se unix.Errno
	for e := err; e != nil; {
		if n, ok := e.(unix.Errno); ok {
			se = n
			break
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = u.Unwrap()
	}
	if se == 0 {
		return ""
	}
	return unix.ErrnoName(se)
}

func familyOf(f originward.Family) int {
	if f == originward.IP4 {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}
