package lab

import (
	"context"
	"fmt"
	"strings"
)

// nginxMain is a whole nginx.conf around the given server blocks. It logs where
// Debian's does.
func nginxMain(http string) string {
	return fmt.Sprintf(`user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { worker_connections 256; }
http {
	access_log /var/log/nginx/access.log;
	default_type text/plain;
	%s
}
`, strings.ReplaceAll(http, "\n", "\n\t"))
}

// nginxTLS are the listeners and the certificate of an ordinary site.
const nginxTLS = `	listen 80;
	listen [::]:80;
	listen 443 ssl;
	listen [::]:443 ssl;
	server_name shop.example www.shop.example;
	ssl_certificate /etc/ssl/shop.pem;
	ssl_certificate_key /etc/ssl/shop.key;
`

// nginxSite is an ordinary site on 80 and 443, both families.
const nginxSite = "server {\n" + nginxTLS + `	location / { return 200 "hello from the origin\n"; }
}`

// site is nginxSite with another location block.
func site(location string) string {
	return "server {\n" + nginxTLS + "\t" + strings.ReplaceAll(location, "\n", "\n\t") + "\n}"
}

// Nginx starts nginx with the given content of its http block. Without a
// certificate on disk it issues a good one first.
func (s *Stage) Nginx(ctx context.Context, http string) error {
	if err := s.ensureCert(); err != nil {
		return err
	}
	if err := s.NginxConf(http); err != nil {
		return err
	}
	return s.Origin.Sh(ctx, "mkdir -p /var/log/nginx /var/lib/nginx && nginx")
}

// NginxConf writes nginx's configuration and leaves the running one alone.
func (s *Stage) NginxConf(http string) error {
	return s.Origin.Write("/etc/nginx/nginx.conf", nginxMain(http))
}

// healthyNginx is the setup of most worlds.
func healthyNginx(ctx context.Context, s *Stage) error {
	if err := s.Nginx(ctx, nginxSite); err != nil {
		return err
	}
	return s.WaitListen(ctx, 443)
}

// nginx makes a step that starts nginx with a configuration.
func nginx(http string, ports ...uint16) step {
	return func(ctx context.Context, s *Stage) error {
		if err := s.Nginx(ctx, http); err != nil {
			return err
		}
		return listens(ports...)(ctx, s)
	}
}

// nginxConf makes a step that writes a configuration of nginx.
func nginxConf(http string) step {
	return func(_ context.Context, s *Stage) error { return s.NginxConf(http) }
}

// reload makes a step that puts a configuration of nginx into force.
func reload(http string) step {
	return func(ctx context.Context, s *Stage) error {
		if err := s.NginxConf(http); err != nil {
			return err
		}
		return s.Origin.Sh(ctx, "nginx -t && "+nginxReload)
	}
}

// nginxReload puts the configuration into force and waits until the workers of
// the old one are gone, but not for those that hold a visitor.
const nginxReload = "old=$(pgrep -P $(cat /run/nginx.pid)); nginx -s reload; for i in $(seq 40); do n=0; for p in $old; do [ -d /proc/$p ] && n=1; done; [ $n = 0 ] && break; sleep 0.05; done"

// nginxQuit stops nginx and waits for its end.
var nginxQuit = "nginx -s quit || true; " + ended("nginx")

// restartNginx makes a step that restarts nginx with a configuration that it
// may refuse.
func restartNginx(http string) step {
	return steps(sh(nginxQuit), nginxConf(http), sh("nginx || true"))
}

// cureNginx makes a step that starts nginx anew with the ordinary site.
var cureNginx = steps(nginxConf(nginxSite), sh(nginxQuit+"; nginx"), listens(443))
