package caddy

import (
	"net/netip"
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
	fs := hosttest.Tree(t, "/etc/caddy", archive)
	c, _ := Read(conf.Source{FS: fs, Main: "/etc/caddy/Caddyfile", Ranges: ranges, Env: map[string]string{"APP": "127.0.0.1:9000"}})
	return c
}

func TestRead(t *testing.T) {
	c := read(t, `
-- Caddyfile --
{
	servers {
		trusted_proxies static 173.245.48.0/20 private_ranges
		client_ip_headers CF-Connecting-IP
		timeouts {
			idle 30s
		}
	}
}
(common) {
	encode gzip
	log {
		output file /var/log/caddy/access.log
	}
}
shop.example, www.shop.example {
	import common
	tls /etc/ssl/shop.pem /etc/ssl/shop.key {
		client_auth {
			mode require_and_verify
			trusted_ca_cert_file /etc/ssl/pull.pem
		}
	}
	@blocked remote_ip 103.21.244.0/24 198.51.100.0/24
	respond @blocked "no" 403
	reverse_proxy /api/* {$APP} https://api.internal
}
:80 {
	@notcdn not remote_ip 173.245.48.0/20 103.21.244.0/22 2400:cb00::/32
	abort @notcdn
	reverse_proxy localhost:3000
}
http://plain.example:8080 {
	redir https://shop.example{uri}
}
import sites/*
-- sites/one --
one.example {
	abort
}
`)
	if c.Parsed != fact.Yes || len(c.Sites) != 4 {
		t.Fatalf("%q %+v, %d sites", c.Parsed, c.Errors, len(c.Sites))
	}
	shop, any, plain, one := c.Sites[0], c.Sites[1], c.Sites[2], c.Sites[3]
	if !slices.Equal(shop.Names, []string{"shop.example", "www.shop.example"}) || !shop.Listens[0].TLS || shop.Listens[0].Port != 443 || shop.Listens[1].Port != 80 || shop.ClientCert != "on" || shop.Cert != "/etc/ssl/shop.pem" {
		t.Errorf("shop: %+v", shop)
	}
	if f := shop.Refuses; len(f) != 1 || !slices.Equal(f[0].Ranges, ranges[1:2]) || f[0].Status != 403 || f[0].Everyone {
		t.Errorf("shop refuses: %+v", f)
	}
	if f := any.Refuses; len(f) != 1 || !slices.Equal(f[0].Ranges, ranges[2:3]) || f[0].Status != 0 || !f[0].Everyone || f[0].AllowsCDN != fact.Yes {
		t.Errorf("any refuses: %+v", f)
	}
	if plain.Redirect != "https://shop.example{uri}" || plain.Listens[0].Port != 8080 || plain.Listens[0].TLS {
		t.Errorf("plain: %+v", plain)
	}
	if one.Close == nil || one.Place.File != "/etc/caddy/sites/one" {
		t.Errorf("one: %+v", one)
	}
	var ups []string
	for _, u := range c.Upstreams {
		ups = append(ups, u.Scheme+" "+u.Name)
	}
	if !slices.Equal(ups, []string{"http 127.0.0.1:9000", "https api.internal:443", "http localhost:3000"}) {
		t.Errorf("upstreams: %v", ups)
	}
	if c.RealIP.Header != "CF-Connecting-IP" || len(c.RealIP.Missing) != 3 || len(c.Logs) != 1 || c.Timeouts[0].Num != 30 {
		t.Errorf("%+v %+v %+v", c.RealIP, c.Logs, c.Timeouts)
	}
}

func TestWithoutBraces(t *testing.T) {
	c := read(t, "-- Caddyfile --\nlocalhost\n\nreverse_proxy :9000\nfile_server\n")
	if len(c.Sites) != 1 || c.Sites[0].Upstream != ":9000" || len(c.Upstreams) != 1 || c.Upstreams[0].Name != "localhost:9000" {
		t.Errorf("%+v %+v", c.Sites, c.Upstreams)
	}
}

func TestBroken(t *testing.T) {
	c := read(t, "-- Caddyfile --\nshop.example {\n\treverse_proxy :1\n")
	if c.Parsed != fact.No || len(c.Sites) != 1 {
		t.Errorf("%q %+v", c.Parsed, c.Sites)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"{\n servers {\n trusted_proxies static 1.1.1.1\n }\n}\na {\n @x not remote_ip 1.1.1.1\n abort @x\n}", "}}}{{{", "import *\nimport Caddyfile", "\"\n`", "{$A:{$B}} {args[0]}\n{", "a,\nb {\n}", "(s) {\n import s\n}\nx {\n import s\n}", strings.Repeat("{\n", 100),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fs := hosttest.Tree(t, "/", "-- Caddyfile --\n"+s)
		Read(conf.Source{FS: fs, Main: "/Caddyfile", Ranges: ranges})
	})
}
