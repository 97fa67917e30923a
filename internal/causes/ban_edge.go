package causes

import (
	"net/netip"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

func judgeEdgeBan(v *View) []Verdict {
	out := v.blocked("ban.edge-ip", func(b block, c *Case) {
		r := b.seg().Rule
		who := banner(r)
		if t, ok := v.bannedBy(b.ranges()); ok {
			who = t.name()
			c.Backs("Is that a ban of a running tool's?", Yes(who+" holds "+rangesText(b.ranges()), t.By))
		}
		c.Apart("Are other sources let in?", v.othersLetIn(b))
		c.Says(who+" has banned addresses of the edge", blockText(b)+". "+who+" banned them because its log shows the edge's address in place of the visitor's.")
		f := fix("Lift the ban, put the CDN's ranges on the tool's ignore list, and restore the visitor's address in the web server's log.",
			append(v.unbans(b), ignoreStep(r), v.restoreVisitor())...)
		f.Verify = v.gateVerify(b)
		c.Fix(f)
	})
	return append(slices.Concat(out, v.bannedRoutes(), v.listedBans()), v.turnedAway("ban.edge-ip", "a ban tool may have banned addresses of the edge")...)
}

// banner is the tool that banned, for a sentence.
func banner(r *fact.FirewallRule) string {
	if r == nil {
		return "a ban tool"
	}
	who := firstOf(r.Owner, "a ban tool")
	if hasAny(r.Chain+r.Set+r.Table, "f2b-") {
		who = "fail2ban"
	}
	if hasAny(who, "crowdsec") {
		return "CrowdSec" // its bouncer's set is no jail
	}
	if r.Jail != "" {
		who += " (jail " + r.Jail + ")"
	}
	return who
}

// unbans are the tool's own ways to lift the bans of a block, else the removal
// of the rule.
func (v *View) unbans(b block) []originward.Step {
	var out []originward.Step
	r := b.seg().Rule
	for _, it := range v.bans {
		for _, s := range it.Fact.Sources {
			crowd := r != nil && hasAny(r.Owner, "crowdsec")
			if crowd && s.Tool != "crowdsec" || !crowd && r != nil && r.Jail != "" && s.Jail != r.Jail {
				continue
			}
			met := slices.DeleteFunc(slices.Clone(s.CDN), func(e fact.Ban) bool {
				return !slices.ContainsFunc(b.segs, func(x fact.FirewallSegment) bool { return segOverlaps(x, e) })
			})
			out = append(out, liftAll(met)...)
		}
	}
	if len(out) > 0 {
		return out
	}
	if r != nil && r.Jail != "" && hasAny(r.Owner+r.Chain+r.Set+r.Table, "fail2ban", "f2b-") && len(b.ranges()) > 0 {
		for _, p := range b.ranges() {
			out = append(out, onHost("fail2ban-client set "+r.Jail+" unbanip "+addrText(p), "fail2ban-client set "+r.Jail+" banip "+addrText(p)))
		}
		return out
	}
	return []originward.Step{takeAway(r)}
}

// liftAll are the steps that lift each of some bans, as far as they fit.
func liftAll(bans []fact.Ban) []originward.Step {
	var out []originward.Step
	for _, e := range bans[:min(len(bans), maxSteps)] {
		out = addStep(out, onHost(e.Remove, e.Restore))
	}
	return out
}

// addrText is a prefix of one address as the address alone.
func addrText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func ignoreStep(r *fact.FirewallRule) originward.Step {
	switch {
	case r == nil:
	case hasAny(r.Owner+r.Chain+r.Set, "fail2ban", "f2b-"):
		return onHost("in /etc/fail2ban/jail.local, [DEFAULT]: ignoreip = 127.0.0.1/8 ::1 and every range of `originward ranges`; then fail2ban-client reload", "take the ranges out again; fail2ban-client reload")
	case hasAny(r.Owner+r.Set, "crowdsec"):
		return onHost("write the CDN's ranges into /etc/crowdsec/parsers/s02-enrich/cdn-whitelist.yaml; systemctl reload crowdsec", "delete that file; systemctl reload crowdsec")
	case hasAny(r.Owner, "csf", "lfd"):
		return onHost("add every range of `originward ranges` to /etc/csf/csf.ignore and csf.allow; csf -ra", "take them out; csf -ra")
	}
	return originward.Step{}
}

// restoreVisitor makes the web server log the visitor's address.
func (v *View) restoreVisitor() originward.Step {
	for _, it := range v.Live() {
		if it.Fact.RealIP.Header != "" && len(it.Fact.RealIP.Missing) == 0 {
			continue
		}
		switch it.Fact.Server {
		case "nginx":
			return onHost("in nginx's http block: set_real_ip_from for every range of `originward ranges`, and real_ip_header CF-Connecting-IP; then nginx -s reload", "")
		case "apache":
			return onHost("a2enmod remoteip; RemoteIPHeader CF-Connecting-IP and RemoteIPTrustedProxy for every range of `originward ranges`; log %a; then apachectl graceful", "a2dismod remoteip")
		}
	}
	return originward.Step{}
}

// packetTools are the ban tools that act at the packet level.
func packetTool(s fact.BanSource) bool {
	return hasAny(s.Tool, "fail2ban", "crowdsec", "csf", "lfd", "sshguard", "imunify", "reaction")
}

// listedBans judges ban lists where the packet filter itself could not be
// read: the list holds addresses of the edge, and the edge alone fails.
func (v *View) listedBans() []Verdict {
	var out []Verdict
	for _, it := range v.bans {
		for _, s := range it.Fact.Sources {
			if !packetTool(s) || len(s.CDN) == 0 || s.State == fact.No {
				continue
			}
			for _, l := range v.Legs {
				if l.Used == fact.No || !v.Here(l) || v.Gate(l).Seen && v.Gate(l).Proof != "disagreement" {
					continue
				}
				out = append(out, v.listedBan(l, s, it.ID))
			}
		}
	}
	return out
}

func (v *View) listedBan(l *Leg, s fact.BanSource, by string) Verdict {
	fails, keys := v.Fails(l, 521, 522, 523)
	subj := l.Subject()
	subj.Ranges, subj.Name, subj.Unit = some(banRanges(s.CDN)), s.Jail, s.Tool
	id := originward.CauseID("ban.edge-ip")
	if s.List == fact.Yes {
		id = "ban.blocklist-contains-cdn"
	}
	c := newCase(id, subj).Explains(keys...)
	c.Ask("Is the edge turned away at connect?", fails, originward.Possible, originward.Likely)
	c.Must("Does the tool's list hold addresses of the edge?", Yes(s.Tool+" holds "+rangesText(banRanges(s.CDN))+" in force", by))
	c.Apart("Does a source that is no edge get through?", directReaches(l))
	c.Ask("Does the packet filter act on the list?", Unseen(lookFirewall), originward.RuledOut, originward.Likely)
	c.Says(s.Tool+" has banned addresses of the edge", s.Tool+" holds "+rangesText(banRanges(s.CDN))+"; the packet filter itself could not be read.")
	f := fix("Lift the ban and put the CDN's ranges on the tool's ignore list.", append(liftAll(s.CDN), ignoreStep(&fact.FirewallRule{Owner: s.Tool}), v.restoreVisitor())...)
	f.Verify = v.diagnoseAgain()
	return c.Fix(f).Done()
}

func banRanges(bs []fact.Ban) []netip.Prefix {
	var out []netip.Prefix
	for _, b := range bs[:min(len(bs), maxItems)] {
		out = append(out, b.Prefix)
	}
	return out
}

func judgeBlocklist(v *View) []Verdict {
	return v.blocked("ban.blocklist-contains-cdn", func(b block, c *Case) {
		r := b.seg().Rule
		c.Apart("Are other sources let in?", v.othersLetIn(b))
		c.Says("a loaded block list contains addresses of the CDN", blockText(b)+". The list was fetched from elsewhere and was not meant for the CDN.")
		f := fix("Take the CDN's ranges out of the list when it is loaded, and accept them before it.", append(v.unbans(b), v.exempt(b),
			onHost("where the list is loaded: subtract the ranges of `originward ranges` from it", ""))...)
		f.Verify = v.gateVerify(b)
		if s := showRule(r); s != "" {
			f.Verify = s + " shows none of the CDN's ranges, and " + v.diagnoseAgain()
		}
		c.Fix(f)
	})
}

// judgeProxyHop: the ban hit a hop of the origin's own, which cuts off all.
func judgeProxyHop(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		for _, h := range v.bannedHops(l) {
			fails, keys := v.Fails(l, 521, 522, 523, 502, 503, 504, 520, 525)
			subj := l.Subject()
			subj.Ranges, subj.Name = []netip.Prefix{h.ban.Prefix}, h.name
			c := newCase("ban.proxy-hop", subj).Explains(keys...)
			c.Ask("Is everyone cut off?", fails, originward.Possible, originward.Likely)
			c.Must("Is an address near the host banned?", Yes(h.tool+" has banned "+addrText(h.ban.Prefix), h.by...))
			c.Proof("Is that address a hop through which the visitors come?", v.isHop(h, l))
			c.Proof("Does the packet filter turn it away?", v.hopBlocked(h, l))
			if hop := v.isHop(h, l); !fails.IsYes() && !hop.IsYes() {
				c.AtMost(originward.Possible, "nobody was seen to be cut off")
			}
			c.Says("a ban has hit the origin's own hop", h.tool+" has banned "+addrText(h.ban.Prefix)+", through which every visitor comes.")
			f := fix("Lift the ban, never ban private ranges, and keep the visitor's address through the hop.",
				onHost(h.ban.Remove, h.ban.Restore), takeAwayIf(h.ban.Remove == "", h.rule),
				onHost("in /etc/fail2ban/jail.local, [DEFAULT]: ignoreip = 127.0.0.1/8 ::1 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16; then fail2ban-client reload", ""))
			f.Verify = v.diagnoseAgain()
			out = append(out, c.Fix(f).Done())
		}
	}
	return out
}

func takeAwayIf(ok bool, r *fact.FirewallRule) originward.Step {
	if !ok {
		return originward.Step{}
	}
	return takeAway(r)
}
