package fib

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// attempts is how often a dump that a change interrupted is started over.
const attempts = 5

// Read reads the interfaces and routing of the thread's network namespace. proc is where procfs is mounted. An error
// means that not even the interfaces could be read; routing that could not is marked in Family.Unread.
func Read(proc string) (*Net, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open route netlink: %w", err)
	}
	defer h.Close()
	n := &Net{}
	if err := retry(func() error { return n.readLinks(h) }); err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	if err := retry(func() error { return n.readAddrs(h) }); err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	for _, f := range []struct {
		family  int
		into    *Family
		forward string
	}{
		{unix.AF_INET, &n.V4, "sys/net/ipv4/ip_forward"},
		{unix.AF_INET6, &n.V6, "sys/net/ipv6/conf/all/forwarding"},
	} {
		if err := retry(func() error { return f.into.read(h, f.family) }); err != nil {
			f.into.Unread = err.Error()
		}
		b, err := os.ReadFile(filepath.Join(proc, f.forward))
		f.into.Forward = err == nil && strings.TrimSpace(string(b)) != "0"
	}
	return n, nil
}

func retry(f func() error) error {
	var err error
	for range attempts {
		if err = f(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return err
		}
	}
	return err
}

// arphrd maps the library's names back to ARPHRD numbers.
var arphrd = map[string]uint16{
	"ether": 1, "ppp": 512, "ipip": 768, "tunnel6": 769, "loopback": 772, "sit": 776, "gre": 778, "none": 65534,
}

func (n *Net) readLinks(h *netlink.Handle) error {
	links, err := h.LinkList()
	if err != nil {
		return err
	}
	n.Links = nil
	for _, l := range links {
		a := l.Attrs()
		n.Links = append(n.Links, Link{
			Index: a.Index, Name: a.Name, Type: arphrd[a.EncapType], Group: a.Group, Kind: kind(l), MAC: a.HardwareAddr,
			MTU: a.MTU, Up: a.Flags&net.FlagUp != 0, Loopback: a.Flags&net.FlagLoopback != 0, Master: a.MasterIndex,
			Parent: parent(l), XDP: a.Xdp != nil && a.Xdp.Attached, TC: hasTC(h, l) || hasTCX(a.Index),
		})
	}
	return nil
}

// kind is the driver's kind; the library calls a plain device "device".
func kind(l netlink.Link) string {
	if k := l.Type(); k != "device" {
		return k
	}
	return ""
}

// parent is the interface whose packets a VLAN takes. Other kinds use the field for a peer in another namespace.
func parent(l netlink.Link) int {
	if _, ok := l.(*netlink.Vlan); ok {
		return l.Attrs().ParentIndex
	}
	return 0
}

// hasTCX reports a BPF program attached without a qdisc (Linux 6.6), which no filter list shows.
func hasTCX(index int) bool {
	r, err := link.QueryPrograms(link.QueryOptions{Target: index, Attach: ebpf.AttachTCXIngress})
	return err == nil && len(r.Programs) > 0
}

// hasTC reports a filter on the ingress side, which may take packets before netfilter.
func hasTC(h *netlink.Handle, l netlink.Link) bool {
	qs, err := h.QdiscList(l)
	if err != nil {
		return false
	}
	for _, q := range qs {
		if t := q.Type(); t == "ingress" || t == "clsact" {
			fs, err := h.FilterList(l, netlink.HANDLE_MIN_INGRESS)
			return err != nil || len(fs) > 0
		}
	}
	return false
}

func (n *Net) readAddrs(h *netlink.Handle) error {
	addrs, err := h.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	n.Addrs = nil
	for _, a := range addrs {
		if a.IPNet == nil {
			continue
		}
		if p, ok := prefix(a.IPNet, a.IP.To4() != nil); ok {
			n.Addrs = append(n.Addrs, Addr{Prefix: p, Index: a.LinkIndex})
		}
	}
	return nil
}

// prefix converts a network, keeping host bits.
func prefix(n *net.IPNet, v4 bool) (netip.Prefix, bool) {
	a, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	if v4 {
		a = a.Unmap()
	}
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(a, ones), true
}

func (f *Family) read(h *netlink.Handle, family int) error {
	f.Routes, f.Rules = nil, nil
	routes, err := h.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for i := range routes {
		if r, ok := route(&routes[i], family); ok {
			f.Routes = append(f.Routes, r)
		}
	}
	rules, err := h.RuleList(family)
	if err != nil {
		return fmt.Errorf("list routing rules: %w", err)
	}
	for i := range rules {
		f.Rules = append(f.Rules, rule(&rules[i], family))
	}
	return nil
}

func route(r *netlink.Route, family int) (Route, bool) {
	v4 := family == unix.AF_INET
	out := Route{Table: r.Table, Type: uint8(r.Type), Metric: r.Priority, TOS: r.Tos}
	if out.Type == 0 {
		out.Type = Unicast
	}
	switch {
	case r.Dst == nil && v4:
		out.Dst = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	case r.Dst == nil:
		out.Dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	default:
		p, ok := prefix(r.Dst, v4)
		if !ok {
			return out, false
		}
		out.Dst = p
	}
	if r.Flags&unix.RTNH_F_DEAD != 0 || r.Flags&unix.RTM_F_CLONED != 0 {
		return out, false
	}
	add := func(index int, gw net.IP) {
		if index == 0 {
			return
		}
		out.Oifs = append(out.Oifs, index)
		a, _ := netip.AddrFromSlice(gw)
		out.Gws = append(out.Gws, a.Unmap())
	}
	add(r.LinkIndex, r.Gw)
	for _, hop := range r.MultiPath {
		if hop.Flags&unix.RTNH_F_DEAD == 0 {
			add(hop.LinkIndex, hop.Gw)
		}
	}
	return out, true
}

func rule(r *netlink.Rule, family int) Rule {
	v4 := family == unix.AF_INET
	out := Rule{
		Priority: r.Priority, Iif: r.IifName, Oif: r.OifName, Mark: r.Mark, Table: r.Table, Type: r.Type, Invert: r.Invert,
		SuppressLen: r.SuppressPrefixlen,
	}
	if r.Priority < 0 {
		out.Priority = 0 // the kernel leaves the first rule's priority out
	}
	if r.Mask != nil {
		out.HasMark, out.Mask = true, *r.Mask
	}
	if r.Src != nil {
		out.Src, _ = prefix(r.Src, v4)
	}
	if r.Dst != nil {
		out.Dst, _ = prefix(r.Dst, v4)
	}
	switch {
	case r.Goto >= 0:
		out.Unmodelled = "goto"
	case r.Dport != nil || r.Sport != nil || r.IPProto > 0:
		out.Unmodelled = "protocol or port selector"
	case r.UIDRange != nil:
		out.Unmodelled = "uid selector"
	case r.Tos != 0:
		out.Unmodelled = "tos selector"
	case r.TunID > 0:
		out.Unmodelled = "tunnel selector"
	case r.Table == 0 && r.Type <= Unicast:
		out.Unmodelled = "action that is no table"
	}
	return out
}
