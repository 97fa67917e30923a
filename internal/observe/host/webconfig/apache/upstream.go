package apache

import (
	"net/netip"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// upstreams are the backends of ProxyPass, proxying rewrites and handlers; a
// balancer counts as its members.
func (r *reader) upstreams() []fact.Upstream {
	members := map[string][]*node{}
	r.each(func(in []*node, n *node) {
		if n.name != "balancermember" {
			return
		}
		name := in[len(in)-1].arg(0)
		if in[len(in)-1].name != "proxy" && len(n.args) > 1 { // BalancerMember balancer://x http://y
			members[strings.ToLower(n.args[0])] = append(members[strings.ToLower(n.args[0])], n)
			return
		}
		members[strings.ToLower(name)] = append(members[strings.ToLower(name)], n)
	})
	var out []fact.Upstream
	seen := map[string]bool{}
	r.each(func(in []*node, n *node) {
		target, params := passTarget(in, n)
		if target == "" || len(out) >= maxEntries {
			return
		}
		site, _ := scope(in)
		u := fact.Upstream{Site: site, Place: placed(in, n), Runtime: fact.TriOf(fresh(params))}
		list := []fact.Upstream{}
		if strings.HasPrefix(strings.ToLower(target), "balancer://") {
			for _, m := range members[strings.ToLower(strings.TrimSuffix(target, "/"))] {
				mu := u
				mu.Group, mu.Place = conf.Show(target), m.place()
				list = append(list, withTarget(mu, memberTarget(m)))
			}
		} else {
			list = append(list, withTarget(u, target))
		}
		for _, u := range list {
			if key := u.Site + "\x00" + u.Scheme + "\x00" + u.Name; !seen[key] {
				seen[key] = true
				out = append(out, u)
			}
		}
	})
	return out
}

func memberTarget(m *node) string {
	for _, a := range m.args {
		if strings.Contains(a, "://") && !strings.HasPrefix(strings.ToLower(a), "balancer:") || strings.HasPrefix(a, "unix:") {
			return a
		}
	}
	return ""
}

// passTarget is the backend that a directive names, with its parameters.
func passTarget(in []*node, n *node) (string, []string) {
	args := n.args
	switch n.name {
	case "proxypass", "proxypassmatch":
		if s := in[len(in)-1].name; (s == "location" || s == "locationmatch") && len(args) > 0 {
			return target(args[0]), args[1:]
		}
		if len(args) > 1 {
			return target(args[1]), args[2:]
		}
	case "rewriterule":
		if _, ok := (rewrite{n: n, flags: strings.Split(strings.Trim(n.arg(2), "[]"), ",")}).flag("P", "proxy"); ok {
			return target(n.arg(1)), nil
		}
	case "sethandler", "addhandler":
		if t, ok := strings.CutPrefix(n.arg(0), "proxy:"); ok {
			return target(t), nil
		}
	}
	return "", nil
}

func target(s string) string {
	if s == "!" || !strings.Contains(s, ":") {
		return ""
	}
	return s
}

// fresh reports whether the name is looked up again for new connections.
func fresh(params []string) bool {
	for _, p := range params {
		k, v, _ := strings.Cut(strings.ToLower(p), "=")
		if k == "disablereuse" && v == "on" || k == "enablereuse" && v == "off" {
			return true
		}
	}
	return false
}

// withTarget gives an upstream its scheme and address: scheme://host:port/path
// or unix:/path|scheme://name.
func withTarget(u fact.Upstream, t string) fact.Upstream {
	if path, rest, ok := strings.Cut(t, "|"); ok && strings.HasPrefix(path, "unix:") {
		u.Socket, u.Name = conf.Show(path[5:]), conf.Show(path)
		u.Scheme, _, _ = strings.Cut(rest, ":")
		u.Scheme = scheme(u.Scheme)
		return u
	}
	s, rest, ok := strings.Cut(t, "://")
	if !ok {
		u.Name = conf.Show(t)
		return u
	}
	u.Scheme = scheme(s)
	host, _, _ := strings.Cut(rest, "/")
	if i := strings.IndexAny(host, "$%"); i >= 0 {
		u.Runtime = fact.Yes
	}
	port := map[string]string{"http": "80", "https": "443", "fastcgi": "8000", "ajp": "8009", "ws": "80", "wss": "443"}[u.Scheme]
	if u.Scheme == "https" || u.Scheme == "wss" {
		u.SNI = fact.Yes // mod_proxy sends the backend's name, or the Host it preserves
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && port != "" {
		p, _ := conf.Port(port)
		u.Addr = netip.AddrPortFrom(a, p)
	} else if ap, err := netip.ParseAddrPort(host); err == nil {
		u.Addr = ap
	}
	if i := strings.LastIndexByte(host, ':'); (i < 0 || strings.HasSuffix(host, "]")) && port != "" {
		host += ":" + port
	}
	u.Name = conf.Show(host)
	return u
}

func scheme(s string) string {
	switch s = strings.ToLower(s); s {
	case "fcgi":
		return "fastcgi"
	case "h2":
		return "https"
	case "h2c":
		return "http"
	}
	return s
}

// upstreamOf is the backend of a whole host.
func (r *reader) upstreamOf(h *node) string {
	out := ""
	take := func(t string) {
		if out == "" {
			out = conf.Show(t)
		}
	}
	for _, k := range h.kids {
		t, _ := passTarget([]*node{h}, k)
		switch k.name {
		case "proxypass":
			if k.arg(0) == "/" {
				take(t)
			}
		case "proxypassmatch", "rewriterule":
			if (rewrite{n: k}).everything() {
				take(t)
			}
		case "location":
			if yes, _ := covers(k, "", true); yes {
				for _, kk := range k.kids {
					if kk.name == "proxypass" {
						t, _ := passTarget([]*node{h, k}, kk)
						take(t)
					}
				}
			}
		}
	}
	return out
}
