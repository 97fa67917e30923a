package lab

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/cdn"
)

func firewallWorlds() []*World {
	return append(portClosedWorlds(), append(rangeBlockedWorlds(), allowlistWorlds()...)...)
}

// firewalled is a world whose healthy nginx is cut off by a packet filter that
// break puts in place and cure takes away.
func firewalled(name, title string, code int, cause originward.CauseID, breaks, cure string, needs ...string) *World {
	return &World{
		Name: name, Title: title, Code: code, Causes: []originward.CauseID{cause}, Decides: hostDecides,
		Needs: append([]string{"nginx"}, needs...), Setup: healthyNginx, Break: sh(breaks), Cure: sh(cure),
	}
}

const nftFlush = "nft flush ruleset"

func portClosedWorlds() []*World {
	const closed = originward.CauseID("firewall.host.port-closed")
	return []*World{
		firewalled("port-closed-nft-drop", "nftables lets in ssh only and drops the rest", 522, closed, `nft -f - <<'N'
table inet filter { chain input { type filter hook input priority 0; policy drop;
  ct state established,related accept
  iif lo accept
  icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
  tcp dport 22 accept
} }
N`, nftFlush, "nft"),
		firewalled("port-closed-iptables-reject", "iptables rejects what is not ssh with its default answer", 521, closed,
			"for t in iptables ip6tables; do $t -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT; $t -A INPUT -i lo -j ACCEPT; $t -A INPUT -p tcp --dport 22 -j ACCEPT; $t -A INPUT -p tcp -j REJECT; done",
			"for t in iptables ip6tables; do $t -F INPUT; done", "iptables"),
		firewalled("port-closed-host-prohibited", "iptables rejects with host-prohibited, as some cloud images do", 523, closed,
			"iptables -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT; iptables -A INPUT -p icmp -j ACCEPT; iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited",
			"iptables -F INPUT", "iptables"),
		firewalled("port-closed-legacy", "iptables-legacy drops port 443 from everyone", 522, closed,
			"iptables-legacy -A INPUT -p tcp --dport 443 -j DROP", "iptables-legacy -F INPUT", "iptables-legacy"),
		firewalled("port-closed-ufw", "ufw is on and allows ssh only", 522, closed,
			"ufw allow 22/tcp && ufw --force enable", "ufw allow 80/tcp && ufw allow 443/tcp", "ufw"),
	}
}

func rangeBlockedWorlds() []*World {
	const blocked = originward.CauseID("firewall.host.range-blocked")
	all := strings.Join(prefixStrings(cdnRanges(originward.IP4)), ", ")
	return []*World{
		firewalled("range-blocked-nft-set-drop", "an nftables set drops every range of the CDN", 522, blocked,
			fmt.Sprintf("nft 'add table inet edgeban; add set inet edgeban bad { type ipv4_addr; flags interval; elements = { %s } }; add chain inet edgeban in { type filter hook input priority -10; }; add rule inet edgeban in ip saddr @bad tcp dport { 80, 443 } drop comment \"scanners\"'", all),
			"nft delete table inet edgeban", "nft"),
		firewalled("range-blocked-iptables-reset", "an iptables rule resets connections from every range of the CDN", 521, blocked,
			blockAll("iptables -I INPUT -s %s -p tcp -m multiport --dports 80,443 -j REJECT --reject-with tcp-reset"),
			"iptables -F INPUT", "iptables"),
		firewalled("range-blocked-legacy-drop", "iptables-legacy drops every range of the CDN in raw PREROUTING", 522, blocked,
			blockAll("iptables-legacy -t raw -A PREROUTING -s %s -p tcp --dport 443 -j DROP"),
			"iptables-legacy -t raw -F PREROUTING", "iptables-legacy"),
		firewalled("range-blocked-ipset-drop", "an ipset that iptables matches holds every range of the CDN", 522, blocked,
			"ipset create badnets hash:net; "+blockAll("ipset add badnets %s")+"; iptables -A INPUT -m set --match-set badnets src -j DROP",
			"iptables -F INPUT; ipset destroy badnets", "iptables", "ipset"),
		firewalled("range-blocked-output", "replies to the CDN are dropped on their way out", 522, blocked,
			blockAll("iptables -A OUTPUT -d %s -j DROP"), "iptables -F OUTPUT", "iptables"),
	}
}

func allowlistWorlds() []*World {
	allow := func(ps []netip.Prefix) string {
		return fmt.Sprintf(`nft -f - <<'N'
table inet lockdown {
  set cdn4 { type ipv4_addr; flags interval; %s }
  chain input { type filter hook input priority 0; policy accept;
    ct state established,related accept
    tcp dport { 80, 443 } ip saddr @cdn4 accept
    tcp dport { 80, 443 } drop
  } }
N`, elements(ps))
	}
	ranges := cdnRanges(originward.IP4)
	var stale []netip.Prefix
	for _, p := range ranges {
		if !p.Contains(Egress[0]) && !p.Contains(Egress[2]) {
			stale = append(stale, p)
		}
	}
	fresh := "nft delete table inet lockdown; " + allow(ranges)
	one := firewalled("allowlist-stale-nft", "the allow list for the CDN misses two ranges of today", 0, "allowlist.stale", allow(stale), fresh, "nft")
	two := firewalled("allowlist-emptied-nft", "the updater stored an empty allow list", 522, "allowlist.updater-emptied", allow(nil), fresh, "nft")
	return []*World{one, two}
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

func prefixStrings(ps []netip.Prefix) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.String())
	}
	return out
}

// blockAll writes one command for each IPv4 range of the CDN.
func blockAll(command string) string {
	var lines []string
	for _, p := range cdnRanges(originward.IP4) {
		lines = append(lines, fmt.Sprintf(command, p))
	}
	return strings.Join(lines, "; ")
}

// reload is a cure that puts a good nginx configuration in place.
func reload(http string) func(context.Context, *Stage) error {
	return func(ctx context.Context, s *Stage) error {
		if err := s.NginxConf(http); err != nil {
			return err
		}
		return s.Origin.Sh(ctx, "nginx -t && nginx -s reload")
	}
}
