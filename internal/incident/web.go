package incident

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
)

// webForms are the configurations of web servers and proxies.
var webForms = []form{
	{"host site", (*builder).siteOf},
	{"host upstream", (*builder).upstreamOf},
	{"host limit", (*builder).limit},
	{"host refuses", (*builder).refuses},
	{"host realip", (*builder).realIP},
	{"host setting", (*builder).setting},
	{"host config", (*builder).config},
}

var configs = map[string]string{
	"nginx": "/etc/nginx/nginx.conf", "apache": "/etc/apache2/apache2.conf", "haproxy": "/etc/haproxy/haproxy.cfg", "caddy": "/etc/caddy/Caddyfile", "lighttpd": "/etc/lighttpd/lighttpd.conf",
}

// server is the configuration of the server that a line names first.
func (b *builder) server(l *line) (*fact.WebConfig, error) {
	if len(l.head) == 0 || configs[l.head[0]] == "" {
		return nil, fmt.Errorf("a server has to be named: %s", keys(configs))
	}
	name := l.head[0]
	l.head = l.head[1:]
	for _, w := range b.web {
		if w.Server == name {
			return w, nil
		}
	}
	w := &fact.WebConfig{Server: name, File: configs[name], Parsed: fact.Yes, Running: fact.Yes, PIDs: []int{100}}
	b.web = append(b.web, w)
	return w, nil
}

// config reads "config SERVER: stopped | newer | unparsed".
func (b *builder) config(l *line) error {
	w, err := b.server(l)
	if err != nil {
		return err
	}
	switch x := l.word(); x {
	case "stopped":
		w.Running, w.PIDs = fact.No, nil
	case "newer":
		w.Newer = fact.Yes
	case "running":
	default:
		return fmt.Errorf("%q: allowed are running, stopped, newer", x)
	}
	return nil
}

// siteOf reads "site SERVER [NAME …]: listen=80,443+tls …".
func (b *builder) siteOf(l *line) error {
	w, err := b.server(l)
	if err != nil {
		return err
	}
	at := fact.Place{File: "/etc/" + w.Server + "/sites-enabled/site", Line: 1 + 20*len(w.Sites)}
	if p := l.opt("at"); p != "" {
		at = place(p)
	}
	s := fact.Site{
		Names: l.head, Cert: l.opt("cert"), ClientCert: l.opt("client-cert"), Redirect: l.opt("redirect"), Upstream: l.opt("upstream"),
		Root: l.opt("root"), Ciphers: l.opt("ciphers"), Protocols: l.list("protocols"), Place: at,
	}
	l.head = nil
	isDefault := l.has("default")
	for _, x := range l.list("listen") {
		p, tags, _ := strings.Cut(x, "+")
		n, err := port(p)
		if err != nil {
			return err
		}
		ln := fact.Listen{Addr: "*:" + p, Port: n, Default: isDefault, Place: at}
		for _, t := range strings.Split(tags, "+") {
			switch t {
			case "":
			case "tls":
				ln.TLS = true
			case "proxy":
				ln.Proxy = true
			case "h2":
				ln.HTTP2 = true
			default:
				return fmt.Errorf("listen=%s: after a port stand +tls, +h2, +proxy", x)
			}
		}
		s.Listens, w.Listens = append(s.Listens, ln), append(w.Listens, ln)
	}
	if c := l.opt("close"); c != "" {
		p := place(c)
		s.Close = &p
		w.Closes = append(w.Closes, p)
	}
	if c := l.opt("reject-tls"); c != "" {
		p := place(c)
		s.RejectTLS = &p
	}
	w.Sites = append(w.Sites, s)
	return nil
}

// upstreamOf reads "upstream SERVER NAME: refused|answers|timeout …".
func (b *builder) upstreamOf(l *line) error {
	w, err := b.server(l)
	if err != nil {
		return err
	}
	if len(l.head) != 1 {
		return fmt.Errorf("allowed is upstream SERVER NAME")
	}
	u, err := upstream(l.head[0], l)
	l.head = nil
	w.Upstreams = append(w.Upstreams, u)
	return err
}

// upstream reads what a backend answered when it was tried.
func upstream(name string, l *line) (fact.Upstream, error) {
	u := fact.Upstream{Name: name, Scheme: cmp.Or(l.opt("scheme"), "http"), Speaks: l.opt("speaks"), Place: place(l.opt("at")), Local: fact.Yes}
	for _, s := range []string{"http", "https", "fastcgi"} {
		if strings.HasPrefix(name, s+"://") {
			u.Scheme, name = s, strings.TrimPrefix(name, s+"://")
		}
	}
	if ap, err := netip.ParseAddrPort(name); err == nil {
		u.Addr = ap
	} else if host, p, ok := strings.Cut(name, ":"); ok && host == "localhost" {
		if n, err := port(p); err == nil {
			u.Addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), n)
		}
	}
	switch w := l.word(); w {
	case "answers":
		u.Answers = fact.Yes
	case "refused":
		u.Answers, u.Errno = fact.No, "ECONNREFUSED"
	case "timeout":
		u.Answers, u.Errno = fact.No, "ETIMEDOUT"
	case "untried":
	default:
		return u, fmt.Errorf("%q: allowed are answers, refused, timeout, untried", w)
	}
	var err error
	for _, t := range []struct {
		name string
		to   *fact.Tri
	}{{"listener", &u.Listener}, {"loop", &u.Loop}, {"local", &u.Local}, {"sni", &u.SNI}, {"runtime", &u.Runtime}} {
		if v := l.opt(t.name); v != "" {
			if *t.to, err = triOf(v); err != nil {
				return u, err
			}
		}
	}
	if u.Status, err = l.number("status"); err != nil {
		return u, err
	}
	u.Resolved, err = addrs(l.list("resolved"))
	return u, err
}

// limit reads "limit SERVER: KIND key=… peer=yes [status=N] [rate=…]".
func (b *builder) limit(l *line) error {
	w, err := b.server(l)
	if err != nil {
		return err
	}
	x := fact.Limit{Kind: l.word(), Key: l.opt("key"), Rate: l.opt("rate"), Name: l.opt("zone"), Place: place(l.opt("at"))}
	if err := choose("kind", x.Kind, "requests", "connections", "workers"); err != nil {
		return err
	}
	if x.PeerKey, err = triOf(l.opt("peer")); err != nil {
		return err
	}
	if x.Status, err = l.number("status"); err != nil {
		return err
	}
	w.Limits = append(w.Limits, x)
	return nil
}

// refuses reads "refuses SERVER: ranges=… [everyone] restored=… allows-cdn=… status=403".
func (b *builder) refuses(l *line) error {
	w, err := b.server(l)
	if err != nil {
		return err
	}
	if len(w.Sites) == 0 {
		return fmt.Errorf("a site of %s has to stand before", w.Server)
	}
	r := fact.SiteRefusal{Everyone: l.has("everyone"), By: place(l.opt("at"))}
	if r.Restored, err = triOf(l.opt("restored")); err != nil {
		return err
	}
	if r.AllowsCDN, err = triOf(l.opt("allows-cdn")); err != nil {
		return err
	}
	if r.Status, err = l.number("status"); err != nil {
		return err
	}
	if r.Ranges, err = prefixes(l.list("ranges")); err != nil {
		return err
	}
	s := &w.Sites[len(w.Sites)-1]
	s.Refuses = append(s.Refuses, r)
	return nil
}

// realIP reads "realip SERVER: header=… trusted=RANGES|cdn missing=RANGES".
func (b *builder) realIP(l *line) error {
	w, err := b.server(l)
	if err != nil {
		return err
	}
	w.RealIP = fact.RealIP{Header: l.opt("header"), Place: place(l.opt("at"))}
	trusted := l.list("trusted")
	if len(trusted) == 1 && trusted[0] == "cdn" {
		trusted = []string{"cdn4", "cdn6"}
	}
	if w.RealIP.Trusted, err = prefixes(trusted); err != nil {
		return err
	}
	w.RealIP.Missing, err = prefixes(l.list("missing"))
	return err
}

// setting reads "setting SERVER NAME: VALUE [at=…]"; a value in seconds or a
// count is a number as well.
func (b *builder) setting(l *line) error {
	w, err := b.server(l)
	if err != nil {
		return err
	}
	if len(l.head) != 1 {
		return fmt.Errorf("allowed is setting SERVER NAME")
	}
	s := fact.Setting{Name: l.head[0], Value: l.word(), Place: place(l.opt("at")), Default: l.has("default")}
	l.head = nil
	s.Num, _ = strconv.ParseFloat(strings.TrimSuffix(s.Value, "s"), 64) // else it is a word
	if strings.Contains(s.Name, "timeout") || strings.Contains(s.Name, "Timeout") {
		w.Timeouts = append(w.Timeouts, s)
	} else {
		w.Settings = append(w.Settings, s)
	}
	return nil
}
