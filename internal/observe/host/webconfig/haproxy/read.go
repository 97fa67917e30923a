// Package haproxy reads HAProxy configurations as far as they bear on the hop
// from an edge: binds, certificates, rules over the client's address, counters,
// servers and timeouts. Keywords it does not know are left out.
package haproxy

import (
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

const maxEntries = 2000

type reader struct {
	*conf.Loader
	src      conf.Source
	sections []*section
	named    map[*section]map[string][]acl
	lists    map[string][]netip.Prefix
	crtBase  string
	caBase   string
}

// Read reads the configuration of src.Main and src.Extra. The second value
// knows which files were read.
func Read(src conf.Source) (fact.WebConfig, *conf.Loader) {
	l := &conf.Loader{FS: src.FS}
	r := &reader{Loader: l, src: src, named: map[*section]map[string][]acl{}, lists: map[string][]netip.Prefix{}}
	r.sections = load(l, src)
	for _, s := range r.sections {
		for _, ln := range s.lines {
			if s.kind == "global" && ln.word(0) == "crt-base" {
				r.crtBase = ln.word(1)
			}
			if s.kind == "global" && ln.word(0) == "ca-base" {
				r.caBase = ln.word(1)
			}
		}
		r.named[s] = r.acls(s)
	}
	out := fact.WebConfig{Server: "haproxy", File: src.Main}
	for _, s := range r.sections {
		r.section(&out, s)
	}
	for _, n := range slices.Sorted(maps.Keys(builtIn)) {
		if !written(out, n) {
			out.Settings = append(out.Settings, fact.Setting{Name: n, Value: builtIn[n].value, Num: builtIn[n].num, Default: true})
		}
	}
	out.RealIP = r.realIP()
	for _, f := range []string{"/var/log/haproxy.log"} { // where Debian's and Red Hat's rsyslog snippets put it
		if l.FS.Exists(f) == fact.Yes {
			out.Logs = append(out.Logs, fact.LogPlace{Kind: "access", File: f, Format: "haproxy"})
		}
	}
	l.Finish(&out)
	return out, l
}

// builtIn are defaults that matter (HAProxy 2.6 to 3.0 manual).
var builtIn = map[string]struct {
	value string
	num   float64
}{"tune.bufsize": {"16384", 16384}, "tune.http.maxhdr": {"101", 101}, "tune.maxrewrite": {"1024", 1024}}

func written(c fact.WebConfig, name string) bool {
	return slices.ContainsFunc(c.Settings, func(s fact.Setting) bool { return s.Name == name })
}

func (r *reader) abs(name string) string {
	return conf.Abs(name, orDefault(r.src.Prefix, filepath.Dir(r.src.Main)))
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func (r *reader) section(out *fact.WebConfig, s *section) {
	if s.kind == "frontend" || s.kind == "listen" {
		site := r.site(s)
		out.Sites = append(out.Sites, site)
		out.Listens = append(out.Listens, site.Listens...)
		out.Access = append(out.Access, r.accessLines(s)...)
		out.Limits = append(out.Limits, r.limits(s)...)
	}
	if len(out.Settings)+len(out.Timeouts)+len(out.Upstreams) > 3*maxEntries {
		return
	}
	for _, l := range s.lines {
		switch l.word(0) {
		case "timeout":
			v, _ := conf.Seconds(l.word(2), 0.001)
			out.Timeouts = append(out.Timeouts, fact.Setting{Name: "timeout " + conf.Show(l.word(1)), Value: conf.Show(l.word(2)), Num: v, Site: s.title(), Place: s.placed(l)})
		case "maxconn", "fullconn", "nbthread", "ulimit-n", "tune.bufsize", "tune.maxrewrite", "tune.http.maxhdr", "maxconnrate", "maxsslconn",
			"mode", "retries", "option", "http-reuse", "rate-limit", "stick-table", "backlog", "ssl-default-bind-options", "ssl-default-bind-ciphers",
			"tune.h2.max-concurrent-streams", "chroot", "user", "log-format", "http-response", "http-after-response":
			v, _ := strconv.ParseFloat(l.word(1), 64)
			if v != v || v > 1e15 {
				v = 0
			}
			out.Settings = append(out.Settings, fact.Setting{Name: l.word(0), Value: conf.Show(strings.Join(l.words[1:], " ")), Num: v, Site: s.title(), Place: s.placed(l)})
		case "server", "server-template":
			if u, ok := r.server(s, l); ok {
				out.Upstreams = append(out.Upstreams, u)
			}
		case "http-request", "tcp-request":
			r.closing(out, s, l)
		case "bind":
			if l.has("accept-proxy") {
				out.ProxyProto = append(out.ProxyProto, s.placed(l))
			}
		}
		if l.word(0) == "tcp-request" && l.has("expect-proxy") {
			out.ProxyProto = append(out.ProxyProto, s.placed(l))
		}
	}
}

// closing lists rules that end a connection without an answer.
func (r *reader) closing(out *fact.WebConfig, s *section, l line) {
	if (l.has("reject") || l.has("silent-drop")) && len(out.Closes) < maxEntries {
		out.Closes = append(out.Closes, s.placed(l))
	}
}

func (r *reader) site(s *section) fact.Site {
	site := fact.Site{Place: s.head.place(), Stream: r.mode(s) == "tcp"}
	site.Place.Text = s.title()
	for _, l := range s.lines {
		switch l.word(0) {
		case "bind":
			site.Listens = append(site.Listens, r.bind(s, l, &site)...)
		case "default_backend":
			site.Upstream = conf.Show(l.word(1))
		case "acl":
			site.Names = append(site.Names, hostNames(l)...)
		case "redirect":
			redirect(&site, s, l, 1)
		case "http-request":
			switch {
			case l.word(1) == "redirect":
				redirect(&site, s, l, 2)
			case (l.word(1) == "reject" || l.word(1) == "silent-drop") && !l.has("if") && !l.has("unless"):
				p := s.placed(l)
				site.Close = &p
			}
		}
	}
	for _, l := range s.lines { // "listen" and old syntax: "listen NAME addr:port"
		if l.word(0) == "server" && site.Upstream == "" {
			site.Upstream = conf.Show(l.word(2))
		}
	}
	site.Refuses = r.refusals(s)
	return site
}

// mode is the mode of a proxy: its own, or that of the defaults it takes.
func (r *reader) mode(s *section) string {
	own := func(s *section) string {
		for i := len(s.lines) - 1; i >= 0; i-- {
			if s.lines[i].word(0) == "mode" {
				return s.lines[i].word(1)
			}
		}
		return ""
	}
	if m := own(s); m != "" {
		return m
	}
	m := ""
	for _, d := range r.sections {
		if d == s {
			break
		}
		if d.kind == "defaults" && (s.from == "" || d.name == s.from) {
			m = own(d)
		}
	}
	return orDefault(m, "tcp")
}

// bind reads "bind addr:port[,addr:port] [ssl crt FILE …]".
func (r *reader) bind(s *section, l line, site *fact.Site) []fact.Listen {
	tls := l.has("ssl")
	if tls {
		r.certs(l, site)
		if v, ok := l.after("verify"); ok && v != "none" {
			site.ClientCert = map[string]string{"required": "on", "optional": "optional"}[v]
			ca, _ := l.after("ca-file")
			site.ClientCA = conf.Show(conf.Abs(ca, r.caBase))
		}
		if v, ok := l.after("ciphers"); ok {
			site.Ciphers = conf.Show(v)
		}
		for _, o := range []string{"ssl-min-ver", "ssl-max-ver"} {
			if v, ok := l.after(o); ok {
				site.Protocols = append(site.Protocols, o+" "+conf.Show(v))
			}
		}
		if l.has("strict-sni") {
			site.Protocols = append(site.Protocols, "strict-sni")
		}
	}
	alpn, _ := l.after("alpn")
	backlog, _ := l.after("backlog")
	n, _ := strconv.Atoi(backlog)
	var out []fact.Listen
	for _, a := range strings.Split(l.word(1), ",") {
		addr, port := address(a)
		out = append(out, fact.Listen{
			Addr: addr, Port: port, TLS: tls, HTTP2: strings.Contains(alpn, "h2"), Proxy: l.has("accept-proxy"), Backlog: n, Place: s.placed(l),
		})
	}
	return out
}

// certs are the crt files of a bind line: files that hold certificate and key,
// or directories of such.
func (r *reader) certs(l line, site *fact.Site) {
	for i, w := range l.words {
		if w != "crt" {
			continue
		}
		path := conf.Abs(l.word(i+1), orDefault(r.crtBase, r.src.Prefix))
		files := []string{path}
		if fi, err := r.FS.Stat(path); err == nil && fi.IsDir() {
			files = r.Glob(filepath.Join(path, "*"), l.place())
		}
		for _, f := range files {
			p := fact.CertPair{Cert: conf.Show(f), Key: conf.Show(f)}
			if site.Cert == "" {
				site.Cert, site.Key = p.Cert, p.Key
			} else if len(site.MoreCerts) < maxEntries {
				site.MoreCerts = append(site.MoreCerts, p)
			}
		}
	}
}

func address(s string) (string, uint16) {
	for _, p := range []string{"ipv4@", "ipv6@", "ipv4:", "ipv6:"} {
		s = strings.TrimPrefix(s, p)
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasPrefix(s, "/") || strings.HasPrefix(s, "unix@") || strings.HasPrefix(s, "abns@") || strings.HasPrefix(s, "fd@") {
		return conf.Show(s), 0
	}
	first, _, _ := strings.Cut(s[i+1:], "-")
	p, _ := conf.Port(first)
	host := s[:i]
	if host == "" {
		host = "*"
	}
	return conf.Show(host + ":" + s[i+1:]), p
}

// hostNames are names that an ACL compares the Host or server name with.
func hostNames(l line) []string {
	f := strings.ToLower(l.word(2))
	if !strings.HasPrefix(f, "hdr(host)") && !strings.HasPrefix(f, "hdr_dom(host)") && !strings.HasPrefix(f, "req.hdr(host)") &&
		!strings.HasPrefix(f, "req.ssl_sni") && !strings.HasPrefix(f, "req_ssl_sni") && !strings.HasPrefix(f, "ssl_fc_sni") {
		return nil
	}
	var out []string
	for _, w := range l.words[3:] {
		if !strings.HasPrefix(w, "-") && strings.Contains(w, ".") {
			out = append(out, conf.Show(w))
		}
	}
	return out
}

// redirect reads "redirect scheme https [code 301] [if !{ ssl_fc }]".
func redirect(site *fact.Site, s *section, l line, from int) {
	kind, target := l.word(from), l.word(from+1)
	if site.Redirect != "" || kind != "scheme" && kind != "location" && kind != "prefix" {
		return
	}
	if kind == "scheme" {
		target += "://"
	}
	site.Redirect, site.RedirectPlace = conf.Show(target), s.placed(l)
	for i, w := range l.words {
		if w == "if" || w == "unless" {
			site.RedirectIf = conf.Show(strings.Join(l.words[i:], " "))
			break
		}
	}
}

// server reads "server NAME addr:port [ssl sni …] [send-proxy] …".
func (r *reader) server(s *section, l line) (fact.Upstream, bool) {
	addr := l.word(2)
	if l.word(0) == "server-template" {
		addr = l.word(3)
	}
	if addr == "" || l.has("disabled") || s.kind != "backend" && s.kind != "listen" {
		return fact.Upstream{}, false
	}
	u := fact.Upstream{Scheme: "http", Group: conf.Show(s.name), Site: r.frontends(s), Place: s.placed(l), Runtime: fact.TriOf(l.has("resolvers"))}
	if r.mode(s) == "tcp" {
		u.Scheme = "tcp"
	}
	if l.has("ssl") {
		u.Scheme = "https"
		if r.mode(s) == "tcp" {
			u.Scheme = "tls"
		}
		u.SNI = fact.TriOf(l.has("sni"))
	}
	u.Proxy = l.has("send-proxy") || l.has("send-proxy-v2") || l.has("send-proxy-v2-ssl") || l.has("send-proxy-v2-ssl-cn")
	for _, p := range []string{"ipv4@", "ipv6@"} {
		addr = strings.TrimPrefix(addr, p)
	}
	u.Name = conf.Show(addr)
	if path, ok := strings.CutPrefix(addr, "unix@"); ok || strings.HasPrefix(addr, "/") {
		u.Socket = conf.Show(orDefault(path, addr))
		return u, true
	}
	if ap, err := netip.ParseAddrPort(addr); err == nil {
		u.Addr = ap
	}
	return u, true
}

// frontends are the names of the sections that hand requests to a backend.
func (r *reader) frontends(b *section) string {
	if b.kind == "listen" {
		return b.title()
	}
	var out []string
	for _, s := range r.sections {
		for _, l := range s.lines {
			if (l.word(0) == "default_backend" || l.word(0) == "use_backend") && l.word(1) == b.name && s.kind == "frontend" {
				if t := s.title(); !slices.Contains(out, t) {
					out = append(out, t)
				}
			}
		}
	}
	return conf.Show(strings.Join(out, ", "))
}

// realIP is how the visitor's address is restored: http-request set-src.
func (r *reader) realIP() fact.RealIP {
	for _, s := range r.sections {
		for _, l := range s.lines {
			if l.word(0) != "http-request" || l.word(1) != "set-src" {
				continue
			}
			out := fact.RealIP{Header: header(l.word(2)), Place: s.placed(l)}
			c := r.condition(l, r.named[s])
			if c.always {
				out.Trusted = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
				return out
			}
			out.Trusted = cidr.Sort(c.nets())
			out.Missing = cidr.Uncovered(r.src.Ranges, out.Trusted)
			out.Stale = cidr.Stale(out.Trusted, r.src.Ranges)
			return out
		}
	}
	return fact.RealIP{}
}

// header is the field name in hdr(CF-Connecting-IP).
func header(fetch string) string {
	_, rest, ok := strings.Cut(fetch, "(")
	if !ok {
		return conf.Show(fetch)
	}
	rest, _, _ = strings.Cut(rest, ")")
	rest, _, _ = strings.Cut(rest, ",")
	return conf.Show(rest)
}
