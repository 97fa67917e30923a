// Package lighttpd reads lighttpd configurations as far as they bear on the
// hop from an edge.
package lighttpd

import (
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
	*parser
	src conf.Source
}

// Read reads the configuration that begins in src.Main. The second value knows
// which files were read.
func Read(src conf.Source) (fact.WebConfig, *conf.Loader) {
	l := &conf.Loader{FS: src.FS}
	p := &parser{Loader: l, dir: filepath.Dir(src.Main), vars: map[string]value{}}
	p.file(src.Main, fact.Place{File: src.Main}, nil)
	r := &reader{p, src}
	out := fact.WebConfig{Server: "lighttpd", File: src.Main}
	out.Listens = r.listens()
	out.Sites = r.sites(out.Listens)
	out.RealIP = r.realIP()
	out.Access = r.access()
	out.Limits = r.limits()
	out.Upstreams = r.upstreams()
	out.Timeouts, out.Settings = r.options()
	out.Logs = r.logs()
	for _, s := range r.settings {
		if s.name == "extforward.hap-PROXY" && enabled(s.val) {
			out.ProxyProto = append(out.ProxyProto, s.place)
		}
	}
	l.Finish(&out)
	return out, l
}

func enabled(v value) bool {
	return slices.Contains([]string{"enable", "enabled", "true", "1", "yes"}, v.first())
}

// get is the last value of a setting outside any condition.
func (r *reader) get(name string) (setting, bool) {
	for i := len(r.settings) - 1; i >= 0; i-- {
		if s := r.settings[i]; s.name == name && len(s.conds) == 0 {
			return s, true
		}
	}
	return setting{}, false
}

// within is the last value of a setting under the condition, else outside any.
func (r *reader) within(c cond, name string) (setting, bool) {
	for i := len(r.settings) - 1; i >= 0; i-- {
		if s := r.settings[i]; s.name == name && len(s.conds) > 0 && s.conds[len(s.conds)-1].field == c.field && s.conds[len(s.conds)-1].text == c.text {
			return s, true
		}
	}
	return r.get(name)
}

// listens are server.bind with server.port and every $SERVER["socket"].
func (r *reader) listens() []fact.Listen {
	port, bind := uint16(80), "*"
	place := fact.Place{File: r.src.Main, Text: "server.port is not set: port 80"}
	if s, ok := r.get("server.port"); ok {
		if p, ok := conf.Port(s.val.first()); ok {
			port, place = p, s.place
		}
	}
	if s, ok := r.get("server.bind"); ok && s.val.first() != "" {
		bind, place = s.val.first(), s.place
	}
	backlog := 1024 // lighttpd's default server.listen-backlog
	if s, ok := r.get("server.listen-backlog"); ok {
		backlog, _ = strconv.Atoi(s.val.first())
	}
	tls := func(c cond) bool {
		s, ok := r.within(c, "ssl.engine")
		return ok && enabled(s.val)
	}
	out := []fact.Listen{{Addr: conf.Show(join(bind, port)), Port: port, TLS: tls(cond{}), HTTP2: true, Default: true, Backlog: backlog, Place: place}}
	seen := map[string]bool{out[0].Addr: true}
	for _, s := range r.settings {
		for _, c := range s.conds {
			if c.field != `SERVER["socket"]` || c.op != "==" {
				continue
			}
			addr, p := socket(c.text)
			if seen[addr] {
				continue
			}
			seen[addr] = true
			out = append(out, fact.Listen{Addr: addr, Port: p, TLS: tls(c), HTTP2: true, Default: true, Backlog: backlog, Place: c.place})
		}
	}
	return out
}

func join(bind string, port uint16) string {
	if strings.HasPrefix(bind, "/") {
		return bind
	}
	return bind + ":" + strconv.Itoa(int(port))
}

func socket(s string) (string, uint16) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return conf.Show(s), 0
	}
	p, _ := conf.Port(s[i+1:])
	host := s[:i]
	if host == "" {
		host = "*"
	}
	return conf.Show(host + ":" + s[i+1:]), p
}

// sites are the server itself and every $HTTP["host"].
func (r *reader) sites(listens []fact.Listen) []fact.Site {
	main := r.site(cond{}, listens)
	main.Place = fact.Place{File: r.src.Main, Text: "server"}
	out := []fact.Site{main}
	seen := map[string]bool{}
	for _, s := range r.settings {
		for _, c := range s.conds {
			if c.field != `HTTP["host"]` || seen[c.text] || len(out) > maxEntries {
				continue
			}
			seen[c.text] = true
			site := r.site(c, listens)
			site.Names, site.Place = []string{conf.Show(c.text)}, c.place
			out = append(out, site)
		}
	}
	return out
}

func (r *reader) site(c cond, listens []fact.Listen) fact.Site {
	s := fact.Site{Listens: listens}
	file := func(name string) string {
		for _, cc := range append([]cond{c, {field: `SERVER["socket"]`, text: ":443"}}, r.sockets()...) {
			if v, ok := r.within(cc, name); ok {
				return conf.Show(conf.Abs(v.val.first(), r.dir))
			}
		}
		return ""
	}
	s.Cert, s.Key = file("ssl.pemfile"), file("ssl.privkey")
	if s.Key == "" {
		s.Key = s.Cert
	}
	if v, ok := r.within(c, "ssl.verifyclient.activate"); ok && enabled(v.val) {
		s.ClientCert = "optional"
		if e, ok := r.within(c, "ssl.verifyclient.enforce"); ok && enabled(e.val) {
			s.ClientCert = "on"
		}
		s.ClientCA = file("ssl.ca-file")
	}
	if v, ok := r.within(c, "server.document-root"); ok {
		s.Root = conf.Show(v.val.first())
	}
	r.redirect(c, &s)
	s.Refuses = r.refusals(c)
	return s
}

// sockets are the sockets that settings stand under, in order.
func (r *reader) sockets() []cond {
	var out []cond
	for _, s := range r.settings {
		for _, c := range s.conds {
			same := func(o cond) bool { return o.text == c.text }
			if c.field == `SERVER["socket"]` && len(out) < maxEntries && !slices.ContainsFunc(out, same) {
				out = append(out, c)
			}
		}
	}
	return out
}

// redirect finds url.redirect for every path, also under $HTTP["scheme"].
func (r *reader) redirect(c cond, site *fact.Site) {
	for _, s := range r.settings {
		if s.name != "url.redirect" || site.Redirect != "" {
			continue
		}
		var when []string
		mine := c.field == ""
		for _, k := range s.conds {
			if k.field == c.field && k.text == c.text {
				mine = true
				continue
			}
			if k.field == `HTTP["host"]` && k.op == "=~" { // captures the name
				continue
			}
			when = append(when, k.place.Text)
		}
		if !mine {
			continue
		}
		for _, i := range s.val.items {
			if slices.Contains([]string{"", "^", ".*", "^.*", "^/(.*)", "^/(.*)$", "^(.*)$", "(.*)", "^/.*", "/"}, i.key) && i.text != "" {
				site.Redirect, site.RedirectIf, site.RedirectPlace = conf.Show(i.text), conf.Show(strings.Join(when, " and ")), s.place
				return
			}
		}
	}
}

// byAddress are settings under a condition on the client's address that
// refuse: url.access-deny for every path.
func (r *reader) byAddress(c cond) []setting {
	var out []setting
	for _, s := range r.settings {
		if s.name == "url.access-deny" && slices.Contains(s.val.strings(), "") && slices.ContainsFunc(s.conds, onAddress) && applies(s, c) {
			out = append(out, s)
		}
	}
	return out
}

func onAddress(k cond) bool { return k.field == `HTTP["remoteip"]` || k.field == `HTTP["remote-ip"]` }

// applies reports whether the other conditions of a setting hold for a site:
// that of the host c, or the server without a name.
func applies(s setting, c cond) bool {
	for _, k := range s.conds {
		switch {
		case onAddress(k), k.field == `SERVER["socket"]`:
		case k.field != `HTTP["host"]`:
			return false // a path, a scheme: for some requests only
		case k.op == "==" || k.op == "=~" || k.op == "=^" || k.op == "=$":
			if c.field == "" || c.text != k.text {
				return false
			}
		case c.field != "" && c.text == k.text: // the branch that is not for this host
			return false
		}
	}
	return true
}

// holds evaluates the address conditions of a setting.
func holds(s setting, a netip.Addr) bool {
	for _, k := range s.conds {
		if !onAddress(k) {
			continue
		}
		p, ok := cidr.Parse(k.text)
		in := ok && p.Contains(a)
		if !ok || k.op == "=~" || k.op == "!~" {
			in = matches(k.text, a)
		}
		if in == (k.op == "!=" || k.op == "!~" || k.op == "else") {
			return false
		}
	}
	return true
}

func (r *reader) refusals(c cond) []fact.SiteRefusal {
	var out []fact.SiteRefusal
	for _, s := range r.byAddress(c) {
		f := fact.SiteRefusal{Status: 403, Restored: r.restored(), By: s.place, AllowsCDN: fact.No}
		var nets []netip.Prefix
		for _, k := range s.conds {
			if p, ok := cidr.Parse(k.text); ok {
				nets = append(nets, p)
				if len(cidr.Touching(r.src.Ranges, p)) > 0 && (k.op == "!=" || k.op == "else") {
					f.AllowsCDN = fact.Yes
				}
			}
			f.By.Text = conf.Show(k.place.Text + " { " + s.place.Text + " }")
		}
		if a, ok := cidr.Stranger(nets); ok {
			f.Everyone = holds(s, a)
		}
		for _, rng := range r.src.Ranges {
			if slices.ContainsFunc(cidr.Representatives(rng, nets), func(a netip.Addr) bool { return holds(s, a) }) {
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

func (r *reader) access() []fact.Access {
	var out []fact.Access
	for _, s := range r.settings {
		if s.name != "url.access-deny" {
			continue
		}
		for _, k := range s.conds {
			if !onAddress(k) || len(out) >= maxEntries {
				continue
			}
			a := fact.Access{Action: "deny", What: conf.Show(k.op + " " + k.text), By: "address", Restored: r.restored(), Place: k.place}
			if p, ok := cidr.Parse(k.text); ok {
				a.Prefix = p
				a.CDN = cidr.Touching(r.src.Ranges, p)
			}
			out = append(out, a)
		}
	}
	return out
}
