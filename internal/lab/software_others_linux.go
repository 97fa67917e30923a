package lab

import (
	"context"
	"fmt"
)

// apacheSite is an ordinary site of Apache on 80 and 443 with more lines in
// both of its virtual hosts.
func apacheSite(more string) string {
	return fmt.Sprintf(`ServerName origin
<VirtualHost *:80>
	ServerName shop.example
	DocumentRoot /var/www/shop
	%[1]s
</VirtualHost>
<VirtualHost *:443>
	ServerName shop.example
	DocumentRoot /var/www/shop
	SSLEngine on
	SSLCertificateFile /etc/ssl/shop.pem
	SSLCertificateKeyFile /etc/ssl/shop.key
	%[1]s
</VirtualHost>
<Directory /var/www/shop>
	AllowOverride All
	Require all granted
</Directory>
`, more)
}

// apacheMods are the modules that the worlds use beside Debian's defaults.
const apacheMods = "ssl socache_shmcb remoteip proxy proxy_http headers rewrite"

// apache makes a step that starts Debian's Apache with a site.
func apache(conf string) step {
	return func(ctx context.Context, s *Stage) error {
		if err := s.ensureCert(); err != nil {
			return err
		}
		err := s.Origin.Sh(ctx, `cd /etc/apache2; rm -f sites-enabled/*
for m in `+apacheMods+`; do for x in load conf; do [ -e mods-available/$m.$x ] && ln -sf ../mods-available/$m.$x mods-enabled/$m.$x; done; done
mkdir -p /var/www/shop /var/log/apache2 /run/apache2; echo hello from the origin >/var/www/shop/index.html`)
		if err != nil {
			return err
		}
		if err := s.Origin.Write("/etc/apache2/sites-enabled/shop.conf", conf); err != nil {
			return err
		}
		if err := s.Origin.Sh(ctx, "apache2ctl start"); err != nil {
			return err
		}
		return s.WaitListen(ctx, 80)
	}
}

// apacheConf makes a step that writes Apache's site.
func apacheConf(conf string) step { return write("/etc/apache2/sites-enabled/shop.conf", conf) }

// apacheReload makes a step that puts a site of Apache into force.
func apacheReload(conf string) step {
	return steps(apacheConf(conf), sh("apache2ctl graceful"))
}

var apacheStop = "apache2ctl stop; " + ended("apache2")

// haproxyConf is a haproxy that ends TLS and hands on to the application.
func haproxyConf(front, back string) string {
	return fmt.Sprintf(`global
	log stdout format raw local0
	maxconn 256
	user haproxy
	group haproxy
defaults
	mode http
	timeout connect 2s
	retries 0
	timeout client 10s
	timeout server 2500ms
	log global
	option httplog
frontend web
	bind :::80 v4v6
	bind :::443 v4v6 ssl crt /etc/ssl/shop-pair.pem
	%s
	default_backend app
backend app
	%s
`, front, back)
}

const haproxyApp = "server app1 127.0.0.1:3000"

const haproxyStart = "setsid haproxy -db -f /etc/haproxy/haproxy.cfg </dev/null >>/var/log/haproxy.log 2>&1 & echo $! >/run/haproxy.pid"

// haproxy makes a step that starts haproxy with a configuration.
func haproxy(conf string) step {
	return func(ctx context.Context, s *Stage) error {
		if err := s.ensureCert(); err != nil {
			return err
		}
		if err := s.Origin.Write("/etc/haproxy/haproxy.cfg", conf); err != nil {
			return err
		}
		return steps(sh(haproxyStart), listens(443))(ctx, s)
	}
}

var haproxyStop = "kill $(cat /run/haproxy.pid); " + ended("haproxy")

// lighttpdConf is a lighttpd of plain http; Debian's TLS module is a package
// of its own.
const lighttpdConf = `server.modules = ( "mod_access", "mod_accesslog" )
server.document-root = "/var/www/shop"
server.errorlog = "/var/log/lighttpd/error.log"
accesslog.filename = "/var/log/lighttpd/access.log"
server.pid-file = "/run/lighttpd.pid"
server.username = "www-data"
server.groupname = "www-data"
server.port = 80
index-file.names = ( "index.html" )
%s
`

// lighttpd makes a step that starts lighttpd with more lines.
func lighttpd(more string) step {
	return steps(
		write("/etc/lighttpd/lighttpd.conf", fmt.Sprintf(lighttpdConf, more)),
		sh("mkdir -p /var/www/shop /var/log/lighttpd; chown www-data /var/log/lighttpd; echo hello >/var/www/shop/index.html; lighttpd -f /etc/lighttpd/lighttpd.conf"),
	)
}

// fpm makes a step that starts php-fpm with a pool and one script.
func fpm(children int, script string) step {
	return steps(fpmFiles(children, script), sh("mkdir -p /run/php; php-fpm8.2 --daemonize; "+fpmUp))
}

// fpmUp is a script that waits for php-fpm's socket.
const fpmUp = "for i in $(seq 100); do [ -S /run/php/php8.2-fpm.sock ] && break; sleep 0.05; done"

// fpmFiles makes a step that writes its pool and one script.
func fpmFiles(children int, script string) step {
	pool := fmt.Sprintf(`[www]
user = www-data
group = www-data
listen = /run/php/php8.2-fpm.sock
listen.owner = www-data
listen.group = www-data
pm = dynamic
pm.max_children = %d
pm.start_servers = 1
pm.min_spare_servers = 1
pm.max_spare_servers = 1
catch_workers_output = yes
`, children)
	return steps(
		write("/etc/php/8.2/fpm/pool.d/www.conf", pool),
		write("/var/www/shop/index.php", script),
	)
}

// phpSite is an nginx site that hands everything to php-fpm.
var phpSite = site(`root /var/www/shop;
location / {
	include /etc/nginx/fastcgi_params;
	fastcgi_param SCRIPT_FILENAME /var/www/shop/index.php;
	fastcgi_read_timeout 2s;
	fastcgi_pass unix:/run/php/php8.2-fpm.sock;
}`)

const helloPHP = "<?php header('Content-Type: text/plain'); echo \"hello from php\\n\";"
