package nginx

import (
	"net/netip"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// passes are the directives that hand a request to a backend, with the scheme
// they imply where the target names none.
var passes = map[string]string{
	"proxy_pass": "http", "fastcgi_pass": "fastcgi", "uwsgi_pass": "uwsgi", "scgi_pass": "scgi",
	"grpc_pass": "grpc", "memcached_pass": "memcached",
}

const maxUpstreams = 1024

// upstreams are the backends that sites forward to, one entry per server of an
// upstream block.
func (r *reader) upstreams() []fact.Upstream {
	var out []fact.Upstream
	seen := map[string]bool{}
	r.root.walk(func(s *scope, n *node) {
		scheme, ok := passes[n.name]
		if !ok || len(n.args) == 0 {
			return
		}
		if s.inside("stream") {
			scheme = "tcp"
		}
		for _, target := range r.vars.literal(n.arg(0)) {
			for _, u := range r.expand(s, n, scheme, target) {
				key := u.Site + "\x00" + u.Scheme + "\x00" + u.Name + "\x00" + u.Place.File
				if !seen[key] && len(out) < maxUpstreams {
					seen[key] = true
					out = append(out, u)
				}
			}
		}
	})
	return out
}

// expand turns the target of a pass directive into its servers.
func (r *reader) expand(s *scope, n *node, scheme, target string) []fact.Upstream {
	scheme, rest := splitScheme(scheme, target)
	u := fact.Upstream{Scheme: scheme, Site: s.site, Place: placed(s, n), Runtime: fact.TriOf(len(variables(n.arg(0))) > 0)}
	if scheme == "https" || scheme == "grpcs" || scheme == "tls" {
		u.SNI = fact.TriOf(sends(s, n.name, "_ssl_server_name"))
	}
	u.Proxy = s.inside("stream") && s.last("proxy_protocol") != nil && s.last("proxy_protocol").on()
	if s.inside("stream") && s.last("proxy_ssl") != nil && s.last("proxy_ssl").on() {
		u.Scheme = "tls"
	}
	block := r.blocks[hostOnly(rest)]
	if block == nil {
		return []fact.Upstream{withAddr(u, rest)}
	}
	var out []fact.Upstream
	for _, k := range block.kids {
		if k.name != "server" || len(k.args) == 0 || has(k, "down") {
			continue
		}
		m := u
		m.Group = conf.Show(block.arg(0))
		m.Place = k.place()
		if has(k, "resolve") {
			m.Runtime = fact.Yes
		}
		out = append(out, withAddr(m, k.arg(0)))
	}
	return out
}

func sends(s *scope, directive, suffix string) bool {
	prefix, _, _ := strings.Cut(directive, "_")
	n := s.last(prefix + suffix)
	return n != nil && n.on()
}

func has(n *node, word string) bool {
	for _, a := range n.args[1:] {
		if a == word {
			return true
		}
	}
	return false
}

// splitScheme parts "http://host:port/path" into scheme and "host:port".
func splitScheme(scheme, target string) (string, string) {
	if s, rest, ok := strings.Cut(target, "://"); ok {
		scheme, target = strings.ToLower(s), rest
	}
	if strings.HasPrefix(target, "unix:") {
		if path, _, ok := strings.Cut(target[5:], ":"); ok { // unix:/path:/uri
			return scheme, "unix:" + path
		}
		return scheme, target
	}
	target, _, _ = strings.Cut(target, "/")
	return scheme, target
}

// hostOnly is the key of an upstream block that a target may name.
func hostOnly(target string) string { return strings.TrimSuffix(strings.ToLower(target), ".") }

// withAddr gives an upstream its address or socket.
func withAddr(u fact.Upstream, target string) fact.Upstream {
	u.Name = conf.Show(target)
	if path, ok := strings.CutPrefix(target, "unix:"); ok {
		u.Socket = conf.Show(path)
		return u
	}
	port := uint16(80)
	switch u.Scheme {
	case "https", "grpcs":
		port = 443
	}
	if ap, err := netip.ParseAddrPort(target); err == nil {
		u.Addr = ap
	} else if a, err := netip.ParseAddr(strings.Trim(target, "[]")); err == nil {
		u.Addr = netip.AddrPortFrom(a, port)
	} else if !strings.Contains(target, ":") && !strings.Contains(target, "$") {
		u.Name = conf.Show(target + ":" + map[bool]string{true: "443", false: "80"}[port == 443])
	}
	return u
}

// upstreamOf is the first backend of the whole site, as written.
func upstreamOf(s *scope) string {
	out := ""
	wide(s, func(_ *scope, n *node) {
		if _, ok := passes[n.name]; ok && out == "" {
			out = conf.Show(n.arg(0))
		}
	})
	return out
}
