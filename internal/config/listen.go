package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// maxReusePort bounds sockets on one address: more than cores help nobody.
const maxReusePort = 256

// listenSeen finds two roles on one address.
type listenSeen map[string]string

func (v value) listen() Listen {
	var l Listen
	tcp, udp := listenSeen{}, listenSeen{}
	many := func(dst *[]string, seen listenSeen, scheme string) func(value) {
		return func(v value) {
			one := func(v value) {
				if a, ok := v.listenAddress(seen, scheme); ok {
					*dst = append(*dst, a)
				}
			}
			if r, ok := v.resolve(); ok && len(r.n.Content) > 0 {
				v.list(one)
			} else if !v.null() {
				one(v)
			}
		}
	}
	single := func(dst *string) func(value) {
		return func(v value) { *dst, _ = v.listenAddress(tcp, "") }
	}
	v.object(
		key{"http", many(&l.HTTP, tcp, "http")},
		key{"https", many(&l.HTTPS, tcp, "https")},
		key{"reuse_port", func(v value) { l.ReusePort, _ = v.integer(1, maxReusePort) }},
		key{"http3", many(&l.HTTP3, udp, "https")},
		key{"dns", many(&l.DNS, udp, "")},
		key{"dns_tls", many(&l.DNSTLS, tcp, "")},
		key{"api", single(&l.API)},
		key{"dashboard", single(&l.Dashboard)},
		key{"metrics", func(v value) {
			l.Metrics, _ = v.listenAddress(tcp, "")
			v.openToAll(l.Metrics)
		}},
	)
	return l
}

// openToAll warns of an address that is served without a token and may be reached by anybody.
func (v value) openToAll(addr string) {
	ap, err := netip.ParseAddrPort(addr)
	if addr != "" && (err != nil || !ap.Addr().IsLoopback() && !ap.Addr().IsPrivate()) {
		v.warn("everybody who reaches this address can read it", "a loopback or private address")
	}
}

// listenAddress reads ADDRESS:PORT; without an address it is every address of
// this machine. Port 0 takes a free one.
func (v value) listenAddress(seen listenSeen, scheme string) (string, bool) {
	const want = "ADDRESS:PORT, for example 198.51.100.10:80, [2001:db8::10]:80 or :80"
	s, ok := v.text()
	if !ok {
		return "", false
	}
	host, portText, err := net.SplitHostPort(s)
	if err != nil {
		v.fail("not an address to listen on", want)
		return "", false
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		v.fail("the port is no number up to 65535", want)
		return "", false
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if host != "" {
		a, err := netip.ParseAddr(host)
		if err != nil {
			v.fail("the address is none of IPv4 or IPv6", want)
			return "", false
		}
		host = a.String()
	}
	addr := net.JoinHostPort(host, strconv.FormatUint(port, 10))
	if where, twice := seen[addr]; twice && port != 0 {
		v.fail("already used by " + where)
		return "", false
	}
	seen[addr] = v.path
	if scheme != "" && port != 0 && cdn.PortSupported(cdn.Originward, scheme, uint16(port)) == fact.No {
		list, _ := cdn.Ports(cdn.Originward)
		ports := list.HTTP
		if scheme == "https" {
			ports = list.HTTPS
		}
		v.warn(fmt.Sprintf("port %d is not one that Cloudflare carries for %s (list of %s); this edge serves it nevertheless", port, scheme, list.AsOf), numbers(ports)...)
	}
	return addr, true
}

func numbers(ports []uint16) []string {
	out := make([]string, len(ports))
	for i, p := range ports {
		out[i] = strconv.Itoa(int(p))
	}
	return out
}
