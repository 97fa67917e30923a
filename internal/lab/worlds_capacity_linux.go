package lab

import (
	"context"
	"strings"
	"time"

	"github.com/originward/originward"
)

const millisecond = time.Millisecond

func countLines(s string) int { return strings.Count(s, "\n") }

// keepAsking makes a step that asks the origin for a path in the background,
// some requests at a time, from the visitor's machine and past the edge.
func keepAsking(n int, path string) step {
	return func(ctx context.Context, s *Stage) error {
		for range n {
			cmd := s.Client.Command(context.Background(), "/bin/sh", "-c",
				"while :; do curl -sko /dev/null -m 300 --resolve "+Site+":443:"+Origin4.String()+" https://"+Site+path+" || sleep 0.2; done")
			if err := s.Client.Background(cmd); err != nil {
				return err
			}
		}
		return nil
	}
}

func capacityWorlds() []*World {
	const workers = originward.CauseID("capacity.workers-exhausted")
	get := "GET / HTTP/1.1\r\nHost: shop.example\r\n"
	full := World{Decides: hostDecides, Needs: []string{"nginx"}, Setup: healthyNginx}
	return []*World{
		full.with(func(w *World) {
			w.Name, w.Title, w.Code = "accept-backlog", "the application takes one connection at a time and its accept queue is full", 522
			w.Causes, w.Needs, w.SSL = ids("capacity.accept-backlog"), []string{"python3"}, originward.SSLFlexible
			w.Setup, w.Unhealthy = app(80, "hang", "0.0.0.0"), "the application hangs from the start"
			w.Break = hold(8, 80, get+"\r\n")
		}),
		full.with(func(w *World) {
			w.Name, w.Title, w.Causes = "workers-fpm", "all php-fpm children wait for something slow", ids(workers)
			w.Needs = append(w.Needs, "php-fpm8.2", "curl")
			slow := "<?php if (str_starts_with($_SERVER['REQUEST_URI'], '/slow')) { sleep(120); } echo \"hello\\n\";"
			w.Setup = steps(fpm(2, slow), nginx(strings.Replace(phpSite, "location / {", "location /slow {\n\t\tinclude /etc/nginx/fastcgi_params;\n\t\tfastcgi_param SCRIPT_FILENAME /var/www/shop/index.php;\n\t\tfastcgi_read_timeout 120s;\n\t\tfastcgi_pass unix:/run/php/php8.2-fpm.sock;\n\t}\n\tlocation / {", 1), 443))
			w.Break = steps(keepAsking(4, "/slow"), logged("/var/log/php8.2-fpm.log", "max_children"))
		}),
		full.with(func(w *World) {
			w.Name, w.Title, w.Causes = "workers-apache", "every worker of Apache is held by a slow visitor", ids(workers)
			w.Needs = []string{"apache2"}
			w.Setup = steps(apache("ServerLimit 2\nThreadsPerChild 2\nThreadLimit 2\nMaxRequestWorkers 4\nStartServers 1\nMinSpareThreads 1\nMaxSpareThreads 4\nRequestReadTimeout header=0 body=0\nTimeout 300\n"+apacheSite("")), listens(443))
			w.Break = steps(hold(12, 80, get), logged("/var/log/apache2/error.log", "MaxRequestWorkers"))
			w.Cure = release
		}),
		full.with(func(w *World) {
			w.Name, w.Title, w.Causes = "workers-nginx", "nginx's worker_connections are used up", ids(workers)
			w.Setup = steps(healthyNginx, sh("sed -i 's/worker_connections 256/worker_connections 40/' /etc/nginx/nginx.conf; "+nginxReload))
			w.Break = steps(hold(90, 80, get), logged("/var/log/nginx/error.log", "worker_connections are not enough"))
			w.Cure = release
		}),
		full.with(func(w *World) {
			w.Name, w.Title, w.Causes = "flood", "one network opens more connections than nginx takes", ids("capacity.flood")
			w.Stands, w.Also = originward.Likely, ids(workers)
			w.Setup = steps(healthyNginx, sh("sed -i 's/worker_connections 256/worker_connections 1500/' /etc/nginx/nginx.conf; "+nginxReload))
			w.Break = steps(flood(1900, 80, get), logged("/var/log/nginx/error.log", "worker_connections are not enough"))
			w.Cure = release
		}),
		full.with(func(w *World) {
			w.Name, w.Title, w.Causes = "fd-limit-nginx", "nginx's worker has no file descriptor left", ids("capacity.fd-limit")
			w.Setup = steps(healthyNginx, sh("sed -i 's/^worker_processes 1;/worker_processes 1; worker_rlimit_nofile 64;/' /etc/nginx/nginx.conf; nginx -s quit; "+ended("nginx")+"; nginx"), listens(443))
			w.Break = steps(hold(100, 80, get), logged("/var/log/nginx/error.log", "Too many open files"))
			w.Cure = release
		}),
		full.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "ephemeral-ports", "nginx has no source port left towards its application", 502, ids("capacity.ephemeral-ports")
			w.Needs = append(w.Needs, "python3", "curl")
			w.Setup = steps(app(3000, "ok"), nginx(site(toApp), 443))
			w.Break = steps(sh("sysctl -qw net.ipv4.ip_local_port_range='40000 40003'; sysctl -qw net.ipv4.tcp_tw_reuse=0"),
				keepAsking(6, "/slow"), logged("/var/log/nginx/error.log", "Cannot assign requested address"))
			w.Cure = sh("sysctl -qw net.ipv4.ip_local_port_range='32768 60999'")
		}),
		full.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "disk-full", "the disk on which the application writes is full", 500, ids("capacity.disk-full")
			w.Needs = append(w.Needs, "php-fpm8.2")
			save := "<?php if (@file_put_contents('/var/lib/shop/session', str_repeat('x', 8192)) !== 8192) { error_log('write of /var/lib/shop/session failed: No space left on device'); http_response_code(500); echo 'error'; exit; } echo \"hello\\n\";"
			w.Setup = steps(sh("mkdir -p /var/lib/shop; mount -t tmpfs -o size=2m tmpfs /var/lib/shop; chown www-data /var/lib/shop"), fpm(2, save), nginx(phpSite, 443))
			w.Break = sh("rm -f /var/lib/shop/session; dd if=/dev/zero of=/var/lib/shop/fill bs=64k 2>/dev/null || true")
			w.Cure = sh("rm /var/lib/shop/fill")
		}),
	}
}

// logged makes a step that waits until a log of the origin holds some words.
func logged(file, words string) step {
	return func(ctx context.Context, s *Stage) error {
		return s.wait(ctx, words+" in "+file, func() bool {
			text, err := s.Origin.Read(file)
			return err == nil && strings.Contains(text, words)
		})
	}
}
