package webconfig

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/netns"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig/apache"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
	"github.com/originward/originward/internal/observe/host/webconfig/haproxy"
	"github.com/originward/originward/internal/observe/host/webconfig/lighttpd"
	"github.com/originward/originward/internal/observe/host/webconfig/nginx"
)

// The servers themselves are asked from addresses of the edge, in a network
// namespace in which every such address is local: what the reading of their
// configuration says about refusals must be what they do.

var edgeRanges = []netip.Prefix{
	netip.MustParsePrefix("173.245.48.0/20"), netip.MustParsePrefix("103.21.244.0/22"), netip.MustParsePrefix("104.16.0.0/13"),
}

const (
	realPort = 8080
	visitor  = "198.51.100.9" // nobody's edge
)

// realCase is a server with one configuration; DIR in it stands for a private
// directory.
type realCase struct {
	name   string
	config string
	files  map[string]string
	args   []string // DIR and CONF are filled in
	read   func(conf.Source) (fact.WebConfig, *conf.Loader)
	sites  []string
}

var realCases = []realCase{
	{
		name: "nginx", args: []string{"nginx", "-p", "DIR", "-c", "CONF", "-e", "DIR/error.log", "-g", "daemon off;"}, read: nginx.Read,
		sites: []string{"open", "stale", "denies", "shadowed", "restored", "geo", "only", "closed", "map"},
		config: `pid own.pid; worker_processes 1; error_log error.log; events {}
http {
	access_log off; root DIR/root;
	geo $bad { default 0; 104.16.0.0/16 1; }
	geo $edge { default 0; 173.245.48.0/20 1; 103.21.244.0/22 1; }
	map $remote_addr $listed { default 0; ~^173\.245\. 1; }
	server { listen 8080; server_name open; }
	server { listen 8080; server_name stale; allow 173.245.48.0/20; allow 103.21.244.0/22; deny all; }
	server { listen 8080; server_name denies; deny 103.21.244.0/24; allow all; }
	server { listen 8080; server_name shadowed; allow 103.21.244.0/22; deny 103.21.245.0/24; }
	server { listen 8080; server_name restored; real_ip_header CF-Connecting-IP;
		set_real_ip_from 173.245.48.0/20; set_real_ip_from 103.21.244.0/22; set_real_ip_from 104.16.0.0/13;
		allow 173.245.48.0/20; allow 103.21.244.0/22; allow 104.16.0.0/13; deny all; }
	server { listen 8080; server_name geo; if ($bad) { return 444; } }
	server { listen 8080; server_name only; if ($edge = 0) { return 403; } }
	server { listen 8080; server_name closed; return 444; }
	server { listen 8080; server_name map; if ($listed) { return 410; } }
}
`,
	},
	{
		name: "apache", args: []string{"apache2", "-X", "-d", "DIR", "-f", "CONF"}, read: apache.Read,
		sites: []string{"open", "stale", "not", "compat", "env", "rewrite", "htaccess", "restored", "none"},
		config: apacheModules + `
ServerName localhost
PidFile DIR/own.pid
ErrorLog DIR/error.log
Listen 8080
<Directory />
	AllowOverride None
	Require all denied
</Directory>
<Directory DIR/root>
	Require all granted
</Directory>
<VirtualHost *:8080>
	ServerName open
	DocumentRoot DIR/root
</VirtualHost>
<VirtualHost *:8080>
	ServerName stale
	DocumentRoot DIR/root
	<Location />
		Require ip 173.245.48.0/20 103.21.244
	</Location>
</VirtualHost>
<VirtualHost *:8080>
	ServerName not
	DocumentRoot DIR/root
	<Location "/">
		<RequireAll>
			Require all granted
			Require not ip 104.16.0.0/16
		</RequireAll>
	</Location>
</VirtualHost>
<VirtualHost *:8080>
	ServerName compat
	DocumentRoot DIR/root
	<Location />
		Order allow,deny
		Allow from all
		Deny from 103.21
	</Location>
</VirtualHost>
<VirtualHost *:8080>
	ServerName env
	DocumentRoot DIR/root
	SetEnvIf Remote_Addr "^104\." bad
	<Location />
		Order deny,allow
		Deny from env=bad
	</Location>
</VirtualHost>
<VirtualHost *:8080>
	ServerName rewrite
	DocumentRoot DIR/root
	RewriteEngine On
	RewriteCond %{REMOTE_ADDR} ^173\.245\. [OR]
	RewriteCond %{REMOTE_ADDR} ^103\.21\.
	RewriteRule ^ - [F]
</VirtualHost>
<VirtualHost *:8080>
	ServerName htaccess
	DocumentRoot DIR/root/ht
	<Directory DIR/root/ht>
		AllowOverride All
	</Directory>
</VirtualHost>
<VirtualHost *:8080>
	ServerName restored
	DocumentRoot DIR/root
	RemoteIPHeader CF-Connecting-IP
	RemoteIPTrustedProxy 173.245.48.0/20 103.21.244.0/22 104.16.0.0/13
	<Location />
		Require ip 173.245.48.0/20 103.21.244.0/22 104.16.0.0/13
	</Location>
</VirtualHost>
<VirtualHost *:8080>
	ServerName none
	DocumentRoot /usr/share/doc
</VirtualHost>
`,
		files: map[string]string{"root/ht/.htaccess": "Order allow,deny\nAllow from all\nDeny from 104.16.0.0/255.248.0.0\n", "root/ht/index.html": "x"},
	},
	{
		name: "haproxy", args: []string{"haproxy", "-f", "CONF"}, read: haproxy.Read, sites: []string{"any"},
		config: `defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend any
    bind :8080
    acl cdn src 173.245.48.0/20 104.16.0.0/14
    tcp-request connection reject if { src 103.21.244.0/24 }
    http-request deny deny_status 429 if !cdn
    http-request return status 200
`,
	},
	{
		name: "lighttpd", args: []string{"lighttpd", "-D", "-f", "CONF"}, read: lighttpd.Read, sites: []string{"any", "only"},
		config: `server.modules = ( "mod_access" )
server.document-root = "DIR/root"
server.port = 8080
server.errorlog = "DIR/error.log"
index-file.names = ( "index.html" )
mimetype.assign = ( ".html" => "text/html" )
$HTTP["host"] == "only" {
	$HTTP["remoteip"] != "173.245.48.0/20" { url.access-deny = ( "" ) }
}
else $HTTP["remoteip"] == "104.16.0.0/14" { url.access-deny = ( "" ) }
`,
	},
}

const apacheModules = `Define LIB /usr/lib/apache2/modules
LoadModule mpm_event_module ${LIB}/mod_mpm_event.so
LoadModule authz_core_module ${LIB}/mod_authz_core.so
LoadModule authz_host_module ${LIB}/mod_authz_host.so
LoadModule access_compat_module ${LIB}/mod_access_compat.so
LoadModule dir_module ${LIB}/mod_dir.so
LoadModule rewrite_module ${LIB}/mod_rewrite.so
LoadModule setenvif_module ${LIB}/mod_setenvif.so
LoadModule remoteip_module ${LIB}/mod_remoteip.so
`

func TestRefusalsAreReal(t *testing.T) {
	if err := netns.Supported(); err != nil {
		t.Skip(err)
	}
	for _, c := range realCases {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func (c realCase) run(t *testing.T) {
	bin, err := exec.LookPath(c.args[0])
	if err != nil {
		t.Skip(c.args[0] + " is not installed")
	}
	dir := t.TempDir()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) { // workers drop their rights
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	main := filepath.Join(dir, "own.conf")
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(main, c.config)
	write(filepath.Join(dir, "root/index.html"), "x")
	for name, text := range c.files {
		write(filepath.Join(dir, name), text)
	}
	ns := c.start(t, bin, dir, main)
	got, _ := c.read(conf.Source{FS: rootfs.FS{}, Main: main, Prefix: dir, Ranges: edgeRanges})
	if got.Parsed != fact.Yes {
		t.Fatalf("errors: %+v", got.Errors)
	}
	for _, name := range c.sites {
		site := siteOf(got, name)
		for _, r := range edgeRanges {
			want, by := predicted(site, r)
			if have := c.worst(t, ns, name, r); have != want {
				t.Errorf("%s from %s: the server answers %d, the configuration was read as %d (%+v)", name, r, have, want, by)
			}
		}
	}
}

// predicted is what a site answers to a range: 200, or how it refuses.
func predicted(s fact.Site, r netip.Prefix) (int, *fact.SiteRefusal) {
	if s.Close != nil {
		return 0, nil
	}
	for i, f := range s.Refuses {
		if f.Path == "" && (slices.Contains(f.Ranges, r) || f.Restored == fact.Yes && f.Everyone) {
			return f.Status, &s.Refuses[i]
		}
	}
	return 200, nil
}

func siteOf(c fact.WebConfig, name string) fact.Site {
	for _, s := range c.Sites {
		if slices.Contains(s.Names, name) {
			return s
		}
	}
	return c.Sites[0]
}

// start runs the server in a namespace where the edge's addresses are local.
func (c realCase) start(t *testing.T, bin, dir, main string) *netns.NS {
	ns, err := netns.Create("webconfig")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	if err := ns.SetLink("lo", true); err != nil {
		t.Fatal(err)
	}
	for _, r := range append(slices.Clone(edgeRanges), netip.MustParsePrefix("198.51.100.0/24")) {
		if out, err := ns.Run(t.Context(), "ip", "route", "add", "local", r.String(), "dev", "lo"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	args := []string{}
	for _, a := range c.args[1:] {
		args = append(args, strings.NewReplacer("DIR", dir, "CONF", main).Replace(a))
	}
	cmd := exec.Command(bin, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := ns.Start(cmd); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); <-done })
	for deadline := time.Now().Add(20 * time.Second); ; {
		if conn, err := dialFrom(ns, visitor); err == nil {
			conn.Close()
			return ns
		}
		select {
		case <-done:
			t.Fatalf("%s ended: %s", c.name, out.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen", c.name)
		}
	}
}

func dialFrom(ns *netns.NS, src string) (conn net.Conn, err error) {
	err = ns.Do(func() error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(src)}, Timeout: 5 * time.Second}
		conn, err = d.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", realPort))
		return err
	})
	return conn, err
}

// worst asks from addresses all over a range and gives the refusal, if one of
// them meets any; 0 = closed without an answer.
func (c realCase) worst(t *testing.T, ns *netns.NS, host string, r netip.Prefix) int {
	t.Helper()
	b := r.Addr().As4()
	step := (1 << (32 - r.Bits())) / 8
	base := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	answer := 200
	for i := range 8 {
		n := base + i*step + 5
		src := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		if got := ask(t, ns, src.String(), host); got != 200 {
			answer = got
		}
	}
	return answer
}

// ask makes one request as the edge does, for a visitor.
func ask(t *testing.T, ns *netns.NS, src, host string) int {
	t.Helper()
	conn, err := dialFrom(ns, src)
	if errors.Is(err, syscall.ECONNRESET) { // rejected as soon as it was accepted
		return 0
	}
	if err != nil {
		t.Fatalf("from %s: %v", src, err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "GET /index.html HTTP/1.1\r\nHost: %s\r\nCF-Connecting-IP: %s\r\nConnection: close\r\n\r\n", host, visitor)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	if resp.StatusCode == 404 { // let in
		return 200
	}
	return resp.StatusCode
}
