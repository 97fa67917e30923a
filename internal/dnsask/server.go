package dnsask

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/miekg/dns"
)

// Server is where to ask: one address given by the user, or the servers of the
// system, of which the next is asked when one does not answer.
type Server struct {
	name  string
	addrs []netip.AddrPort
}

// String is the server's address, or "system".
func (s Server) String() string { return s.name }

// Addr is the first address that is asked.
func (s Server) Addr() netip.AddrPort {
	if len(s.addrs) == 0 {
		return netip.AddrPort{}
	}
	return s.addrs[0]
}

// ErrNoServer means that the system names no DNS server.
var ErrNoServer = errors.New("the system's configuration names no DNS server")

// resolvConf is where Unix systems name their servers.
const resolvConf = "/etc/resolv.conf"

// System is the system's own servers.
func System() (Server, error) { return fromFile(resolvConf) }

func fromFile(path string) (Server, error) {
	conf, err := dns.ClientConfigFromFile(path)
	if err != nil {
		return Server{}, fmt.Errorf("%w (%s): give one with --resolver", ErrNoServer, path)
	}
	s := Server{name: "system"}
	for _, a := range conf.Servers {
		if ap, err := parseAddr(net.JoinHostPort(a, conf.Port)); err == nil && len(s.addrs) < maxServers {
			s.addrs = append(s.addrs, ap)
		}
	}
	if len(s.addrs) == 0 {
		return Server{}, fmt.Errorf("%w (%s): give one with --resolver", ErrNoServer, path)
	}
	return s, nil
}

// maxServers is how many servers a system asks (resolv.conf(5), MAXNS).
const maxServers = 3

// At is the server at an address.
func At(a netip.AddrPort) Server { return Server{name: a.String(), addrs: []netip.AddrPort{a}} }

// Parse reads ADDR or ADDR:PORT, as --resolver takes it; the port is 53 when
// none is given.
func Parse(s string) (Server, error) {
	if a, err := netip.ParseAddr(trimBrackets(s)); err == nil {
		return At(netip.AddrPortFrom(a, 53)), nil
	}
	ap, err := parseAddr(s)
	if err != nil {
		return Server{}, fmt.Errorf("resolver %q: give an address with or without a port, for example 9.9.9.9 or [2620:fe::fe]:53", s)
	}
	return At(ap), nil
}

func trimBrackets(s string) string {
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}

func parseAddr(s string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return netip.AddrPort{}, err
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return netip.AddrPort{}, fmt.Errorf("port %q: 1 to 65535 are allowed", port)
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}
