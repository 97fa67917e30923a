package lab

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/cdn"
)

func firewallWorlds() []*World {
	all := append(portClosedWorlds(), rangeBlockedWorlds()...)
	return append(all, elsewhereWorlds()...)
}

// firewalled is a world whose healthy nginx is cut off by a packet filter that
// break puts in place and cure takes away.
func firewalled(name, title string, code int, cause originward.CauseID, breaks, cure string, needs ...string) *World {
	return &World{
		Name: name, Title: title, Code: code, Causes: ids(cause), Decides: hostDecides,
		Needs: append([]string{"nginx"}, needs...), Setup: healthyNginx, Break: sh(breaks), Cure: sh(cure),
	}
}

const nftFlush = "nft flush ruleset"

// nftInput is an input chain with a policy around some rules.
func nftInput(policy, rules string) string {
	return fmt.Sprintf(`nft -f - <<'N'
table inet filter { chain input { type filter hook input priority 0; policy %s;
  ct state established,related accept
  iif lo accept
  icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
  tcp dport 22 accept
  %s
}
}
N`, policy, rules)
}

func portClosedWorlds() []*World {
	const closed = originward.CauseID("firewall.host.port-closed")
	flush := "for t in iptables ip6tables; do $t -F INPUT; done"
	return []*World{
		firewalled("port-closed-nft-drop", "nftables lets in ssh only and drops the rest", 522, closed, nftInput("drop", ""), nftFlush, "nft"),
		firewalled("port-closed-nft-reject", "nftables rejects what it does not know with its default answer", 521, closed, nftInput("accept", "reject"), nftFlush, "nft"),
		firewalled("port-closed-nft-admin", "nftables rejects with admin-prohibited, as firewalld does", 523, closed, nftInput("accept", "reject with icmpx type admin-prohibited"), nftFlush, "nft"),
		firewalled("port-closed-nft-443", "nftables lets in port 80 and forgot 443", 522, closed, nftInput("drop", "tcp dport 80 accept"), nftFlush, "nft"),
		firewalled("port-closed-iptables-reject", "iptables rejects what is not ssh with its default answer", 521, closed,
			"for t in iptables ip6tables; do $t -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT; $t -A INPUT -i lo -j ACCEPT; $t -A INPUT -p tcp --dport 22 -j ACCEPT; $t -A INPUT -p tcp -j REJECT; done", flush, "iptables"),
		firewalled("port-closed-iptables-reset", "iptables resets connections to what is not ssh", 521, closed,
			"iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT; iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -A INPUT -p tcp -j REJECT --reject-with tcp-reset", flush, "iptables"),
		firewalled("port-closed-host-prohibited", "iptables rejects with host-prohibited, as some cloud images do", 523, closed,
			"iptables -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT; iptables -A INPUT -p icmp -j ACCEPT; iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited",
			"iptables -F INPUT", "iptables"),
		firewalled("port-closed-legacy", "iptables-legacy drops port 443 from everyone", 522, closed,
			"iptables-legacy -A INPUT -p tcp --dport 443 -j DROP", "iptables-legacy -F INPUT", "iptables-legacy"),
		firewalled("port-closed-policy", "the policy of iptables is DROP and port 443 was never opened", 522, closed,
			"iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT; iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables -P INPUT DROP",
			"iptables -P INPUT ACCEPT; iptables -F INPUT", "iptables"),
		firewalled("port-closed-ufw", "ufw is on and allows ssh only", 522, closed,
			"ufw allow 22/tcp && ufw --force enable", "ufw allow 80/tcp && ufw allow 443/tcp", "ufw"),
		firewalled("port-closed-ufw-reject", "ufw rejects by default", 521, closed,
			"ufw default reject incoming && ufw allow 22/tcp && ufw --force enable", "ufw allow 80/tcp && ufw allow 443/tcp", "ufw"),
		firewalled("port-closed-apache-nft", "nftables drops both web ports before Apache", 522, closed,
			nftInput("accept", "tcp dport { 80, 443 } counter drop"), nftFlush, "nft", "apache2").with(func(w *World) {
			w.Needs, w.Setup = []string{"nft", "apache2"}, steps(apache(apacheSite("")), listens(443))
		}),
	}
}

func rangeBlockedWorlds() []*World {
	const blocked = originward.CauseID("firewall.host.range-blocked")
	all := strings.Join(prefixStrings(cdnRanges(originward.IP4)), ", ")
	return []*World{
		firewalled("range-blocked-nft-set-drop", "an nftables set drops every range of the CDN", 522, blocked,
			fmt.Sprintf("nft 'add table inet edgeban; add set inet edgeban bad { type ipv4_addr; flags interval; elements = { %s } }; add chain inet edgeban in { type filter hook input priority -10; }; add rule inet edgeban in ip saddr @bad tcp dport { 80, 443 } drop comment \"scanners\"'", all),
			"nft delete table inet edgeban", "nft"),
		firewalled("range-blocked-nft-one-rule", "one nftables rule rejects one range of the CDN", 0, blocked,
			"nft 'add table ip f; add chain ip f in { type filter hook input priority 0; }; add rule ip f in ip saddr 173.245.48.0/20 tcp dport 443 reject with tcp reset'",
			"nft delete table ip f", "nft"),
		firewalled("range-blocked-nft-vmap", "a verdict map drops three ranges of the CDN", 0, blocked,
			"nft 'add table ip f; add map ip f who { type ipv4_addr : verdict; flags interval; elements = { 162.158.0.0/15 : drop, 172.64.0.0/13 : drop, 104.16.0.0/13 : drop } }; add chain ip f in { type filter hook prerouting priority -200; }; add rule ip f in tcp dport { 80, 443 } ip saddr vmap @who'",
			"nft delete table ip f", "nft"),
		firewalled("range-blocked-iptables-reset", "an iptables rule resets connections from every range of the CDN", 521, blocked,
			blockAll("iptables -I INPUT -s %s -p tcp -m multiport --dports 80,443 -j REJECT --reject-with tcp-reset"),
			"iptables -F INPUT", "iptables"),
		firewalled("range-blocked-iptables-admin", "iptables rejects every range of the CDN with admin-prohibited", 523, blocked,
			blockAll("iptables -I INPUT -s %s -p tcp --dport 443 -j REJECT --reject-with icmp-admin-prohibited"),
			"iptables -F INPUT", "iptables"),
		firewalled("range-blocked-legacy-drop", "iptables-legacy drops every range of the CDN in raw PREROUTING", 522, blocked,
			blockAll("iptables-legacy -t raw -A PREROUTING -s %s -p tcp --dport 443 -j DROP"),
			"iptables-legacy -t raw -F PREROUTING", "iptables-legacy"),
		firewalled("range-blocked-ipset-drop", "an ipset that iptables matches holds every range of the CDN", 522, blocked,
			"ipset create badnets hash:net; "+blockAll("ipset add badnets %s")+"; iptables -A INPUT -m set --match-set badnets src -j DROP",
			"iptables -F INPUT; ipset destroy badnets", "iptables", "ipset"),
		firewalled("range-blocked-output", "replies to the CDN are dropped on their way out", 522, blocked,
			blockAll("iptables -A OUTPUT -d %s -j DROP"), "iptables -F OUTPUT", "iptables"),
		firewalled("range-blocked-ufw", "ufw denies three ranges of the CDN before it allows the web", 0, blocked,
			"ufw allow 22/tcp; ufw allow 80/tcp; ufw allow 443/tcp; for r in 173.245.48.0/20 172.64.0.0/13 104.16.0.0/13; do ufw insert 1 deny from $r; done; ufw --force enable",
			"for r in 173.245.48.0/20 172.64.0.0/13 104.16.0.0/13; do ufw delete deny from $r; done", "ufw"),
		firewalled("range-blocked-ip6", "ip6tables drops the CDN's IPv6 ranges, IPv4 is open", 0, blocked,
			"for r in 2400:cb00::/32 2606:4700::/32 2803:f800::/32; do ip6tables -I INPUT -s $r -j DROP; done", "ip6tables -F INPUT", "ip6tables").with(func(w *World) { w.Records = bothFamilies }),
	}
}

// elsewhereWorlds are turned away somewhere else than in the host's own rules
// for the port.
func elsewhereWorlds() []*World {
	cloud := World{
		Code: 522, Causes: ids("firewall.cloud.port-closed"), Decides: hostDecides, Needs: []string{"nginx", "nft"},
		Setup: healthyNginx, Cure: routerSh(nftFlush),
	}
	return []*World{
		cloud.with(func(w *World) {
			w.Name, w.Title, w.Stands = "cloud-port-closed", "the provider's firewall before the host drops port 443", originward.Likely
			w.Break = routerSh("nft 'add table ip sg; add chain ip sg forwarding { type filter hook forward priority 0; }; add rule ip sg forwarding ip daddr 203.0.113.10 tcp dport 443 drop'")
		}),
		cloud.with(func(w *World) {
			w.Name, w.Title, w.Stands = "cloud-all-closed", "the provider's firewall admits ssh only", originward.Likely
			w.Break = routerSh("nft 'add table ip sg; add chain ip sg forwarding { type filter hook forward priority 0; }; add rule ip sg forwarding ip daddr 203.0.113.10 tcp dport != 22 drop'")
		}),
		{
			Name: "tcp-wrappers", Title: "hosts.deny names the CDN's ranges, and the server asks it after it has accepted",
			Code: 520, SSL: originward.SSLFlexible, Causes: ids("firewall.tcp-wrappers"), Decides: hostDecides, Needs: []string{"python3"},
			Setup: app(80, "wrapped", "0.0.0.0"), Cure: sh("sed -i d /etc/hosts.deny"),
			Break: write("/etc/hosts.deny", "# scanners\nALL: 173.245.48.0/255.255.240.0, 162.158.0.0/255.254.0.0\nALL: 172.64.0.0/255.248.0.0, 104.16.0.0/255.248.0.0\n"),
		},
		firewalled("geo-nft", "a set of a country's networks drops the edge, which stands there", 0, "firewall.geo",
			"nft 'add table inet geo; add set inet geo country_us { type ipv4_addr; flags interval; elements = { 3.0.0.0/8, 104.16.0.0/12, 172.64.0.0/13, 173.245.48.0/20, 162.158.0.0/15 } }; add chain inet geo in { type filter hook input priority -5; }; add rule inet geo in ip saddr @country_us drop'",
			"nft delete table inet geo", "nft"),
	}
}

func elements(ps []netip.Prefix) string {
	if len(ps) == 0 {
		return ""
	}
	return "elements = { " + strings.Join(prefixStrings(ps), ", ") + " }"
}

func cdnRanges(f originward.Family) []netip.Prefix {
	ranges, _ := cdn.Ranges(cdn.Cloudflare, f)
	return ranges
}

// without gives the ranges that hold none of the addresses.
func without(ps []netip.Prefix, as ...netip.Addr) []netip.Prefix {
	var out []netip.Prefix
next:
	for _, p := range ps {
		for _, a := range as {
			if p.Contains(a) {
				continue next
			}
		}
		out = append(out, p)
	}
	return out
}

func prefixStrings(ps []netip.Prefix) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.String())
	}
	return out
}

// each writes one command for each range.
func each(ps []netip.Prefix, command string) string {
	lines := []string{"true"} // a script of none is one
	for _, p := range ps {
		lines = append(lines, fmt.Sprintf(command, p))
	}
	return strings.Join(lines, "; ")
}

// blockAll writes one command for each IPv4 range of the CDN.
func blockAll(command string) string { return each(cdnRanges(originward.IP4), command) }
