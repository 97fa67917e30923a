package exchange

import (
	"fmt"
	"net"
	"net/netip"
)

// RouteSource is the source address that the kernel would use towards addr. It
// connects a datagram socket, which looks up the route and sends nothing. Its
// error holds the errno when there is no route.
func RouteSource(addr netip.AddrPort) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("route to %s: %w", addr.Addr(), err)
	}
	local := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	if err := c.Close(); err != nil {
		return netip.Addr{}, err
	}
	return local, nil
}
