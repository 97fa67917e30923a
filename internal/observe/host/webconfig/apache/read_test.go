package apache

import (
	"net/netip"
	"os"
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

// head makes a configuration that the real server takes.
const head = `ServerRoot "/etc/apache2"
Define LIB /usr/lib/apache2/modules
LoadModule mpm_event_module ${LIB}/mod_mpm_event.so
LoadModule authz_core_module ${LIB}/mod_authz_core.so
LoadModule authz_host_module ${LIB}/mod_authz_host.so
LoadModule access_compat_module ${LIB}/mod_access_compat.so
LoadModule alias_module ${LIB}/mod_alias.so
LoadModule rewrite_module ${LIB}/mod_rewrite.so
LoadModule setenvif_module ${LIB}/mod_setenvif.so
LoadModule remoteip_module ${LIB}/mod_remoteip.so
LoadModule proxy_module ${LIB}/mod_proxy.so
LoadModule proxy_http_module ${LIB}/mod_proxy_http.so
LoadModule proxy_fcgi_module ${LIB}/mod_proxy_fcgi.so
LoadModule proxy_balancer_module ${LIB}/mod_proxy_balancer.so
LoadModule slotmem_shm_module ${LIB}/mod_slotmem_shm.so
LoadModule lbmethod_byrequests_module ${LIB}/mod_lbmethod_byrequests.so
LoadModule ssl_module ${LIB}/mod_ssl.so
LoadModule http2_module ${LIB}/mod_http2.so
ServerName localhost
PidFile /tmp/originward-test-apache.pid
`

// read reads /etc/apache2/apache2.conf of an archive. One that begins with
// "valid" must be taken by the real server as well.
func read(t *testing.T, archive string) fact.WebConfig {
	t.Helper()
	fs := hosttest.Tree(t, "/etc/apache2", archive)
	if strings.HasPrefix(archive, "valid") {
		accepted(t, fs.Root)
	}
	c, _ := Read(conf.Source{
		FS: fs, Main: "/etc/apache2/apache2.conf", Prefix: "/etc/apache2", Ranges: ranges,
		Env: map[string]string{"APACHE_LOG_DIR": "/var/log/apache2"},
	})
	return c
}

func accepted(t *testing.T, root string) {
	t.Helper()
	bin, err := exec.LookPath("apache2")
	if err != nil {
		t.Log("no apache2 here to ask")
		return
	}
	dir := filepath.Join(root, "etc/apache2")
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-t", "-d", dir, "-f", filepath.Join(dir, "apache2.conf"), "-C", "DefaultRuntimeDir /tmp")
	cmd.Env = []string{"APACHE_LOG_DIR=" + root}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("apache2 does not take it: %v\n%s", err, out)
	}
}

// vhosts is an archive with these virtual hosts.
func vhosts(s string) string {
	return "valid\n-- apache2.conf --\n" + strings.Replace(head, `ServerRoot "/etc/apache2"`+"\n", "", 1) + s
}

func TestSites(t *testing.T) {
	c := read(t, vhosts(`
Listen 80
<IfModule ssl_module>
	Listen 443
</IfModule>
<IfModule mod_nothere.c>
	Listen 8080
</IfModule>
<IfDefine !NEVER>
	Listen 192.0.2.1:8443
</IfDefine>
LogFormat "%h %l %u %t \"%r\" %>s %O \"%{CF-Ray}i\"" edge
ErrorLog ${APACHE_LOG_DIR}/error.log
KeepAliveTimeout 3
MaxRequestWorkers 25
<VirtualHost *:80>
	ServerName shop.example:80
	ServerAlias www.shop.example
	RewriteEngine On
	RewriteCond %{HTTPS} off
	RewriteRule ^(.*)$ https://%{HTTP_HOST}%{REQUEST_URI} [R=301,L]
	CustomLog ${APACHE_LOG_DIR}/access.log edge
</VirtualHost>
<VirtualHost *:80>
	ServerName plain.example
	Redirect permanent / https://plain.example/
</VirtualHost>
`))
	if c.Parsed != fact.Yes {
		t.Fatalf("parsed %q: %+v", c.Parsed, c.Errors)
	}
	var ls []string
	for _, l := range c.Listens {
		ls = append(ls, l.Addr)
	}
	if !slices.Equal(ls, []string{"*:80", "*:443", "192.0.2.1:8443"}) {
		t.Errorf("listens %v", ls)
	}
	shop, plain := c.Sites[0], c.Sites[1]
	if !slices.Equal(shop.Names, []string{"shop.example", "www.shop.example"}) || !shop.Listens[0].Default || plain.Listens[0].Default {
		t.Errorf("shop: %+v", shop)
	}
	if shop.Redirect != "https://%{HTTP_HOST}%{REQUEST_URI}" || shop.RedirectIf != "%{HTTPS} off" {
		t.Errorf("shop redirects: %q if %q", shop.Redirect, shop.RedirectIf)
	}
	if plain.Redirect != "https://plain.example/" || plain.RedirectIf != "" {
		t.Errorf("plain redirects: %q if %q", plain.Redirect, plain.RedirectIf)
	}
	want := []fact.LogPlace{
		{Kind: "error", File: "/var/log/apache2/error.log"},
		{Kind: "access", File: "/var/log/apache2/access.log", Format: `%h %l %u %t "%r" %>s %O "%{CF-Ray}i"`},
	}
	if !slices.Equal(c.Logs, want) {
		t.Errorf("logs: %+v", c.Logs)
	}
	find := func(list []fact.Setting, name string) fact.Setting {
		for _, s := range list {
			if s.Name == name {
				return s
			}
		}
		return fact.Setting{}
	}
	if s := find(c.Timeouts, "KeepAliveTimeout"); s.Num != 3 || s.Default {
		t.Errorf("KeepAliveTimeout: %+v", s)
	}
	if s := find(c.Settings, "MaxRequestWorkers"); s.Num != 25 || s.Place.Line == 0 {
		t.Errorf("MaxRequestWorkers: %+v", s)
	}
	if s := find(c.Settings, "LimitRequestFieldSize"); s.Num != 8190 || !s.Default {
		t.Errorf("LimitRequestFieldSize: %+v", s)
	}
}

func TestRefusals(t *testing.T) {
	c := read(t, vhosts(`
Listen 80
<Directory />
	AllowOverride None
	Require all denied
</Directory>
<Directory /var/www/>
	Require all granted
</Directory>
<VirtualHost *:80>
	ServerName open.example
	DocumentRoot /var/www/open
</VirtualHost>
<VirtualHost *:80>
	ServerName stale.example
	DocumentRoot /var/www/stale
	<Directory /var/www/stale>
		Require ip 173.245.48.0/20 103.21.244.0/22
		Require ip 2400:cb00::/32
	</Directory>
</VirtualHost>
<VirtualHost *:80>
	ServerName not.example
	DocumentRoot /var/www/not
	<Location "/">
		<RequireAll>
			Require all granted
			Require not ip 104.16.0.0/16 198.51.100.7
		</RequireAll>
	</Location>
</VirtualHost>
<VirtualHost *:80>
	ServerName compat.example
	DocumentRoot /var/www/compat
	<Directory /var/www/compat>
		Order allow,deny
		Allow from all
		Deny from 103.21
	</Directory>
</VirtualHost>
<VirtualHost *:80>
	ServerName env.example
	DocumentRoot /var/www/env
	SetEnvIf Remote_Addr "^104\.1[6-9]\." bad
	<Directory /var/www/env>
		<RequireAll>
			Require all granted
			Require not env bad
		</RequireAll>
	</Directory>
</VirtualHost>
<VirtualHost *:80>
	ServerName rewrite.example
	DocumentRoot /var/www/rewrite
	RewriteEngine On
	RewriteCond %{REMOTE_ADDR} ^173\.245\. [OR]
	RewriteCond %{REMOTE_ADDR} ^198\.51\.
	RewriteRule ^ - [F]
</VirtualHost>
<VirtualHost *:80>
	ServerName proxied.example
	ProxyPass / http://127.0.0.1:3000/
	<Location /admin>
		Require ip 10.0.0.0/8
	</Location>
</VirtualHost>
<VirtualHost *:80>
	ServerName forgotten.example
	DocumentRoot /srv/forgotten
</VirtualHost>
<VirtualHost *:80>
	ServerName restored.example
	DocumentRoot /var/www/restored
	RemoteIPHeader CF-Connecting-IP
	RemoteIPTrustedProxy 173.245.48.0/20 103.21.244.0/22 104.16.0.0/13 2400:cb00::/32
	<Directory /var/www/restored>
		Require ip 173.245.48.0/20 103.21.244.0/22 104.16.0.0/13 2400:cb00::/32
	</Directory>
</VirtualHost>
`))
	type want struct {
		ranges   []netip.Prefix
		everyone bool
		allows   fact.Tri
		text     string
		path     string
	}
	for name, w := range map[string]*want{
		"open.example":      nil,
		"stale.example":     {ranges[2:3], true, fact.Yes, "Require ip", ""},
		"not.example":       {ranges[2:3], false, fact.No, "Require not ip 104.16.0.0/16", ""},
		"compat.example":    {ranges[1:2], false, fact.No, "Deny from 103.21", ""},
		"env.example":       {ranges[2:3], false, fact.No, "Require not env bad", ""},
		"rewrite.example":   {ranges[:1], true, fact.No, "RewriteRule ^ - [F]", ""},
		"proxied.example":   {ranges, true, fact.No, "Require ip 10.0.0.0/8", "/admin"},
		"forgotten.example": {ranges, true, fact.No, "Require all denied", ""},
		"restored.example":  {nil, true, fact.Yes, "Require ip", ""},
	} {
		i := slices.IndexFunc(c.Sites, func(s fact.Site) bool { return s.Names[0] == name })
		got := c.Sites[i].Refuses
		if w == nil {
			if len(got) != 0 {
				t.Errorf("%s refuses: %+v", name, got)
			}
			continue
		}
		if len(got) != 1 {
			t.Errorf("%s: %d refusals: %+v", name, len(got), got)
			continue
		}
		f := got[0]
		if !slices.Equal(f.Ranges, w.ranges) || f.Everyone != w.everyone || f.AllowsCDN != w.allows || !strings.Contains(f.By.Text, w.text) || f.Path != w.path {
			t.Errorf("%s: %+v, want %+v", name, f, *w)
		}
	}
}

func TestHtaccess(t *testing.T) {
	c := read(t, `
-- apache2.conf --
`+head+`
Listen 80
<Directory /var/www/>
	AllowOverride All
	Require all granted
</Directory>
<Directory /srv/>
	AllowOverride None
	Require all granted
</Directory>
<VirtualHost *:80>
	ServerName a.example
	DocumentRoot /var/www/a
</VirtualHost>
<VirtualHost *:80>
	ServerName b.example
	DocumentRoot /srv/b
</VirtualHost>
-- /var/www/a/.htaccess --
# BEGIN plugin
Order Allow,Deny
Allow from all
Deny from 104.20.0.0/16
-- /srv/b/.htaccess --
Deny from all
`)
	if f := c.Sites[0].Refuses; len(f) != 1 || !slices.Equal(f[0].Ranges, ranges[2:3]) || f[0].By.File != "/var/www/a/.htaccess" || f[0].By.Line != 4 {
		t.Errorf("a: %+v", f)
	}
	if f := c.Sites[1].Refuses; len(f) != 0 {
		t.Errorf("a .htaccess counts that AllowOverride switches off: %+v", f)
	}
}

func TestRemoteIPWithoutLists(t *testing.T) {
	c := read(t, vhosts("Listen 80\nRemoteIPHeader X-Forwarded-For\n<Location />\nRequire ip 173.245.48.0/20\n</Location>\n"))
	if len(c.RealIP.Missing) != 0 || c.RealIP.Header != "X-Forwarded-For" {
		t.Errorf("real IP: %+v", c.RealIP)
	}
	if len(c.Sites) != 1 || len(c.Sites[0].Refuses) != 1 || c.Sites[0].Refuses[0].Restored != fact.Yes {
		t.Errorf("sites: %+v", c.Sites)
	}
}

func TestEvasiveAndSecurity(t *testing.T) {
	c := read(t, `
-- apache2.conf --
LoadModule evasive20_module modules/mod_evasive20.so
LoadModule security2_module modules/mod_security2.so
Listen 80
<IfModule mod_evasive20.c>
	DOSPageCount 2
	DOSSiteCount 50
	DOSBlockingPeriod 600
	DOSWhitelist 127.0.0.1 173.245.*.*
</IfModule>
<IfModule security2_module>
	SecRuleEngine On
	SecRule REMOTE_ADDR "@ipMatch 103.21.244.0/24,198.51.100.7" "id:1,phase:1,deny,status:406"
	SecRule ARGS "@rx union" \
		"id:2,phase:2,drop"
</IfModule>
<VirtualHost *:80>
	ServerName a.example
</VirtualHost>
`)
	if len(c.Limits) != 2 || c.Limits[0].PeerKey != fact.Yes || c.Limits[0].Rate != "2 in 1s, blocked for 600s" || c.Limits[0].Exempts != fact.No {
		t.Errorf("limits: %+v", c.Limits)
	}
	if f := c.Sites[0].Refuses; len(f) != 1 || f[0].Status != 406 || !slices.Equal(f[0].Ranges, ranges[1:2]) {
		t.Errorf("refusals: %+v", f)
	}
	if len(c.Closes) != 1 || c.Closes[0].Line != 13 {
		t.Errorf("closes: %+v", c.Closes)
	}
}

func TestUpstreams(t *testing.T) {
	c := read(t, vhosts(`
Listen 80
<FilesMatch "\.php$">
	SetHandler "proxy:unix:/run/php/php8.2-fpm.sock|fcgi://localhost"
</FilesMatch>
<Proxy "balancer://app">
	BalancerMember "http://10.0.0.5:8080"
	BalancerMember "http://app2.internal"
</Proxy>
<VirtualHost *:80>
	ServerName a.example
	SSLProxyEngine On
	ProxyPass /static !
	ProxyPass / balancer://app/
</VirtualHost>
<VirtualHost *:80>
	ServerName b.example
	SSLProxyEngine On
	ProxyPass / https://shop.example/ disablereuse=On
</VirtualHost>
<VirtualHost *:80>
	ServerName c.example
	<Location />
		ProxyPass http://[::1]:9000/ timeout=5
	</Location>
</VirtualHost>
`))
	var got []string
	for _, u := range c.Upstreams {
		got = append(got, strings.Join([]string{u.Site, u.Scheme, u.Name, u.Socket, string(u.Runtime), u.Group}, "|"))
	}
	want := []string{
		"|fastcgi|unix:/run/php/php8.2-fpm.sock|/run/php/php8.2-fpm.sock|no|",
		"a.example|http|10.0.0.5:8080||no|balancer://app/",
		"a.example|http|app2.internal:80||no|balancer://app/",
		"b.example|https|shop.example:443||yes|",
		"c.example|http|[::1]:9000||no|",
	}
	if !slices.Equal(got, want) {
		t.Errorf("upstreams:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c.Sites[0].Upstream != "balancer://app/" || c.Sites[2].Upstream != "http://[::1]:9000/" {
		t.Errorf("sites: %+v", c.Sites)
	}
}

func TestTLS(t *testing.T) {
	c := read(t, `
-- apache2.conf --
LoadModule ssl_module modules/mod_ssl.so
Listen 443 https
SSLProtocol -all +TLSv1.2
Protocols h2 http/1.1
<VirtualHost _default_:443>
	ServerName a.example
	SSLEngine on
	SSLCertificateFile certs/a.pem
	SSLCertificateKeyFile /etc/ssl/private/a.key
	SSLVerifyClient require
	SSLCACertificateFile /etc/ssl/pull.pem
</VirtualHost>
`)
	s := c.Sites[0]
	if s.Cert != "/etc/apache2/certs/a.pem" || s.ClientCert != "on" || s.ClientCA != "/etc/ssl/pull.pem" || !s.Listens[0].TLS || !s.Listens[0].HTTP2 {
		t.Errorf("site: %+v", s)
	}
	if !slices.Equal(s.Protocols, []string{"-all", "+TLSv1.2"}) || !c.Listens[0].TLS || c.Listens[0].Port != 443 {
		t.Errorf("listens: %+v", c.Listens)
	}
}

func TestBroken(t *testing.T) {
	c := read(t, `
-- apache2.conf --
Include sites/*.conf
Include missing.conf
IncludeOptional missing.conf
Listen 80
-- sites/a.conf --
<VirtualHost *:80>
	ServerName a.example
-- sites/b.conf --
</VirtualHost>
<VirtualHost *:80>
	ServerName b.example
</VirtualHost>
-- sites/c.conf --
Include sites/c.conf
`)
	if c.Parsed != fact.No || len(c.Sites) != 2 || len(c.Listens) != 1 || len(c.Errors) != 4 {
		t.Errorf("parsed %q, %d sites, errors %+v", c.Parsed, len(c.Sites), c.Errors)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		head, "<VirtualHost *:80>\nServerName a\n<Location />\nRequire not ip 1.2.3\n</Location>\n</VirtualHost>",
		"Order allow,deny\nDeny from 104. env=x\nSetEnvIf Remote_Addr ^1 x", "RewriteEngine On\nRewriteCond %{REMOTE_ADDR} !^10\\. [OR]\nRewriteRule ^ - [F]",
		"<RequireAny>\n<RequireNone>\nRequire all granted", "</x>\n<\n<>\n< >\nInclude /\n\\", "ProxyPass\nProxyPass /\nProxyPass / unix:|\nBalancerMember\nDefine\nRedirect",
		"SecRuleEngine On\nSecRule REMOTE_ADDR \"@ipMatch 1.2.3.4\" \"deny\"\nSecRule", "Listen\nListen [\n<VirtualHost>\n</VirtualHost>", "\"", "Define A x\n" + strings.Repeat("Define A ${A}${A}\n", 64) + "Listen ${A}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fs := hosttest.Tree(t, "/", "-- apache2.conf --\n"+s)
		c, _ := Read(conf.Source{FS: fs, Main: "/apache2.conf", Ranges: ranges})
		if len(c.Sites) == 0 {
			t.Error("not even a main server")
		}
	})
}
