package lab

import (
	"context"
	"net/netip"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/netns"
)

func pathWorlds() []*World {
	captured := World{Causes: ids("path.return-route-captured"), Decides: hostDecides, Needs: []string{"nginx"}, Setup: healthyNginx}
	return []*World{
		captured.with(func(w *World) {
			w.Name, w.Title = "route-blackhole", "a blackhole route swallows replies to two ranges of the CDN"
			w.Break = sh("ip route add blackhole 173.245.48.0/20; ip route add blackhole 172.64.0.0/13")
			w.Cure = sh("ip route del blackhole 173.245.48.0/20; ip route del blackhole 172.64.0.0/13")
		}),
		captured.with(func(w *World) {
			w.Name, w.Title = "route-unreachable-all", "unreachable routes refuse replies to every range of the CDN"
			w.Break, w.Cure = sh(blockAll("ip route add unreachable %s")), sh(blockAll("ip route del unreachable %s"))
		}),
		captured.with(func(w *World) {
			w.Name, w.Title = "route-vpn", "a VPN's broad route takes replies to 172.64.0.0/13 to a private next hop"
			w.Break = steps(vpn, sh("ip route add 172.0.0.0/8 via 10.66.0.1"))
			w.Cure = sh("ip route del 172.0.0.0/8")
		}),
		captured.with(func(w *World) {
			w.Name, w.Title = "route-prohibit-ip6", "a prohibit route refuses replies to the CDN's IPv6 ranges"
			w.Records, w.Break, w.Cure = bothFamilies, sh("ip -6 route add prohibit 2400:cb00::/32; ip -6 route add prohibit 2606:4700::/32"),
				sh("ip -6 route del prohibit 2400:cb00::/32; ip -6 route del prohibit 2606:4700::/32")
		}),
		{
			Name: "asymmetric-rpfilter", Title: "the default route leads out of a second interface, and the strict reverse-path filter drops what comes in on the first",
			Code: 522, Causes: ids("path.asymmetric-return"), Decides: hostDecides, Needs: []string{"nginx"}, Setup: healthyNginx,
			Break: steps(secondLink("10.67.0.1/24", "10.67.0.2/24", "eth1"), sh("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1; ip route replace default via 10.67.0.1")),
			Cure:  sh("ip route replace default via 203.0.113.1"),
		},
		{
			Name: "mtu-blackhole", Title: "the path carries 1,200 bytes at most and no error returns",
			Causes: ids("path.mtu-blackhole"), Decides: outsideDecides, Needs: []string{"nginx", "nft"},
			Setup: nginx(site("root /var/www/html;\nlocation / { try_files /big =404; }"), 443),
			Break: steps(sh("head -c 300000 /dev/zero | tr '\\0' x >/var/www/html/big; sed -i 's/ssl_certificate_key/ssl_protocols TLSv1.2 TLSv1.3;\\n\\tssl_certificate_key/' /etc/nginx/nginx.conf; "+nginxReload),
				routerSh("nft 'add table ip hole; add chain ip hole forwarding { type filter hook forward priority 0; }; add rule ip hole forwarding ip saddr 203.0.113.10 meta length > 1200 drop; add rule ip hole forwarding ip daddr 203.0.113.10 meta length > 1200 drop'")),
			Cure: routerSh(nftFlush), Unhealthy: "the page is written later",
		},
		{
			Name: "transit-loss", Title: "a network on the way loses everything from one address of the edge",
			Causes: ids("path.transit-loss"), Stands: originward.Likely, Decides: hostDecides, Needs: []string{"nginx", "nft"}, Setup: healthyNginx,
			Break: routerSh("nft 'add table ip loss; add chain ip loss forwarding { type filter hook forward priority 0; }; add rule ip loss forwarding ip saddr 172.64.9.10 drop'"),
			Cure:  routerSh(nftFlush),
		},
		{
			Name: "ipv6-flaps", Title: "the IPv6 path loses three connections of four, IPv4 is fine",
			Causes: ids("path.ipv6-broken"), Stands: originward.Likely, Decides: outsideDecides, Needs: []string{"nginx", "nft"},
			Setup: healthyNginx, Records: bothFamilies, Args: []string{"--watch", "20s"},
			Break: routerSh("nft 'add table ip6 flap; add chain ip6 flap forwarding { type filter hook forward priority 0; }; add rule ip6 flap forwarding ip6 daddr 2001:db8:a::10 tcp sport & 6 != 0 drop'"),
			Cure:  routerSh(nftFlush),
		},
		{
			Name: "provider-ddos", Title: "the provider's mitigation drops the CDN's packets before they come to the host", Undecided: true, Code: 522,
			Latent: ids("firewall.provider-ddos"), Needs: []string{"nginx", "nft"}, Setup: healthyNginx,
			Break: routerSh("nft 'add table ip shield; add chain ip shield forwarding { type filter hook forward priority 0; }; add rule ip shield forwarding ip saddr { " + join(prefixStrings(cdnRanges(originward.IP4))) + " } ip daddr 203.0.113.10 drop'"),
			Cure:  routerSh(nftFlush),
		},
		{
			Name: "mtu-device", Title: "a device on the way drops full segments of the host's answers and says nothing", Causes: ids("path.mtu-blackhole"), Decides: outsideDecides,
			Needs: []string{"apache2", "iptables"}, Setup: steps(apache(apacheSite("")), listens(443)), Unhealthy: "the page is written later",
			Break: steps(sh("head -c 200000 /dev/urandom | base64 >/var/www/shop/index.html"), routerSh("iptables -A FORWARD -s 203.0.113.10 -m length --length 1401:65535 -j DROP")),
			Cure:  routerSh("iptables -F FORWARD"),
		},
		{
			Name: "host-gone", Title: "the host's cable was pulled out, and the router before it says that there is no way", Causes: ids("path.provider-outage"), Stands: originward.Likely, Decides: outsideDecides,
			Needs: []string{"nginx"}, Setup: healthyNginx, Break: routerSh("ip link set up2 down"), Cure: routerSh("ip link set up2 up; ip addr replace 2001:db8:a::1/64 dev up2 nodad"),
		},
	}
}

// vpn gives the origin an interface to a network that leads nowhere else.
func vpn(_ context.Context, s *Stage) error {
	n, err := newNode("vpn")
	if err != nil {
		return err
	}
	s.more = append(s.more, n)
	p := netip.MustParsePrefix
	return netns.Connect(n.NS, netns.End{Link: "eth0", Addrs: []netip.Prefix{p("10.66.0.1/24")}}, s.Origin.NS, netns.End{Link: "tun0", Addrs: []netip.Prefix{p("10.66.0.2/24")}})
}

// secondLink makes a step that gives the origin a second interface to the
// router, which carries traffic for everything.
func secondLink(near, far, name string) step {
	return func(_ context.Context, s *Stage) error {
		p := netip.MustParsePrefix
		return netns.Connect(s.Router.NS, netns.End{Link: "second0", Addrs: []netip.Prefix{p(near)}}, s.Origin.NS, netns.End{Link: name, Addrs: []netip.Prefix{p(far)}})
	}
}
