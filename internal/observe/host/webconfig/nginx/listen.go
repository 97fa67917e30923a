package nginx

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// listens are the addresses of a server block. Without a listen directive
// nginx takes *:80 as root and *:8000 otherwise; it is root who starts a
// server that an edge can reach.
func listens(s *scope) []fact.Listen {
	var out []fact.Listen
	h2 := s.last("http2")
	ssl := s.last("ssl") // before 1.25
	for _, n := range s.own("listen") {
		l := listen(n)
		l.TLS = l.TLS || ssl != nil && ssl.on() && s.inside("http")
		l.HTTP2 = l.HTTP2 || h2 != nil && h2.on()
		out = append(out, l)
	}
	if len(out) == 0 && s.inside("http") {
		p := s.n.place()
		p.Text = "no listen directive: port 80"
		out = append(out, fact.Listen{Addr: "*:80", Port: 80, Place: p})
	}
	return out
}

func listen(n *node) fact.Listen {
	l := fact.Listen{Place: n.place()}
	l.Addr, l.Port = address(n.arg(0))
	for i := 1; i < len(n.args); i++ {
		a := n.args[i]
		switch {
		case a == "ssl":
			l.TLS = true
		case a == "http2", a == "spdy":
			l.HTTP2 = true
		case a == "proxy_protocol":
			l.Proxy = true
		case a == "default_server", a == "default":
			l.Default = true
		case strings.HasPrefix(a, "backlog="):
			l.Backlog, _ = strconv.Atoi(a[len("backlog="):])
		}
	}
	return l
}

// address reads the address of a listen directive: a port, an address with or
// without port, or a socket.
func address(s string) (string, uint16) {
	if strings.HasPrefix(s, "unix:") {
		return conf.Show(s), 0
	}
	if p, ok := conf.Port(s); ok {
		return "*:" + s, p
	}
	if strings.HasSuffix(s, "]") {
		return conf.Show(s + ":80"), 80
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		if p, ok := conf.Port(s[i+1:]); ok {
			return conf.Show(s), p
		}
	}
	return conf.Show(s + ":80"), 80
}

// socketKey is what nginx compares to find servers of one socket.
func socketKey(l fact.Listen) string {
	if ap, err := netip.ParseAddrPort(l.Addr); err == nil {
		if ap.Addr() == netip.IPv4Unspecified() {
			return "*:" + strconv.Itoa(int(l.Port))
		}
		return ap.String()
	}
	return l.Addr
}

// spread makes what nginx holds per socket true for every listen of that
// socket: the first server is its default where none is named, and TLS, PROXY
// protocol and backlog need to be written only once.
func spread(sites []fact.Site) {
	type socket struct {
		first   *fact.Listen
		named   bool
		proxy   bool
		tls     bool
		backlog int
	}
	sockets := map[string]*socket{}
	each := func(f func(*fact.Listen, *socket)) {
		for i := range sites {
			if sites[i].Stream {
				continue
			}
			for j := range sites[i].Listens {
				l := &sites[i].Listens[j]
				k := socketKey(*l)
				if sockets[k] == nil {
					sockets[k] = &socket{first: l}
				}
				f(l, sockets[k])
			}
		}
	}
	each(func(l *fact.Listen, s *socket) {
		s.named = s.named || l.Default
		s.proxy = s.proxy || l.Proxy
		s.tls = s.tls || l.TLS
		s.backlog = max(s.backlog, l.Backlog)
	})
	each(func(l *fact.Listen, s *socket) {
		l.Default = l.Default || !s.named && s.first == l
		l.Proxy = l.Proxy || s.proxy
		l.TLS = l.TLS || s.tls
		l.Backlog = max(l.Backlog, s.backlog)
	})
}
