// Package caddy reads Caddyfiles as far as they bear on the hop from an edge.
// A configuration given as JSON or through the admin interface is not read.
package caddy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

const maxEntries = 2000

type reader struct {
	*parser
	src    conf.Source
	global *node
	sites  []*node
}

// Read reads the Caddyfile src.Main. The second value knows which files were
// read.
func Read(src conf.Source) (fact.WebConfig, *conf.Loader) {
	l := &conf.Loader{FS: src.FS}
	out := fact.WebConfig{Server: "caddy", File: src.Main}
	if strings.HasSuffix(src.Main, ".json") {
		out.Unread = append(out.Unread, fact.Place{File: src.Main, Text: "a JSON configuration is not read"})
		return out, l
	}
	p := &parser{Loader: l, env: src.Env, snippets: map[string]*node{}}
	top := &node{}
	p.file(src.Main, fact.Place{File: src.Main}, top, nil)
	r := &reader{parser: p, src: src, global: &node{}}
	r.split(top)
	out.RealIP = r.realIP()
	for _, n := range r.sites {
		s := r.site(n)
		out.Sites = append(out.Sites, s)
		for _, li := range s.Listens {
			if !slices.ContainsFunc(out.Listens, func(x fact.Listen) bool { return x.Addr == li.Addr }) {
				out.Listens = append(out.Listens, li)
			}
		}
		r.walk(&out, n, title(n), n)
	}
	r.globals(&out)
	l.Finish(&out)
	return out, l
}

// split parts global options from sites. A file whose first line is no block
// is one site without braces.
func (r *reader) split(top *node) {
	for i, k := range top.kids {
		switch {
		case i == 0 && k.name == "":
			r.global = k
		case len(k.kids) > 0:
			r.sites = append(r.sites, k)
		}
	}
	if len(r.sites) == 0 && len(top.kids) > 0 {
		first := top.kids[0]
		if first.name == "" && len(top.kids) > 1 {
			first = top.kids[1]
		}
		if first.name != "" {
			site := *first
			site.kids = slices.DeleteFunc(slices.Clone(top.kids), func(k *node) bool { return k == first || k == r.global })
			r.sites = append(r.sites, &site)
		}
	}
}

func title(n *node) string { return conf.Show(n.text()) }

// addresses are the site addresses of a block.
func addresses(n *node) []string {
	var out []string
	for _, a := range append([]string{n.name}, n.args...) {
		for _, x := range strings.Split(a, ",") {
			if x != "" {
				out = append(out, x)
			}
		}
	}
	return out
}

func (r *reader) option(name string) string {
	if l := r.global.own(name); len(l) > 0 {
		return l[len(l)-1].arg(0)
	}
	return ""
}

func (r *reader) port(name string, def uint16) uint16 {
	if p, ok := conf.Port(r.option(name)); ok {
		return p
	}
	return def
}

func (r *reader) site(n *node) fact.Site {
	s := fact.Site{Place: n.place()}
	for _, a := range addresses(n) {
		host, port, tls := r.address(a)
		if host != "" {
			s.Names = append(s.Names, conf.Show(host))
		}
		bind := "*"
		if b := n.own("bind"); len(b) > 0 {
			bind = b[0].arg(0)
		}
		l := fact.Listen{Addr: conf.Show(bind + ":" + strconv.Itoa(int(port))), Port: port, TLS: tls, HTTP2: tls, Place: n.place()}
		s.Listens = append(s.Listens, l)
		if tls && port == r.port("https_port", 443) && r.option("auto_https") != "off" && r.option("auto_https") != "disable_redirects" {
			// Automatic HTTPS serves the redirect on the HTTP port.
			hp := r.port("http_port", 80)
			s.Listens = append(s.Listens, fact.Listen{Addr: conf.Show(bind + ":" + strconv.Itoa(int(hp))), Port: hp, Place: n.place()})
			s.Redirect, s.RedirectIf, s.RedirectPlace = "https://{host}{uri}", "http (automatic HTTPS)", n.place()
		}
	}
	for _, t := range n.own("tls") {
		r.tls(t, &s)
	}
	for _, k := range n.kids {
		switch k.name {
		case "redir":
			if len(k.args) > 0 && !strings.HasPrefix(k.args[0], "@") && !(strings.HasPrefix(k.args[0], "/") && len(k.args) > 1) {
				s.Redirect, s.RedirectIf, s.RedirectPlace = conf.Show(k.arg(0)), "", k.place()
			}
		case "abort":
			if len(k.args) == 0 || k.args[0] == "*" {
				p := k.place()
				s.Close = &p
			}
		case "reverse_proxy", "php_fastcgi":
			if s.Upstream == "" {
				s.Upstream = conf.Show(strings.Join(targets(k), " "))
			}
		case "root":
			s.Root = conf.Show(k.arg(len(k.args) - 1))
		}
	}
	s.Refuses = r.refusals(n)
	return s
}

// address reads a site address such as "https://shop.example:8443", ":80",
// "localhost", "http://shop.example".
func (r *reader) address(a string) (host string, port uint16, tls bool) {
	httpPort, httpsPort := r.port("http_port", 80), r.port("https_port", 443)
	scheme, rest, ok := strings.Cut(a, "://")
	if !ok {
		scheme, rest = "", a
	}
	rest, _, _ = strings.Cut(rest, "/")
	host = rest
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		if p, ok := conf.Port(rest[i+1:]); ok {
			host, port = rest[:i], p
		}
	}
	switch {
	case scheme == "http":
		if port == 0 {
			port = httpPort
		}
		return host, port, false
	case port == httpPort && port != 0:
		return host, port, false
	case port == 0 && host == "" && scheme == "":
		return host, httpPort, false
	}
	if port == 0 {
		port = httpsPort
	}
	// A port alone has no name to get a certificate for.
	return host, port, host != "" || scheme == "https" || port == httpsPort
}

func (r *reader) tls(t *node, s *fact.Site) {
	if len(t.args) == 2 {
		s.Cert, s.Key = conf.Show(conf.Abs(t.args[0], r.src.Prefix)), conf.Show(conf.Abs(t.args[1], r.src.Prefix))
	}
	for _, k := range t.kids {
		switch k.name {
		case "protocols":
			s.Protocols = k.args
		case "ciphers":
			s.Ciphers = conf.Show(strings.Join(k.args, " "))
		case "client_auth":
			s.ClientCert = "on"
			for _, c := range k.kids {
				switch c.name {
				case "mode":
					if c.arg(0) == "request" || c.arg(0) == "verify_if_given" {
						s.ClientCert = "optional"
					}
				case "trusted_ca_cert_file":
					s.ClientCA = conf.Show(c.arg(0))
				}
			}
		}
	}
}

// realIP is how trusted_proxies restores the visitor's address.
func (r *reader) realIP() fact.RealIP {
	var out fact.RealIP
	for _, sv := range r.global.own("servers") {
		for _, k := range sv.kids {
			switch k.name {
			case "trusted_proxies":
				out.Place = k.place()
				out.Header = "X-Forwarded-For"
				out.Trusted = prefixes(k.args)
				if k.arg(0) == "cloudflare" || k.arg(0) == "combine" { // a module that keeps the list itself
					out.Trusted = append(out.Trusted, r.src.Ranges...)
				}
			case "client_ip_headers":
				out.Header = conf.Show(k.arg(0))
			}
		}
	}
	if len(out.Trusted) > 0 {
		out.Missing = cidr.Uncovered(r.src.Ranges, out.Trusted)
		out.Stale = cidr.Stale(out.Trusted, r.src.Ranges)
	}
	return out
}

// private are the ranges that "private_ranges" stands for (Caddy manual).
var private = []netip.Prefix{
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.1/8").Masked(), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("::1/128"),
}

func prefixes(args []string) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range args {
		if a == "private_ranges" {
			out = append(out, private...)
		} else if p, ok := cidr.Parse(a); ok {
			out = append(out, p)
		}
	}
	return out
}

func (r *reader) restored() fact.Tri {
	ip := r.realIP()
	switch {
	case len(ip.Trusted) == 0:
		return fact.No
	case len(r.src.Ranges) == 0:
		return fact.Unknown
	case len(ip.Missing) == 0:
		return fact.Yes
	case len(ip.Missing) == len(r.src.Ranges):
		return fact.No
	}
	return fact.Unknown
}
