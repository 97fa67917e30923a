package diagnose

import (
	"net/netip"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// rule is a deciding rule of the packet filter.
func rule(chain, text string) *fact.FirewallRule {
	return &fact.FirewallRule{Engine: "nft", Family: "inet", Table: "filter", Chain: chain, Handle: 14, Text: text, Remove: "nft delete rule inet filter " + chain + " handle 14", Restore: "nft add rule inet filter " + chain}
}

// gate replaces the packet filter's answer for both ports of the IPv4 origin.
func gate(w *bt.World, cdn, others []fact.FirewallSegment) *bt.World {
	w.Firewall.Answers = nil
	for _, p := range []uint16{80, 443} {
		w.Firewall.Answers = append(w.Firewall.Answers, fact.FirewallAnswer{Dst: bt.Origin4, Port: p, Family: originward.IP4, Iface: "eth0", CDN: cdn, Others: others})
	}
	return w
}

func segment(verdict, with string, r *fact.FirewallRule, ps ...netip.Prefix) fact.FirewallSegment {
	return fact.FirewallSegment{Ranges: ps, Verdict: verdict, With: with, Hook: "input", Rule: r}
}

// closed is a filter that turns everyone away.
func closed(w *bt.World, verdict, with string) *bt.World {
	r := rule("input", "drop")
	s := segment(verdict, with, r, bt.Ranges(originward.IP4)...)
	s.All = true
	o := bt.Everyone(originward.IP4, verdict, r)
	o.With = with
	return gate(w, []fact.FirewallSegment{s}, []fact.FirewallSegment{o})
}

var everyoneIn = []fact.FirewallSegment{bt.Everyone(originward.IP4, fact.VerdictAccept, nil)}

// cdnBlocked is a filter that turns every range of the CDN away by one rule.
func cdnBlocked(w *bt.World, verdict, with string, r *fact.FirewallRule) *bt.World {
	s := segment(verdict, with, r, bt.Ranges(originward.IP4)...)
	s.All = true
	return gate(w, []fact.FirewallSegment{s}, everyoneIn)
}

// partBlocked turns away only the range of one address of the edge.
func partBlocked(w *bt.World, verdict, with string, r *fact.FirewallRule) *bt.World {
	bad, rest := rangesOf(bt.Egress[0])
	return gate(w, []fact.FirewallSegment{segment(verdict, with, r, bad), segment(fact.VerdictAccept, "", nil, rest...)}, everyoneIn)
}

func rangesOf(a netip.Addr) (bad netip.Prefix, rest []netip.Prefix) {
	for _, p := range bt.Ranges(originward.IP4) {
		if p.Contains(a) {
			bad = p
		} else {
			rest = append(rest, p)
		}
	}
	return bad, rest
}

// edgeHalf makes the edge fail from its first address only.
func edgeHalf(w *bt.World, code int, t originward.FaultType) *bt.World {
	w.Edge(200, "", "")
	w.Visits, w.Record.Items = nil, nil
	to := netip.AddrPortFrom(bt.Origin4, 443)
	for i := range 6 {
		if i%2 == 0 {
			w.Hit(i, to, bt.Egress[0], code, originward.PhaseConnect, t)
		} else {
			w.Hit(i, to, bt.Egress[1], 200, "", "")
		}
	}
	return w
}

func dropped(w *bt.World) *bt.World {
	w.Swap(bt.Timeout(bt.Origin4, 80))
	return w.Drops(443)
}

func edgeOnly(w *bt.World, code int, t originward.FaultType) *bt.World {
	return w.Edge(code, originward.PhaseConnect, t)
}

func firewallCases() []broken {
	ban := &fact.FirewallRule{Engine: "nft", Family: "inet", Table: "f2b-table", Chain: "f2b-chain", Handle: 4, Set: "addr-set-nginx", Jail: "nginx-limit", Owner: "fail2ban", Text: "ip saddr @addr-set-nginx reject"}
	_ = ban
	return []broken{
		{name: "port closed, drop", want: ids("firewall.host.port-closed"), needs: hostNeeded, world: func() *bt.World {
			return dropped(closed(bt.Healthy(), fact.VerdictDrop, ""))
		}},
		{name: "port closed, reject", want: ids("firewall.host.port-closed"), needs: hostNeeded, world: func() *bt.World {
			w := closed(bt.Healthy(), fact.VerdictReject, "icmp port-unreachable")
			w.Swap(bt.Refused(bt.Origin4, 80))
			return w.Refuses(443)
		}},
		{name: "port closed, prohibited", want: ids("firewall.host.port-closed"), needs: hostNeeded, world: func() *bt.World {
			w := closed(bt.Healthy(), fact.VerdictReject, "icmp host-prohibited")
			w.Swap(bt.Unreachable(bt.Origin4, 80), bt.Unreachable(bt.Origin4, 443))
			return w.Edge(523, originward.PhaseConnect, originward.DestinationIPUnroutable)
		}},
		{name: "range blocked, reset", want: ids("firewall.host.range-blocked"), needs: hostNeeded, world: func() *bt.World {
			return edgeOnly(cdnBlocked(bt.Healthy(), fact.VerdictReject, "tcp-reset", rule("input", "ip saddr @bad reject")), 521, originward.ConnectionRefused)
		}},
		{name: "range blocked, part", want: ids("firewall.host.range-blocked"), needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			return edgeHalf(partBlocked(bt.Healthy(), fact.VerdictDrop, "", rule("input", "ip saddr 173.245.48.0/20 drop")), 522, originward.ConnectionTimeout)
		}},
		{name: "replies dropped", want: ids("firewall.host.range-blocked"), needs: hostNeeded, world: func() *bt.World {
			s := segment(fact.VerdictDrop, "", rule("output", "ip daddr @cdn drop"), bt.Ranges(originward.IP4)...)
			s.All, s.Reply, s.Hook = true, true, "output"
			return edgeOnly(gate(bt.Healthy(), []fact.FirewallSegment{s}, everyoneIn), 522, originward.ConnectionTimeout)
		}},
		{name: "unit denies", want: ids("firewall.host.range-blocked"), needs: hostNeeded, world: func() *bt.World {
			w := bt.Healthy()
			w.Services.Services[0].IPDeny = bt.Ranges(originward.IP4)
			return edgeOnly(w, 522, originward.ConnectionTimeout)
		}},
		{name: "allow list stale", want: ids("allowlist.stale"), needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			return edgeHalf(gap(bt.Healthy()), 522, originward.ConnectionTimeout)
		}},
		{name: "allow list emptied", want: ids("allowlist.updater-emptied"), needs: hostNeeded, world: func() *bt.World {
			w := closed(bt.Healthy(), fact.VerdictDrop, "")
			for i := range w.Firewall.Answers {
				w.Firewall.Answers[i].Sets = []fact.FirewallSet{{Engine: "nft", Name: "cdn4", Elements: 0, Accepts: fact.Yes}}
			}
			return dropped(w)
		}},
		{name: "allow list emptied, by its log", want: ids("allowlist.updater-emptied"), needs: hostNeeded, world: func() *bt.World {
			w := closed(bt.Healthy(), fact.VerdictDrop, "")
			w.Jobs.Jobs = []fact.Job{{Kind: "allowlist", Name: "cf-update", OK: fact.No, Errors: []fact.Place{{Text: "curl: (22) The requested URL returned error: 503"}}}}
			return dropped(w)
		}},
		{name: "allow list after real ip", want: ids("allowlist.after-real-ip"), needs: hostNeeded, world: func() *bt.World {
			w := bt.Healthy()
			w.Web[0].Sites[0].Refuses = []fact.SiteRefusal{{Everyone: true, Restored: fact.Yes, AllowsCDN: fact.Yes, Status: 403, By: fact.Place{File: "/etc/nginx/conf.d/shop.conf", Line: 9, Text: "deny all;"}}}
			w.Swap(bt.Status(bt.Origin4, 443, 403))
			return w.Edge(403, "", "")
		}},
		{name: "web allow list stale", want: ids("allowlist.stale"), needs: hostNeeded, world: func() *bt.World {
			w := bt.Healthy()
			bad, _ := rangesOf(bt.Egress[0])
			w.Web[0].Sites[0].Refuses = []fact.SiteRefusal{{Everyone: true, Ranges: []netip.Prefix{bad}, Restored: fact.No, AllowsCDN: fact.Yes, Status: 403, By: fact.Place{File: "/etc/nginx/conf.d/shop.conf", Line: 9, Text: "deny all;"}}}
			return w.Edge(403, "", "")
		}},
		{name: "hosts.deny", want: ids("firewall.tcp-wrappers"), needs: hostNeeded, world: func() *bt.World {
			w := bt.Healthy()
			w.Bans.Sources = append(w.Bans.Sources, fact.BanSource{Tool: "hosts.deny", State: fact.Yes, Enforced: fact.Yes, File: "/etc/hosts.deny", Total: 1, CDN: []fact.Ban{{Prefix: netip.MustParsePrefix("173.245.48.0/20"), CDN: "cloudflare", Place: fact.Place{File: "/etc/hosts.deny", Line: 3, Text: "ALL: 173.245.48.0/20"}}}})
			return w.Edge(520, originward.PhaseFirstByte, originward.ConnectionTerminated)
		}},
		{name: "docker forward closed", want: ids("firewall.docker.rules"), needs: hostNeeded, world: func() *bt.World {
			r := &fact.FirewallRule{Engine: "iptables-nft", Family: "ip", Table: "filter", Chain: "FORWARD", Policy: true, Owner: "docker"}
			s := segment(fact.VerdictDrop, "", r, bt.Ranges(originward.IP4)...)
			s.All, s.Hook, s.Redirect = true, "forward", netip.MustParseAddrPort("172.17.0.2:443")
			o := bt.Everyone(originward.IP4, fact.VerdictDrop, r)
			o.Hook, o.Redirect = "forward", s.Redirect
			w := noSocket(gate(bt.Healthy(), []fact.FirewallSegment{s}, []fact.FirewallSegment{o}), 80, 443)
			w.Services.Services, w.Web, w.Local = nil, nil, nil
			return dropped(w)
		}},
		{name: "geo set", want: ids("firewall.geo"), needs: hostNeeded, world: func() *bt.World {
			r := rule("input", "ip saddr @country_us drop")
			r.Set = "country_us"
			return edgeOnly(cdnBlocked(bt.Healthy(), fact.VerdictDrop, "", r), 522, originward.ConnectionTimeout)
		}},
		{name: "cloud firewall", want: ids("firewall.cloud.port-closed"), stands: originward.Likely, needs: hostNeeded, world: func() *bt.World {
			return dropped(bt.Healthy())
		}},
	}
}

// gap is an allow list that misses the range of one address of the edge.
func gap(w *bt.World) *bt.World {
	bad, rest := rangesOf(bt.Egress[0])
	drop := rule("input", "tcp dport { 80, 443 } drop")
	accept := rule("input", "ip saddr @cdn4 accept")
	accept.Handle, accept.Set = 13, "cdn4"
	return gate(w, []fact.FirewallSegment{segment(fact.VerdictDrop, "", drop, bad), segment(fact.VerdictAccept, "", accept, rest...)},
		[]fact.FirewallSegment{bt.Everyone(originward.IP4, fact.VerdictDrop, drop)})
}

func banRule(owner, jail, set string) *fact.FirewallRule {
	return &fact.FirewallRule{Engine: "nft", Family: "inet", Table: "f2b-table", Chain: "f2b-chain", Handle: 4, Set: set, Jail: jail, Owner: owner, Text: "ip saddr @" + set + " reject"}
}

func banCases() []broken {
	return []broken{
		{name: "fail2ban reject", want: ids("ban.edge-ip"), needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			return edgeHalf(partBlocked(bt.Healthy(), fact.VerdictReject, "icmp port-unreachable", banRule("fail2ban", "nginx-limit", "addr-set-nginx")), 521, originward.ConnectionRefused)
		}},
		{name: "crowdsec drop", want: ids("ban.edge-ip"), needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			return edgeHalf(partBlocked(bt.Healthy(), fact.VerdictDrop, "", banRule("crowdsec", "", "crowdsec-blacklists")), 522, originward.ConnectionTimeout)
		}},
		{name: "proxy hop banned", want: ids("ban.proxy-hop"), needs: hostNeeded, world: func() *bt.World {
			w := bt.Healthy()
			hop := netip.MustParsePrefix("10.0.0.5/32")
			r := banRule("fail2ban", "sshd", "addr-set-sshd")
			w.Bans.Sources = append(w.Bans.Sources, fact.BanSource{Tool: "fail2ban", Jail: "sshd", State: fact.Yes, Total: 1, Private: []fact.Ban{{Prefix: hop, Gateway: fact.Yes, Remove: "fail2ban-client set sshd unbanip 10.0.0.5"}}})
			o := append([]fact.FirewallSegment{segment(fact.VerdictReject, "icmp port-unreachable", r, hop)}, everyoneIn...)
			w = gate(w, []fact.FirewallSegment{{Ranges: bt.Ranges(originward.IP4), All: true, Verdict: fact.VerdictAccept}}, o)
			w.Swap(bt.Refused(bt.Origin4, 80))
			return w.Refuses(443)
		}},
		{name: "block list", want: ids("ban.blocklist-contains-cdn"), needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			r := rule("input", "ip saddr @firehol_level1 drop")
			r.Set = "firehol_level1"
			return edgeHalf(partBlocked(bt.Healthy(), fact.VerdictDrop, "", r), 522, originward.ConnectionTimeout)
		}},
		{name: "rate limit on the edge", want: ids("ratelimit.shared-edge"), needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			w := edgeHalf(bt.Healthy(), 429, "")
			for i := range w.Record.Items {
				w.Record.Items[i].Phase = ""
			}
			for i := range w.Visits {
				w.Visits[i].Phase = ""
			}
			w.Web[0].Limits = []fact.Limit{{Kind: "requests", Key: "$binary_remote_addr", Rate: "1r/s", Status: 429, PeerKey: fact.Yes, Place: fact.Place{File: "/etc/nginx/nginx.conf", Line: 20}}}
			w.Logs.Lines = []fact.LogLine{{Kind: fact.LogLimited, Source: "/var/log/nginx/error.log", Program: "nginx", At: bt.At, Count: 9, Client: bt.Egress[0], CDN: "cloudflare", Text: `limiting requests, excess: 5.0 by zone "one", client: 173.245.48.10`}}
			return w
		}},
		{name: "connection limit on the edge", want: ids("ban.server-throttle"), needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			w := edgeHalf(bt.Healthy(), 503, "")
			for i := range w.Record.Items {
				w.Record.Items[i].Phase = ""
			}
			w.Web[0].Limits = []fact.Limit{{Kind: "connections", Key: "$binary_remote_addr", Rate: "2", PeerKey: fact.Yes, Place: fact.Place{File: "/etc/nginx/nginx.conf", Line: 20}}}
			w.Logs.Lines = []fact.LogLine{{Kind: fact.LogLimited, Source: "/var/log/nginx/error.log", Program: "nginx", At: bt.At, Count: 9, Client: bt.Egress[0], CDN: "cloudflare", Text: `limiting connections by zone "addr"`}}
			return w
		}},
		{name: "htaccess denies the edge", want: ids("ban.app-plugin"), needs: hostNeeded, world: func() *bt.World {
			w := bt.Healthy()
			bad, _ := rangesOf(bt.Egress[0])
			w.Web[0].Sites[0].Refuses = []fact.SiteRefusal{{Ranges: []netip.Prefix{bad}, Restored: fact.No, Status: 403, By: fact.Place{File: "/var/www/shop/.htaccess", Line: 4, Text: "Require not ip 173.245.48.0/20"}}}
			return w.Edge(403, "", "")
		}},
	}
}
