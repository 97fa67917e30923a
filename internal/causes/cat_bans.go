package causes

import "github.com/originward/originward"

var hostOnly = []originward.Vantage{originward.Host}

// banCauses is family C: automatic bans and rate limits.
func banCauses() []Cause {
	return []Cause{
		{
			ID: "ban.edge-ip", Family: "C", Title: "a ban tool has banned addresses of the edge", Codes: []int{521, 522}, Where: onTheHost,
			Needs: needs(needFirewall), Judge: judgeEdgeBan,
			Doc: Doc{
				What:  "A ban tool (fail2ban, CrowdSec, a firewall manager) banned addresses of the edge, because the logs that it reads show the edge's address in place of the visitor's.",
				Looks: "521 where the action rejects, 522 where it drops; often some edges only, and it comes and goes with the ban time.",
				Proof: "The packet filter turns an edge address away by a rule or set of the tool, and others get in.",
				Alike: []Alike{
					{"listener.none", "a direct connect from an address that is not the CDN's is refused too"}, {"allowlist.stale", "the failing address lies in the gap of a list, in no ban set"},
					{"ratelimit.shared-edge", "there is a body with 429 or 503, not a connect that fails"},
				},
				Fix:     "Lift the ban (`fail2ban-client set JAIL unbanip ADDR`, `cscli decisions delete`), put the CDN's ranges on the ignore list, restore the visitor's address in the log.",
				Prevent: "Restore the visitor's address (real_ip, mod_remoteip), ignore the CDN's ranges, or let the tool ban at the CDN.",
			},
		},
		{
			ID: "ban.proxy-hop", Family: "C", Title: "a ban has hit the origin's own hop", Codes: []int{521, 522}, Where: onTheHost,
			Needs: needs(needFirewall), Judge: judgeProxyHop,
			Doc: Doc{
				What:  "The ban hit an internal hop (container bridge gateway, load balancer), which cuts off everyone.",
				Looks: "Everyone fails, through the edge and directly.",
				Proof: "The banned address is private, is the hop through which visitors come, and the packet filter turns it away.",
				Alike: []Alike{{"ban.edge-ip", "the banned address is an edge's"}},
				Fix:   "Lift the ban, ignore private ranges.", Prevent: "Keep the visitor's address through the hop; put private ranges on the ignore list.",
			},
		},
		{
			ID: "ban.blocklist-contains-cdn", Family: "C", Title: "a loaded block list contains the CDN", Codes: []int{522, 521}, Where: onTheHost,
			Needs: needs(needFirewall), Judge: judgeBlocklist,
			Doc: Doc{
				What:  "A public block list that the firewall loads contains addresses of the CDN.",
				Looks: "Some edges fail.",
				Proof: "The deciding set is a fetched list, and it holds ranges of the CDN.",
				Alike: []Alike{{"ban.edge-ip", "the set is a ban tool's own"}, {"firewall.host.range-blocked", "the set was written on the host"}},
				Fix:   "Take the CDN's ranges out when the list is loaded.", Prevent: "Subtract the CDN's ranges in the loader; accept them before the list.",
			},
		},
		{
			ID: "ban.server-throttle", Family: "C", Title: "the server's limit per client counts an edge as one", Codes: []int{520, 521, 503}, Where: onTheHost,
			Needs: needs(needHost("web_config", lookWeb.How)), Judge: judgeServerThrottle,
			Doc: Doc{
				What:  "The web server, a module or the packet filter limits connections per client address and counts an edge as one client.",
				Looks: "The first requests work, then they fail for a while.",
				Proof: "A limit keys on the connecting address, and the log names it with an edge's address.",
				Alike: []Alike{{"ratelimit.shared-edge", "it is a limit of requests, answered 429 or 503"}, {"capacity.workers-exhausted", "the limit is the server's own, not per client"}},
				Fix:   "Mark the CDN's ranges as trusted, or key on the visitor.", Prevent: "Restore the visitor's address before limits are judged.",
			},
		},
		{
			ID: "ban.app-plugin", Family: "C", Title: "the application denies the edge", Codes: []int{403, 520}, Where: onTheHost,
			Needs: needs(needHost("", lookBans.How)), Judge: judgeAppPlugin,
			Doc: Doc{
				What:  "An application's plugin, a script's deny list or .htaccess denies the edge's address.",
				Looks: "403 that the origin wrote.",
				Proof: "The list holds addresses of the edge, and the origin wrote the denial.",
				Alike: []Alike{{"cdn.rule-blocks", "the edge wrote the 403"}, {"allowlist.after-real-ip", "the rule judges the visitor"}},
				Fix:   "Let the application read the visitor's address from the CDN's header; exempt the CDN's ranges.", Prevent: "Configure the plugin for a site behind a CDN.",
			},
		},
		{
			ID: "ratelimit.shared-edge", Family: "C", Title: "a rate limit counts all visitors of an edge as one", Codes: []int{429, 503}, Where: onTheHost,
			Needs: needs(needWeb), Judge: judgeSharedEdge,
			Doc: Doc{
				What:  "A rate limit keys on the edge's address, so strangers share one bucket.",
				Looks: "429 or 503 alternates with 200 for the same visitor as edges change.",
				Proof: "The limiter's key is the connecting address, and its log names addresses of the edge.",
				Alike: []Alike{{"ban.edge-ip", "no connection at all instead of a body"}, {"cdn.rule-blocks", "the edge wrote the 429"}},
				Fix:   "Key on the visitor's address that the CDN names; trust by range, not by hop count.", Prevent: "Restore the visitor's address in the server.",
			},
		},
	}
}

var hostOrCDN = []originward.Vantage{originward.Host, originward.CDN}
