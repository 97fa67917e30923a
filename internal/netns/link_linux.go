package netns

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Connect joins two namespaces by a veth pair, gives both ends their addresses and
// brings them up.
func Connect(a *NS, aEnd End, b *NS, bEnd End) error {
	// The pair is made inside a, its peer moved to b at birth: names never clash with
	// those of the caller's own namespace.
	err := a.Do(func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs:     netlink.LinkAttrs{Name: aEnd.Link, MTU: aEnd.MTU},
			PeerName:      bEnd.Link,
			PeerNamespace: netlink.NsFd(b.handle),
			PeerMTU:       uint32(bEnd.MTU),
		})
	})
	if err != nil {
		return fmt.Errorf("veth %s in %s to %s in %s: %w", aEnd.Link, a.name, bEnd.Link, b.name, err)
	}
	if err := a.setUp(aEnd); err != nil {
		return err
	}
	return b.setUp(bEnd)
}

func (n *NS) setUp(e End) error {
	for _, p := range e.Addrs {
		if err := n.AddAddr(e.Link, p); err != nil {
			return err
		}
	}
	return n.SetLink(e.Link, true)
}

// AddAddr gives a link an address. Any address will do, a CDN's too.
func (n *NS) AddAddr(link string, p netip.Prefix) error {
	return n.Do(func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return fmt.Errorf("link %s in %s: %w", link, n.name, err)
		}
		addr := &netlink.Addr{IPNet: ipNet(p)}
		if p.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(l, addr); err != nil {
			return fmt.Errorf("address %s on %s in %s: %w", p, link, n.name, err)
		}
		return nil
	})
}

// SetLink brings a link up or down.
func (n *NS) SetLink(link string, up bool) error {
	return n.Do(func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return fmt.Errorf("link %s in %s: %w", link, n.name, err)
		}
		if up {
			return netlink.LinkSetUp(l)
		}
		return netlink.LinkSetDown(l)
	})
}

var routeTypes = map[string]int{
	"":            unix.RTN_UNICAST,
	"unicast":     unix.RTN_UNICAST,
	"blackhole":   unix.RTN_BLACKHOLE,
	"unreachable": unix.RTN_UNREACHABLE,
	"prohibit":    unix.RTN_PROHIBIT,
}

// AddRoute adds a route.
func (n *NS) AddRoute(r Route) error {
	t, ok := routeTypes[r.Type]
	if !ok {
		return fmt.Errorf("route type %q: allowed are unicast, blackhole, unreachable, prohibit", r.Type)
	}
	return n.Do(func() error {
		nr := netlink.Route{Dst: ipNet(r.Dst), Type: t}
		if r.Via.IsValid() {
			nr.Gw = r.Via.AsSlice()
		}
		if r.Link != "" {
			l, err := netlink.LinkByName(r.Link)
			if err != nil {
				return fmt.Errorf("link %s in %s: %w", r.Link, n.name, err)
			}
			nr.LinkIndex = l.Attrs().Index
		}
		if err := netlink.RouteAdd(&nr); err != nil {
			return fmt.Errorf("route to %s in %s: %w", r.Dst, n.name, err)
		}
		return nil
	})
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
