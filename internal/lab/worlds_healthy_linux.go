package lab

import (
	"net/netip"

	"github.com/originward/originward"
)

// healthyWorlds look broken somewhere and are not.
func healthyWorlds() []*World {
	calm := World{Noisy: true, Needs: []string{"nginx"}, Setup: healthyNginx, Break: nothing}
	noisy := func(name, title, noise string, needs ...string) *World {
		return calm.with(func(w *World) {
			w.Name, w.Title, w.Needs, w.Break = "healthy-"+name, title, append([]string{"nginx"}, needs...), sh(noise)
		})
	}
	ranges := cdnRanges(originward.IP4)
	all := append(ranges, cdnRanges(originward.IP6)...)
	return append([]*World{
		noisy("nginx", "nothing is wrong", "true"),
		noisy("drop-behind-accept", "rules that drop the CDN stand behind one that accepts the web ports",
			"nft 'add table ip f; add chain ip f in { type filter hook input priority 0; }; add rule ip f in tcp dport { 80, 443 } accept'; "+each(ranges, "nft add rule ip f in ip saddr %s drop"), "nft"),
		noisy("closed-but-web", "the firewall drops everything but ssh and the web", nftInput("drop", "tcp dport { 80, 443 } accept"), "nft"),
		noisy("lockdown", "the firewall admits the CDN and ssh only: a probe from elsewhere is dropped",
			nftInput("drop", "tcp dport { 80, 443 } ip saddr { "+join(prefixStrings(ranges))+" } accept"), "nft"),
		noisy("other-port-ban", "the CDN's ranges are dropped on other ports",
			"nft 'add table ip f; add chain ip f in { type filter hook input priority 0; }; add rule ip f in ip saddr { "+join(prefixStrings(ranges))+" } tcp dport { 22, 25, 3306 } drop'", "nft"),
		noisy("stray-rst", "the firewall logged bare RST and late FIN packets of the edge",
			`for i in 1 2 3 4 5; do echo "$(date -u '+%b %d %H:%M:%S') origin kernel: [12345.6] [UFW BLOCK] IN=eth0 OUT= MAC=02:00 SRC=173.245.48.10 DST=203.0.113.10 LEN=40 TOS=0x00 PREC=0x00 TTL=58 ID=0 DF PROTO=TCP SPT=51234 DPT=443 WINDOW=0 RES=0x00 RST URGP=0"; done >>/var/log/kern.log; cp /var/log/kern.log /var/log/ufw.log`).with(func(w *World) { w.Latent = ids("lookalike.stray-rst") }),
		noisy("old-log", "the logs hold yesterday's failures",
			`d=$(date -u -d yesterday '+%Y/%m/%d %H:%M:%S'); for i in $(seq 50); do echo "$d [error] 77#77: *$i connect() failed (111: Connection refused) while connecting to upstream, client: 173.245.48.10, server: shop.example, request: \"GET / HTTP/1.1\", upstream: \"http://127.0.0.1:3000/\", host: \"shop.example\""; echo "$d [alert] 77#77: *$i 256 worker_connections are not enough"; done >>/var/log/nginx/error.log`),
		noisy("other-service-stopped", "a service that is not the web server has stopped, and another web server is installed and off",
			"mkdir -p /run/php; php-fpm8.2 --daemonize; sleep 0.2; kill -9 $(pgrep php-fpm) || true", "php-fpm8.2"),
		noisy("no-ip6", "the host has no IPv6, and no AAAA record is published", "sysctl -qw net.ipv6.conf.all.disable_ipv6=1"),
		noisy("other-route", "blackhole routes for networks that are no edge's", "ip route add blackhole 45.0.0.0/8; ip route add unreachable 10.0.0.0/8"),
		noisy("other-listener", "an application listens on a port that is nobody's business", "python3 -m http.server 3000 --bind 0.0.0.0 >/dev/null 2>&1 & sleep 0.5", "python3"),
		noisy("logged-visitor-bans", "a block list holds addresses that are no edge's, many of them",
			"ipset create firehol_level1 hash:net maxelem 131072; for a in $(seq 1 200); do echo add firehol_level1 45.$a.0.0/16; done | ipset restore; iptables -A INPUT -m set --match-set firehol_level1 src -j DROP", "ipset", "iptables"),
	}, append(healthySetups(calm, all), healthyTools(calm)...)...)
}

func join(parts []string) string {
	out := ""
	for i, p := range parts {
		if i > 0 {
			out += ", "
		}
		out += p
	}
	return out
}

// healthySetups are sites that are set up in ways that can be mistaken.
func healthySetups(calm World, all []netip.Prefix) []*World {
	expired := CertSpec{NotBefore: ago(91 * day), NotAfter: ago(day)}
	realIP := lines(all, "set_real_ip_from %s;") + "real_ip_header CF-Connecting-IP;\nlimit_req_zone $binary_remote_addr zone=perip:1m rate=100r/s;\n"
	return []*World{
		calm.with(func(w *World) {
			w.Name, w.Title, w.Setup, w.Needs = "healthy-apache", "nothing is wrong with Apache", steps(apache(apacheSite("")), listens(443)), []string{"apache2"}
		}),
		calm.with(func(w *World) {
			w.Name, w.Title, w.Needs = "healthy-haproxy", "nothing is wrong with haproxy and its application", []string{"haproxy", "python3"}
			w.Setup = steps(app(3000, "ok"), haproxy(haproxyConf("", haproxyApp)))
		}),
		calm.with(func(w *World) {
			w.Name, w.Title, w.SSL, w.Needs = "healthy-flexible-lighttpd", "mode flexible and a lighttpd on port 80 alone", originward.SSLFlexible, []string{"lighttpd"}
			w.Setup = steps(lighttpd(""), listens(80))
		}),
		calm.with(func(w *World) {
			w.Name, w.Title = "healthy-expired-full", "the certificate has expired, and mode full does not look at it"
			w.Setup = steps(cert(expired, true), healthyNginx)
		}),
		calm.with(func(w *World) {
			w.Name, w.Title = "healthy-self-signed-full", "the certificate is self-signed for another name, and mode full does not look at it"
			w.Setup = steps(cert(CertSpec{SelfSigned: true, Names: []string{"localhost"}}, false), healthyNginx)
		}),
		calm.with(func(w *World) {
			w.Name, w.Title, w.SSL = "healthy-strict", "mode strict and a good certificate", originward.SSLStrict
		}),
		calm.with(func(w *World) {
			w.Name, w.Title, w.Records, w.SSL = "healthy-both-families", "both families are published and served", bothFamilies, originward.SSLStrict
		}),
		calm.with(func(w *World) {
			w.Name, w.Title = "healthy-real-ip", "the visitor's address is restored, and the limit counts visitors"
			w.Setup = nginx(realIP+site("limit_req zone=perip burst=50;\nroot /var/www/html;\nlocation / { try_files /none @hello; }\nlocation @hello { return 200 \"hi\\n\"; }"), 443)
		}),
		calm.with(func(w *World) {
			w.Name, w.Title = "healthy-default-444", "the default server closes, the site has a block of its own"
			w.Setup = nginx("server { listen 80 default_server; listen 443 ssl default_server; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; return 444; }\n"+nginxSite, 443)
		}),
		calm.with(func(w *World) {
			w.Name, w.Title, w.Needs = "healthy-backend", "nginx before an application, one of whose spare backends is off", []string{"nginx", "python3"}
			w.Setup = steps(app(3000, "ok"), nginx("upstream app { server 127.0.0.1:3000; server 127.0.0.1:3001 backup; }\n"+site("location / { proxy_pass http://app; }"), 443))
		}),
		calm.with(func(w *World) {
			w.Name, w.Title = "healthy-redirect-www", "the site redirects to www, which is served too"
			w.Setup = nginx(replace(nginxSite, "location / { return 200 \"hello from the origin\\n\"; }", "location / { return 301 https://www.shop.example/welcome; }", "server_name shop.example www.shop.example;", "server_name shop.example;")+
				"\n"+replace(nginxSite, "server_name shop.example www.shop.example;", "server_name www.shop.example;"), 443)
			w.Records = append(record(Origin4.String()), originward.Record{Type: originward.RecordA, Name: "www." + Site, Content: Origin4.String(), Proxied: true})
		}),
		calm.with(func(w *World) {
			w.Name, w.Title, w.Needs = "healthy-busy", "the host is busy and answers", []string{"nginx"}
			w.Break = sh("for i in 1 2; do timeout 20 sh -c 'while :; do :; done' >/dev/null 2>&1 & done; sleep 0.2")
		}),
	}
}

// healthyTools run the tools that ban and filter, with nothing against the CDN.
func healthyTools(calm World) []*World {
	return []*World{
		calm.with(func(w *World) {
			w.Name, w.Title, w.Needs = "healthy-fail2ban", "fail2ban banned addresses that are no edge's", []string{"nginx", "fail2ban-server", "iptables"}
			w.Break = fail2ban("iptables-multiport", netip.MustParseAddr("45.9.148.3"), netip.MustParseAddr("185.220.101.7"), netip.MustParseAddr("198.51.100.99"))
		}),
		calm.with(func(w *World) {
			w.Name, w.Title, w.Needs = "healthy-ufw", "ufw is on and allows the web", []string{"nginx", "ufw"}
			w.Break = sh("ufw allow 22/tcp; ufw allow 80,443/tcp; ufw --force enable")
		}),
		calm.with(func(w *World) {
			w.Name, w.Title, w.Needs = "healthy-allowlist", "an allow list of the CDN's ranges is whole", []string{"nginx", "nft"}
			w.Break = sh(nftAllow(cdnRanges(originward.IP4)))
		}),
	}
}
