package lab

import (
	"strings"

	"github.com/originward/originward"
)

// againWorlds break what other worlds break, by other software: what is told of
// one server has to hold for the next.
func againWorlds() []*World {
	good := haproxyConf("", haproxyApp)
	behind := World{
		Decides: hostDecides, Needs: []string{"haproxy", "python3"},
		Setup: steps(app(3000, "ok"), haproxy(good)), Cure: steps(sh(haproxyStop), haproxy(good)),
	}
	// proxied is haproxy with another configuration, after more was done.
	proxied := func(conf string, before ...step) step {
		return steps(append(append([]step{sh(haproxyStop)}, before...), haproxy(conf))...)
	}
	return []*World{
		behind.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "nested-timeouts-haproxy", "haproxy gives the application one second", 504, ids("http.nested-timeouts")
			w.Setup = steps(app(3000, "ok"), app(3001, "slow"), haproxy(good))
			w.Break = proxied(replace(good, "timeout server 2500ms", "timeout server 1s", ":3000", ":3001"))
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "stale-dns-haproxy", "the application moved, haproxy still dials the address its name had at start", 503, ids("backend.stale-upstream-dns")
			w.Stands = originward.Likely
			conf := replace(good, "127.0.0.1:3000", "app.internal:3000")
			w.Setup = steps(sh("ip addr add 10.7.0.1/32 dev lo; ip addr add 10.7.0.2/32 dev lo; echo 10.7.0.1 app.internal >>/etc/hosts"), app(3000, "ok", "10.7.0.1"), haproxy(conf))
			w.Break = steps(sh(appStop(3000)+"; sed -i 's/10.7.0.1 app/10.7.0.2 app/' /etc/hosts"), app(3000, "ok", "10.7.0.2"))
			w.Cure = proxied(conf)
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Causes = "upstream-sni-haproxy", "haproxy speaks TLS to its backend without a server name, and the backend rejects that", ids("tls.upstream-sni-missing")
			w.Code, w.Needs = 503, append(w.Needs, "nginx")
			w.Break = proxied(replace(good, haproxyApp, "server app1 127.0.0.1:9443 ssl verify none"), nginx(`server { listen 127.0.0.1:9443 ssl default_server; ssl_reject_handshake on; }
server { listen 127.0.0.1:9443 ssl; server_name shop.example; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; return 200 "inner\n"; }`, 9443))
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes, w.Decides = "tls-cipher-haproxy", "haproxy offers one cipher of TLS 1.2 that no edge offers", 525, ids("tls.version-or-cipher"), outsideDecides
			w.Break = proxied(replace(good, "shop-pair.pem", "shop-pair.pem ssl-max-ver TLSv1.2 ciphers ECDHE-ECDSA-CHACHA20-POLY1305"))
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes, w.Decides = "plain-http-on-443-haproxy", "haproxy's bind line for 443 has no ssl and no crt", 525, ids("tls.plain-http-on-port"), outsideDecides
			w.Break = proxied(replace(good, " ssl crt /etc/ssl/shop-pair.pem", ""))
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "wrong-port-haproxy", "haproxy binds 8080 and 8444, the CDN goes to 443", 521, ids("listener.wrong-port")
			w.Break = steps(sh(haproxyStop), write("/etc/haproxy/haproxy.cfg", replace(good, ":::80", ":::8080", ":::443", ":::8444")), sh(haproxyStart), listens(8444))
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Causes, w.Records = "family-missing-haproxy", "the name has an AAAA record, haproxy binds IPv4 only", ids("listener.family-missing"), bothFamilies
			w.Break = proxied(replace(good, ":::80 v4v6", ":80", ":::443 v4v6", "0.0.0.0:443"))
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Causes = "wedged-haproxy", "haproxy's process is stopped (SIGSTOP)", ids("backend.proxy-wedged")
			w.Break, w.Cure = sh("kill -STOP $(pgrep -x haproxy)"), sh("kill -CONT $(pgrep -x haproxy)")
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Causes = "wedged-apache", "all processes of Apache are stopped (SIGSTOP)", ids("backend.proxy-wedged")
			w.Needs, w.Setup = []string{"apache2"}, steps(apache(apacheSite("")), listens(443))
			w.Break, w.Cure = sh("kill -STOP $(pgrep -x apache2)"), sh("kill -CONT $(pgrep -x apache2)")
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "disk-full-inodes", "the file system on which the application writes has no inode left", 500, ids("capacity.disk-full")
			w.Needs = []string{"nginx", "php-fpm8.2"}
			save := "<?php $f = '/var/lib/shop/' . uniqid(); if (@file_put_contents($f, 'x') !== 1) { error_log('write of ' . $f . ' failed: No space left on device'); http_response_code(500); echo 'error'; exit; } unlink($f); echo \"hello\\n\";"
			w.Setup = steps(sh("mkdir -p /var/lib/shop; mount -t tmpfs -o size=2m,nr_inodes=50 tmpfs /var/lib/shop; chown www-data /var/lib/shop"), fpm(2, save), nginx(phpSite, 443))
			w.Break = sh("for i in $(seq 60); do touch /var/lib/shop/s$i 2>/dev/null || true; done")
			w.Cure = sh("rm /var/lib/shop/s*")
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Causes = "socket-permission", "php-fpm's socket is not nginx's to open", nil
			w.Undecided, w.Decides = true, nil
			w.Code, w.Needs = 502, []string{"nginx", "php-fpm8.2"}
			w.Setup = steps(fpm(2, helloPHP), nginx(phpSite, 443))
			w.Break, w.Cure = sh("chown root:root /run/php/php8.2-fpm.sock; chmod 600 /run/php/php8.2-fpm.sock"), sh("chown www-data:www-data /run/php/php8.2-fpm.sock; chmod 660 /run/php/php8.2-fpm.sock")
		}),
		{
			Name: "keepalive-race", Title: "the application ends connections that were used before when the next request comes; the visitor's request cannot be sent twice",
			Causes: ids("http.keepalive-race"), Stands: originward.Likely, Decides: outsideDecides, Needs: []string{"python3"}, Args: []string{"--watch", "12s"},
			Setup: steps(certified, app(443, "tls-race", "0.0.0.0")), Break: nothing,
		},
		{
			Name: "fd-limit-app", Title: "the application behind nginx has no file descriptor left", Causes: ids("capacity.fd-limit"),
			Decides: hostDecides, Needs: []string{"nginx", "python3", "curl"},
			Setup: steps(app(3000, "ok"), nginx(site(strings.Replace(toApp, "}", "proxy_read_timeout 120s; }", 1)), 443)),
			Break: steps(sh("prlimit --pid $(cat /run/app-3000.pid) --nofile=24"), keepAsking(30, "/slow"), sh("for i in $(seq 100); do [ $(ls /proc/$(cat /run/app-3000.pid)/fd | wc -l) -ge 24 ] && exit 0; sleep 0.1; done; exit 1")),
		},
	}
}
