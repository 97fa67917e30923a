package lab

import (
	"context"
	"fmt"
	"strings"
)

// Paths of the certificate that the origin's servers use.
const (
	certFile = "/etc/ssl/shop.pem"
	keyFile  = "/etc/ssl/shop.key"
)

// Cert issues a certificate from the intermediate and puts it, with or without
// the intermediate, where the origin's servers read it.
func (s *Stage) Cert(spec CertSpec, withChain bool) error {
	if len(spec.Names) == 0 {
		spec.Names = []string{Site, "www." + Site}
	}
	cert, key, err := s.Sub.Issue(spec)
	if err != nil {
		return err
	}
	if withChain && !spec.SelfSigned {
		cert = append(cert, s.Sub.PEM...)
	}
	if err := s.Origin.Write(certFile, string(cert)); err != nil {
		return err
	}
	return s.Origin.Write(keyFile, string(key))
}

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

// nginxSite is an ordinary site on 80 and 443, both families.
const nginxSite = `server {
	listen 80;
	listen [::]:80;
	listen 443 ssl;
	listen [::]:443 ssl;
	server_name shop.example www.shop.example;
	ssl_certificate /etc/ssl/shop.pem;
	ssl_certificate_key /etc/ssl/shop.key;
	location / { return 200 "hello from the origin\n"; }
}`

// Nginx starts nginx with the given content of its http block. Without a
// certificate on disk it issues a good one first.
func (s *Stage) Nginx(ctx context.Context, http string) error {
	if _, err := s.Origin.Read(certFile); err != nil {
		if err := s.Cert(CertSpec{}, true); err != nil {
			return err
		}
	}
	if err := s.NginxConf(http); err != nil {
		return err
	}
	if err := s.Origin.Sh(ctx, "mkdir -p /var/log/nginx /var/lib/nginx && nginx"); err != nil {
		return err
	}
	return nil
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

// sh makes a step that runs a script on the origin.
func sh(script string) func(context.Context, *Stage) error {
	return func(ctx context.Context, s *Stage) error { return s.Origin.Sh(ctx, script) }
}
