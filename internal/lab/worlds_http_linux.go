package lab

import (
	"github.com/originward/originward"
)

// configured is a world that a configuration of nginx breaks.
func configured(name, title string, code int, cause originward.CauseID, http string) *World {
	return &World{
		Name: name, Title: title, Code: code, Causes: ids(cause), Decides: hostDecides,
		Needs: []string{"nginx"}, Setup: healthyNginx, Break: reload(http), Cure: reload(nginxSite),
	}
}

const toApp = "location / { proxy_pass http://127.0.0.1:3000; }"

func httpWorlds() []*World {
	withApp := func(w *World, mode string) *World {
		w.Needs = append(w.Needs, "python3")
		w.Setup = steps(app(3000, mode), healthyNginx)
		return w
	}
	return []*World{
		configured("close-444-nginx", "nginx closes without an answer for this host", 520, "http.close-without-response", site("location / { return 444; }")),
		configured("close-444-default", "the name is in no server block, and the default one closes", 520, "http.close-without-response",
			`server { listen 80 default_server; listen 443 ssl default_server; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; return 444; }
server { listen 443 ssl; server_name www.shop.example; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; return 200 "hi"; }`),
		{
			Name: "close-haproxy-drop", Title: "a rule of haproxy drops requests silently",
			Code: 520, Causes: ids("http.close-without-response"), Decides: hostDecides, Needs: []string{"haproxy", "python3"},
			Setup: steps(app(3000, "ok"), haproxy(haproxyConf("", haproxyApp))),
			Break: steps(sh(haproxyStop), haproxy(haproxyConf("http-request reject if { hdr(CF-Ray) -m found }", haproxyApp))),
			Cure:  steps(sh(haproxyStop), haproxy(haproxyConf("", haproxyApp))),
		},
		withApp(configured("header-too-large-response", "the application's response head is larger than nginx takes", 502, "http.header-too-large", site(toApp)), "bighead"),
		{
			Name: "header-too-large-edge", Title: "the response head is larger than the edge takes",
			Code: 520, Causes: ids("http.header-too-large"), Decides: outsideDecides, Needs: []string{"python3"},
			Unhealthy: "the application is so from the start", Setup: steps(certified, app(443, "tls-bighead", "0.0.0.0")),
		},
		configured("proxy-protocol-nginx", "nginx expects the PROXY protocol, the edge does not speak it", 0, "http.proxy-protocol",
			replace(nginxSite, "443 ssl;", "443 ssl proxy_protocol;", "listen 80;", "listen 80 proxy_protocol;")),
		{
			Name: "proxy-protocol-haproxy", Title: "haproxy's bind line expects the PROXY protocol",
			Causes: ids("http.proxy-protocol"), Decides: hostDecides, Needs: []string{"haproxy", "python3"},
			Setup: steps(app(3000, "ok"), haproxy(haproxyConf("", haproxyApp))),
			Break: steps(sh(haproxyStop), haproxy(replace(haproxyConf("", haproxyApp), "shop-pair.pem", "shop-pair.pem accept-proxy"))),
			Cure:  steps(sh(haproxyStop), haproxy(haproxyConf("", haproxyApp))),
		},
		{
			Name: "healthy-keepalive-race", Title: "the application closes connections that the edge uses again; this edge asks again on a fresh one",
			Noisy: true, Break: nothing, Needs: []string{"python3"},
			Setup: steps(certified, app(443, "tls-race", "0.0.0.0")),
		},
		{
			Name: "h2-origin", Title: "haproxy offers h2 in the handshake and hands the bytes on to a server of http/1.1",
			Causes: ids("http.h2-origin"), Decides: outsideDecides, Needs: []string{"haproxy", "python3"},
			Setup: steps(app(3000, "ok"), haproxy(haproxyConf("", haproxyApp))),
			Break: steps(sh(haproxyStop), haproxy(replace(haproxyConf("", haproxyApp), "mode http", "mode tcp", "option httplog", "option tcplog", "shop-pair.pem", "shop-pair.pem alpn h2,http/1.1"))),
			Cure:  steps(sh(haproxyStop), haproxy(haproxyConf("", haproxyApp))),
		},
		withApp(configured("nested-timeouts", "nginx gives the application one second and the edge waits longer", 504, "http.nested-timeouts",
			site("location / { proxy_pass http://127.0.0.1:3000; proxy_read_timeout 1s; }")), "slow"),
	}
}

func backendWorlds() []*World {
	down := func(name, title string, change func(*World)) *World {
		w := configured(name, title, 502, "backend.down", nginxSite)
		change(w)
		return w
	}
	return []*World{
		down("backend-down-nginx", "nginx proxies to an application that does not run", func(w *World) {
			w.Needs = append(w.Needs, "python3")
			w.Setup = steps(app(3000, "ok"), nginx(site(toApp), 443))
			w.Break, w.Cure = sh(appStop(3000)), app(3000, "ok")
		}),
		down("backend-down-fpm", "php-fpm was stopped", func(w *World) {
			w.Needs = append(w.Needs, "php-fpm8.2")
			w.Setup = steps(fpm(2, helloPHP), nginx(phpSite, 443))
			w.Break = sh("kill $(cat /run/php/php8.2-fpm.pid); " + ended("php-fpm8.2"))
			w.Cure = fpm(2, helloPHP)
		}),
		down("backend-down-apache", "Apache proxies to an application that does not run", func(w *World) {
			w.Code, w.Needs = 503, []string{"apache2", "python3"}
			w.Setup = steps(app(3000, "ok"), apache(apacheSite("ProxyPass / http://127.0.0.1:3000/")), listens(443))
			w.Break, w.Cure = sh(appStop(3000)), steps(app(3000, "ok"), sh("apache2ctl graceful"))
		}),
		down("backend-down-haproxy", "the application behind haproxy does not run", func(w *World) {
			w.Code, w.Needs = 503, []string{"haproxy", "python3"}
			w.Setup = steps(app(3000, "ok"), haproxy(haproxyConf("", haproxyApp)))
			w.Break, w.Cure = sh(appStop(3000)), app(3000, "ok")
		}),
		down("backend-wrong-port", "nginx forwards to 3000, the application listens on 3001", func(w *World) {
			w.Causes, w.Needs = ids("backend.wrong-port"), append(w.Needs, "python3")
			w.Setup = steps(app(3001, "ok"), nginx(replace(site(toApp), ":3000", ":3001"), 443))
			w.Break, w.Cure = reload(site(toApp)), reload(replace(site(toApp), ":3000", ":3001"))
		}),
		down("backend-wrong-scheme", "nginx speaks http to a backend that speaks TLS", func(w *World) {
			w.Code, w.Causes, w.Needs = 0, ids("backend.wrong-port"), append(w.Needs, "python3")
			w.Setup = steps(healthyNginx, app(3000, "tls"))
			w.Break = reload(site(toApp))
		}),
		down("backend-stale-dns", "the application moved, nginx still dials the address its name had at start", func(w *World) {
			w.Code, w.Causes, w.Needs = 0, ids("backend.stale-upstream-dns"), append(w.Needs, "python3")
			w.Setup = steps(sh("ip addr add 10.7.0.1/32 dev lo; ip addr add 10.7.0.2/32 dev lo; echo 10.7.0.1 app.internal >>/etc/hosts"),
				app(3000, "ok", "10.7.0.1"), nginx(replace(site(toApp), "127.0.0.1:3000", "app.internal:3000"), 443))
			w.Break = steps(sh(appStop(3000)+"; sed -i 's/10.7.0.1 app/10.7.0.2 app/' /etc/hosts"), app(3000, "ok", "10.7.0.2"))
			w.Cure = sh(nginxReload)
		}),
		down("backend-wrong-resolution", "the backend's short name means a public address here", func(w *World) {
			w.Code, w.Causes = 0, ids("backend.wrong-resolution")
			w.Setup = steps(sh("echo 203.0.113.99 backend >>/etc/hosts"), healthyNginx)
			w.Break = reload(site("location / { proxy_pass http://backend:3000; proxy_connect_timeout 1s; }"))
		}),
		down("backend-wedged-stopped", "nginx's processes are stopped (SIGSTOP): the port stands open and nothing answers", func(w *World) {
			w.Code, w.Causes, w.Setup = 0, ids("backend.proxy-wedged"), healthyNginx
			w.Break = sh("kill -STOP $(pgrep -x nginx)")
			w.Cure = sh("kill -CONT $(pgrep -x nginx)")
		}),
		down("backend-crashed-fpm", "a PHP worker dies of a segmentation fault at every request", func(w *World) {
			w.Causes, w.Needs = ids("backend.crashed"), append(w.Needs, "php-fpm8.2", "curl")
			w.Setup = steps(fpm(2, helloPHP), nginx(phpSite, 443))
			// The opcode cache serves the page of before for two seconds more.
			w.Break = steps(write("/var/www/shop/index.php", "<?php posix_kill(posix_getpid(), 11); sleep(1);"), sh(untilStatus("502")))
			w.Cure = write("/var/www/shop/index.php", helloPHP)
		}),
	}
}
