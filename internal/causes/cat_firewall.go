package causes

// admitCauses is the first half of family B: ports and allow lists, by which the CDN is let in.
func admitCauses() []Cause {
	return []Cause{
		{
			ID: "firewall.host.port-closed", Family: "B", Title: "the host's firewall does not admit the port", Codes: []int{522, 521, 523}, Where: onTheHost,
			Needs: needs(needFirewall), After: ids("allowlist.updater-emptied", "firewall.docker.rules"), Judge: judgePortClosed,
			Doc: Doc{
				What:  "The host's firewall (ufw, firewalld, iptables, nftables, a distribution's default chain) does not admit the port, while the server listens.",
				Looks: "522 where it drops, 521 where it rejects with port-unreachable or a reset, 523 where it answers host- or admin-prohibited.",
				Proof: "The ruleset's exact answer turns away the CDN and everyone else alike; the deciding rule or policy is named.",
				Alike: []Alike{
					{"firewall.cloud.port-closed", "the host's own ruleset admits the port"}, {"listener.none", "no listener stands behind it"},
					{"firewall.host.range-blocked", "sources that are no edge get in"},
				},
				Fix:     "Admit http and https and save it: `ufw allow 443/tcp`, `firewall-cmd --permanent --add-service=https`, `iptables -I INPUT -p tcp --dport 443 -j ACCEPT`, or an nft rule before the drop.",
				Prevent: "Keep the ruleset in configuration management; check it with `originward host` after changes.",
			},
		},
		{
			ID: "firewall.cloud.port-closed", Family: "B", Title: "a firewall in front of the host does not admit the port", Codes: []int{522}, Where: atHosting,
			Needs: needs(needFirewall, needDirect), After: ids("path.isp-port-block"), Judge: judgeCloudPortClosed,
			Doc: Doc{
				What:  "A provider's firewall or security group in front of the host does not admit the port.",
				Looks: "522 for everyone; on the host everything is in order.",
				Proof: "The host listens and admits the port, a connect from outside stays unanswered, and a capture on the host never shows its SYN. Without the capture it is likely at most.",
				Alike: []Alike{{"firewall.host.port-closed", "the host's own ruleset decides"}, {"path.isp-port-block", "the host stands behind a router"}},
				Fix:   "Open the port in the provider's panel, both 80 and 443 if visitors use both.", Prevent: "Keep security groups beside the DNS records in one place.",
			},
		},
		{
			ID: "allowlist.stale", Family: "B", Title: "the allow list misses ranges of the CDN", Codes: []int{522, 521, 403}, Where: onTheHost,
			Needs: needs(needFirewall), After: ids("allowlist.updater-emptied"), Judge: judgeAllowStale,
			Doc: Doc{
				What:  "An allow list that admits only the CDN misses ranges that the CDN uses today.",
				Looks: "Some edges or regions fail, others work.",
				Proof: "The ruleset admits part of the CDN's ranges and meets the rest with what everyone meets; the failing edge address lies in the gap.",
				Alike: []Alike{{"ban.edge-ip", "the failing address is in a ban set, and everyone else gets in"}, {"path.transit-loss", "the list is whole"}},
				Fix:   "Write the list anew from the published ranges.", Prevent: "Refresh on a schedule; check with `originward ranges --check FILE`.",
			},
		},
		{
			ID: "allowlist.updater-emptied", Family: "B", Title: "the allow list was emptied by its updater", Codes: []int{522, 521}, Where: onTheHost,
			Needs: needs(needFirewall), Judge: judgeAllowEmptied,
			Doc: Doc{
				What:  "The script that refreshes the allow list stored an empty or partial list after a failed download.",
				Looks: "522 for everyone, from one minute to the next, often on the hour.",
				Proof: "The set or rule group by which sources are accepted holds nothing or next to nothing; the updater's log shows a failed fetch.",
				Alike: []Alike{{"allowlist.stale", "the list holds most ranges and misses some"}, {"firewall.host.port-closed", "no allow list exists"}},
				Fix:   "Fill the list again; let the updater refuse a list that is empty or much shorter than the last one.", Prevent: "Write to a new set, compare, then swap.",
			},
		},
		{
			ID: "allowlist.after-real-ip", Family: "B", Title: "the allow list judges visitors, not the edge", Codes: []int{403}, Where: onTheHost,
			Needs: needs(needWeb), Judge: judgeAfterRealIP,
			Doc: Doc{
				What:  "Allow and deny rules that were meant for the edge are asked about the visitor's address, which the server has restored before.",
				Looks: "403 for visitors, written by the origin.",
				Proof: "The configuration restores the visitor's address and then judges a list of the CDN's ranges.",
				Alike: []Alike{{"cdn.rule-blocks", "the edge wrote the 403, and the origin's log has no line"}},
				Fix:   "Judge the peer's address (`$realip_remote_addr`, `CONN_REMOTE_ADDR`), or enforce the list in the packet filter.", Prevent: "Keep CDN-only access in the packet filter.",
			},
		},
	}
}

// filterCauses is the second half of family B: what turns some sources away.
func filterCauses() []Cause {
	return []Cause{
		{
			ID: "firewall.host.range-blocked", Family: "B", Title: "the host's packet filter turns the CDN away", Codes: []int{521, 522, 523}, Where: onTheHost,
			Needs: needs(needFirewall), Judge: judgeRangeBlocked,
			Doc: Doc{
				What:  "A rule, set element or unit setting written on the host, by hand, by a panel or by configuration management, refuses or drops CDN ranges while the port is open to others.",
				Looks: "521 (reject), 522 (drop) or 523 (prohibit) for all or some edges; a direct connect works.",
				Proof: "The ruleset's exact answer for the CDN differs from that for others; the deciding rule is named.",
				Alike: []Alike{
					{"ban.edge-ip", "the rule is a ban tool's"}, {"firewall.geo", "the rule goes by country"},
					{"path.return-route-captured", "the packet filter admits the edge and the reply's route is captured"},
				},
				Fix:     "Remove or narrow the rule or element; accept the CDN's ranges before it.",
				Prevent: "Accept the CDN's ranges first in the chain, from a list that is refreshed.",
			},
		},
		{
			ID: "firewall.tcp-wrappers", Family: "B", Title: "hosts.deny refuses the edge", Codes: []int{520}, Where: onTheHost,
			Needs: needs(needHost("bans", lookBans.How)), Judge: judgeTCPWrappers,
			Doc: Doc{
				What:  "hosts.deny, or a library that does the same, refuses the edge's address after the connection was accepted.",
				Looks: "520: accepted and closed without a byte; a direct request works.",
				Proof: "hosts.allow and hosts.deny, evaluated for an edge address, deny it.",
				Alike: []Alike{{"http.close-without-response", "hosts.deny does not hold the edge"}},
				Fix:   "Allow the CDN's ranges in hosts.allow, or take the line out of hosts.deny.", Prevent: "Keep wrappers away from web ports.",
			},
		},
		{
			ID: "firewall.docker.rules", Family: "B", Title: "the published port's rules do not lead to the container", Codes: []int{522, 521, 523}, Where: onTheHost,
			Needs: needs(needFirewall), Judge: judgeDockerRules,
			Doc: Doc{
				What:  "Container publishing rules are lost or out of date: a firewall reload flushed them, or a rule names an old container address.",
				Looks: "522 from outside while the container works locally.",
				Proof: "The rewrite rule is missing, leads to an address that no container has, or the forward chain ends the connection.",
				Alike: []Alike{{"listener.none", "the engine's proxy still listens on the host, and local requests work"}},
				Fix:   "Restart the container engine after a firewall reload; allow by port, not by container address.", Prevent: "Reload firewalls in a way that spares the engine's chains.",
			},
		},
		{
			ID: "firewall.container-to-host", Family: "B", Title: "the host's firewall cuts a container off from the application", Codes: []int{502, 504}, Where: onTheHost,
			Needs: needs(needHost("", lookLogs.How)), Judge: judgeContainerToHost,
			Doc: Doc{
				What:  "The host's firewall drops traffic from the reverse-proxy container to the application on the host.",
				Looks: "502 or 504 written by the origin's own proxy.",
				Proof: "The kernel's log or the ruleset shows connections from a bridge turned away, and the proxy waits in vain.",
				Alike: []Alike{{"backend.down", "the connect is refused, not left waiting"}},
				Fix:   "Allow the bridge's subnet, or join both to one container network.", Prevent: "Put proxy and application into one network.",
			},
		},
		{
			ID: "firewall.geo", Family: "B", Title: "a rule by country judges the edge", Codes: []int{522, 403, 404}, Where: onTheHost,
			Needs: needs(Need{hostOnly, "firewall", lookFirewall.How}), Judge: judgeGeo,
			Doc: Doc{
				What:  "A geographic rule judges the edge's address instead of the visitor's.",
				Looks: "522 at packet level, 403 or 404 at application level, depending on which edge serves the visitor.",
				Proof: "The deciding rule or set goes by country, and it holds edge addresses.",
				Alike: []Alike{{"firewall.host.range-blocked", "the rule does not go by country"}},
				Fix:   "Exempt the CDN's ranges; apply country rules at the CDN or to the restored address.", Prevent: "Judge countries at the edge.",
			},
		},
		{
			ID: "firewall.provider-ddos", Family: "B", Title: "the provider filters the CDN's traffic", Codes: []int{522, 520, 521}, Where: atHosting,
			Needs: needs(needFirewall, needVisit), Judge: judgeProviderDDoS,
			Doc: Doc{
				What:  "The host's anti-DDoS or post-attack filtering drops or rejects the CDN's traffic.",
				Looks: "Failures begin with an attack or a peak of traffic; the host sees no packets.",
				Proof: "Only the provider's mitigation log proves it; from here it is possible at most, when the host admits the edge and direct connects work.",
				Alike: []Alike{{"path.transit-loss", "loss at one network in a trace"}, {"firewall.host.range-blocked", "the host's own ruleset decides"}},
				Fix:   "Ask the provider to exempt the CDN's ranges.", Prevent: "Choose a protection profile for proxied traffic.",
			},
		},
	}
}
