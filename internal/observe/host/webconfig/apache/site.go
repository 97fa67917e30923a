package apache

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// sites are the virtual hosts, and the main server where there is none.
func (r *reader) sites() []fact.Site {
	var out []fact.Site
	first := map[string]bool{}
	hosts := r.hosts
	if len(hosts) == 0 {
		hosts = []*node{r.main}
	}
	for _, h := range hosts {
		s := r.site(h)
		for i := range s.Listens {
			l := &s.Listens[i]
			l.Default = !first[l.Addr]
			first[l.Addr] = true
		}
		out = append(out, s)
	}
	return out
}

func (r *reader) site(h *node) fact.Site {
	s := fact.Site{Place: h.place()}
	s.Place.Text = conf.Show("virtual host " + siteName(h))
	if h == r.main {
		s.Place = fact.Place{File: h.file, Text: "main server"}
	}
	for _, n := range h.kids {
		if n.name == "servername" || n.name == "serveralias" {
			for _, a := range n.args {
				s.Names = append(s.Names, conf.Show(hostOf(a)))
			}
		}
	}
	s.Listens = r.siteListens(h)
	r.certs(h, &s)
	if n := r.last(h, "sslprotocol"); n != nil {
		s.Protocols = n.args
	}
	if n := r.last(h, "sslciphersuite"); n != nil {
		s.Ciphers = conf.Show(strings.Join(n.args, " "))
	}
	if n := r.last(h, "sslverifyclient"); n != nil && !strings.EqualFold(n.arg(0), "none") {
		s.ClientCert = conf.Show(strings.ToLower(n.arg(0)))
		if s.ClientCert == "require" {
			s.ClientCert = "on"
		}
		s.ClientCA = r.path(h, "sslcacertificatefile")
	}
	s.Root = r.path(h, "documentroot")
	if ip := r.realIP(h); len(h.own("remoteipheader")) > 0 && h != r.main {
		s.RealIP = &ip
	}
	s.Upstream = r.upstreamOf(h)
	r.redirect(h, &s)
	s.Refuses = r.refusals(h, &s)
	return s
}

// certs are the certificates of a host: one of each key type.
func (r *reader) certs(h *node, s *fact.Site) {
	list := func(name string) []*node {
		if own := h.own(name); len(own) > 0 {
			return own
		}
		return r.main.own(name)
	}
	keys := list("sslcertificatekeyfile")
	for i, n := range list("sslcertificatefile") {
		p := fact.CertPair{Cert: conf.Show(conf.Abs(n.arg(0), r.root))}
		if i < len(keys) {
			p.Key = conf.Show(conf.Abs(keys[i].arg(0), r.root))
		} else {
			p.Key = p.Cert // the key may stand in the same file
		}
		if i == 0 {
			s.Cert, s.Key = p.Cert, p.Key
		} else {
			s.MoreCerts = append(s.MoreCerts, p)
		}
	}
}

// hostOf takes scheme and port off a ServerName.
func hostOf(name string) string {
	if _, rest, ok := strings.Cut(name, "://"); ok {
		name = rest
	}
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.HasSuffix(name, "]") {
		if _, ok := conf.Port(name[i+1:]); ok {
			name = name[:i]
		}
	}
	return name
}

// path is a directive's file, made absolute.
func (r *reader) path(h *node, name string) string {
	if n := r.last(h, name); n != nil && n.arg(0) != "" {
		return conf.Show(conf.Abs(n.arg(0), r.root))
	}
	return ""
}

func (r *reader) siteListens(h *node) []fact.Listen {
	tls := r.tls(h)
	h2 := false
	if n := r.last(h, "protocols"); n != nil {
		h2 = strings.Contains(strings.Join(n.args, " "), "h2")
	}
	var out []fact.Listen
	if h == r.main {
		for _, n := range r.main.own("listen") {
			l := listen(n)
			l.TLS, l.HTTP2 = tls, h2
			out = append(out, l)
		}
		return out
	}
	for _, a := range h.args {
		addr, port := address(a)
		out = append(out, fact.Listen{Addr: addr, Port: port, TLS: tls, HTTP2: h2, Place: h.place()})
	}
	return out
}

func (r *reader) tls(h *node) bool {
	n := r.last(h, "sslengine")
	return n != nil && (n.on() || strings.EqualFold(n.arg(0), "optional"))
}

// listens are the Listen directives; TLS is spoken where a virtual host of
// that port turns it on.
func (r *reader) listens(sites []fact.Site) []fact.Listen {
	backlog := 511 // Apache's default
	if n := r.last(r.main, "listenbacklog"); n != nil {
		backlog, _ = strconv.Atoi(n.arg(0))
	}
	var out []fact.Listen
	for _, n := range r.main.own("listen") {
		l := listen(n)
		l.Backlog = backlog
		for _, s := range sites {
			for _, sl := range s.Listens {
				if sl.Port == l.Port || sl.Port == 0 {
					l.TLS = l.TLS || sl.TLS
					l.HTTP2 = l.HTTP2 || sl.HTTP2
				}
			}
		}
		out = append(out, l)
	}
	return out
}

func listen(n *node) fact.Listen {
	l := fact.Listen{Place: n.place()}
	l.Addr, l.Port = address(n.arg(0))
	return l
}

// address reads "80", "192.0.2.1:80", "[::]:80", "*:443", "_default_:443"; a
// virtual host without a port serves every port (0).
func address(s string) (string, uint16) {
	s = strings.Replace(s, "_default_", "*", 1)
	if p, ok := conf.Port(s); ok {
		return "*:" + s, p
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.String(), ap.Port()
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		if p, ok := conf.Port(s[i+1:]); ok {
			return conf.Show(s), p
		}
		if s[i+1:] == "*" {
			return conf.Show(s[:i]), 0
		}
	}
	return conf.Show(s), 0
}
