// Package services answers which web servers, proxies and application servers
// this host has: whether they run, since when, why they died, whether their
// configuration passes its own test, and which addresses their service manager
// denies them.
package services

import (
	"slices"
	"strings"
)

// Roles of a service.
const (
	web     = "web"     // can answer on a public port
	backend = "backend" // answers a proxy of this host
	tunnel  = "tunnel"
	engine  = "engine" // runs containers
)

// kind is a program that can stand between edge and content. To know one more
// is one more line in kinds.
type kind struct {
	name  string
	role  string
	progs []string // base names of executables, or kernel names of processes; "*" at the end matches any rest
	units []string // systemd units, as patterns
	conf  []string // flags that name the configuration file
	files []string // default configuration files, the first that exists counts
	test  *selftest
	ports func(words []string) []uint16 // that its command line names; nil = it names none
}

// kinds lists what is looked for.
var kinds = []kind{
	{name: "nginx", role: web, progs: []string{"nginx", "openresty", "angie", "tengine", "freenginx"},
		units: []string{"nginx.service", "openresty.service", "angie.service", "tengine.service"}, conf: []string{"-c"},
		files: []string{"/etc/nginx/nginx.conf", "/usr/local/openresty/nginx/conf/nginx.conf", "/usr/local/nginx/conf/nginx.conf", "/etc/angie/angie.conf"}, test: &nginxTest},
	{name: "apache", role: web, progs: []string{"apache2", "httpd", "httpd.worker", "httpd.event"},
		units: []string{"apache2.service", "httpd.service"}, conf: []string{"-f"},
		files: []string{"/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/etc/apache2/httpd.conf", "/usr/local/apache2/conf/httpd.conf"}, test: &apacheTest},
	{name: "haproxy", role: web, progs: []string{"haproxy"}, units: []string{"haproxy.service"}, conf: []string{"-f"},
		files: []string{"/etc/haproxy/haproxy.cfg"}, test: &haproxyTest},
	{name: "caddy", role: web, progs: []string{"caddy"}, units: []string{"caddy.service"}, conf: []string{"--config", "-config", "-c"},
		files: []string{"/etc/caddy/Caddyfile"}, test: &caddyTest},
	{name: "lighttpd", role: web, progs: []string{"lighttpd"}, units: []string{"lighttpd.service"}, conf: []string{"-f"},
		files: []string{"/etc/lighttpd/lighttpd.conf"}, test: &lighttpdTest},
	{name: "litespeed", role: web, progs: []string{"litespeed", "lshttpd", "openlitespeed"}, units: []string{"lsws.service", "lshttpd.service", "litespeed.service", "openlitespeed.service"},
		files: []string{"/usr/local/lsws/conf/httpd_config.conf", "/usr/local/lsws/conf/httpd_config.xml"}},
	{name: "varnish", role: web, progs: []string{"varnishd"}, units: []string{"varnish.service"}, conf: []string{"-f"}, files: []string{"/etc/varnish/default.vcl"}, ports: varnishPorts},
	{name: "traefik", role: web, progs: []string{"traefik"}, units: []string{"traefik.service"}, conf: []string{"--configFile", "--configfile"},
		files: []string{"/etc/traefik/traefik.yml", "/etc/traefik/traefik.toml"}},
	{name: "envoy", role: web, progs: []string{"envoy"}, units: []string{"envoy.service"}, conf: []string{"-c", "--config-path"}, files: []string{"/etc/envoy/envoy.yaml"}},
	{name: "h2o", role: web, progs: []string{"h2o"}, units: []string{"h2o.service"}, conf: []string{"-c"}, files: []string{"/etc/h2o/h2o.conf"}},
	{name: "hitch", role: web, progs: []string{"hitch"}, units: []string{"hitch.service"}, conf: []string{"--config"}, files: []string{"/etc/hitch/hitch.conf"}},
	{name: "stunnel", role: web, progs: []string{"stunnel", "stunnel4"}, units: []string{"stunnel4.service", "stunnel.service"}, files: []string{"/etc/stunnel/stunnel.conf"}},
	{name: "php-fpm", role: backend, progs: []string{"php-fpm*"}, units: []string{"php*-fpm.service", "php-fpm*.service"}, conf: []string{"-y", "--fpm-config"},
		files: []string{"/etc/php-fpm.conf", "/etc/php/fpm/php-fpm.conf", "/usr/local/etc/php-fpm.conf"}, test: &fpmTest},
	{name: "cloudflared", role: tunnel, progs: []string{"cloudflared"}, units: []string{"cloudflared*.service"}, conf: []string{"--config"},
		files: []string{"/etc/cloudflared/config.yml", "/etc/cloudflared/config.yaml", "/usr/local/etc/cloudflared/config.yml"}},
	{name: "docker", role: engine, progs: []string{"dockerd"}, units: []string{"docker.service"}},
	{name: "podman", role: engine, progs: []string{"conmon"}, units: []string{"podman.service"}},
}

// app stands for an application server: any other program that listens where
// a web server could, or whose kind of program usually serves HTTP.
var app = kind{name: "app", role: backend, progs: []string{
	"node", "nodejs", "deno", "bun", "python*", "gunicorn*", "uvicorn", "hypercorn", "daphne", "waitress-serve", "uwsgi*",
	"ruby*", "puma*", "unicorn*", "passenger*", "rails", "java", "dotnet", "kestrel", "beam.smp", "perl", "php", "php[0-9]*", "hhvm",
	"tomcat*", "jetty", "pm2*", "rackup", "thin", "starman", "hypnotoad", "plackup", "rserver", "gitea", "grafana*",
}, units: []string{"gunicorn*.service", "uwsgi*.service", "puma*.service", "pm2-*.service", "unicorn*.service", "tomcat*.service"}}

// matches reports whether a program's name is one of the kind's.
func (k *kind) matches(name string) bool {
	return slices.ContainsFunc(k.progs, func(p string) bool {
		if stem, any := strings.CutSuffix(p, "*"); any {
			stem, digits := strings.CutSuffix(stem, "[0-9]")
			rest, ok := strings.CutPrefix(name, stem)
			return ok && (!digits || rest != "" && rest[0] >= '0' && rest[0] <= '9')
		}
		return name == p
	})
}

// kindOf finds the kind of a program by its executable's base name or the
// kernel's name of the process; nil when it is none of the list.
func kindOf(names ...string) *kind {
	for _, n := range names {
		for i := range kinds {
			if n != "" && kinds[i].matches(n) {
				return &kinds[i]
			}
		}
	}
	return nil
}
