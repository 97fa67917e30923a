package haproxy

import (
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/hosttest"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

var ranges = []netip.Prefix{
	netip.MustParsePrefix("173.245.48.0/20"), netip.MustParsePrefix("103.21.244.0/22"),
	netip.MustParsePrefix("104.16.0.0/13"), netip.MustParsePrefix("2400:cb00::/32"),
}

func read(t *testing.T, archive string) fact.WebConfig {
	t.Helper()
	fs := hosttest.Tree(t, "/etc/haproxy", archive)
	if strings.HasPrefix(archive, "valid") {
		bin, err := exec.LookPath("haproxy")
		if err != nil {
			t.Log("no haproxy here to ask")
		} else if out, err := exec.Command(bin, "-c", "-f", filepath.Join(fs.Root, "etc/haproxy/haproxy.cfg"), "-C", filepath.Join(fs.Root, "etc/haproxy")).CombinedOutput(); err != nil {
			t.Fatalf("haproxy does not take it: %v\n%s", err, out)
		}
	}
	c, _ := Read(conf.Source{FS: fs, Main: "/etc/haproxy/haproxy.cfg", Ranges: ranges})
	return c
}

func TestRead(t *testing.T) {
	c := read(t, `valid
-- haproxy.cfg --
global
    maxconn 200
defaults
    mode http
    timeout connect 5s
    timeout client  50000
    timeout server  1m
frontend web
    bind *:80
    bind 127.0.0.1:8443,[::1]:8443 accept-proxy
    acl shop hdr(host) -i shop.example www.shop.example
    http-request redirect scheme https code 301 unless { ssl_fc }
    default_backend app
frontend raw
    mode tcp
    bind :9443
    default_backend tls
backend app
    server a1 10.0.0.5:8080 check
    server a2 [::1]:8080 send-proxy
    server a3 192.0.2.3:80 disabled
backend tls
    mode tcp
    server t1 127.0.0.1:443
`)
	if c.Parsed != fact.Yes || len(c.Sites) != 2 || len(c.Listens) != 4 {
		t.Fatalf("%q, %d sites, %d listens, errors %+v", c.Parsed, len(c.Sites), len(c.Listens), c.Errors)
	}
	web, raw := c.Sites[0], c.Sites[1]
	if !slices.Equal(web.Names, []string{"shop.example", "www.shop.example"}) || web.Redirect != "https://" || web.RedirectIf != "unless { ssl_fc }" || web.Upstream != "app" || web.Stream || !raw.Stream {
		t.Errorf("web: %+v\nraw: %+v", web, raw)
	}
	if l := c.Listens[1]; l.Addr != "127.0.0.1:8443" || !l.Proxy || c.Listens[2].Port != 8443 || len(c.ProxyProto) != 1 {
		t.Errorf("listens: %+v", c.Listens)
	}
	if len(c.Upstreams) != 3 || !c.Upstreams[1].Proxy || c.Upstreams[0].Site != "frontend web" || c.Upstreams[2].Scheme != "tcp" {
		t.Errorf("upstreams: %+v", c.Upstreams)
	}
	var times []float64
	for _, s := range c.Timeouts {
		times = append(times, s.Num)
	}
	if !slices.Equal(times, []float64{5, 50, 60}) {
		t.Errorf("timeouts: %v", times)
	}
}

func TestRefusals(t *testing.T) {
	c := read(t, `valid
-- haproxy.cfg --
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend open
    bind :81
    acl other src 198.51.100.0/24
    tcp-request connection reject if other
frontend tcpreject
    bind :82
    tcp-request connection reject if { src 103.21.244.0/23 }
frontend onlycdn
    bind :83
    acl cdn src 173.245.48.0/20 103.21.244.0/22 2400:cb00::/32
    tcp-request connection reject unless cdn
frontend deny
    bind :84
    acl cdn src -f cdn.lst
    acl office src 10.0.0.0/8
    http-request deny deny_status 429 if !cdn !office
frontend shadow
    bind :85
    tcp-request connection accept if { src 104.16.0.0/13 }
    tcp-request connection reject if { src 104.16.0.0/16 }
frontend restored
    bind :86
    acl cdn src 173.245.48.0/20 103.21.244.0/22 104.16.0.0/13 2400:cb00::/32
    http-request set-src hdr(CF-Connecting-IP) if cdn
    http-request deny if { src 104.16.0.0/13 }
frontend unsure
    bind :87
    http-request allow if { path_beg /open }
    http-request deny if { src 104.16.0.0/13 }
-- cdn.lst --
173.245.48.0/20
103.21.244.0/22
104.16.0.0/14
2400:cb00::/32
`)
	by := map[string][]fact.SiteRefusal{}
	for _, s := range c.Sites {
		by[s.Place.Text] = s.Refuses
	}
	for name, w := range map[string]*fact.SiteRefusal{
		"frontend open":      nil,
		"frontend tcpreject": {Ranges: ranges[1:2], AllowsCDN: fact.No},
		"frontend onlycdn":   {Ranges: ranges[2:3], Everyone: true, AllowsCDN: fact.Yes},
		"frontend deny":      {Ranges: ranges[2:3], Everyone: true, AllowsCDN: fact.Yes, Status: 429},
		"frontend shadow":    nil,
		"frontend restored":  nil,
		"frontend unsure":    nil,
	} {
		got := by[name]
		if w == nil {
			if len(got) > 0 {
				t.Errorf("%s: %+v", name, got)
			}
			continue
		}
		if len(got) != 1 || !slices.Equal(got[0].Ranges, w.Ranges) || got[0].Everyone != w.Everyone || got[0].AllowsCDN != w.AllowsCDN || got[0].Status != w.Status {
			t.Errorf("%s: %+v, want %+v", name, got, *w)
		}
	}
	if c.RealIP.Header != "CF-Connecting-IP" || len(c.RealIP.Missing) != 0 {
		t.Errorf("real IP: %+v", c.RealIP)
	}
}

func TestLimits(t *testing.T) {
	c := read(t, `valid
-- haproxy.cfg --
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend a
    bind :81
    stick-table type ip size 100k expire 30s store http_req_rate(10s),conn_cur
    http-request track-sc0 src
    http-request deny deny_status 429 if { sc_http_req_rate(0) gt 20 }
    tcp-request connection reject if { src_conn_cur ge 10 }
frontend b
    bind :82
    stick-table type string len 64 size 100k expire 30s store http_req_rate(10s)
    http-request track-sc1 req.hdr(CF-Connecting-IP)
    http-request deny if { sc1_http_req_rate gt 20 }
`)
	var got []string
	for _, l := range c.Limits {
		got = append(got, strings.Join([]string{l.Kind, l.Key, string(l.PeerKey)}, "|"))
	}
	if want := []string{"connections|src|yes", "requests|src|yes", "requests|req.hdr(CF-Connecting-IP)|no"}; !slices.Equal(got, want) {
		t.Errorf("limits %v, want %v", got, want)
	}
	if c.Limits[1].Status != 429 {
		t.Errorf("status %d", c.Limits[1].Status)
	}
}

func TestWords(t *testing.T) {
	env := map[string]string{"PORT": "8080"}
	for in, want := range map[string][]string{
		`server a "127.0.0.1:${PORT}" # x`: {"server", "a", "127.0.0.1:8080"},
		`a\ b 'c d' "e \" f"`:              {"a b", "c d", `e " f`},
		`"${NONE-x}" '${PORT}'`:            {"x", "${PORT}"},
		`# all`:                            nil,
		`"open`:                            {"open"},
		`'open`:                            {"open"},
		`""`:                               {""},
	} {
		if got := words(in, env); !slices.Equal(got, want) {
			t.Errorf("words(%s) = %q, want %q", in, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"frontend a\n bind :80,:90-91 ssl crt\n acl x src 1.2.3.4\n http-request deny if !x { src 1.1.1.1 } || { }\n",
		"listen x\n bind\n server\n server a\n timeout\n acl\n acl a\n redirect\n http-request\n tcp-request connection\n", "bind :80", "frontend\n\"", "defaults x\nfrontend f from x\n tcp-request connection reject unless { src -f / } or !",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fs := hosttest.Tree(t, "/", "-- h.cfg --\n"+s)
		Read(conf.Source{FS: fs, Main: "/h.cfg", Ranges: ranges})
	})
}
