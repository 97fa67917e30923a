package lab

import (
	"strings"

	"github.com/originward/originward"
)

// The vantages that decide: the place where the mechanism itself is seen.
var (
	hostDecides    = []originward.Vantage{originward.Host}
	outsideDecides = []originward.Vantage{originward.Outside}
	cdnDecides     = []originward.Vantage{originward.CDN}
)

func ids(all ...originward.CauseID) []originward.CauseID { return all }

// bothFamilies are the site's records with both families.
var bothFamilies = []originward.Record{
	{Type: originward.RecordA, Name: Site, Content: Origin4.String(), Proxied: true},
	{Type: originward.RecordAAAA, Name: Site, Content: Origin6.String(), Proxied: true},
}

// replace replaces pairs of strings in a configuration.
func replace(conf string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(conf) }

func listenerWorlds() []*World {
	all := append(noneWorlds(), rejectedWorlds()...)
	all = append(all, bindWorlds()...)
	return append(all, halfListeningWorlds()...)
}

func noneWorlds() []*World {
	none := World{Code: 521, Causes: ids("listener.none"), Decides: hostDecides}
	return []*World{
		none.with(func(w *World) {
			w.Name, w.Title, w.Needs = "listener-none-nginx-stopped", "nginx was stopped", []string{"nginx"}
			w.Setup, w.Break, w.Cure = healthyNginx, sh(nginxQuit), steps(sh("nginx"), listens(443))
		}),
		none.with(func(w *World) {
			w.Name, w.Title, w.Needs = "listener-none-apache-stopped", "Apache was stopped", []string{"apache2"}
			w.Setup, w.Break, w.Cure = apache(apacheSite("")), sh(apacheStop), steps(sh("apache2ctl start"), listens(443))
		}),
		none.with(func(w *World) {
			w.Name, w.Title, w.Needs = "listener-none-haproxy-killed", "haproxy was killed, the application behind it runs", []string{"haproxy", "python3"}
			w.Setup = steps(app(3000, "ok"), haproxy(haproxyConf("", haproxyApp)))
			w.Break = sh("kill -9 $(cat /run/haproxy.pid); " + ended("haproxy"))
			w.Cure = haproxy(haproxyConf("", haproxyApp))
		}),
		none.with(func(w *World) {
			w.Name, w.Title, w.Needs = "listener-none-lighttpd-stopped", "lighttpd was stopped, mode flexible", []string{"lighttpd"}
			w.SSL, w.Setup = originward.SSLFlexible, steps(lighttpd(""), listens(80))
			w.Break, w.Cure = sh("kill $(cat /run/lighttpd.pid); "+ended("lighttpd")), steps(lighttpd(""), listens(80))
		}),
		none.with(func(w *World) {
			w.Name, w.Title, w.Needs = "listener-none-app-killed", "an application that served https itself was killed", []string{"python3"}
			serve := steps(certified, app(443, "tls", "0.0.0.0"))
			w.Setup, w.Break, w.Cure = serve, sh(appStop(443)), serve
		}),
	}
}

func rejectedWorlds() []*World {
	rejected := World{Code: 521, Causes: ids("listener.config-rejected"), Decides: hostDecides, Needs: []string{"nginx"}, Setup: healthyNginx, Cure: cureNginx}
	return []*World{
		rejected.with(func(w *World) {
			w.Name, w.Title = "config-rejected-nginx-syntax", "a typo keeps nginx from starting"
			w.Break = restartNginx("server { listen 443 ssl; sever_name shop.example; }")
		}),
		rejected.with(func(w *World) {
			w.Name, w.Title = "config-rejected-nginx-upstream", "the name of an upstream does not resolve, so nginx does not start"
			w.Break = restartNginx(site("location / { proxy_pass http://app.internal.example:3000; }"))
		}),
		rejected.with(func(w *World) {
			w.Name, w.Title = "config-rejected-nginx-key", "the key file that nginx names is gone"
			w.Break = steps(sh(nginxQuit + "; mv /etc/ssl/shop.key /etc/ssl/shop.key.old; nginx || true"))
			w.Cure = steps(sh("mv /etc/ssl/shop.key.old /etc/ssl/shop.key; nginx"), listens(443))
		}),
		rejected.with(func(w *World) {
			w.Name, w.Title = "config-rejected-apache-key", "the key file that Apache names is gone"
			w.Needs, w.Setup = []string{"apache2"}, apache(apacheSite(""))
			w.Break = sh(apacheStop + "; mv /etc/ssl/shop.key /etc/ssl/shop.key.old; apache2ctl start || true")
			w.Cure = steps(sh("mv /etc/ssl/shop.key.old /etc/ssl/shop.key; apache2ctl start"), listens(443))
		}),
		rejected.with(func(w *World) {
			w.Name, w.Title = "config-rejected-haproxy", "haproxy does not know a keyword of its configuration"
			w.Needs = []string{"haproxy", "python3"}
			w.Setup = steps(app(3000, "ok"), haproxy(haproxyConf("", haproxyApp)))
			w.Break = steps(sh(haproxyStop), write("/etc/haproxy/haproxy.cfg", haproxyConf("no-such-keyword yes", haproxyApp)),
				sh("haproxy -db -f /etc/haproxy/haproxy.cfg >>/var/log/haproxy.log 2>&1 || true"))
			w.Cure = haproxy(haproxyConf("", haproxyApp))
		}),
		rejected.with(func(w *World) {
			w.Name, w.Title = "config-rejected-reload", "the reload that should open 443 was refused, nginx runs on with port 80 alone"
			w.Unhealthy = "443 was never opened"
			w.Setup = nginx("server { listen 80; server_name shop.example; return 200 \"hi\\n\"; }", 80)
			w.Break = steps(sh("mv /etc/ssl/shop.key /etc/ssl/shop.key.old"), nginxConf(nginxSite), sh("nginx -s reload || true"))
			w.Cure = steps(sh("mv /etc/ssl/shop.key.old /etc/ssl/shop.key; "+nginxReload), listens(443))
		}),
	}
}

func bindWorlds() []*World {
	bind := World{Code: 521, Causes: ids("listener.bind-failed"), Decides: hostDecides, Needs: []string{"nginx"}, Setup: healthyNginx, Cure: cureNginx}
	return []*World{
		bind.with(func(w *World) {
			w.Name, w.Title = "bind-failed-address", "nginx listens on an address that the host no longer has"
			w.Break = restartNginx(`server { listen 203.0.113.77:80; listen 203.0.113.77:443 ssl; server_name shop.example;
ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; return 200 "hi"; }`)
		}),
		bind.with(func(w *World) {
			w.Name, w.Title, w.Needs = "bind-failed-port-taken", "another program holds port 443 on loopback, so nginx cannot start", []string{"nginx", "python3"}
			w.Break = steps(sh(nginxQuit), app(443, "ok", "127.0.0.1"), sh("nginx || true"))
			w.Cure = steps(sh(appStop(443)), cureNginx)
		}),
		bind.with(func(w *World) {
			w.Name, w.Title = "bind-failed-ipv6-off", "IPv6 was switched off, and nginx listens on it too"
			w.Setup = nginx(replace(nginxSite, "[::]", "[2001:db8:a::10]"), 443)
			w.Break = sh(nginxQuit + "; sysctl -qw net.ipv6.conf.all.disable_ipv6=1; nginx || true")
			w.Cure = steps(sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=0; ip -6 addr replace 2001:db8:a::10/64 dev eth0 nodad; ip -6 route replace default via 2001:db8:a::1; nginx"), listens(443))
		}),
	}
}

func halfListeningWorlds() []*World {
	plain := `server { listen 80; listen [::]:80; server_name shop.example; return 200 "hi"; }`
	loop := World{Code: 521, Causes: ids("listener.loopback-only"), Decides: hostDecides, Cure: cureNginx}
	return []*World{
		{
			Name: "tls-port-missing-nginx", Title: "nginx serves port 80 only, and the CDN's mode asks for 443",
			Code: 521, Causes: ids("listener.tls-port-missing"), Decides: hostDecides,
			Needs: []string{"nginx"}, Unhealthy: "the site never had TLS",
			Setup: nginx(plain, 80), Cure: steps(reload(nginxSite), listens(443)),
		},
		{
			Name: "tls-port-missing-apache", Title: "Apache's TLS module is off",
			Code: 521, Causes: ids("listener.tls-port-missing"), Decides: hostDecides, Needs: []string{"apache2"},
			Setup: apache(apacheSite("")),
			Break: steps(apacheConf("ServerName origin\n<VirtualHost *:80>\nServerName shop.example\nDocumentRoot /var/www/shop\n</VirtualHost>\n"),
				sh(apacheStop+"; rm /etc/apache2/mods-enabled/ssl.*; apache2ctl start")),
			Cure: steps(sh(apacheStop), apache(apacheSite("")), listens(443)),
		},
		loop.with(func(w *World) {
			w.Name, w.Title, w.Needs = "loopback-only-nginx", "nginx listens on 127.0.0.1", []string{"nginx"}
			w.Setup, w.Break = healthyNginx, restartNginx(`server { listen 127.0.0.1:80; listen 127.0.0.1:443 ssl; server_name shop.example;
ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; return 200 "hi"; }`)
		}),
		loop.with(func(w *World) {
			w.Name, w.Title, w.Needs = "loopback-only-haproxy", "haproxy binds 127.0.0.1", []string{"haproxy", "python3"}
			good := haproxyConf("", haproxyApp)
			w.Setup = steps(app(3000, "ok"), haproxy(good))
			w.Break = steps(sh(haproxyStop), haproxy(replace(good, ":::443 v4v6", "127.0.0.1:443", ":::80 v4v6", "127.0.0.1:80")))
			w.Cure = steps(sh(haproxyStop), haproxy(good))
		}),
		{
			Name: "family-missing-ip6", Title: "the name has an AAAA record, nginx listens on IPv4 only",
			Causes: ids("listener.family-missing"), Decides: hostDecides, Needs: []string{"nginx"}, Records: bothFamilies,
			Setup: healthyNginx, Break: restartNginx(replace(nginxSite, "listen [::]:80;", "", "listen [::]:443 ssl;", "")), Cure: cureNginx,
		},
		{
			Name: "family-missing-ip4", Title: "nginx listens on [::] with ipv6only, the name has an A record too",
			Causes: ids("listener.family-missing"), Decides: hostDecides, Needs: []string{"nginx"}, Records: bothFamilies,
			Setup: healthyNginx, Break: restartNginx(replace(nginxSite, "listen 80;", "", "listen 443 ssl;", "")), Cure: cureNginx,
		},
		{
			Name: "wrong-port-nginx", Title: "nginx serves 8080 and 8444, the CDN goes to 443",
			Code: 521, Causes: ids("listener.wrong-port"), Decides: hostDecides, Needs: []string{"nginx"}, Setup: healthyNginx, Cure: cureNginx,
			Break: restartNginx(`server { listen 8080; listen 8444 ssl; server_name shop.example;
ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; return 200 "hi"; }`),
		},
		{
			Name: "wrong-port-app", Title: "the application listens on 3000 and no proxy stands before it",
			Code: 521, Causes: ids("listener.wrong-port"), Decides: hostDecides, Needs: []string{"python3"},
			Setup: app(3000, "ok", "0.0.0.0"), Unhealthy: "there never was a proxy",
		},
	}
}
