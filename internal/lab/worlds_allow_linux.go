package lab

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/originward/originward"
)

// nftAllow is an nftables allow list for the web ports.
func nftAllow(ps []netip.Prefix) string {
	return fmt.Sprintf(`nft -f - <<'N'
table inet lockdown {
  set cdn4 { type ipv4_addr; flags interval; %s }
  chain input { type filter hook input priority 0; policy accept;
    ct state established,related accept
    tcp dport { 80, 443 } ip saddr @cdn4 accept
    tcp dport { 80, 443 } drop
  }
}
N`, elements(ps))
}

// lines writes one line for each range.
func lines(ps []netip.Prefix, format string) string {
	var b strings.Builder
	for _, p := range ps {
		fmt.Fprintf(&b, format+"\n", p)
	}
	return b.String()
}

func allowlistWorlds() []*World {
	ranges := cdnRanges(originward.IP4)
	stale := without(ranges, Egress[0], Egress[2])
	fresh := "nft delete table inet lockdown; " + nftAllow(ranges)
	ipset := func(ps []netip.Prefix) string {
		return "ipset create cloudflare hash:net 2>/dev/null || ipset flush cloudflare; " + each(ps, "ipset add cloudflare %s")
	}
	lock := "; iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables -A INPUT -p tcp -m multiport --dports 80,443 -m set --match-set cloudflare src -j ACCEPT; iptables -A INPUT -p tcp -m multiport --dports 80,443 -j DROP"
	const old, emptied = originward.CauseID("allowlist.stale"), originward.CauseID("allowlist.updater-emptied")
	return append([]*World{
		firewalled("allowlist-stale-nft", "the allow list for the CDN misses two ranges of today", 0, old, nftAllow(stale), fresh, "nft"),
		firewalled("allowlist-stale-ipset", "the ipset of the CDN's ranges misses two of them", 0, old, ipset(stale)+lock, ipset(ranges), "iptables", "ipset"),
		firewalled("allowlist-stale-reject", "an allow list of iptables rules misses one range and rejects the rest", 0, old,
			"iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; "+
				each(without(ranges, Egress[1]), "iptables -A INPUT -s %s -p tcp --dport 443 -j ACCEPT")+"; iptables -A INPUT -p tcp --dport 443 -j REJECT",
			"iptables -I INPUT -s 162.158.0.0/15 -p tcp --dport 443 -j ACCEPT", "iptables"),
		firewalled("allowlist-emptied-nft", "the updater stored an empty allow list", 522, emptied, nftAllow(nil), fresh, "nft"),
		firewalled("allowlist-emptied-job", "the job that fills an ipset of any name got an error page, and left the set empty", 522, emptied,
			strings.ReplaceAll(ipset(nil)+lock, "cloudflare", "goodnets")+`; printf '#!/bin/sh\nipset flush goodnets\nfor r in $(curl -sf https://www.cloudflare.com/ips-v4); do ipset add goodnets $r; done\n' >/usr/local/bin/goodnets.sh; echo '0 4 * * * root /usr/local/bin/goodnets.sh >>/var/log/goodnets.log 2>&1' >/etc/cron.d/goodnets; echo "$(date -u '+%Y-%m-%d %H:%M:%S') curl: (22) The requested URL returned error: 503" >/var/log/goodnets.log`,
			strings.ReplaceAll(ipset(ranges), "cloudflare", "goodnets"), "iptables", "ipset"),
		firewalled("allowlist-emptied-ipset", "the updater emptied the ipset of the CDN's ranges", 522, emptied, ipset(nil)+lock, ipset(ranges), "iptables", "ipset"),
	}, webAllowWorlds()...)
}

// webAllowWorlds keep the list in the web server.
func webAllowWorlds() []*World {
	ranges := cdnRanges(originward.IP4)
	allow := func(ps []netip.Prefix) string { return lines(ps, "allow %s;") + "deny all;\n" }
	hello := "location / { try_files /none @hello; }\nlocation @hello { return 200 \"hi\\n\"; }"
	with := func(text string) string { return site(text + "root /var/www/html;\n" + hello) }
	realIP := lines(ranges, "set_real_ip_from %s;") + "real_ip_header CF-Connecting-IP;\n"
	return []*World{
		{
			Name: "allowlist-stale-nginx", Title: "nginx allows the CDN's ranges and misses two of them",
			Causes: ids("allowlist.stale"), Decides: hostDecides, Needs: []string{"nginx"},
			Setup: nginx(with(allow(ranges)), 443), Break: reload(with(allow(without(ranges, Egress[0], Egress[2])))), Cure: reload(with(allow(ranges))),
		},
		{
			Name: "after-real-ip-nginx", Title: "nginx allows the CDN only, and asks after it has restored the visitor's address",
			Code: 403, Causes: ids("allowlist.after-real-ip"), Decides: hostDecides, Needs: []string{"nginx"},
			Setup: nginx(with(allow(ranges)), 443), Break: reload(with(realIP + allow(ranges))), Cure: reload(with(allow(ranges))),
		},
		{
			Name: "after-real-ip-apache", Title: "Apache requires the CDN's ranges after mod_remoteip has restored the visitor",
			Code: 403, Causes: ids("allowlist.after-real-ip"), Decides: hostDecides, Needs: []string{"apache2"},
			Setup: steps(apache(apacheSite("")), listens(443)),
			Break: apacheReload(apacheSite("RemoteIPHeader CF-Connecting-IP\n" + lines(ranges, "RemoteIPTrustedProxy %s") +
				"<Location />\nRequire ip " + strings.Join(prefixStrings(ranges), " ") + "\n</Location>")),
			Cure: apacheReload(apacheSite("")),
		},
	}
}
