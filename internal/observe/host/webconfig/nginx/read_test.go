package nginx

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

// read writes the files of an archive to a tree and reads nginx.conf in it. A
// comment line "valid" asks nginx itself whether it takes the configuration.
func read(t *testing.T, archive string) fact.WebConfig {
	t.Helper()
	fs := hosttest.Tree(t, "/etc/nginx", archive)
	if strings.HasPrefix(archive, "valid") {
		accepted(t, fs.Root)
	}
	c, _ := Read(conf.Source{
		FS: fs, Main: "/etc/nginx/nginx.conf", Prefix: "/usr/share/nginx", Ranges: ranges,
		Logs: []fact.LogPlace{{Kind: "error", File: "/var/log/nginx/error.log"}, {Kind: "access", File: "/var/log/nginx/access.log", Format: "combined"}},
	})
	return c
}

// accepted asks the real nginx, so that no test stands on a configuration that
// nobody could run.
func accepted(t *testing.T, root string) {
	t.Helper()
	bin, err := exec.LookPath("nginx")
	if err != nil {
		t.Log("no nginx here to ask")
		return
	}
	out, err := exec.Command(bin, "-t", "-c", filepath.Join(root, "etc/nginx/nginx.conf"), "-p", root, "-e", "stderr").CombinedOutput()
	if err != nil {
		t.Fatalf("nginx does not take it: %v\n%s", err, out)
	}
}

func TestSites(t *testing.T) {
	c := read(t, `valid
-- nginx.conf --
pid /tmp/originward-test-nginx.pid;
error_log stderr;
events { worker_connections 256; }
http {
	access_log off;
	include sites/*.conf;
	server { listen 80 default_server; listen [::]:80 default_server; server_name _; return 444; }
}
-- sites/shop.conf --
server {
	listen 80;
	listen [::]:80;
	server_name shop.example www.shop.example;
	location /.well-known/acme-challenge/ { root /var/www; }
	location / { return 301 https://$host$request_uri; }
}
server {
	listen 127.0.0.1:8080;
	server_name app.example;
	if ($scheme = http) { return 301 https://$host$request_uri; }
	keepalive_timeout 5s;
	location / { proxy_pass http://127.0.0.1:3000; proxy_read_timeout 1m30s; }
	location /bad { if ($http_user_agent ~* "bot") { return 444; } }
}
`)
	if c.Parsed != fact.Yes || len(c.Errors) > 0 {
		t.Fatalf("parsed %v, errors %v", c.Parsed, c.Errors)
	}
	if len(c.Sites) != 3 {
		t.Fatalf("%d sites: %+v", len(c.Sites), c.Sites)
	}
	shop, app, def := c.Sites[0], c.Sites[1], c.Sites[2]
	if !slices.Equal(shop.Names, []string{"shop.example", "www.shop.example"}) || shop.Redirect != "https://$host$request_uri" || shop.RedirectIf != "" {
		t.Errorf("shop: %+v", shop)
	}
	if shop.Place.File != "/etc/nginx/sites/shop.conf" || shop.Place.Line != 1 || shop.RedirectPlace.Line != 6 {
		t.Errorf("shop's places: %+v, %+v", shop.Place, shop.RedirectPlace)
	}
	if app.RedirectIf != "$scheme = http" || app.Upstream != "http://127.0.0.1:3000" || app.Close != nil {
		t.Errorf("app: %+v", app)
	}
	if def.Close == nil || def.Close.Line != 7 || !def.Listens[0].Default || !def.Listens[1].Default || def.Listens[1].Addr != "[::]:80" {
		t.Errorf("default: %+v", def)
	}
	if shop.Listens[0].Default || !app.Listens[0].Default || app.Listens[0].Port != 8080 {
		t.Errorf("default flags: %+v, %+v", shop.Listens, app.Listens)
	}
	if len(c.Closes) != 2 || !strings.Contains(c.Closes[0].Text, `location /bad, if $http_user_agent ~* bot: return 444`) {
		t.Errorf("closes: %+v", c.Closes)
	}
	if s := get(c.Timeouts, "proxy_read_timeout"); s.Num != 90 || s.Site != "app.example" || s.Default {
		t.Errorf("proxy_read_timeout: %+v", s)
	}
	if s := get(c.Timeouts, "client_header_timeout"); s.Num != 60 || !s.Default {
		t.Errorf("client_header_timeout: %+v", s)
	}
	if s := get(c.Settings, "worker_connections"); s.Num != 256 || s.Default {
		t.Errorf("worker_connections: %+v", s)
	}
	want := []fact.LogPlace{{Kind: "error", File: "stderr"}}
	if !slices.Equal(c.Logs, want) {
		t.Errorf("logs: %+v", c.Logs)
	}
}

func get(list []fact.Setting, name string) fact.Setting {
	for _, s := range list {
		if s.Name == name {
			return s
		}
	}
	return fact.Setting{}
}

func TestTLS(t *testing.T) {
	c := read(t, `
-- nginx.conf --
http {
	ssl_protocols TLSv1.2 TLSv1.3;
	server {
		listen 443 ssl http2;
		server_name a.example;
		ssl_certificate certs/a.pem; ssl_certificate_key /etc/ssl/a.key;
		ssl_verify_client on; ssl_client_certificate certs/pull.pem;
		ssl_ciphers HIGH:!aNULL;
	}
	server { listen 443; server_name b.example; ssl_reject_handshake on; http2 on; }
	server { listen 8443 ssl proxy_protocol backlog=16; server_name c.example; }
	server { server_name d.example; }
}
stream {
	upstream tls { server 10.0.0.2:443; server 10.0.0.3:443 backup; server 10.0.0.4:443 down; }
	server { listen 9443; proxy_pass tls; proxy_protocol on; }
}
`)
	a, b, cc, d, st := c.Sites[0], c.Sites[1], c.Sites[2], c.Sites[3], c.Sites[4]
	if a.Cert != "/etc/nginx/certs/a.pem" || a.Key != "/etc/ssl/a.key" || a.ClientCert != "on" || a.ClientCA != "/etc/nginx/certs/pull.pem" {
		t.Errorf("a: %+v", a)
	}
	if !a.Listens[0].TLS || !a.Listens[0].HTTP2 || !slices.Equal(a.Protocols, []string{"TLSv1.2", "TLSv1.3"}) || a.Ciphers != "HIGH:!aNULL" {
		t.Errorf("a: %+v", a)
	}
	if b.RejectTLS == nil || !b.Listens[0].TLS || !b.Listens[0].HTTP2 || b.Listens[0].Default {
		t.Errorf("b must have TLS through the shared socket: %+v", b)
	}
	if !cc.Listens[0].Proxy || cc.Listens[0].Backlog != 16 || len(c.ProxyProto) != 1 {
		t.Errorf("c: %+v", cc)
	}
	if len(d.Listens) != 1 || d.Listens[0].Port != 80 || d.Listens[0].Addr != "*:80" {
		t.Errorf("d: %+v", d.Listens)
	}
	if !st.Stream || st.Upstream != "tls" || st.Listens[0].Port != 9443 {
		t.Errorf("stream: %+v", st)
	}
	if len(c.Upstreams) != 2 || c.Upstreams[0].Scheme != "tcp" || !c.Upstreams[0].Proxy || c.Upstreams[0].Group != "tls" || c.Upstreams[1].Addr.String() != "10.0.0.3:443" {
		t.Errorf("upstreams: %+v", c.Upstreams)
	}
}

func TestRefusals(t *testing.T) {
	c := read(t, `valid
-- nginx.conf --
error_log stderr;
pid /tmp/originward-test-nginx.pid;
events {}
http {
	access_log off;
	geo $bad { default 0; 104.16.0.0/16 1; 198.51.100.0/24 1; }
	geo $edge { default 0; 173.245.48.0/20 1; 103.21.244.0/22 1; 104.16.0.0/13 1; 2400:cb00::/32 1; }
	# stale list
	server { listen 81; server_name stale; allow 173.245.48.0/20; allow 103.21.244.0/22; deny all; }
	# one range denied, open to others
	server { listen 82; server_name denies; deny 103.21.244.0/23; allow all; }
	# allow before deny wins
	server { listen 83; server_name shadowed; allow 103.21.244.0/22; deny 103.21.245.0/24; }
	# list of edges judged after restoration
	server {
		listen 84; server_name restored; real_ip_header CF-Connecting-IP;
		set_real_ip_from 173.245.48.0/20; set_real_ip_from 103.21.244.0/22; set_real_ip_from 104.16.0.0/13; set_real_ip_from 2400:cb00::/32;
		allow 173.245.48.0/20; allow 103.21.244.0/22; allow 104.16.0.0/13; allow 2400:cb00::/32; deny all;
	}
	server { listen 85; server_name geo; if ($bad) { return 444; } }
	server { listen 86; server_name only; if ($edge = 0) { return 403; } }
	server { listen 87; server_name admin; location /admin { allow 10.0.0.0/8; deny all; } }
	server { listen 88; server_name any; satisfy any; auth_basic x; auth_basic_user_file /dev/null; deny all; }
}
`)
	by := map[string][]fact.SiteRefusal{}
	for _, s := range c.Sites {
		by[s.Names[0]] = s.Refuses
	}
	one := func(name string) fact.SiteRefusal {
		t.Helper()
		if len(by[name]) != 1 {
			t.Fatalf("%s: %d refusals: %+v", name, len(by[name]), by[name])
		}
		return by[name][0]
	}
	if f := one("stale"); !slices.Equal(f.Ranges, ranges[2:]) || !f.Everyone || f.AllowsCDN != fact.Yes || f.By.Line != 9 || f.Restored != fact.No {
		t.Errorf("stale: %+v", f)
	}
	if f := one("denies"); !slices.Equal(f.Ranges, ranges[1:2]) || f.Everyone || f.AllowsCDN != fact.No {
		t.Errorf("denies: %+v", f)
	}
	if len(by["shadowed"]) != 0 {
		t.Errorf("a deny behind an allow counts: %+v", by["shadowed"])
	}
	if f := one("restored"); f.Restored != fact.Yes || len(f.Ranges) != 0 || !f.Everyone || f.AllowsCDN != fact.Yes || !strings.Contains(f.By.Text, "deny all") {
		t.Errorf("restored: %+v", f)
	}
	if f := one("geo"); !slices.Equal(f.Ranges, ranges[2:3]) || f.Status != 0 || f.By.Line != 6 {
		t.Errorf("geo: %+v", f)
	}
	if len(by["only"]) != 0 {
		t.Errorf("a complete allow list refuses: %+v", by["only"])
	}
	if f := one("admin"); f.Path != "/admin" || len(f.Ranges) != 4 || f.AllowsCDN != fact.No || !f.Everyone {
		t.Errorf("admin: %+v", f)
	}
	if len(by["any"]) != 0 {
		t.Errorf("a password suffices there: %+v", by["any"])
	}
}

func TestLimits(t *testing.T) {
	c := read(t, `valid
-- nginx.conf --
error_log stderr;
pid /tmp/originward-test-nginx.pid;
events {}
http {
	access_log off;
	geo $edge { default 0; 173.245.48.0/20 1; 103.21.244.0/22 1; 104.16.0.0/13 1; 2400:cb00::/32 1; }
	map $edge $exempting { 0 $binary_remote_addr; 1 ""; }
	limit_req_zone $binary_remote_addr zone=ip:10m rate=5r/s;
	limit_req_zone $http_cf_connecting_ip zone=visitor:10m rate=5r/s;
	limit_req_zone $exempting zone=exempt:10m rate=5r/s;
	limit_conn_zone $server_name zone=srv:10m;
	limit_conn_zone $realip_remote_addr zone=peer:10m;
	server { listen 81; server_name a; limit_req zone=ip burst=20 nodelay; limit_req zone=visitor; limit_req zone=exempt; limit_conn srv 100; limit_conn peer 10; limit_req_status 429; }
	server {
		listen 82; server_name b; real_ip_header CF-Connecting-IP;
		set_real_ip_from 173.245.48.0/20; set_real_ip_from 103.21.244.0/22; set_real_ip_from 104.16.0.0/13; set_real_ip_from 2400:cb00::/32;
		limit_req zone=ip;
	}
	server { listen 83; server_name c; real_ip_header CF-Connecting-IP; set_real_ip_from 173.245.48.0/20; limit_req zone=ip; }
}
`)
	type key struct{ site, name string }
	got := map[key]fact.Limit{}
	for _, l := range c.Limits {
		got[key{l.Site, l.Name}] = l
	}
	for k, want := range map[key]fact.Tri{
		{"a", "ip"}: fact.Yes, {"a", "visitor"}: fact.No, {"a", "srv"}: fact.No, {"a", "peer"}: fact.Yes,
		{"b", "ip"}: fact.No, {"c", "ip"}: fact.Unknown,
	} {
		if l, ok := got[k]; !ok || l.PeerKey != want {
			t.Errorf("%v: %+v, want peer key %q", k, l, want)
		}
	}
	if l := got[key{"a", "ip"}]; l.Rate != "5r/s" || l.Burst != 20 || l.Status != 429 || l.Exempts != fact.No {
		t.Errorf("a ip: %+v", l)
	}
	if l := got[key{"a", "exempt"}]; l.Exempts != fact.Yes {
		t.Errorf("a exempt: %+v", l)
	}
	for _, s := range c.Sites {
		if s.Names[0] == "c" && (s.RealIP == nil || len(s.RealIP.Missing) != 3) {
			t.Errorf("c's real IP: %+v", s.RealIP)
		}
	}
}

func TestBrokenFiles(t *testing.T) {
	c := read(t, `
-- nginx.conf --
http {
	include sites/*.conf;
	include nowhere.conf;
	server { listen 80; server_name main.example; }
}
-- sites/a.conf --
server { listen 81; server_name a.example; }
server {
	listen 82;
	server_name b.example
-- sites/b.conf --
server { listen 83; server_name c.example; }
}
-- sites/loop.conf --
include sites/loop.conf;
`)
	if c.Parsed != fact.No {
		t.Errorf("parsed %q", c.Parsed)
	}
	var names []string
	for _, s := range c.Sites {
		names = append(names, s.Names...)
	}
	for _, want := range []string{"a.example", "c.example", "main.example"} {
		if !slices.Contains(names, want) {
			t.Errorf("site %s is lost: %v", want, names)
		}
	}
	var text []string
	for _, e := range c.Errors {
		text = append(text, e.File+": "+e.Text)
	}
	all := strings.Join(text, "\n")
	for _, want := range []string{"sites/a.conf", "sites/b.conf: unexpected \"}\"", "includes itself", "nowhere.conf: no such file"} {
		if !strings.Contains(all, want) {
			t.Errorf("no error about %s in:\n%s", want, all)
		}
	}
}

func TestUpstreams(t *testing.T) {
	c := read(t, `
-- nginx.conf --
http {
	resolver 127.0.0.11;
	upstream app { server app1:8080; server unix:/run/app.sock; server app2; }
	server { server_name a; location / { proxy_pass http://app; } }
	server { server_name b; set $backend https://api.internal:8443; location / { proxy_pass $backend; proxy_ssl_server_name on; } }
	server { server_name c; location / { proxy_pass https://shop.example/path; } location ~ \.php$ { fastcgi_pass unix:/run/php/php8.2-fpm.sock; } }
	server { server_name d; location / { proxy_pass http://[::1]:9000; } location /m { grpc_pass grpc://10.0.0.9:50051; } }
	server { server_name e; location / { proxy_pass $scheme://$host; } }
}
`)
	var got []string
	for _, u := range c.Upstreams {
		got = append(got, strings.Join([]string{u.Site, u.Scheme, u.Name, u.Socket, u.Addr.String(), string(u.SNI), string(u.Runtime), u.Group}, "|"))
	}
	want := []string{
		"a|http|app1:8080||invalid AddrPort||no|app",
		"a|http|unix:/run/app.sock|/run/app.sock|invalid AddrPort||no|app",
		"a|http|app2:80||invalid AddrPort||no|app",
		"b|https|api.internal:8443||invalid AddrPort|yes|yes|",
		"c|https|shop.example:443||invalid AddrPort|no|no|",
		"c|fastcgi|unix:/run/php/php8.2-fpm.sock|/run/php/php8.2-fpm.sock|invalid AddrPort||no|",
		"d|http|[::1]:9000||[::1]:9000||no|",
		"d|grpc|10.0.0.9:50051||10.0.0.9:50051||no|",
	}
	if !slices.Equal(got, want) {
		t.Errorf("upstreams:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCountry(t *testing.T) {
	c := read(t, `
-- nginx.conf --
http {
	map $geoip2_data_country_code $allowed { default no; DE yes; }
	server { server_name a; if ($allowed = no) { return 403; } }
	server { server_name b; if ($http_cf_ipcountry != DE) { return 403; } }
}
`)
	if len(c.Access) != 1 || c.Access[0].By != "country" || c.Access[0].Site != "a" || c.Access[0].Restored != fact.No {
		t.Errorf("country rules: %+v", c.Access)
	}
}

func TestLogFormats(t *testing.T) {
	c := read(t, `
-- nginx.conf --
error_log logs/error.log warn;
http {
	log_format edge escape=json '{"t":"$time_iso8601",' '"ray":"$http_cf_ray"}';
	access_log /var/log/nginx/a.log edge;
	server { access_log /var/log/nginx/b.log; error_log /var/log/nginx/b.err; }
	server { access_log /var/log/nginx/$host.log; }
}
`)
	want := []fact.LogPlace{
		{Kind: "error", File: "/usr/share/nginx/logs/error.log"},
		{Kind: "access", File: "/var/log/nginx/a.log", Format: `{"t":"$time_iso8601","ray":"$http_cf_ray"}`},
		{Kind: "access", File: "/var/log/nginx/b.log", Format: "combined"},
		{Kind: "error", File: "/var/log/nginx/b.err"},
	}
	if !slices.Equal(c.Logs, want) {
		t.Errorf("logs: %+v", c.Logs)
	}
}
