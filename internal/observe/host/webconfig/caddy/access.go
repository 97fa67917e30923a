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

// matcher is a named matcher over the client's address.
type matcher struct {
	nets   []netip.Prefix
	not    bool
	client bool // client_ip: the restored address
	header bool // remote_ip forwarded: what X-Forwarded-For says, whoever sent it
	other  bool // it looks at something else too
	n      *node
}

// matchers are the named matchers of a site that look at addresses.
func matchers(n *node) map[string]matcher {
	out := map[string]matcher{}
	for _, k := range n.kids {
		if !strings.HasPrefix(k.name, "@") {
			continue
		}
		list := k.kids
		if len(k.args) > 0 { // one line: @x not remote_ip …
			list = []*node{{name: k.args[0], args: k.args[1:], file: k.file, line: k.line}}
		}
		m := matcher{n: k}
		found := false
		for _, c := range list {
			name, args := c.name, c.args
			not := name == "not"
			if not && len(args) > 0 {
				name, args = args[0], args[1:]
			} else if not && len(c.kids) == 1 {
				name, args = c.kids[0].name, c.kids[0].args
			}
			if name != "remote_ip" && name != "client_ip" {
				m.other = true
				continue
			}
			if len(args) > 0 && args[0] == "forwarded" {
				args, m.header = args[1:], true
			}
			found, m.not, m.client = true, not, name == "client_ip"
			m.nets = append(m.nets, prefixes(args)...)
		}
		if found {
			out[k.name] = m
		}
	}
	return out
}

func (m matcher) matches(a netip.Addr) bool {
	in := slices.ContainsFunc(m.nets, func(p netip.Prefix) bool { return p.Contains(a) })
	return in != m.not
}

// restored says whether the matcher judges the visitor's address; peer is the
// answer for one that judges the connection's.
func (m matcher) restored(r *reader, peer fact.Tri) fact.Tri {
	switch {
	case m.header:
		return fact.Yes
	case m.client:
		return r.restored()
	}
	return peer
}

// refusal is a directive that refuses what a matcher matches.
func refusing(k *node) (name string, status int, ok bool) {
	switch k.name {
	case "abort":
		return k.arg(0), 0, true
	case "respond", "error":
		for _, a := range k.args {
			if code, err := strconv.Atoi(a); err == nil && code >= 400 {
				return k.arg(0), code, true
			}
		}
	case "handle", "route":
		for _, c := range k.kids {
			if _, status, ok := refusing(c); ok && !strings.HasPrefix(c.arg(0), "@") {
				return k.arg(0), status, true
			}
		}
	}
	return "", 0, false
}

func (r *reader) refusals(n *node) []fact.SiteRefusal {
	ms := matchers(n)
	var out []fact.SiteRefusal
	for _, k := range n.kids {
		name, status, ok := refusing(k)
		m, known := ms[name]
		if !ok || !known || m.other {
			continue
		}
		f := fact.SiteRefusal{Status: status, Restored: fact.No, AllowsCDN: fact.No, By: m.n.place()}
		f.By.Text = conf.Show(m.n.text() + " … " + k.text())
		f.Restored = m.restored(r, f.Restored)
		if a, ok := cidr.Stranger(m.nets); ok {
			f.Everyone = m.matches(a)
		}
		for _, rng := range r.src.Ranges {
			if m.not && len(cidr.Touching(m.nets, rng)) > 0 {
				f.AllowsCDN = fact.Yes
			}
			if slices.ContainsFunc(cidr.Representatives(rng, m.nets), m.matches) {
				f.Ranges = append(f.Ranges, rng)
			}
		}
		if f.Restored == fact.Yes {
			f.Ranges = nil
			if !f.Everyone || f.AllowsCDN != fact.Yes {
				continue
			}
		} else if len(f.Ranges) == 0 {
			continue
		}
		out = append(out, f)
	}
	return out
}

// walk lists what stands anywhere in a site: backends, closes, limits,
// address matchers, logs.
func (r *reader) walk(out *fact.WebConfig, n *node, site string, top *node) {
	for _, k := range n.kids {
		if len(out.Upstreams)+len(out.Closes)+len(out.Access) > maxEntries {
			return
		}
		switch k.name {
		case "reverse_proxy", "php_fastcgi":
			for _, t := range targets(k) {
				out.Upstreams = append(out.Upstreams, upstream(k, site, t))
			}
		case "abort":
			p := k.place()
			p.Text = conf.Show(site + ": " + k.text())
			out.Closes = append(out.Closes, p)
		case "rate_limit":
			out.Limits = append(out.Limits, r.rate(k, site)...)
		case "log":
			out.Logs = append(out.Logs, logs(k)...)
		}
		if name, _, ok := refusing(k); ok {
			if m, known := matchers(top)[name]; known {
				a := fact.Access{Action: "deny", What: conf.Show(m.n.text()), By: "address", Site: site, Restored: fact.No, Place: m.n.place()}
				a.Restored = m.restored(r, a.Restored)
				for _, rng := range r.src.Ranges {
					if len(cidr.Touching(m.nets, rng)) > 0 {
						a.CDN = append(a.CDN, rng)
					}
				}
				out.Access = append(out.Access, a)
			}
		}
		r.walk(out, k, site, top)
	}
}

// rate reads the rate_limit module: zone NAME { key …; events N; window D }.
func (r *reader) rate(k *node, site string) []fact.Limit {
	var out []fact.Limit
	for _, z := range k.own("zone") {
		l := fact.Limit{Kind: "requests", Name: conf.Show(z.arg(0)), Status: 429, Site: site, Place: z.place()}
		events, window := "", ""
		for _, c := range z.kids {
			switch c.name {
			case "key":
				l.Key = conf.Show(c.arg(0))
			case "events":
				events = c.arg(0)
			case "window":
				window = c.arg(0)
			}
		}
		l.Rate = conf.Show(events + " in " + window)
		switch {
		case strings.Contains(l.Key, "remote_host") || strings.Contains(l.Key, "remote.host"):
			l.PeerKey = fact.Yes
		case strings.Contains(l.Key, "client_ip"):
			l.PeerKey = map[fact.Tri]fact.Tri{fact.Yes: fact.No, fact.No: fact.Yes}[r.restored()]
		case l.Key != "":
			l.PeerKey = fact.No
		}
		out = append(out, l)
	}
	return out
}

// targets are the backends of a reverse_proxy line and its block.
func targets(k *node) []string {
	var out []string
	for i, a := range k.args {
		if i == 0 && (strings.HasPrefix(a, "@") || strings.HasPrefix(a, "/") || a == "*") {
			continue
		}
		out = append(out, a)
	}
	for _, t := range k.own("to") {
		out = append(out, t.args...)
	}
	return out
}

func upstream(k *node, site, t string) fact.Upstream {
	u := fact.Upstream{Scheme: "http", Site: site, Runtime: fact.Yes, Place: k.place()} // Go resolves for each dial
	if k.name == "php_fastcgi" {
		u.Scheme = "fastcgi"
	}
	scheme, rest, ok := strings.Cut(t, "://")
	if ok {
		u.Scheme = scheme
	} else {
		rest = t
	}
	if path, ok := strings.CutPrefix(rest, "unix/"); ok || strings.HasPrefix(t, "unix//") {
		u.Socket, u.Name = conf.Show("/"+strings.TrimLeft(path, "/")), conf.Show(t)
		return u
	}
	for _, tr := range k.own("transport") {
		for _, o := range tr.kids {
			if strings.HasPrefix(o.name, "tls") {
				u.Scheme = "https"
			}
		}
	}
	rest, _, _ = strings.Cut(rest, "/")
	port := "80"
	if u.Scheme == "https" {
		port = "443"
		u.SNI = fact.Yes
	}
	if strings.HasPrefix(rest, ":") {
		rest = "localhost" + rest
	}
	if i := strings.LastIndexByte(rest, ':'); i < 0 || strings.HasSuffix(rest, "]") {
		rest += ":" + port
	}
	if ap, err := netip.ParseAddrPort(rest); err == nil {
		u.Addr = ap
	}
	u.Name = conf.Show(rest)
	return u
}

func logs(k *node) []fact.LogPlace {
	for _, o := range k.own("output") {
		if o.arg(0) == "file" && o.arg(1) != "" {
			return []fact.LogPlace{{Kind: "access", File: conf.Show(o.arg(1)), Format: "caddy"}}
		}
	}
	return nil
}

// globals reads timeouts, protocols and PROXY protocol of the servers option.
func (r *reader) globals(out *fact.WebConfig) {
	for _, sv := range r.global.own("servers") {
		for _, k := range sv.kids {
			switch k.name {
			case "timeouts":
				for _, t := range k.kids {
					v, _ := conf.Seconds(t.arg(0), 1)
					out.Timeouts = append(out.Timeouts, fact.Setting{Name: "timeouts " + conf.Show(t.name), Value: conf.Show(t.arg(0)), Num: v, Place: t.place()})
				}
			case "listener_wrappers":
				for _, w := range k.own("proxy_protocol") {
					out.ProxyProto = append(out.ProxyProto, w.place())
				}
			case "protocols", "max_header_size", "keepalive_interval":
				out.Settings = append(out.Settings, fact.Setting{Name: k.name, Value: conf.Show(strings.Join(k.args, " ")), Place: k.place()})
			}
		}
	}
	if !slices.ContainsFunc(out.Timeouts, func(s fact.Setting) bool { return s.Name == "timeouts idle" }) {
		out.Timeouts = append(out.Timeouts, fact.Setting{Name: "timeouts idle", Value: "5m", Num: 300, Default: true}) // Caddy 2 manual
	}
	for _, k := range r.global.own("log") {
		out.Logs = append(out.Logs, logs(k)...)
	}
}
