// Package ifaces reads the interfaces and addresses of this network namespace:
// state, MTU, kind, the reverse-path filter in force, attached XDP programs,
// IPv6 addresses that failed duplicate detection, and whether the addresses
// asked about are here at all.
package ifaces

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
)

// maxInterfaces and maxAddrs bound the answer: a container host has hundreds
// of interfaces, a hostile one any number.
const (
	maxInterfaces = 1024
	maxAddrs      = 4096
)

// Read reads the interfaces of the namespace. Without netlink it falls back to
// what the standard library sees; without that the answer is empty.
func Read(_ context.Context, env *collect.Env) fact.Addresses {
	var a fact.Addresses
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return a
	}
	defer h.Close()
	_ = h.SetSocketTimeout(time.Second)
	links, err := h.LinkList()
	if err != nil && len(links) == 0 {
		return a
	}
	addrs, _ := h.AddrList(nil, netlink.FAMILY_ALL)
	if len(links) > maxInterfaces {
		links = links[:maxInterfaces]
	}
	if len(addrs) > maxAddrs {
		addrs = addrs[:maxAddrs]
	}
	for _, l := range links {
		a.Interfaces = append(a.Interfaces, iface(env, l, addrs))
	}
	a.Public = public(a)
	for _, o := range env.Origins {
		a.Asked = append(a.Asked, asked(h, a, o.Unmap()))
	}
	return a
}

func iface(env *collect.Env, l netlink.Link, addrs []netlink.Addr) fact.Interface {
	at := l.Attrs()
	i := fact.Interface{
		Name: escape.Line(at.Name, 32), Index: at.Index, MTU: at.MTU,
		Up: fact.TriOf(at.Flags&net.FlagUp != 0), RPFilter: rpFilter(env, at.Name), Addrs: []netip.Prefix{},
	}
	if at.Flags&net.FlagUp != 0 {
		i.Carrier = fact.TriOf(at.RawFlags&unix.IFF_LOWER_UP != 0)
	}
	if at.Flags&net.FlagLoopback != 0 {
		i.Kind = "loopback"
	} else if t := l.Type(); t != "device" {
		i.Kind = escape.Line(t, 32)
	}
	if at.Xdp != nil {
		i.XDP = fact.TriOf(at.Xdp.Attached)
	} else {
		i.XDP = fact.No
	}
	for _, ad := range addrs {
		if ad.LinkIndex != at.Index || ad.IPNet == nil {
			continue
		}
		p, ok := prefix(ad.IPNet)
		if !ok {
			continue
		}
		i.Addrs = append(i.Addrs, p)
		if ad.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0 && ad.Flags&unix.IFA_F_OPTIMISTIC == 0 {
			i.Tentative = append(i.Tentative, p.Addr())
		}
	}
	return i
}

func prefix(n *net.IPNet) (netip.Prefix, bool) {
	a, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), ones), true
}

// rpFilter is the reverse-path filter in force on an interface: the larger of
// its own value and that of "all" (Documentation/networking/ip-sysctl).
func rpFilter(env *collect.Env, name string) int {
	worst := -1
	for _, n := range []string{"all", name} {
		b, err := os.ReadFile(filepath.Join(env.Proc, "sys/net/ipv4/conf", n, "rp_filter"))
		if err != nil {
			return -1
		}
		v, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			return -1
		}
		worst = max(worst, v)
	}
	return worst
}

// carrierNAT is the space behind a carrier's NAT (RFC 6598).
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// IsPublic reports whether an address can be reached from the internet by its
// form: global unicast and neither private nor a carrier's NAT space.
func IsPublic(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() && !carrierNAT.Contains(a)
}

func public(a fact.Addresses) []netip.Addr {
	out := []netip.Addr{}
	for _, i := range a.Interfaces {
		for _, p := range i.Addrs {
			if IsPublic(p.Addr()) && !slices.Contains(out, p.Addr()) {
				out = append(out, p.Addr())
			}
		}
	}
	return out
}

// asked says whether an address is on the host: on an interface, or taken by a
// local route (AnyIP). When it is not, a host with only private addresses of
// the family may stand behind NAT.
func asked(h *netlink.Handle, a fact.Addresses, addr netip.Addr) fact.AskedAddr {
	out := fact.AskedAddr{Addr: addr, Here: fact.TriOf(a.Has(addr))}
	if out.Here == fact.Yes {
		return out
	}
	if rs, err := h.RouteGet(net.IP(addr.AsSlice())); err == nil && len(rs) > 0 && rs[0].Type == unix.RTN_LOCAL {
		out.Here = fact.Yes
		return out
	}
	private, global := 0, 0
	for _, i := range a.Interfaces {
		for _, p := range i.Addrs {
			switch {
			case p.Addr().Is4() != addr.Is4() || !p.Addr().IsGlobalUnicast():
			case IsPublic(p.Addr()):
				global++
			default:
				private++
			}
		}
	}
	out.NAT = fact.TriOf(private > 0 && global == 0)
	return out
}

// Collector answers which interfaces and addresses the host has.
func Collector() collect.Collector {
	return collect.Collector{Name: "addresses", Question: fact.QAddresses, Budget: 2 * time.Second, Run: run}
}

func run(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
	a := env.Addresses(ctx)
	if len(a.Interfaces) == 0 {
		return nil, []originward.NotObserved{collect.Missing(fact.QAddresses, originward.Subject{},
			"the kernel did not list the network interfaces", "allow netlink (AF_NETLINK) for this process")}
	}
	var missing []originward.NotObserved
	if slices.ContainsFunc(a.Interfaces, func(i fact.Interface) bool { return i.RPFilter < 0 }) {
		missing = append(missing, collect.Missing(fact.QAddresses, originward.Subject{},
			"the reverse-path filter of some interfaces is not readable", "mount /proc with /proc/sys readable"))
	}
	return []originward.Evidence{env.Item(originward.Subject{}, a, summary(a), "ip address show")}, missing
}

// shown is how many addresses the sentence names.
const shown = 8

func summary(a fact.Addresses) string {
	var parts []string
	for _, i := range a.Interfaces {
		for _, p := range i.Addrs {
			if p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast() {
				continue
			}
			state := ""
			if i.Up == fact.No {
				state = " (down)"
			} else if slices.Contains(i.Tentative, p.Addr()) {
				state = " (not usable: duplicate address detection)"
			}
			parts = append(parts, fmt.Sprintf("%s on %s%s", p, i.Name, state))
		}
	}
	more := ""
	if len(parts) > shown {
		more = fmt.Sprintf(" and %d more", len(parts)-shown)
		parts = parts[:shown]
	}
	s := "The host has " + strings.Join(parts, ", ") + more
	if len(parts) == 0 {
		s = "The host has no address besides loopback and link-local ones"
	}
	for _, q := range a.Asked {
		switch {
		case q.Here == fact.Yes:
			s += fmt.Sprintf("; %s is on it", q.Addr)
		case q.NAT == fact.Yes:
			s += fmt.Sprintf("; %s is not on it, but it may stand behind NAT", q.Addr)
		default:
			s += fmt.Sprintf("; %s is not on it", q.Addr)
		}
	}
	return s + "."
}
