package causes

import "github.com/originward/originward"

var outsideOrHost = []originward.Vantage{originward.Outside, originward.Host}

// deadOf are the causes of which a silent address can be the consequence.
var deadOf = ids("dns.stale-address", "dns.aaaa-unserved", "dns.duplicate-records", "dns.placeholder-without-route", "firewall.host.port-closed",
	"firewall.cloud.port-closed", "path.return-route-captured", "path.asymmetric-return", "path.provider-outage")

// pathCauses is family K: the network path.
func pathCauses() []Cause {
	return []Cause{
		{
			ID: "path.provider-outage", Family: "K", Title: "the provider's network or the machine is down", Codes: []int{522, 523, 521}, Where: atHosting,
			Needs: needs(needOutside("path", lookPath.How)), After: deadOf[:6], Judge: judgeProviderOutage,
			Doc: Doc{
				What:  "The hosting provider's network or facility fails, or the machine is off.",
				Looks: "522 or 523; nothing of the address answers.",
				Proof: "A trace ends inside the provider, and other customers fail too; likely at most from here.",
				Alike: []Alike{{"dns.stale-address", "the server is alive at another address"}, {"firewall.host.port-closed", "another port answers"}},
				Fix:   "Fail over; wait.", Prevent: "A second origin.",
			},
		},
		{
			ID: "path.transit-loss", Family: "K", Title: "packets are lost between the CDN and the origin", Codes: []int{522, 520, 524}, Where: inNetwork,
			Needs: needs(needVisit, needOutside("path", lookPath.How)), After: append(deadOf, "ban.edge-ip", "allowlist.stale", "firewall.host.range-blocked", "firewall.geo", "ban.blocklist-contains-cdn"), Judge: judgeTransitLoss,
			Doc: Doc{
				What:  "A transit or interconnect between CDN and origin loses packets or is congested.",
				Looks: "Some edge locations fail.",
				Proof: "Failure depends on the edge's place, direct from elsewhere works, and a trace shows loss at one network; likely at most.",
				Alike: []Alike{{"ban.edge-ip", "the failing address is in a ban set"}, {"allowlist.stale", "it lies in the gap of a list"}},
				Fix:   "Route around, another region, wait.", Prevent: "Watch from several places.",
			},
		},
		{
			ID: "path.ipv6-broken", Family: "K", Title: "the IPv6 path comes and goes", Codes: []int{522, 523, 521}, Where: inNetwork,
			Needs: needs(needOutside("", lookRepeat.How), needHost("", lookAddresses.How)), After: ids("dns.aaaa-unserved", "listener.family-missing", "firewall.host.port-closed"), Judge: judgeIPv6Broken,
			Doc: Doc{
				What:  "The IPv6 path to the origin flaps or is misrouted while IPv4 is fine.",
				Looks: "A share of the requests fails, at times.",
				Proof: "Repeated direct IPv6 probes fail at the same times, IPv4 does not, and the host has address, listener and an open filter.",
				Alike: []Alike{{"dns.aaaa-unserved", "always fails: the host has no such address"}, {"listener.family-missing", "refused at once"}},
				Fix:   "Switch the record to IPv4 or mend the stack.", Prevent: "Watch both families.",
			},
		},
		{
			ID: "path.asymmetric-return", Family: "K", Title: "replies leave by another way than requests come", Codes: []int{522}, Where: onTheHost,
			Needs: needs(needRoutes), Judge: judgeAsymmetric,
			Doc: Doc{
				What:  "Replies leave by another interface or gateway than the request came in on.",
				Looks: "522.",
				Proof: "The route of the reply names another interface, and the kernel's own look-up, or the reverse-path counter, shows the drop.",
				Alike: []Alike{{"path.return-route-captured", "only the CDN's ranges take the other way"}, {"firewall.host.port-closed", "a rule decides"}},
				Fix:   "Reply-to or policy routing, loose filtering.", Prevent: "A routing rule per address of the host.",
			},
		},
		{
			ID: "path.return-route-captured", Family: "K", Title: "a route takes replies to the CDN elsewhere", Codes: []int{523, 522}, Where: onTheHost,
			Needs: needs(needRoutes), Judge: judgeReturnCaptured,
			Doc: Doc{
				What:  "A route on the origin's side (a broad private route, a blackhole, unreachable or prohibit entry, a VPN) captures part of the CDN's public ranges.",
				Looks: "522, sometimes 523 or 521, for some edges.",
				Proof: "The kernel's route look-up for an edge address answers otherwise than for other addresses; the table entry is named.",
				Alike: []Alike{{"firewall.host.range-blocked", "the route is the usual one, and a rule decides"}},
				Fix:   "Remove the route, or add a more specific one for the CDN's range.", Prevent: "Never route 172.0.0.0/8 or the like into a VPN.",
			},
		},
		{
			ID: "path.mtu-blackhole", Family: "K", Title: "large packets vanish", Codes: []int{520, 524, 522}, Where: inNetwork,
			Needs: needs(needOutside("path", lookPath.How)), Judge: judgeMTUBlackhole,
			Doc: Doc{
				What:  "Large packets vanish, and no error returns.",
				Looks: "Small pages work, large ones hang; 520, 524, or 522 after the connect.",
				Proof: "Packets above a size are lost without an error, smaller ones pass; a clamp cures.",
				Alike: []Alike{{"tls.clienthello-split", "only the large ClientHello is lost"}, {"cdn.origin-timeout", "small answers are late too"}},
				Fix:   "Clamp the MSS or lower the MTU; allow ICMP.", Prevent: "Clamp on every tunnel.",
			},
		},
		{
			ID: "path.isp-port-block", Family: "K", Title: "web ports do not arrive", Codes: []int{522}, Where: atHosting,
			Needs: needs(needDirect, needHost("", lookAddresses.How)), Judge: judgeISPPortBlock,
			Doc: Doc{
				What:  "The access provider blocks inbound web ports, or the router or carrier's NAT never forwards them.",
				Looks: "522; other ports work.",
				Proof: "The SYN never reaches the router's outer side; likely at most from here, when the host stands behind a router and admits the edge.",
				Alike: []Alike{{"firewall.cloud.port-closed", "the host has the public address itself"}, {"firewall.host.port-closed", "the host's own ruleset decides"}},
				Fix:   "Change the provider's setting, use another port with a rule, or a tunnel.", Prevent: "A tunnel from home connections.",
			},
		},
	}
}
