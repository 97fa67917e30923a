package causes

import (
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// blocked judges every block that is this cause.
func (v *View) blocked(id originward.CauseID, more func(b block, c *Case)) []Verdict {
	var out []Verdict
	for _, b := range v.blocks {
		if b.cause != id {
			continue
		}
		c := v.blockCase(id, b)
		more(b, c)
		out = append(out, c.Done())
	}
	return out
}

func judgeRangeBlocked(v *View) []Verdict {
	out := v.blocked("firewall.host.range-blocked", func(b block, c *Case) {
		c.Apart("Are other sources let in?", v.othersLetIn(b))
		c.Says("the origin's packet filter turns the CDN away", blockText(b)+", while other sources get in.")
		f := fix("Remove or narrow the rule, or accept the CDN's ranges before it.", append(v.takeAwayAll(b), v.persist(b.seg().Rule))...)
		f.Verify = v.gateVerify(b)
		c.Fix(f)
	})
	for _, x := range v.unitDenied() {
		if x.Cause == "firewall.host.range-blocked" {
			out = append(out, x)
		}
	}
	return append(out, v.turnedAway("firewall.host.range-blocked", "the origin's packet filter may turn the CDN away")...)
}

// turnedAway judges, where the packet filter was not read, an edge that fails
// at connect while others get through: a rule, a ban or a list on the host or
// before it can do that, and only the host tells which.
func (v *View) turnedAway(id originward.CauseID, title string) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No || v.Gate(l).Seen || !v.edgeOnly(l) || !directReaches(l).IsYes() {
			continue
		}
		fails, keys := v.Fails(l, 521, 522, 523)
		if !fails.IsYes() {
			continue
		}
		c := newCase(id, l.Subject()).Explains(keys...)
		c.Must("Does the edge fail at connect?", fails)
		c.Must("Does a source that is no edge get through?", directReaches(l))
		c.Ask("Does the packet filter of the host turn the edge away?", Unseen(lookFirewall), originward.RuledOut, originward.Possible)
		c.Says(title, l.String()+" takes connections from elsewhere and not from the edge: a rule, a ban or a list against the CDN's addresses does that, on the host or before it.")
		c.Fix(fix("Find what turns the CDN's addresses away, and exempt them.", onHost("originward host   # the firewall's answer for every range of the CDN, with the deciding rule", "")))
		out = append(out, c.Done())
	}
	return out
}

// othersLetIn answers whether sources that are no edge get to the port.
func (v *View) othersLetIn(b block) Ans {
	if !b.pubOK {
		return Unseen(lookFirewall)
	}
	return when(b.publicOpen(), "other sources: "+b.public.Verdict, b.gate.By...)
}

// persist reminds to write the change where the rule comes from at boot.
func (v *View) persist(r *fact.FirewallRule) originward.Step {
	if r == nil {
		return originward.Step{}
	}
	switch {
	case hasAny(r.Owner, "ufw"):
		return onHost("ufw status numbered   # then: ufw delete NUMBER, so that it stays away", "")
	case hasAny(r.Owner, "firewalld"):
		return onHost("firewall-cmd --list-all   # then remove the rule with --permanent too", "")
	case hasAny(r.Owner, "fail2ban", "crowdsec", "docker", "csf"):
		return originward.Step{}
	}
	return onHost("grep -rn -e '"+strings.ReplaceAll(firstOf(r.Element, r.Set, r.Chain), "'", "")+"' /etc/nftables.conf /etc/nftables.d /etc/iptables 2>/dev/null   # and take it out there, so that it stays away after a boot", "")
}

func (v *View) gateVerify(b block) string {
	return "originward host | the firewall's answer for port " + itoa(int(b.leg.Port)) + " is accept for every range of the CDN; and " + v.diagnoseAgain()
}

// unitDenied judges the address filter of a systemd unit, which sits behind
// the packet filter and is seen by no ruleset.
func (v *View) unitDenied() []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		socks, by := v.SocketsOf(l)
		for _, s := range v.Services(func(s fact.Service) bool { return len(s.IPDeny) > 0 }) {
			holds := false
			for _, k := range socks {
				holds = holds || k.Unit != "" && k.Unit == s.Unit || k.PID != 0 && containsInt(s.PIDs, k.PID)
			}
			denied, everyone := v.unitDenies(s.Service, l)
			if !holds || len(denied) == 0 {
				continue
			}
			id := originward.CauseID("firewall.host.range-blocked")
			if everyone {
				id = "firewall.host.port-closed"
			}
			out = append(out, v.unitCase(id, l, s, denied, by))
		}
	}
	return out
}

func judgePortClosed(v *View) []Verdict {
	out := v.blocked("firewall.host.port-closed", func(b block, c *Case) {
		c.Apart("Is it not an allow list that lost its entries?", v.noLostList(b))
		// Nothing behind a closed port is a cause of its own; it makes neither less true.
		c.Ask("Does the server listen behind it?", v.served(b.leg), originward.Proved, originward.Proved)
		c.Says("the origin's firewall does not admit port "+itoa(int(b.leg.Port)),
			blockText(b)+"; other sources meet the same end.")
		c.Fix(v.fixAdmit(b))
	})
	for _, x := range v.unitDenied() {
		if x.Cause == "firewall.host.port-closed" {
			out = append(out, x)
		}
	}
	return append(out, v.closedFromOutside()...)
}

// noLostList answers whether no job keeps an allow list and none of the sets on
// the path lost its entries.
func (v *View) noLostList(b block) Ans {
	if a := v.emptiedBy(b); a.IsYes() {
		return a.Not()
	}
	if sets, all := v.gateSets(b); len(sets) == 0 && !all && portRule(b) && !v.ipsetsKnown(b) {
		// Such a rule is how allow lists end, and whether a set before it lost
		// its entries was not told.
		return Unseen(Look{originward.Host, fact.QFirewall, "look at the sets that the chain asks before its last rule (`nft list ruleset`, `ipset list`): is one of them an allow list, and empty?"})
	}
	if len(v.jobs) == 0 {
		return Unseen(lookJobs)
	}
	if a := v.updaterFailed(); a.IsYes() {
		return a.Not()
	}
	if l, vague := v.vagueList(b); vague {
		return Unseen(l)
	}
	return Yes("no job that keeps an allow list has failed", v.jobs[0].ID)
}

// vagueList reports whether something may be an allow list that lost its
// entries, and what was told of it does not say: a set of which it is not known
// what it is for or what it holds, a job of which it is not known how it went.
func (v *View) vagueList(b block) (Look, bool) {
	sets, _ := v.gateSets(b)
	for _, s := range sets {
		if s.Accepts != fact.No && s.Elements < 0 || s.Accepts == fact.Unknown && s.Elements == 0 {
			return lookFirewall, true
		}
	}
	for _, it := range v.bans {
		for _, s := range it.Fact.Sources {
			if s.State == fact.Unknown && (s.Tool == "ipset" || s.Tool == "nft") && allowName(s.Jail) {
				return lookBans, true
			}
		}
	}
	for _, it := range v.jobs {
		for _, j := range it.Fact.Jobs {
			if j.Kind == "allowlist" && j.OK == fact.Unknown {
				return lookJobs, true
			}
		}
	}
	return Look{}, false
}

// ipsetsKnown reports whether the rule is of an engine whose address sets are
// ipsets, and those of the host were listed.
func (v *View) ipsetsKnown(b block) bool {
	return strings.HasPrefix(b.seg().Rule.Engine, "iptables") && len(v.bans) > 0
}

// portRule reports whether the deciding rule speaks of the port alone, and is
// no policy and no tool's default.
func portRule(b block) bool {
	r := b.seg().Rule
	return r != nil && !r.Policy && r.Owner == "" && hasAny(r.Text, "dport")
}

// served answers whether something takes the leg's connections once they are
// admitted: a socket, or a container.
func (v *View) served(l *Leg) Ans {
	if f := v.Forwarded(l); f.IsYes() {
		return f
	}
	return v.Listening(l)
}

// fixAdmit admits the port in the tool that keeps the firewall.
func (v *View) fixAdmit(b block) *originward.Fix {
	port := itoa(int(b.leg.Port))
	r := b.seg().Rule
	owner := ""
	if r != nil {
		owner = r.Owner
	}
	var step originward.Step
	switch {
	case hasAny(owner, "ufw"):
		step = onHost("ufw allow "+port+"/tcp", "ufw delete allow "+port+"/tcp")
	case hasAny(owner, "firewalld"):
		svc := map[string]string{"80": "--add-service=http", "443": "--add-service=https"}[port]
		if svc == "" {
			svc = "--add-port=" + port + "/tcp"
		}
		step = onHost("firewall-cmd --permanent "+svc+" && firewall-cmd --reload",
			"firewall-cmd --permanent "+strings.Replace(svc, "add", "remove", 1)+" && firewall-cmd --reload")
	case hasAny(owner, "csf"):
		step = onHost("add "+port+" to TCP_IN in /etc/csf/csf.conf, then csf -r", "take it out again, then csf -r")
	case r != nil && strings.HasPrefix(r.Engine, "iptables"):
		t := iptables(r)
		chain := map[string]string{"forward": "FORWARD"}[b.seg().Hook]
		chain = firstOf(chain, "INPUT")
		step = onHost(t+" -I "+chain+" -p tcp --dport "+port+" -j ACCEPT", t+" -D "+chain+" -p tcp --dport "+port+" -j ACCEPT")
	case r != nil && r.Table != "" && r.Chain != "":
		step = onHost("nft insert rule "+r.Family+" "+r.Table+" "+r.Chain+" tcp dport "+port+" accept",
			"nft -a list chain "+r.Family+" "+r.Table+" "+r.Chain+"   # then delete the rule by its handle")
	}
	f := fix("Admit port "+port+" (for the CDN's ranges only, if the origin should not be reached directly) and save the ruleset.", step, v.persist(r))
	f.Verify = v.gateVerify(b)
	return f
}

// closedFromOutside judges a port that drops or prohibits while another port
// of the same machine answers: a firewall does that, a dead server does not.
func (v *View) closedFromOutside() []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No || v.Gate(l).Seen && v.Here(l) {
			continue
		}
		shut := directIs(l, "drops or prohibits connections from outside", OutTimeout, OutUnreachable)
		if !shut.IsYes() || len(l.Bads) == 0 {
			continue
		}
		fails, keys := v.Fails(l, 522, 523, 521)
		open := v.otherPortOpen(l)
		c := newCase("firewall.host.port-closed", l.Subject()).Explains(keys...)
		c.Must("Does the port fail?", fails)
		c.Must("Is it silence or a prohibition, not a refusal?", shut)
		c.Ask("Does another port of the same address answer?", open, originward.Possible, originward.Possible)
		unseen := originward.Possible
		if prohibited(l) {
			unseen = originward.Likely // the host's own REJECT: a firewall in front drops
		}
		c.Ask("Does the host's own packet filter turn it away?", Unseen(lookFirewall), originward.RuledOut, unseen)
		c.Says("a firewall does not admit port "+itoa(int(l.Port)),
			l.String()+" is silent or prohibited from outside. The host's firewall, a firewall in front of it, or a dead address can do that; the host's own ruleset would tell.")
		c.Fix(fix("Admit port "+itoa(int(l.Port))+" in the host's firewall, or in the provider's.", onHost("nft list ruleset; iptables-save   # look for the port", "")))
		out = append(out, c.Done())
	}
	return out
}

// prohibited reports whether a direct connect met an ICMP prohibition.
func prohibited(l *Leg) bool {
	for _, x := range l.Direct {
		if x.Fact.Fault != nil && OutcomeOf(x.Fact) == OutUnreachable && (x.Fact.Fault.Errno == "EHOSTUNREACH" || x.Fact.Fault.Errno == "EACCES") {
			return true
		}
	}
	return false
}

// otherPortOpen answers whether another port of the leg's address answers.
func (v *View) otherPortOpen(l *Leg) Ans {
	seen := false
	for _, o := range v.Legs {
		if o == l || o.Origin != l.Origin || len(o.Direct) == 0 {
			continue
		}
		seen = true
		if a := directReaches(o); a.IsYes() {
			return a
		}
		if a := directIs(o, "answers a connect with a refusal", OutRefused); a.IsYes() {
			return a
		}
	}
	if !seen {
		return Unseen(lookDirect)
	}
	return No("no port of " + l.Addr().String() + " answers")
}
