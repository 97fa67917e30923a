package lab

import (
	"fmt"
	"strings"

	"github.com/originward/originward"
)

// secondWorlds are second ways to break what other worlds break: other
// software, another place, another shape of the same fault.
func secondWorlds() []*World {
	return append(append(secondServers(), secondFilters()...), secondVendors()...)
}

// gunicornApp is an application that hangs on demand, behind gunicorn.
const gunicornApp = `import time
def app(environ, start):
    if environ["PATH_INFO"].startswith("/slow"):
        time.sleep(600)
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"hello from gunicorn\n"]
`

// gunicorn makes a step that starts it on a port of every address.
func gunicorn(port uint16, more string) step {
	return steps(write("/opt/app/shop.py", gunicornApp),
		sh(fmt.Sprintf("cd /opt/app; setsid gunicorn -b 0.0.0.0:%d %s shop:app </dev/null >/var/log/gunicorn.log 2>&1 & echo $! >/run/gunicorn.pid", port, more)), listens(port))
}

// stunnelConf ends TLS before a server of plain http, and asks hosts.deny by its
// service's name.
const stunnelConf = `pid = /run/stunnel.pid
output = /var/log/stunnel.log
libwrap = yes
[shop]
accept = :::443
connect = 127.0.0.1:80
cert = /etc/ssl/shop.pem
key = /etc/ssl/shop.key
`

func secondServers() []*World {
	good := haproxyConf("", haproxyApp)
	behind := World{Decides: hostDecides, Needs: []string{"haproxy", "python3"}, Setup: steps(app(3000, "ok"), haproxy(good)), Cure: steps(sh(haproxyStop), haproxy(good))}
	get := "GET / HTTP/1.1\r\nHost: shop.example\r\n"
	const one = "-w 1 --backlog 2 -t 600"
	return []*World{
		{
			Name: "backlog-gunicorn", Title: "gunicorn's one worker hangs, and its short accept queue is full", Code: 522, SSL: originward.SSLFlexible,
			Causes: ids("capacity.accept-backlog"), Decides: hostDecides, Needs: []string{"gunicorn"},
			Setup: gunicorn(80, one), Break: hold(8, 80, "GET /slow HTTP/1.1\r\nHost: shop.example\r\n\r\n"), Cure: steps(release, sh("kill -9 $(pgrep gunicorn); sleep 0.2"), gunicorn(80, one)),
		},
		behind.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "ephemeral-ports-haproxy", "haproxy has no source port left towards its application", 503, ids("capacity.ephemeral-ports")
			w.Stands = originward.Likely // its log tells of a connect that failed, and not why
			w.Needs = append(w.Needs, "curl")
			slow := replace(good, "timeout server 2500ms", "timeout server 300s")
			w.Setup = steps(app(3000, "ok"), haproxy(slow))
			w.Break = steps(sh("sysctl -qw net.ipv4.ip_local_port_range='40000 40003'; sysctl -qw net.ipv4.tcp_tw_reuse=0"), keepAsking(6, "/slow"), sh(untilStatus("503")))
			w.Cure = sh("sysctl -qw net.ipv4.ip_local_port_range='32768 60999'")
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Causes = "flood-haproxy", "one network opens more connections than haproxy takes", ids("capacity.flood")
			w.Stands, w.Also = originward.Likely, ids("capacity.workers-exhausted")
			w.Setup = steps(app(3000, "ok"), haproxy(replace(good, "maxconn 256", "maxconn 1100", "timeout client 10s", "timeout client 300s")))
			w.Break, w.Cure = flood(1300, 80, get), release
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Causes = "workers-haproxy", "slow visitors hold all connections that haproxy takes", ids("capacity.workers-exhausted")
			w.Setup = steps(app(3000, "ok"), haproxy(replace(good, "maxconn 256", "maxconn 60", "timeout client 10s", "timeout client 300s")))
			w.Break, w.Cure = hold(90, 80, get), release
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "shared-edge-haproxy", "haproxy answers 429 to addresses that ask too often, and an edge is one address", 429, ids("ratelimit.shared-edge")
			w.Break = steps(sh(haproxyStop), haproxy(haproxyConf("stick-table type ip size 100k expire 120s store http_req_rate(120s)\n\thttp-request track-sc0 src\n\thttp-request deny deny_status 429 if { sc_http_req_rate(0) gt 1 }", haproxyApp)))
		}),
		behind.with(func(w *World) {
			w.Name, w.Title, w.Causes, w.Stands = "cert-not-yet-valid-haproxy", "haproxy's certificate is valid from tomorrow on: a wrong clock stamped it", ids("tls.clock-skew"), originward.Likely
			w.Code, w.SSL, w.Decides = 526, originward.SSLStrict, outsideDecides
			w.Break = steps(sh(haproxyStop), cert(CertSpec{NotBefore: ago(-day)}, true), haproxy(good))
			w.Cure = steps(sh(haproxyStop), cert(CertSpec{}, true), haproxy(good))
		}),
		{
			Name: "tcp-wrappers-stunnel", Title: "stunnel asks hosts.deny, which names the CDN's ranges for its service", Causes: ids("firewall.tcp-wrappers"),
			Decides: hostDecides, Needs: []string{"stunnel4", "nginx"},
			Setup: steps(certified, nginx("server { listen 127.0.0.1:80; listen [::1]:80; server_name shop.example; return 200 \"hi\\n\"; }", 80), write("/etc/stunnel/shop.conf", stunnelConf), sh("stunnel4 /etc/stunnel/shop.conf"), listens(443)),
			Break: write("/etc/hosts.deny", "shop: 173.245.48.0/255.255.240.0 162.158.0.0/255.254.0.0\nshop: 172.64.0.0/255.248.0.0 104.16.0.0/255.248.0.0\n"),
			Cure:  sh("sed -i d /etc/hosts.deny"),
		},
		{
			Name: "systemd-fpm-oom", Title: "php-fpm's children take more memory than the unit may have, and the kernel kills them", Code: 502, Systemd: true,
			Causes: ids("capacity.oom"), Decides: hostDecides, Needs: []string{"nginx", "php-fpm8.2", "dbus-daemon", "/lib/systemd/systemd"}, Also: ids("backend.crashed"),
			Setup: steps(unitFPM(helloPHP), unitNginx, reload(phpSite), memoryLimited("php8.2-fpm.service", 64<<20)),
			Break: steps(write("/var/www/shop/index.php", "<?php ini_set('memory_limit', '-1'); $a = str_repeat('x', 300 << 20); echo strlen($a);"), sh(untilStatus("502"))),
			Cure:  steps(write("/var/www/shop/index.php", helloPHP), sh("sleep 2.5")),
		},
	}
}

// unitFPM makes a step that starts php-fpm by its unit, with one script.
func unitFPM(script string) step {
	return steps(fpmFiles(2, script), sh("mkdir -p /run/php; systemctl start php8.2-fpm; "+fpmUp))
}

func secondFilters() []*World {
	return []*World{
		{
			Name: "container-to-host-ufw", Title: "ufw admits ssh and the web alone: the proxy container's connections to the application are dropped", Code: 504,
			Causes: ids("firewall.container-to-host"), Decides: hostDecides, Needs: []string{"nginx", "iptables", "ufw", "python3"},
			Setup: steps(app(3000, "ok", "0.0.0.0"), contained(site("location / { proxy_pass http://172.17.0.1:3000; proxy_connect_timeout 1s; }"))),
			Break: sh("ufw allow 22/tcp >/dev/null; ufw allow 80,443/tcp >/dev/null; ufw route allow proto tcp to any port 80,443 >/dev/null; ufw --force enable >/dev/null"), Cure: sh("ufw --force disable >/dev/null"),
		},
		{
			Name: "geo-nginx", Title: "nginx turns away visitors of a country, and takes the edge for one", Code: 403,
			Causes: ids("firewall.geo"), Decides: hostDecides, Needs: []string{"nginx"}, Setup: healthyNginx,
			Break: reload("geo $country { default DE; 173.245.48.0/20 US; 162.158.0.0/15 US; 172.64.0.0/13 US; 104.16.0.0/13 US; }\n" + site("location / { if ($country = US) { return 403; } return 200 \"hi\\n\"; }")), Cure: reload(nginxSite),
		},
		{
			Name: "proxy-hop-denied", Title: "a ban tool's set holds the load balancer through which every visitor comes", Causes: ids("ban.proxy-hop"), Decides: hostDecides,
			Needs:   []string{"nginx", "iptables", "ipset", "nft"},
			Records: []originward.Record{{Type: originward.RecordA, Name: Site, Content: Balancer.String(), Proxied: true}},
			Setup:   steps(balancer, healthyNginx),
			Break:   sh("ipset create crowdsec-blacklists hash:net timeout 14400; ipset add crowdsec-blacklists 10.9.0.1 timeout 14400; iptables -I INPUT -m set --match-set crowdsec-blacklists src -j DROP"),
			Cure:    sh("iptables -F INPUT; ipset destroy crowdsec-blacklists"),
		},
		{
			Name: "asymmetric-second-link", Title: "a newer default route sends replies out of a second interface, and the network behind it drops them", Code: 522,
			Causes: ids("path.asymmetric-return"), Stands: originward.Likely, Decides: hostDecides, Needs: []string{"nginx", "nft"}, Setup: healthyNginx,
			Break: steps(secondLink("10.67.0.1/24", "10.67.0.2/24", "eth1"), sh("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0; ip route replace default via 10.67.0.1"),
				routerSh("nft 'add table ip spoof; add chain ip spoof forwarding { type filter hook forward priority 0; }; add rule ip spoof forwarding iifname second0 ip saddr 203.0.113.0/24 drop'")),
			Cure: steps(sh("ip route replace default via 203.0.113.1"), routerSh(nftFlush)),
		},
		{
			Name: "sni-dropped", Title: "a device before the host drops handshakes that name the site, and says nothing", Causes: ids("tls.sni-filtered"), Stands: originward.Likely,
			Decides: outsideDecides, Needs: []string{"apache2", "iptables"}, Setup: steps(apache(apacheSite("")), listens(443)),
			Break: routerSh("iptables -A FORWARD -d 203.0.113.10 -p tcp --dport 443 -m string --string shop.example --algo bm -j DROP"), Cure: routerSh("iptables -F FORWARD"),
		},
		{
			Name: "transit-loss-two", Title: "a network on the way loses everything from two addresses of the edge", Causes: ids("path.transit-loss"), Stands: originward.Likely, Decides: hostDecides,
			Needs: []string{"apache2", "iptables"}, Setup: steps(apache(apacheSite("")), listens(443)),
			Break: routerSh("iptables -A FORWARD -s 172.64.9.10 -j DROP; iptables -A FORWARD -s 162.158.1.10 -j DROP"), Cure: routerSh("iptables -F FORWARD"),
		},
	}
}

func secondVendors() []*World {
	front := World{Needs: []string{"nginx"}, Unhealthy: "it is so from the start"}
	return []*World{
		front.with(func(w *World) {
			w.Name, w.Title = "port-unsupported-https", "visitors are sent to https on port 9443, which the CDN does not carry"
			w.URL, w.Causes, w.Decides = "https://shop.example:9443/", ids("cdn.port-unsupported"), cdnDecides
			w.Setup = nginx(nginxSite+"\nserver { listen 9443 ssl; server_name shop.example; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; return 200 \"hi\\n\"; }", 443, 9443)
		}),
		front.with(func(w *World) {
			w.Name, w.Title = "record-grey-dropped", "the record is DNS-only and the firewall drops visitors"
			w.Causes, w.Needs, w.Stands = ids("cdn.record-grey", "firewall.host.port-closed"), append(w.Needs, "nft"), originward.Likely
			w.Records = []originward.Record{{Type: originward.RecordA, Name: Site, Content: Origin4.String()}}
			w.Setup, w.Break = healthyNginx, sh(nftInput("drop", ""))
		}),
		front.with(func(w *World) {
			w.Name, w.Title, w.Code = "protocol-policy-https", "another CDN speaks http to an origin that serves https only", 502
			w.Causes, w.Stands, w.Front, w.SSL = ids("cdn.protocol-policy"), originward.Likely, otherEdge, originward.SSLFlexible
			w.Setup = steps(nginx(strings.NewReplacer("\tlisten 80;\n", "", "\tlisten [::]:80;\n", "").Replace(nginxSite), 443), otherVendor(502, map[string]string{
				"Server": "CloudFront", "X-Cache": "Error from cloudfront", "X-Amz-Cf-Id": "kJ0p3m9Yq0v7h2l5r8s1t4u6w9x1", "Via": "1.1 0123456789abcdef.cloudfront.net (CloudFront)",
			}, "<html><head><title>ERROR: The request could not be satisfied</title></head><body><h1>502 ERROR</h1>CloudFront wasn't able to connect to the origin.</body></html>"))
		}),
		{
			Name: "cached-missing", Title: "the edge keeps a 404 of a moment in which the page was away", Code: 404, Causes: ids("cdn.cached-error"), Decides: []originward.Vantage{originward.Edge},
			Needs: []string{"nginx", "curl"}, Warm: true, Zone: map[string]any{"cache": map[string]any{"level": "everything"}}, Unhealthy: "the first answer would be kept", Setup: healthyNginx,
			Break: steps(reload(site("location / { return 404; }")), visitOnce, reload(nginxSite)),
		},
	}
}
