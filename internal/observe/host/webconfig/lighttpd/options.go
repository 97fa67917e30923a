package lighttpd

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

func matches(pattern string, a netip.Addr) bool {
	re, err := regexp.Compile(pattern)
	return err == nil && re.MatchString(a.String())
}

// realIP is how mod_extforward restores the visitor's address.
func (r *reader) realIP() fact.RealIP {
	var out fact.RealIP
	s, ok := r.get("extforward.forwarder")
	if !ok {
		return out
	}
	out.Header = "X-Forwarded-For" // mod_extforward's default, with Forwarded-For
	out.Place = s.place
	for _, i := range s.val.items {
		if i.key == "all" && i.text == "trust" {
			out.Trusted = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
			break
		}
		if p, ok := cidr.Parse(i.key); ok && i.text == "trust" {
			out.Trusted = append(out.Trusted, p)
		}
	}
	if h, ok := r.get("extforward.headers"); ok {
		out.Header = conf.Show(h.val.first())
	}
	out.Missing = cidr.Uncovered(r.src.Ranges, out.Trusted)
	out.Stale = cidr.Stale(out.Trusted, r.src.Ranges)
	return out
}

func (r *reader) restored() fact.Tri {
	ip := r.realIP()
	switch {
	case ip.Header == "":
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

// limits are mod_evasive's connections per address.
func (r *reader) limits() []fact.Limit {
	var out []fact.Limit
	for _, s := range r.settings {
		if s.name != "evasive.max-conns-per-ip" && s.name != "connection.kbytes-per-second" || len(out) >= maxEntries {
			continue
		}
		if s.name != "evasive.max-conns-per-ip" {
			continue
		}
		l := fact.Limit{Kind: "connections", Key: "client address", Name: s.name, Rate: conf.Show(s.val.first()), Status: 403, Place: s.place}
		// mod_evasive counts by the address of the connection, restored only
		// once the request was read.
		l.PeerKey = fact.Yes
		if r.restored() != fact.No {
			l.PeerKey = fact.Unknown
		}
		out = append(out, l)
	}
	return out
}

// upstreams are the backends of proxy.server and fastcgi.server.
func (r *reader) upstreams() []fact.Upstream {
	var out []fact.Upstream
	for _, s := range r.settings {
		scheme, ok := map[string]string{"proxy.server": "http", "fastcgi.server": "fastcgi", "scgi.server": "scgi"}[s.name]
		if !ok {
			continue
		}
		site := ""
		for _, c := range s.conds {
			if c.field == `HTTP["host"]` {
				site = conf.Show(c.text)
			}
		}
		each(s.val, func(host, port, sock string) {
			u := fact.Upstream{Scheme: scheme, Site: site, Runtime: fact.No, Place: s.place}
			if sock != "" {
				u.Socket, u.Name = conf.Show(sock), conf.Show("unix:"+sock)
			} else {
				if port == "" {
					port = "80"
				}
				u.Name = conf.Show(host + ":" + port)
				p, _ := conf.Port(port)
				if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
					u.Addr = netip.AddrPortFrom(a, p)
				}
			}
			if len(out) < maxEntries {
				out = append(out, u)
			}
		})
	}
	return out
}

// each finds the hosts in ( "/" => ( ( "host" => "…", "port" => … ) ) ).
func each(v value, visit func(host, port, sock string)) {
	m := map[string]string{}
	for _, i := range v.items {
		if i.list != nil {
			each(*i.list, visit)
		} else {
			m[i.key] = i.text
		}
	}
	if m["host"] != "" || m["socket"] != "" {
		visit(m["host"], m["port"], m["socket"])
	}
}

// defaults of lighttpd 1.4 (server.* options of the documentation, read
// 2026-11), in seconds.
var times = map[string]string{
	"server.max-read-idle": "60", "server.max-write-idle": "360", "server.max-keep-alive-idle": "5", "server.max-keep-alive-requests": "1000",
}

var others = []string{
	"server.max-connections", "server.max-fds", "server.max-worker", "server.max-request-field-size", "server.max-request-size", "server.feature-flags",
	"ssl.openssl.ssl-conf-cmd", "ssl.stapling-file", "ssl.ca-file", "server.username", "server.errorlog-use-syslog", "server.use-ipv6",
}

func (r *reader) options() (t, o []fact.Setting) {
	written := map[string]bool{}
	for _, s := range r.settings {
		set := fact.Setting{Name: s.name, Value: conf.Show(strings.Join(s.val.strings(), ", ")), Place: s.place}
		set.Num, _ = strconv.ParseFloat(s.val.first(), 64)
		if set.Num != set.Num || set.Num > 1e15 || set.Num < -1e15 {
			set.Num = 0
		}
		if _, ok := times[s.name]; ok {
			written[s.name] = true
			t = append(t, set)
		}
		for _, n := range others {
			if n == s.name && len(o) < maxEntries {
				o = append(o, set)
			}
		}
	}
	for _, n := range []string{"server.max-keep-alive-idle", "server.max-keep-alive-requests", "server.max-read-idle", "server.max-write-idle"} {
		if !written[n] {
			v, _ := strconv.ParseFloat(times[n], 64)
			t = append(t, fact.Setting{Name: n, Value: times[n], Num: v, Default: true})
		}
	}
	return t, o
}

func (r *reader) logs() []fact.LogPlace {
	var out []fact.LogPlace
	format := `%h %V %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"` // lighttpd's default
	if s, ok := r.get("accesslog.format"); ok {
		format = s.val.first()
	}
	for _, s := range r.settings {
		file := s.val.first()
		if file == "" || strings.HasPrefix(file, "|") || len(out) >= maxEntries || len(format) > 4096 {
			continue
		}
		switch s.name {
		case "server.errorlog", "server.breakagelog":
			out = append(out, fact.LogPlace{Kind: "error", File: conf.Show(file)})
		case "accesslog.filename":
			out = append(out, fact.LogPlace{Kind: "access", File: conf.Show(file), Format: format})
		}
	}
	return out
}
