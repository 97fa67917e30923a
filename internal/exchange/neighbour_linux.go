package exchange

import (
	"net/netip"

	"github.com/vishvananda/netlink"
)

// deadNeighbour is the next hop towards t when it answers neither ARP nor
// neighbour discovery: then the SYN has never left this machine. The kernel says
// so itself (EHOSTUNREACH), but only after three seconds. It must be called in the
// network namespace of the connection. ok is false when the next hop answers, or
// when it cannot be told.
func deadNeighbour(t Target) (hop netip.Addr, ok bool) {
	var o netlink.RouteGetOptions
	if t.Source.IsValid() {
		o.SrcAddr = t.Source.AsSlice()
	}
	routes, err := netlink.RouteGetWithOptions(t.Addr.Addr().AsSlice(), &o)
	if err != nil || len(routes) != 1 {
		return netip.Addr{}, false
	}
	hop = t.Addr.Addr().Unmap().WithZone("")
	if gw, ok := netip.AddrFromSlice(routes[0].Gw); ok {
		hop = gw.Unmap()
	}
	family := netlink.FAMILY_V4
	if hop.Is6() {
		family = netlink.FAMILY_V6
	}
	neighbours, err := netlink.NeighList(routes[0].LinkIndex, family)
	if err != nil {
		return netip.Addr{}, false
	}
	for _, n := range neighbours {
		if a, ok := netip.AddrFromSlice(n.IP); ok && a.Unmap() == hop {
			return hop, n.State&(netlink.NUD_INCOMPLETE|netlink.NUD_FAILED) != 0
		}
	}
	return netip.Addr{}, false
}
