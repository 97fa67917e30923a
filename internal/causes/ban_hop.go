package causes

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// hop is a banned address of the host's own surroundings.
type hop struct {
	ban  fact.Ban
	tool string
	name string
	by   []string
	rule *fact.FirewallRule
}

// bannedHops lists private addresses that a tool has banned, and those, or public
// ones of the host's own network, that a ban rule of the packet filter turns away.
func (v *View) bannedHops(l *Leg) []hop {
	var out []hop
	for _, it := range v.bans {
		for _, s := range it.Fact.Sources {
			if s.State == fact.No || !packetTool(s) && !hasAny(s.Tool, "ipset", "nft", "ufw", "firewalld") {
				continue
			}
			for _, b := range s.Private[:min(len(s.Private), maxShown)] {
				if !b.Prefix.Addr().IsLoopback() {
					out = append(out, hop{b, s.Tool, s.Jail, []string{it.ID}, nil})
				}
			}
		}
	}
	g := v.Gate(l)
	for _, s := range g.Others.Blocked {
		if s.Rule == nil || !v.banRule(s.Rule) {
			continue
		}
		for _, p := range s.Ranges {
			if (p.Addr().IsPrivate() || v.neighbour(p.Addr())) && p.IsSingleIP() && !slices.ContainsFunc(out, func(h hop) bool { return h.ban.Prefix.Overlaps(p) }) && len(out) < maxShown {
				out = append(out, hop{fact.Ban{Prefix: p}, banner(s.Rule), s.Rule.Jail, g.By, s.Rule})
			}
		}
	}
	return out
}

// neighbour reports whether an address lies in a network that the host is attached to.
func (v *View) neighbour(a netip.Addr) bool {
	for _, it := range v.addresses {
		for _, i := range it.Fact.Interfaces {
			if slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return !p.IsSingleIP() && p.Contains(a) }) {
				return true
			}
		}
	}
	return false
}

// isHop answers whether a banned address is one through which visitors come: a
// bridge gateway, a load balancer, the peer of the connections.
func (v *View) isHop(h hop, l *Leg) Ans {
	if to, by := v.redirectOf(l); to.IsValid() && h.ban.Prefix.Contains(to.Addr()) {
		return Yes("connections to "+l.String()+" are handed on to "+to.String(), by...)
	}
	if h.ban.Gateway == fact.Yes {
		return Yes(addrText(h.ban.Prefix)+" is a bridge gateway or load balancer of this host", h.by...)
	}
	for _, it := range v.routes {
		for _, g := range it.Fact.Groups {
			if g.Gateway.IsValid() && h.ban.Prefix.Contains(g.Gateway) {
				return Yes(g.Gateway.String()+" is the host's next hop", it.ID)
			}
		}
	}
	for _, it := range v.addresses {
		for _, i := range it.Fact.Interfaces {
			for _, p := range i.Addrs {
				if p.Addr() == h.ban.Prefix.Addr() {
					return Yes(p.Addr().String()+" is the host's own address on "+i.Name, it.ID)
				}
			}
		}
	}
	seen, all, by := 0, 0, []string(nil)
	lines, ids := v.Lines(nil, fact.LogStatus, fact.LogDenied, fact.LogLimited)
	for _, x := range lines {
		if x.Client.IsValid() {
			all += max(x.Count, 1)
			if h.ban.Prefix.Contains(x.Client.Unmap()) {
				seen += max(x.Count, 1)
				by = ids
			}
		}
	}
	if all > 0 && seen*2 > all {
		return Yes("most requests in the log come from "+addrText(h.ban.Prefix), by...)
	}
	if a, ok := v.egressIs(h.ban.Prefix); ok {
		return Yes("the edge connects from "+a.String(), v.egressBy()...)
	}
	if h.ban.Gateway == fact.No {
		return No("it is no gateway or load balancer of this host", h.by...)
	}
	return Unseen(lookRoutes)
}

func (v *View) egressIs(p netip.Prefix) (netip.Addr, bool) {
	for _, a := range v.Egress {
		if p.Contains(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// hopBlocked answers whether the packet filter turns the banned address away.
func (v *View) hopBlocked(h hop, l *Leg) Ans {
	g := v.Gate(l)
	if !g.Seen {
		return Unseen(lookFirewall)
	}
	s, ok := g.SourceSeg(h.ban.Prefix.Addr())
	if !ok {
		return Unseen(lookFirewall)
	}
	bad := s.Verdict == fact.VerdictDrop || s.Verdict == fact.VerdictReject
	for _, o := range v.Legs {
		// What the hop sends comes to a port of the host's own, not to the one it
		// was handed on from.
		x, ok := v.Gate(o).SourceSeg(h.ban.Prefix.Addr())
		if !bad && ok && s.Redirect.IsValid() && x.Rule != nil && v.banRule(x.Rule) && (x.Verdict == fact.VerdictDrop || x.Verdict == fact.VerdictReject) {
			s, bad = x, true
		}
	}
	return when(bad, addrText(h.ban.Prefix)+": "+s.Verdict+" by "+ruleText(s), g.By...)
}

// limited is a per-client limit of a web server that counts the edge as one
// client.
type limited struct {
	leg   *Leg
	item  fact.Item[fact.WebConfig]
	limit fact.Limit
}

// peerLimits lists the limits of the site that key on the connecting address.
func (v *View) peerLimits(requests bool) []limited {
	var out []limited
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		for _, it := range v.Live() {
			for _, m := range it.Fact.Limits {
				if m.PeerKey == fact.Yes && m.Exempts != fact.Yes && (m.Kind == "requests" && !evasive(m)) == requests && m.Kind != "workers" &&
					(m.Site == "" || v.siteIs(it.Fact, m.Site, l.Port)) && servesPort(it.Fact, l.Port) && len(out) < maxItems {
					out = append(out, limited{l, it, m})
				}
			}
		}
	}
	return out
}

// evasive reports whether a limit is one of those that shut a client out for a
// while (mod_evasive, mod_qos), which act like a ban of the edge.
func evasive(m fact.Limit) bool {
	return hasAny(m.Name+m.Key+m.Place.Text, "evasive", "dospage", "dossite", "qs_")
}

// siteIs reports whether a label, the names of a virtual host as the
// configuration has them, may be that of the virtual host which answers. A
// label without a host name in it ("frontend web") says nothing.
func (v *View) siteIs(w fact.WebConfig, label string, port uint16) bool {
	s, _, ok := siteFor(w, v.Host, port)
	if !ok || len(s.Names) == 0 {
		return true
	}
	named := false
	for _, word := range strings.Fields(strings.ReplaceAll(label, ",", " ")) {
		word = bareName(word)
		if slices.Contains(s.Names, word) || nameMatches(word, v.Host) {
			return true
		}
		named = named || strings.Contains(word, ".") || word == "_"
	}
	return !named
}

// bareName is the name in a site's label as a Caddyfile writes it, with scheme,
// port and path.
func bareName(word string) string {
	if _, rest, ok := strings.Cut(word, "://"); ok {
		word = rest
	}
	word, _, _ = strings.Cut(word, "/")
	if host, port, ok := strings.Cut(word, ":"); ok && !strings.Contains(port, ":") {
		word = host
	}
	return word
}

func servesPort(w fact.WebConfig, port uint16) bool {
	return len(w.Listens) == 0 || listensOn(w.Listens, port)
}

// limitCode is what a refused visitor sees.
func limitCode(m fact.Limit) int {
	if m.Status != 0 {
		return m.Status
	}
	return 503
}

// judgeServerThrottle: the web server limits connections per client and counts
// an edge as one client.
func judgeServerThrottle(v *View) []Verdict {
	out := v.limitVerdicts("ban.server-throttle", v.peerLimits(false),
		"the web server limits connections per client, and an edge is one client to it", 503, 520, 521, 525, 403, 429)
	return append(out, v.packetThrottle()...)
}

func judgeSharedEdge(v *View) []Verdict {
	out := v.limitVerdicts("ratelimit.shared-edge", v.peerLimits(true),
		"a rate limit counts all visitors of an edge as one", 429, 503)
	told := v.toldByApp("ratelimit.shared-edge", fact.LogLimited, "the application's rate limit counts all visitors of an edge as one", v.fixAppLimit())
	if len(out)+len(told) > 0 {
		return append(out, told...)
	}
	return v.limitedAlone()
}

func (v *View) fixAppLimit() *originward.Fix {
	return fix("Let the application count by the visitor whom the CDN names, and trust that header from the CDN's ranges only.", v.restoreVisitor(),
		onHost("in the application: trust the proxy's header for the visitor's address (for example Express: app.set('trust proxy', …); Django: SECURE_PROXY / django-ipware; Rails: trusted_proxies)", ""))
}

// limitedAlone judges a 429 of the origin's that the edge gets and a visitor who
// comes directly does not: what counts, counts the edge.
func (v *View) limitedAlone() []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No {
			continue
		}
		fails, keys := v.Fails(l, 429)
		if !fails.IsYes() {
			continue
		}
		c := newCase("ratelimit.shared-edge", l.Subject()).Explains(keys...)
		c.Must("Do visitors through the edge get 429?", fails)
		c.Ask("Did the edge pass the origin's answer on?", v.passedOn(429), originward.RuledOut, originward.Possible)
		c.Ask("Is a source that is no edge served at the same time?", v.othersServed(l), originward.Possible, originward.Possible)
		c.Ask("Is it seen on the host what counts, and by which address?", Unseen(lookLogs), originward.Likely, originward.Likely)
		c.Says("the origin limits the edge, and not who comes directly", "Visitors through the edge get 429, which the origin wrote, while a source that is no edge is served: a limit on the origin counts the edge's address.")
		f := v.fixAppLimit()
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

func (v *View) limitVerdicts(id originward.CauseID, ls []limited, title string, codes ...int) []Verdict {
	var out []Verdict
	for _, x := range ls {
		want := append([]int{limitCode(x.limit)}, codes...)
		fails, keys := v.Fails(x.leg, want...)
		subj := x.leg.Subject()
		subj.File, subj.Line, subj.Name = x.limit.Place.File, x.limit.Place.Line, x.limit.Name
		c := newCase(id, subj).Explains(keys...)
		worst := originward.Likely
		if fails.IsNo() {
			worst = originward.Possible
		}
		c.Ask("Are visitors refused with this limit's answer?", fails, worst, originward.Likely)
		c.Must("Does the limit count by the connecting address?", Yes("the limit at "+at(x.limit.Place)+" counts by "+firstOf(x.limit.Key, "the connecting address"), x.item.ID))
		hit := v.limitHit(x)
		c.Ask("Did it refuse an address of the edge?", hit, originward.Possible, originward.Likely)
		if !fails.IsYes() && !hit.IsYes() {
			c.AtMost(originward.Possible, "nobody was seen to meet the limit")
		}
		c.Says(title, "The limit at "+at(x.limit.Place)+" ("+firstOf(x.limit.Rate, x.limit.Kind)+") counts by the connecting address, which is the edge's: strangers share one bucket.")
		f := fix("Count by the visitor whom the CDN names, or exempt the CDN's ranges from the limit.",
			edit(x.limit.Place, "key on the visitor's address (restored from CF-Connecting-IP), or exempt the CDN's ranges"),
			v.restoreVisitor(), v.reloadOf(x.item.Fact.Server))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// limitHits answers whether the logs show that a limit refused the edge.
func (v *View) limitHits() Ans {
	lines, by := v.Lines(nil, fact.LogLimited)
	for _, l := range lines {
		if v.fromEdge(l) {
			return Yes("the log names the limit and an address of the edge: "+l.Text, by...)
		}
	}
	if len(lines) > 0 {
		return No("the log names the limit, for addresses that are no edge's", by...)
	}
	return Unseen(lookLogs)
}

// packetThrottle judges a limit of connections per source in the packet
// filter that the edge meets.
func (v *View) packetThrottle() []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		g := v.Gate(l)
		if l.Used == fact.No || !g.Seen {
			continue
		}
		for _, s := range g.CDN.Unsure {
			if !slices.ContainsFunc(s.DependsOn, func(d string) bool {
				return hasAny(d, "connlimit", "hashlimit", "limit", "recent", "meter", "ct count", "dynset")
			}) {
				continue
			}
			fails, keys := v.Fails(l, 521, 522, 523)
			subj := l.Subject()
			if !s.All {
				subj.Ranges = some(s.Ranges)
			}
			c := newCase("ban.server-throttle", subj).Explains(keys...)
			c.Ask("Is the edge turned away at connect, at times?", fails, originward.Possible, originward.Likely)
			c.Must("Does the packet filter limit connections per source?", Yes(ruleText(s)+" depends on how many connections a source makes", g.By...))
			c.Apart("Does a source that makes few connections get through?", directReaches(l))
			// The answer depends on a count at the moment of the failure: that the
			// rule acts has to be seen.
			c.Ask("Has the rule turned packets away?", ruleCounts(s.Rule, g.By), originward.Likely, originward.Likely)
			c.Ask("Does the edge get in at other times?", v.inAndOut(l), originward.Likely, originward.Likely)
			c.Says("the packet filter limits connections per source, and an edge is one source to it", ruleText(s)+" counts an edge as one client.")
			c.Fix(fix("Exempt the CDN's ranges from the limit.", takeAway(s.Rule)))
			out = append(out, c.Done())
			break
		}
	}
	return out
}
