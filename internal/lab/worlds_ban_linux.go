package lab

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
)

// fail2ban makes a step that runs the real fail2ban with one jail over nginx's
// log and bans some addresses by its own client.
func fail2ban(action string, ban ...netip.Addr) step {
	conf := fmt.Sprintf(`[DEFAULT]
banaction = %[1]s
banaction_allports = %[1]s
[sshd]
enabled = false
[nginx-http-auth]
enabled = true
backend = polling
port = http,https
logpath = /var/log/nginx/error.log
bantime = 3600
`, action)
	script := "mkdir -p /run/fail2ban /var/lib/fail2ban; touch /var/log/nginx/error.log; rm -f /etc/fail2ban/jail.d/*; fail2ban-server -b --logtarget /var/log/fail2ban.log >/dev/null; for i in $(seq 100); do fail2ban-client ping >/dev/null 2>&1 && fail2ban-client status nginx-http-auth >/dev/null 2>&1 && break; sleep 0.1; done"
	for _, a := range ban {
		script += "; fail2ban-client set nginx-http-auth banip " + a.String() + " >/dev/null"
	}
	// The client queues; the ban stands when the list shows it.
	if len(ban) > 0 {
		script += "; for i in $(seq 100); do fail2ban-client status nginx-http-auth | grep -q 'Currently banned:.*[1-9]' && break; sleep 0.1; done; sleep 0.3"
	}
	return steps(write("/etc/fail2ban/jail.local", conf), sh(script))
}

func unban(as ...netip.Addr) step {
	var b strings.Builder
	for _, a := range as {
		fmt.Fprintf(&b, "fail2ban-client set nginx-http-auth unbanip %s >/dev/null; ", a)
	}
	return sh(b.String() + "sleep 0.3")
}

// edges4 are the edge's IPv4 egress addresses.
func edges4() []netip.Addr {
	var out []netip.Addr
	for _, a := range Egress {
		if a.Is4() {
			out = append(out, a)
		}
	}
	return out
}

// crowdsecUp makes a step that gives CrowdSec and its firewall bouncer a fresh
// database and starts both, by the given script; they read nginx's log.
func crowdsecUp(mode, start string) step {
	return steps(
		write("/etc/crowdsec/acquis.yaml", "filenames:\n  - /var/log/nginx/access.log\nlabels:\n  type: nginx\n"),
		write("/etc/crowdsec/bouncers/crowdsec-firewall-bouncer.yaml.local", "mode: "+mode+"\napi_key: lab0123456789abcdef\nupdate_frequency: 2s\n"),
		sh("mkdir -p /var/log/nginx; touch /var/log/nginx/access.log; echo '# no central API' >/etc/crowdsec/online_api_credentials.yaml; rm -f /var/lib/crowdsec/data/crowdsec.db* /var/lib/crowdsec/pending-registration"+
			"; cscli --error machines add lab --auto --force; cscli --error bouncers add lab -k lab0123456789abcdef >/dev/null; "+start+
			"; for i in $(seq 100); do cscli lapi status >/dev/null 2>&1 && { nft list sets; ipset list -n; } 2>/dev/null | grep -q crowdsec-blacklists && exit; sleep 0.1; done; tail -n 5 /var/log/crowdsec*.log; exit 1"))
}

// crowdsecBanned waits until the bouncer has put every address of the edge into
// its set.
const crowdsecBanned = "; for i in $(seq 200); do n=0; for a in $B4; do { nft list sets; ipset save; } 2>/dev/null | grep -qw $a || n=1; done; [ $n = 0 ] && exit; sleep 0.1; done; cscli decisions list; exit 1"

// probed writes what nginx logs of a prober, from the edge's addresses: the
// visitors behind it are many, the address is one.
func probed(ctx context.Context, s *Stage) error {
	var b strings.Builder
	for _, a := range edges4() {
		for i := range 14 {
			fmt.Fprintf(&b, "echo \"%s - - [$(date '+%%d/%%b/%%Y:%%H:%%M:%%S %%z')] \\\"GET /gone-%d HTTP/1.1\\\" 404 153 \\\"-\\\" \\\"Mozilla/5.0\\\"\"; ", a, i)
		}
	}
	return s.Origin.Sh(ctx, "{ "+b.String()+"} >>/var/log/nginx/access.log")
}

func crowdsecWorlds() []*World {
	all := strings.Join(addrStrings(edges4()), " ")
	w := World{Causes: ids("ban.edge-ip"), Decides: hostDecides, Code: 522, Cure: sh("cscli --error decisions delete --all; sleep 3")}
	needs := []string{"nginx", "nft", "crowdsec", "cscli", "crowdsec-firewall-bouncer"}
	return []*World{
		w.with(func(w *World) {
			w.Name, w.Title, w.Needs = "ban-crowdsec", "an operator banned every address of the edge by CrowdSec's own client, and its bouncer drops them in nftables", needs
			w.Setup = steps(healthyNginx, crowdsecUp("nftables", "crowdsec -c /etc/crowdsec/config.yaml >/dev/null 2>&1 & for i in $(seq 100); do cscli lapi status >/dev/null 2>&1 && break; sleep 0.1; done; crowdsec-firewall-bouncer -c /etc/crowdsec/bouncers/crowdsec-firewall-bouncer.yaml >/dev/null 2>&1 & true"))
			w.Break = sh("B4='" + all + "'; for a in $B4; do cscli --error decisions add --ip $a --reason 'manual: too many requests'; done" + crowdsecBanned)
		}),
		w.with(func(w *World) {
			w.Name, w.Title, w.Systemd = "systemd-crowdsec", "CrowdSec's unit took the edge for a prober, and its bouncer drops it by iptables and an ipset", true
			w.Needs = append([]string{"iptables", "ipset", "dbus-daemon", "/lib/systemd/systemd"}, needs...)
			w.Setup = steps(unitNginx, crowdsecUp("iptables", "systemctl start crowdsec; systemctl start crowdsec-firewall-bouncer"))
			w.Break = steps(probed, sh("B4='"+all+"'"+crowdsecBanned))
		}),
	}
}

func banWorlds() []*World {
	return slices.Concat(toolBanWorlds(), crowdsecWorlds(), listBanWorlds(), limitWorlds())
}

func toolBanWorlds() []*World {
	const banned = originward.CauseID("ban.edge-ip")
	all := edges4()
	ban := World{Causes: ids(banned), Decides: hostDecides, Setup: healthyNginx}
	f2b := func(name, title, action string, code int, as ...netip.Addr) *World {
		return ban.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Needs = name, title, code, []string{"nginx", "fail2ban-server", "iptables", "nft"}
			w.Break, w.Cure = fail2ban(action, as...), unban(as...)
		})
	}
	crowd := strings.Join(addrStrings(all[:2]), ", ")
	return []*World{
		f2b("ban-fail2ban-reject", "fail2ban banned every address of the edge, with its default REJECT", "iptables-multiport", 521, all...),
		f2b("ban-fail2ban-drop", "fail2ban banned every address of the edge, with DROP", "iptables-multiport[blocktype=DROP]", 522, all...),
		f2b("ban-fail2ban-nft", "fail2ban banned every address of the edge in nftables", "nftables-multiport", 521, all...),
		f2b("ban-fail2ban-one", "fail2ban banned one address of the edge, the others get through", "iptables-multiport", 0, all[1]),
		f2b("ban-fail2ban-ipset", "fail2ban banned two addresses of the edge in an ipset", "iptables-ipset-proto6", 0, all[0], all[3]).with(func(w *World) { w.Needs = append(w.Needs, "ipset") }),
		ban.with(func(w *World) {
			w.Name, w.Title, w.Needs = "ban-crowdsec-nft", "CrowdSec's bouncer dropped two addresses of the edge (its table, by hand)", []string{"nginx", "nft"}
			w.Break = sh("nft 'add table ip crowdsec; add set ip crowdsec crowdsec-blacklists { type ipv4_addr; flags timeout; }; add chain ip crowdsec crowdsec-chain { type filter hook input priority -10; policy accept; }; add rule ip crowdsec crowdsec-chain ip saddr @crowdsec-blacklists drop; add element ip crowdsec crowdsec-blacklists { " + strings.ReplaceAll(crowd, ",", " timeout 4h,") + " timeout 4h }'")
			w.Cure = sh("nft delete table ip crowdsec")
		}),
		ban.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Needs = "ban-csf-deny", "CSF denied every address of the edge after failed logins (its chains and files, by hand)", 522, []string{"nginx", "iptables"}
			w.Break = steps(write("/etc/csf/csf.conf", "TESTING = \"0\"\nDROP = \"DROP\"\n"),
				write("/etc/csf/csf.deny", eachAddr(all, "%s # lfd: (htpasswd) Failed web page login from %[1]s: 5 in the last 300 secs - Sun Nov 22 07:00:00 2026\n")),
				sh("iptables -N LOCALINPUT; iptables -N DENYIN; iptables -A INPUT ! -i lo -j LOCALINPUT; iptables -A LOCALINPUT ! -i lo -j DENYIN; "+eachAddr(all, "iptables -A DENYIN -s %s ! -i lo -j DROP; ")))
			w.Cure = sh("iptables -F; : >/etc/csf/csf.deny")
		}),
	}
}

func listBanWorlds() []*World {
	fill := "{ echo create firehol_level1 hash:net maxelem 131072; for a in $(seq 1 200); do echo add firehol_level1 45.$a.0.0/16; done; echo add firehol_level1 162.158.0.0/15; echo add firehol_level1 104.16.0.0/12; } | ipset restore"
	return []*World{
		firewalled("blocklist-ipset", "a fetched block list in an ipset holds ranges of the CDN", 0, "ban.blocklist-contains-cdn",
			fill+"; iptables -A INPUT -m set --match-set firehol_level1 src -j DROP", "iptables -F INPUT", "iptables", "ipset"),
		firewalled("blocklist-nft", "a fetched block list in nftables holds addresses of the edge", 0, "ban.blocklist-contains-cdn",
			"{ echo 'table inet spamhaus { set drop_v4 { type ipv4_addr; flags interval; auto-merge; elements = {'; for a in $(seq 1 150); do echo \"46.$a.0.0/16,\"; done; echo '173.245.48.0/22, 172.64.0.0/16 } }; chain in { type filter hook prerouting priority -150; ip saddr @drop_v4 counter drop; }'; echo '}'; } | nft -f -",
			"nft delete table inet spamhaus", "nft"),
		{
			// 521 and 522 in turn: all connections come from one address, and the
			// kernel rejects one address only so often (icmp_ratelimit).
			Name: "proxy-hop-balancer", Title: "fail2ban banned the load balancer through which every visitor comes",
			Causes: ids("ban.proxy-hop"), Decides: hostDecides, Needs: []string{"nginx", "fail2ban-server", "iptables", "nft"},
			Records: []originward.Record{{Type: originward.RecordA, Name: Site, Content: Balancer.String(), Proxied: true}},
			Setup:   steps(balancer, healthyNginx),
			Break:   fail2ban("iptables-multiport", netip.MustParseAddr("10.9.0.1")),
			Cure:    unban(netip.MustParseAddr("10.9.0.1")),
		},
	}
}

// balancer makes the router a load balancer with an address of its own: it
// rewrites destination and source, so the origin sees 10.9.0.1 only.
func balancer(ctx context.Context, s *Stage) error {
	if err := s.Router.Sh(ctx, fmt.Sprintf(`ip addr add 10.9.0.1/24 dev up2; ip addr add %s/32 dev lo
nft -f - <<'N'
table ip lb {
  chain pre { type nat hook prerouting priority -100; ip daddr %[1]s tcp dport { 80, 443 } dnat to 10.9.0.2; }
  chain post { type nat hook postrouting priority 100; ip daddr 10.9.0.2 masquerade; }
}
N`, Balancer)); err != nil {
		return err
	}
	return s.Origin.Sh(ctx, "ip addr add 10.9.0.2/24 dev eth0; ip addr del 203.0.113.10/24 dev eth0; ip route replace default via 10.9.0.1")
}

func limitWorlds() []*World {
	limited := func(zone, use string) string {
		return zone + "\n" + site(use+"\nlocation / { try_files /none @hello; }\nlocation @hello { return 200 \"hi\\n\"; }\nroot /var/www/html;")
	}
	limit := World{Decides: hostDecides, Needs: []string{"nginx"}, Setup: healthyNginx, Cure: reload(nginxSite)}
	return []*World{
		limit.with(func(w *World) {
			w.Name, w.Title, w.Causes = "throttle-haproxy", "haproxy refuses clients with more than a few connections in two minutes, and an edge is one client", ids("ban.server-throttle")
			w.Needs = []string{"haproxy", "python3"}
			w.Setup = steps(app(3000, "ok"), haproxy(haproxyConf("", haproxyApp)))
			w.Break = steps(sh(haproxyStop), haproxy(haproxyConf("stick-table type ip size 100k expire 120s store conn_rate(120s)\n\ttcp-request connection track-sc0 src\n\ttcp-request connection reject if { sc_conn_rate(0) gt 25 }", haproxyApp)), untilRefused)
			w.Cure = steps(sh(haproxyStop), haproxy(haproxyConf("", haproxyApp)))
		}),
		limit.with(func(w *World) {
			w.Name, w.Title, w.Causes = "throttle-nginx-conn", "nginx limits connections per address, and an edge is one address", ids("ban.server-throttle")
			slow := strings.Replace(limited("limit_conn_zone $binary_remote_addr zone=perip:1m;", "limit_conn perip 1;"), "location / {", "location /slow { proxy_pass http://127.0.0.1:3000; }\nlocation / {", 1)
			w.Needs = append(w.Needs, "python3")
			w.Setup = steps(app(3000, "slow"), healthyNginx)
			w.Break = steps(reload(slow), holdAsEdge("/slow"))
		}),
		limit.with(func(w *World) {
			w.Name, w.Title, w.Causes = "shared-edge-nginx", "nginx limits requests per address and answers 429, so strangers behind one edge share a bucket", ids("ratelimit.shared-edge")
			w.Break = reload(limited("limit_req_zone $binary_remote_addr zone=perip:1m rate=1r/m;", "limit_req zone=perip; limit_req_status 429;"))
		}),
		{
			Name: "app-list-htaccess", Title: "a plugin of the site wrote the edge's ranges into .htaccess",
			Causes: ids("ban.app-plugin"), Decides: hostDecides, Needs: []string{"apache2"}, Setup: steps(apache(apacheSite("")), listens(443)),
			Break: write("/var/www/shop/.htaccess", "# BEGIN Wordfence Firewall\n<RequireAll>\nRequire all granted\n"+
				lines(cdnRanges(originward.IP4), "Require not ip %s")+"</RequireAll>\n# END Wordfence Firewall\n"), Code: 403,
			Cure: sh("rm /var/www/shop/.htaccess"),
		},
		{
			Name: "app-denies-edge", Title: "the application has banned the edge's addresses and says so on its page",
			Code: 403, Causes: ids("ban.app-plugin"), Stands: originward.Likely, Decides: []originward.Vantage{originward.Edge}, Needs: []string{"nginx", "php-fpm8.2"},
			Setup: steps(fpm(2, `<?php echo "hello\n";`), nginx(phpSite, 443)),
			Break: write("/var/www/shop/index.php", `<?php if (preg_match('/^(173\.245|162\.158|172\.64|104\.16)/', $_SERVER['REMOTE_ADDR'])) { http_response_code(403); exit('Blocked by the security plugin. Your address is '.$_SERVER['REMOTE_ADDR'].'.'); } echo "hello\n";`),
			Cure:  write("/var/www/shop/index.php", `<?php echo "hello\n";`),
		},
	}
}

func addrStrings(as []netip.Addr) []string {
	var out []string
	for _, a := range as {
		out = append(out, a.String())
	}
	return out
}

// eachAddr writes one text for each address.
func eachAddr(as []netip.Addr, format string) string {
	var b strings.Builder
	for _, a := range as {
		fmt.Fprintf(&b, format, a)
	}
	return b.String()
}
