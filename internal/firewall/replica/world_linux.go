package replica

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/firewall/fib"
)

// World is a namespace with a host's interfaces, addresses and routes, ready for rules and probes.
type World struct {
	ns     *NS
	net    *fib.Net
	wires  map[int]*wire // by interface index
	tracer *tracer
	seq    uint32 // of the last probe
	outers map[string]bool
	// Problems lists what could not be copied.
	Problems []string
}

// maxLinks bounds how many interfaces are copied; a host with thousands of container interfaces gets those that carry
// addresses or routes first.
const maxLinks = 128

// NewWorld builds a copy of the given network in a fresh namespace.
func NewWorld(n *fib.Net) (*World, error) {
	ns, err := NewNS()
	if err != nil {
		return nil, err
	}
	w := &World{ns: ns, net: n, wires: map[int]*wire{}, outers: map[string]bool{}}
	if err := ns.Do(w.build); err != nil {
		w.Close()
		return nil, fmt.Errorf("build replica: %w", err)
	}
	return w, nil
}

// Do runs f inside the namespace.
func (w *World) Do(f func() error) error { return w.ns.Do(f) }

// Close ends the namespace and everything in it.
func (w *World) Close() {
	for _, x := range w.wires {
		x.close()
	}
	if w.tracer != nil {
		w.tracer.conn.Close()
	}
	w.ns.Close()
}

func (w *World) problem(format string, args ...any) {
	w.Problems = append(w.Problems, fmt.Sprintf(format, args...))
}

// quietSysctls make the copy answer for itself only: no duplicate address detection that delays addresses, no reverse-path
// filter of its own (routing is judged elsewhere), queues wide enough for a burst of probes.
var quietSysctls = [][2]string{
	{"ipv4/conf/all/rp_filter", "0"}, {"ipv4/conf/default/rp_filter", "0"},
	{"ipv4/conf/all/accept_redirects", "0"}, {"ipv4/conf/all/log_martians", "0"},
	{"ipv6/conf/all/accept_dad", "0"}, {"ipv6/conf/default/accept_dad", "0"},
	{"ipv6/conf/default/accept_ra", "0"}, {"ipv6/conf/default/router_solicitations", "0"},
	{"ipv6/conf/default/addr_gen_mode", "1"}, {"ipv6/conf/default/mldv1_unsolicited_report_interval", "0"},
	{"ipv4/tcp_max_syn_backlog", "65535"}, {"core/somaxconn", "65535"}, {"ipv4/tcp_syncookies", "0"},
	{"ipv4/icmp_ratelimit", "0"}, {"ipv6/icmp/ratelimit", "0"}, {"ipv4/icmp_msgs_per_sec", "1000000"},
	{"ipv4/icmp_msgs_burst", "1000000"}, {"ipv4/tcp_synack_retries", "0"}, {"ipv4/tcp_fwmark_accept", "0"},
}

func (w *World) build() error {
	for _, s := range quietSysctls {
		if err := sysctl(s[0], s[1]); err != nil {
			w.problem("sysctl %s: %v", s[0], err)
		}
	}
	for key, on := range map[string]bool{"ipv4/ip_forward": w.net.V4.Forward, "ipv6/conf/all/forwarding": w.net.V6.Forward} {
		if on {
			if err := sysctl(key, "1"); err != nil {
				w.problem("sysctl %s: %v", key, err)
			}
		}
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	lo, err := h.LinkByName("lo")
	if err == nil {
		err = h.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	for i, l := range w.net.Links {
		switch {
		case l.Loopback || l.Index == 1:
		case i >= maxLinks:
			w.problem("interface %s: more than %d interfaces", l.Name, maxLinks)
		default:
			if err := w.addLink(h, l); err != nil {
				return fmt.Errorf("interface %s: %w", l.Name, err)
			}
		}
	}
	w.addAddrs(h)
	if err := w.settle(h); err != nil {
		return err
	}
	w.addRoutes(h)
	w.tracer, err = newTracer()
	return err
}

// outer chooses a name and index for the outer end of an interface that no interface of the host has.
func (w *World) outer(l fib.Link) (name string, index int) {
	top := 0
	for _, have := range w.net.Links {
		top = max(top, have.Index)
	}
	index = top + 1000 + l.Index
	for n := l.Index; ; n++ {
		if name = "ow" + strconv.Itoa(n); w.net.ByName(name) == nil && !w.outers[name] {
			w.outers[name] = true
			return name, index
		}
	}
}

func (w *World) addLink(h *netlink.Handle, l fib.Link) error {
	outer, outerIndex := w.outer(l)
	if err := addVeth(l, outer, outerIndex); err != nil {
		return err
	}
	in, err := h.LinkByName(l.Name)
	if err != nil {
		return err
	}
	out, err := h.LinkByName(outer)
	if err != nil {
		return err
	}
	if in.Attrs().Index != l.Index {
		w.problem("interface %s: index %d instead of %d", l.Name, in.Attrs().Index, l.Index)
	}
	// Neighbours need no resolving, so that an answer to any address leaves at once.
	_ = sysctl("ipv6/conf/"+outer+"/disable_ipv6", "1")
	errs := []error{h.LinkSetARPOff(in), h.LinkSetGroup(in, int(l.Group)), h.LinkSetUp(out)}
	if l.Up {
		errs = append(errs, h.LinkSetUp(in))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	l.MAC = in.Attrs().HardwareAddr
	x, err := newWire(l, out.Attrs().Index)
	if err != nil {
		return err
	}
	w.wires[l.Index] = x
	return nil
}

// addVeth makes the pair with both indices chosen. The kernel creates the peer first, which would otherwise take the
// lowest free index, often the very one the host's interface has.
func addVeth(l fib.Link, outer string, outerIndex int) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(l.Index)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(l.Name)))
	mtu := min(max(l.MTU, 1280), 65535)
	req.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(mtu))))
	if mac := hardware(l.MAC); mac != nil {
		req.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, mac))
	}
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
	peer := info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.VETH_INFO_PEER, nil)
	nl.NewIfInfomsgChild(peer, unix.AF_UNSPEC).Index = int32(outerIndex)
	peer.AddRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(outer))
	req.AddData(info)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// hardware keeps a MAC only when a veth can have it.
func hardware(mac []byte) net.HardwareAddr {
	if len(mac) != 6 || mac[0]&1 != 0 {
		return nil
	}
	return mac
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func (w *World) addAddrs(h *netlink.Handle) {
	for _, a := range w.net.Addrs {
		l := w.net.Link(a.Index)
		if l == nil || l.Loopback && a.Prefix.Addr().IsLoopback() {
			continue
		}
		link, err := h.LinkByName(l.Name)
		if err == nil {
			addr := &netlink.Addr{IPNet: ipNet(a.Prefix)}
			if a.Prefix.Addr().Is6() {
				addr.Flags = unix.IFA_F_NODAD
			}
			err = h.AddrAdd(link, addr)
		}
		if err != nil && !errors.Is(err, unix.EEXIST) {
			w.problem("address %s on %s: %v", a.Prefix, l.Name, err)
		}
	}
}

// settleLimit bounds the wait for IPv6; the kernel takes a few milliseconds.
const settleLimit = 2 * time.Second

// settle waits until every IPv6 address is in the local table, which the kernel puts off until the link watcher has seen
// the carrier. A packet that comes earlier is not for this host.
func (w *World) settle(h *netlink.Handle) error {
	want := map[netip.Addr]bool{}
	for _, a := range w.net.Addrs {
		if l := w.net.Link(a.Index); l != nil && l.Up && !l.Loopback && a.Prefix.Addr().Is6() {
			want[a.Prefix.Addr()] = true
		}
	}
	for end := time.Now().Add(settleLimit); len(want) > 0; {
		routes, err := h.RouteListFiltered(netlink.FAMILY_V6, &netlink.Route{Table: fib.TableLocal}, netlink.RT_FILTER_TABLE)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return fmt.Errorf("list local routes: %w", err)
		}
		for _, r := range routes {
			if r.Dst != nil && r.Type == unix.RTN_LOCAL {
				a, _ := netip.AddrFromSlice(r.Dst.IP)
				delete(want, a)
			}
		}
		if len(want) > 0 && time.Now().After(end) {
			w.problem("%d IPv6 addresses did not become usable", len(want))
			return nil
		}
		if len(want) > 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// addRoutes copies the routes the kernel did not make by itself, wide ones last so that gateways resolve.
func (w *World) addRoutes(h *netlink.Handle) {
	for _, f := range []*fib.Family{&w.net.V4, &w.net.V6} {
		for pass := range 2 {
			for i := range f.Routes {
				r := &f.Routes[i]
				hasGw := len(r.Gws) > 0 && r.Gws[0].IsValid()
				if r.Table == fib.TableLocal || hasGw != (pass == 1) {
					continue
				}
				if err := w.addRoute(h, r); err != nil && !errors.Is(err, unix.EEXIST) {
					w.problem("route %s: %v", r.Dst, err)
				}
			}
		}
		if len(f.Rules) > 3 {
			w.problem("policy routing rules are not copied")
		}
	}
}

func (w *World) addRoute(h *netlink.Handle, r *fib.Route) error {
	out := &netlink.Route{Dst: ipNet(r.Dst), Table: r.Table, Type: int(r.Type), Priority: r.Metric, Tos: r.TOS}
	if len(r.Oifs) > 0 {
		l := w.net.Link(r.Oifs[0])
		if l == nil {
			return fmt.Errorf("interface %d is not there", r.Oifs[0])
		}
		link, err := h.LinkByName(l.Name)
		if err != nil {
			return err
		}
		out.LinkIndex = link.Attrs().Index
		if r.Gws[0].IsValid() {
			out.Gw = r.Gws[0].AsSlice()
			out.SetFlag(netlink.FLAG_ONLINK)
		} else {
			out.Scope = unix.RT_SCOPE_LINK
		}
		if r.Dst.Addr().Is6() {
			out.Scope = 0
		}
	}
	return h.RouteAppend(out)
}
