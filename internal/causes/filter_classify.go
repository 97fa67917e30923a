package causes

import (
	"math/big"
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// blockCause is the one cause of the packet filter that a block is, by who
// wrote the deciding rule and what becomes of other sources. The order matters:
// a tool's own rules first, then the shape of an allow list, then the closed
// port, then what is left, a rule that somebody wrote against the CDN.
func (v *View) blockCause(b block) originward.CauseID {
	r := b.seg().Rule
	generic := b.publicBlocked() && sameRule(b.public.Rule, r)
	if _, listed := v.bannedBy(b.ranges()); !generic && listed && !v.byHand(b) {
		return "ban.edge-ip"
	}
	switch {
	case !generic && v.banRule(r) && !v.byHand(b):
		if v.listRule(b) {
			return "ban.blocklist-contains-cdn"
		}
		return "ban.edge-ip"
	case !generic && geoRule(r):
		return "firewall.geo"
	case !generic && v.listRule(b):
		return "ban.blocklist-contains-cdn"
	case generic && v.updaterEmptied(b):
		return "allowlist.updater-emptied"
	case generic && v.hasGap(b):
		return "allowlist.stale"
	case generic && v.containerPath(b):
		return "firewall.docker.rules"
	case generic:
		return "firewall.host.port-closed"
	case b.publicBlocked() && !b.publicSpecific():
		return "firewall.host.port-closed"
	}
	return "firewall.host.range-blocked"
}

// publicSpecific reports whether sources outside the CDN meet another end than
// by a chain's policy or a rule for all: the CDN then has a rule of its own.
func (b block) publicSpecific() bool {
	r := b.seg().Rule
	return r != nil && !r.Policy
}

// banTools are the programs whose rules are bans of addresses.
var banTools = []string{"fail2ban", "crowdsec", "sshguard", "denyhosts", "imunify", "bitninja", "blacklistd", "portsentry", "lfd", "reaction", "banip"}

// banRule reports whether a ban tool wrote the rule, by its owner, jail, chain,
// set or comment.
func (v *View) banRule(r *fact.FirewallRule) bool {
	if r == nil || r.Policy {
		return false
	}
	if r.Jail != "" || slices.ContainsFunc(banTools, func(t string) bool { return hasAny(r.Owner, t) }) {
		return true
	}
	names := lower(r.Table + " " + r.Chain + " " + r.Set + " " + r.Comment)
	if strings.Contains(names, "f2b-") || slices.ContainsFunc(banTools, func(t string) bool { return strings.Contains(names, t) }) {
		return true
	}
	if geoRule(r) {
		return false // the same tool's lists of countries are no bans
	}
	return hasAny(r.Owner, "csf") && hasAny(names, "denyin", "denyout", "localinput", "chain_deny", "blockdrop", "bl_", "deny")
}

// bannedBy finds the running ban tool that has banned each of some ranges by name:
// it may act through another's rules (ufw's, a route, a set of the
// administrator's), and what it banned is its ban all the same.
func (v *View) bannedBy(ps []netip.Prefix) (by toldBan, ok bool) {
	for _, it := range v.bans {
		for _, s := range it.Fact.Sources {
			if s.State != fact.Yes || s.List == fact.Yes || !packetTool(s) || len(ps) == 0 {
				continue
			}
			all := true
			for _, p := range ps {
				all = all && slices.ContainsFunc(s.CDN, func(e fact.Ban) bool { return e.Prefix.Masked() == p.Masked() })
			}
			if all {
				return toldBan{s, it.ID}, true
			}
		}
	}
	return toldBan{}, false
}

// toldBan is a ban tool's own account of its bans.
type toldBan struct {
	fact.BanSource
	By string
}

// name is the tool, with its jail.
func (t toldBan) name() string {
	if t.Jail != "" {
		return t.Tool + " (jail " + t.Jail + ")"
	}
	return t.Tool
}

// byHand reports whether a person, not a tool's rule of its own, put the entry
// there: the firewall managers write down which.
func (v *View) byHand(b block) bool {
	r := b.seg().Rule
	if r == nil || !hasAny(r.Owner, "csf") {
		return false
	}
	for _, it := range v.bans {
		for _, s := range it.Fact.Sources {
			if hasAny(s.Tool, "csf") && meets(b, slices.DeleteFunc(slices.Clone(s.CDN), func(e fact.Ban) bool { return !hasAny(e.Reason, "manual") })) {
				return true
			}
		}
	}
	return false
}

// meets reports whether bans are of networks that a block turns away.
func meets(b block, bans []fact.Ban) bool {
	return slices.ContainsFunc(bans, func(e fact.Ban) bool {
		return slices.ContainsFunc(b.segs, func(x fact.FirewallSegment) bool { return segOverlaps(x, e) })
	})
}

func segOverlaps(s fact.FirewallSegment, e fact.Ban) bool {
	for _, p := range s.Ranges {
		if p.Overlaps(e.Prefix) {
			return true
		}
	}
	return false
}

// publicLists are words in the names of block lists that are fetched from
// elsewhere.
var publicLists = []string{
	"blocklist", "block-list", "block_list", "firehol", "spamhaus", "edrop", "ipsum", "dshield", "emerging", "feodo", "abuse", "badips",
	"greensnow", "talos", "stopforumspam", "threat", "bruteforceblocker", "cinsscore", "cins_", "voipbl", "binarydefense", "bogon", "tor-exit",
	"datacenter", "hosting-ranges", "bl_", "et_block", "et-block", "proxies",
}

// denyNames are words in the names of deny lists of any origin; only a long
// list of that name is taken for one that was fetched.
var denyNames = []string{"blacklist", "denylist", "banlist", "badip", "bad_ip", "bad-ip", "drop", "evil"}

// longList is how many entries nobody writes by hand.
const longList = 100

// listRule reports whether the deciding set is a fetched block list: the host
// says so, or its name does.
func (v *View) listRule(b block) bool {
	r := b.seg().Rule
	if r == nil {
		return false
	}
	names := r.Table + " " + r.Set + " " + r.Comment + " " + r.Chain
	total := 0
	for _, it := range v.bans {
		for _, s := range it.Fact.Sources {
			same := r.Set != "" && (s.Jail == r.Set || strings.HasSuffix(s.File, "/"+r.Set)) || r.Jail != "" && s.Jail == r.Jail
			if !same && !(hasAny(r.Owner, "crowdsec") && s.Tool == "crowdsec" && meets(b, s.CDN)) {
				continue
			}
			if s.List == fact.Yes {
				return true
			}
			for _, e := range s.CDN {
				if hasAny(e.Reason, "lists:") {
					return true
				}
			}
			total = max(total, s.Total)
		}
	}
	sets, _ := v.gateSets(b)
	for _, a := range sets {
		if a.Name == r.Set {
			total = max(total, a.Elements)
		}
	}
	if v.banRule(r) && !hasAny(names, publicLists...) {
		return false
	}
	return hasAny(names, publicLists...) || r.Set != "" && total >= longList && hasAny(names, denyNames...)
}

// gateSets are the address sets on the path of a block. all says whether they are known to be all.
func (v *View) gateSets(b block) (out []fact.FirewallSet, all bool) {
	told := 0
	all = true
	for _, it := range v.firewall {
		for _, a := range v.answersFor(it.Fact.Answers, b.leg) {
			out = append(out, a.Sets...)
			all = all && a.SetsAll == fact.Yes
			told++
		}
	}
	return out, all && told > 0
}

// geoWords are how rules by country are written.
var geoWords = []string{"geoip", "geo-ip", "geo_ip", "geoblock", "geo-block", "geo_block", "country", "countries", "cc_deny", "cc_allow", "src-cc", "xt_geoip", ".zone"}

func geoRule(r *fact.FirewallRule) bool {
	return r != nil && hasAny(r.Set+" "+r.Comment+" "+r.Chain+" "+r.Text+" "+r.Owner, geoWords...)
}

// hasGap reports whether an allow list admits part of the CDN and the rest
// meets the end that everyone meets.
func (v *View) hasGap(b block) bool {
	return len(b.gate.CDN.Open) > 0
}

// updaterEmptied reports whether an allow list exists and holds nothing, or
// next to nothing, of the CDN.
func (v *View) updaterEmptied(b block) bool {
	if v.emptiedBy(b).IsYes() {
		return true
	}
	if !b.all && !tinyShare(b.gate.CDN) {
		return false
	}
	return v.updaterFailed().IsYes()
}

// emptiedBy answers whether a set on the path by which sources are accepted is
// empty.
func (v *View) emptiedBy(b block) Ans {
	sets, _ := v.gateSets(b)
	for _, s := range sets {
		if s.Accepts == fact.Yes && s.Elements == 0 && !geoRule(&fact.FirewallRule{Set: s.Name}) {
			return Yes("the allow list "+s.Name+" holds nothing", b.gate.By...)
		}
	}
	for _, it := range v.bans {
		for _, s := range it.Fact.Sources {
			if s.Total == 0 && s.State == fact.Yes && (s.Tool == "ipset" || s.Tool == "nft") && allowName(s.Jail) {
				return Yes("the set "+s.Jail+" holds nothing", it.ID)
			}
		}
	}
	return Ans{Look: &lookJobs}
}

// allowName reports whether a set's name is that of an allow list.
func allowName(name string) bool {
	return hasAny(name, "cloudflare", "cdn", "allow", "white", "edge", "trust", "permit", "accept", "proxies") || strings.HasPrefix(lower(name), "cf")
}

// updaterFailed answers whether the job that keeps an allow list failed.
func (v *View) updaterFailed() Ans {
	for _, it := range v.jobs {
		for _, j := range it.Fact.Jobs {
			if j.Kind == "allowlist" && j.OK == fact.No {
				says := "the update job " + j.Name + " failed"
				if len(j.Errors) > 0 {
					says += ": " + j.Errors[0].Text
				}
				return Yes(says, it.ID)
			}
		}
	}
	if lines, by := v.Lines(nil, fact.LogUpdater); len(lines) > 0 {
		return Yes("the updater's log: "+lines[0].Text, by...)
	}
	return Unseen(lookJobs)
}

// tinyShare reports whether less than a fifth of the CDN's addresses get in: a
// list that lags behind misses some ranges, not most.
func tinyShare(s Side) bool {
	open, all := new(big.Int), new(big.Int)
	for _, x := range s.Open {
		open.Add(open, segSize(x))
	}
	all.Add(all, open)
	for _, x := range slices.Concat(s.Blocked, s.Unsure) {
		all.Add(all, segSize(x))
	}
	return new(big.Int).Mul(open, big.NewInt(5)).Cmp(all) < 0
}

// containerPath reports whether the block lies on the way to a container: in
// the forward hook, or after a rewrite of the destination.
func (v *View) containerPath(b block) bool {
	s := b.seg()
	return s.Hook == "forward" || s.Redirect.IsValid() && s.Redirect.Addr() != b.leg.Addr()
}
