package lighttpd

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
	fs := hosttest.Tree(t, "/etc/lighttpd", archive)
	if strings.HasPrefix(archive, "valid") {
		bin, err := exec.LookPath("lighttpd")
		if err != nil {
			t.Log("no lighttpd here to ask")
		} else if out, err := exec.Command(bin, "-t", "-f", filepath.Join(fs.Root, "etc/lighttpd/lighttpd.conf")).CombinedOutput(); err != nil {
			t.Fatalf("lighttpd does not take it: %v\n%s", err, out)
		}
	}
	c, _ := Read(conf.Source{FS: fs, Main: "/etc/lighttpd/lighttpd.conf", Ranges: ranges})
	return c
}

func TestRead(t *testing.T) {
	c := read(t, `valid
-- lighttpd.conf --
server.modules = ( "mod_access", "mod_proxy", "mod_redirect", "mod_accesslog", "mod_extforward" )
var.base = "/var/www"
server.document-root = var.base + "/html"
server.port = 8080 # comment
server.bind = "127.0.0.1"
server.max-keep-alive-idle = 2
include "conf.d/*.conf"
$SERVER["socket"] == ":8443" { server.max-read-idle = 30 }
$HTTP["remoteip"] == "103.21.244.0/23" {
	url.access-deny = ( "" )
}
$HTTP["scheme"] == "http" {
	url.redirect = ( "" => "https://shop.example${url.path}${qsa}" )
}
-- conf.d/app.conf --
$HTTP["host"] == "app.example" {
	proxy.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 3000 ), ( "host" => "10.0.0.2", "port" => 3000 ) ) )
}
else $HTTP["host"] == "only.example" {
	$HTTP["remoteip"] != "173.245.48.0/20" { url.access-deny = ( "" ) }
}
`)
	if c.Parsed != fact.Yes || len(c.Listens) != 2 || c.Listens[0].Addr != "127.0.0.1:8080" || c.Listens[1].Port != 8443 {
		t.Fatalf("%q %+v %+v", c.Parsed, c.Errors, c.Listens)
	}
	if len(c.Sites) != 3 {
		t.Fatalf("sites: %+v", c.Sites)
	}
	main, only := c.Sites[0], c.Sites[2]
	if main.Root != "/var/www/html" || main.Redirect != "https://shop.example${url.path}${qsa}" || !strings.Contains(main.RedirectIf, `HTTP["scheme"]`) {
		t.Errorf("main: %+v", main)
	}
	if len(main.Refuses) != 1 || !slices.Equal(main.Refuses[0].Ranges, ranges[1:2]) || main.Refuses[0].Everyone {
		t.Errorf("main refuses: %+v", main.Refuses)
	}
	if len(only.Refuses) != 2 || !slices.Equal(only.Refuses[0].Ranges, ranges[1:]) || !only.Refuses[0].Everyone || only.Refuses[0].AllowsCDN != fact.Yes {
		t.Errorf("only refuses: %+v", only.Refuses)
	}
	if len(c.Upstreams) != 2 || c.Upstreams[0].Addr.String() != "127.0.0.1:3000" || c.Upstreams[0].Site != "app.example" {
		t.Errorf("upstreams: %+v", c.Upstreams)
	}
	if c.Timeouts[0].Name != "server.max-keep-alive-idle" || c.Timeouts[0].Num != 2 {
		t.Errorf("timeouts: %+v", c.Timeouts)
	}
}

func TestTLSAndForwarders(t *testing.T) {
	c := read(t, `
-- lighttpd.conf --
extforward.forwarder = ( "173.245.48.0/20" => "trust", "10.0.0.1" => "trust" )
extforward.headers = ( "CF-Connecting-IP" )
include_shell "/opt/own/script.sh"
$SERVER["socket"] == ":443" { ssl.engine = "enable" ssl.pemfile = "/etc/ssl/shop.pem" }
server.errorlog = "/var/log/lighttpd/error.log"
`)
	if !c.Listens[1].TLS || c.Listens[0].TLS || c.Sites[0].Cert != "/etc/ssl/shop.pem" {
		t.Errorf("listens %+v, site %+v", c.Listens, c.Sites[0])
	}
	if c.RealIP.Header != "CF-Connecting-IP" || len(c.RealIP.Missing) != 3 {
		t.Errorf("real IP: %+v", c.RealIP)
	}
	if len(c.Unread) != 1 || c.Unread[0].Line != 3 {
		t.Errorf("a program's output counts as read: %+v", c.Unread)
	}
	if len(c.Logs) != 1 || c.Logs[0].Kind != "error" {
		t.Errorf("logs: %+v", c.Logs)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"server.port = 80\n$HTTP[\"remoteip\"] == \"1.2.3.4\" { url.access-deny = ( \"\" ) } else { a = b }", "a = ( ( ( \"x\" => ( 1, 2 ) ) ) ) + \"y\" + z",
		"include \"x\" }{", "$SERVER[\"socket\"] == \":443\" {", "a = ( 1 )\n" + strings.Repeat("a += a\n", 64), "\"", "else else { }", "$", "x = (((((((((((((((",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fs := hosttest.Tree(t, "/", "-- l.conf --\n"+s)
		c, _ := Read(conf.Source{FS: fs, Main: "/l.conf", Ranges: ranges})
		if len(c.Listens) == 0 || len(c.Sites) == 0 {
			t.Error("a server without a listen address or site")
		}
	})
}
