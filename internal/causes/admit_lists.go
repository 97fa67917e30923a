package causes

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

func judgeAllowStale(v *View) []Verdict {
	out := v.blocked("allowlist.stale", func(b block, c *Case) {
		open := segRanges(b.gate.CDN.Open)
		c.Must("Are other ranges of the CDN let in?", Yes("the list admits "+rangesText(open), b.gate.By...))
		c.Apart("Do sources that are no edge meet the same end?", when(b.publicBlocked(), "other sources: "+b.public.Verdict, b.gate.By...))
		c.Says("the allow list misses ranges of the CDN",
			"The origin admits only what its list holds, and the list misses "+rangesText(b.ranges())+": "+blockText(b)+".")
		f := fix("Write the list anew from the CDN's published ranges, and refresh it on a schedule.", v.admitRanges(b)...)
		f.Verify = "originward ranges --check FILE misses nothing, and " + v.diagnoseAgain()
		c.Fix(f)
	})
	return append(out, v.webGaps()...)
}

// admitRanges adds the missing ranges where the list's rule or set is known.
func (v *View) admitRanges(b block) []originward.Step {
	var steps []originward.Step
	var r *fact.FirewallRule
	for _, s := range b.gate.CDN.Open {
		if s.Rule != nil {
			r = s.Rule
			break
		}
	}
	for _, p := range b.ranges()[:min(len(b.ranges()), maxShown)] {
		if st := admitRange(r, p, b.leg.Port); st.Run != "" {
			steps = append(steps, st)
		}
	}
	if len(steps) == 0 {
		steps = append(steps, onHost("originward ranges   # accept each of these for port "+itoa(int(b.leg.Port)), ""))
	}
	return append(steps, v.persist(r))
}

// admitRange is the command that lets one more range in beside an accepting
// rule.
func admitRange(r *fact.FirewallRule, p netip.Prefix, port uint16) originward.Step {
	switch {
	case r == nil:
		return originward.Step{}
	case r.Set != "" && r.Engine == "nft":
		e := r.Family + " " + r.Table + " " + r.Set + " { " + p.String() + " }"
		return onHost("nft add element "+e, "nft delete element "+e)
	case r.Set != "":
		return onHost("ipset add "+r.Set+" "+p.String(), "ipset del "+r.Set+" "+p.String())
	case hasAny(r.Owner, "ufw"):
		c := fmt.Sprintf("allow from %s to any port %d proto tcp", p, port)
		return onHost("ufw "+c, "ufw delete "+c)
	case hasAny(r.Engine, "iptables"):
		c := fmt.Sprintf("%s -s %s -p tcp --dport %d -j ACCEPT", r.Chain, p, port)
		return onHost(iptables(r)+" -I "+c, iptables(r)+" -D "+c)
	case r.Engine == "nft" && r.Chain != "":
		match := "ip"
		if p.Addr().Is6() {
			match = "ip6"
		}
		return onHost(fmt.Sprintf("nft insert rule %s %s %s %s saddr %s tcp dport %d accept", r.Family, r.Table, r.Chain, match, p, port),
			"nft -a list chain "+r.Family+" "+r.Table+" "+r.Chain+"   # then delete the rule by its handle")
	}
	return originward.Step{}
}

// refusal of a web server's address rules, with where it stands.
type refusedAt struct {
	leg  *Leg
	item fact.Item[fact.WebConfig]
	site fact.Site
	what fact.SiteRefusal
}

// refusals lists the address rules of the site's virtual host that refuse
// sources for the whole site.
func (v *View) refusals() []refusedAt {
	var out []refusedAt
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		for _, it := range v.Live() {
			site, _, ok := siteFor(it.Fact, v.Host, l.Port)
			if !ok {
				continue
			}
			for _, r := range site.Refuses {
				if (r.Path == "" || r.Path == "/") && len(out) < maxItems {
					r.Ranges = ofFamily(r.Ranges, l.Origin.Family())
					r.Restored = v.restored(it.Fact, site, r, l)
					out = append(out, refusedAt{l, it, site, r})
				}
			}
		}
	}
	return out
}

// ofFamily keeps the prefixes of a family; all, when it is not known.
func ofFamily(ps []netip.Prefix, f originward.Family) []netip.Prefix {
	if f == "" {
		return ps
	}
	var out []netip.Prefix
	for _, p := range ps {
		if originward.FamilyOf(p.Addr()) == f {
			out = append(out, p)
		}
	}
	return out
}

// restored says whether the rules of a site judge the visitor's address on
// this leg: the server restores it for the edges that it trusts, which may be
// those of one family only.
func (v *View) restored(w fact.WebConfig, site fact.Site, r fact.SiteRefusal, l *Leg) fact.Tri {
	if r.Restored != fact.Unknown {
		return r.Restored
	}
	real := w.RealIP
	if site.RealIP != nil {
		real = *site.RealIP
	}
	if real.Header == "" {
		return fact.Unknown
	}
	fam := l.Origin.Family()
	trusted, missing := ofFamily(real.Trusted, fam), ofFamily(real.Missing, fam)
	switch {
	case len(trusted) == 0:
		return fact.No
	case len(missing) == 0:
		return fact.Yes
	}
	known, inside := 0, 0
	for _, a := range v.Egress {
		if originward.FamilyOf(a) == fam {
			known++
			if slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) }) {
				inside++
			}
		}
	}
	if known > 0 && inside == known {
		return fact.Yes
	}
	return fact.Unknown
}

// codes are the codes that a refused visitor may see: a connection that is
// closed before anything was read fails in the handshake where there is one.
func (r refusedAt) codes() []int {
	switch {
	case r.what.Status != 0:
		return []int{r.what.Status}
	case r.leg.Scheme == "https":
		return []int{520, 525}
	}
	return []int{520}
}

func (r refusedAt) subject() originward.Subject {
	s := r.leg.Subject()
	s.File, s.Line, s.Ranges = r.what.By.File, r.what.By.Line, some(r.what.Ranges)
	return s
}

// webCase opens the case that all causes of a web server's address rules share.
func (v *View) webCase(id originward.CauseID, r refusedAt) *Case {
	fails, keys := v.Fails(r.leg, r.codes()...)
	worst := originward.Likely
	if fails.IsNo() && v.EdgeGood().IsYes() {
		worst = originward.Possible
	}
	c := newCase(id, r.subject()).Explains(keys...)
	c.Ask("Does the visitor get this rule's answer?", fails, worst, originward.Likely)
	c.Ask("Did the edge pass the origin's answer on?", v.passedOn(r.codes()[0]), originward.RuledOut, originward.Likely)
	return c
}

// passedOn answers whether the edge's answer with this code came from the
// origin: 403 is also what a rule of the CDN gives.
func (v *View) passedOn(code int) Ans {
	if code >= 520 {
		return Yes("the edge makes this code of what the origin did")
	}
	for _, h := range v.Hits {
		if h.Code != code {
			continue
		}
		switch h.Made {
		case fact.Yes:
			return No("the edge itself wrote the "+itoa(code), h.By...)
		case fact.No:
			return Yes("the origin wrote the "+itoa(code), h.By...)
		}
	}
	if a, _ := v.denials(); a.IsYes() {
		return a
	}
	return Unseen(lookEdge)
}

// denials answers whether the host's logs hold refusals by an access rule, and
// of whom.
func (v *View) denials() (a Ans, edge bool) {
	lines, by := v.Lines(nil, fact.LogDenied)
	if len(lines) == 0 {
		return Unseen(lookLogs), false
	}
	for _, l := range lines {
		edge = edge || v.fromEdge(l)
	}
	return Yes("the server's log: "+lines[0].Text, by...), edge
}

// webGaps judges allow lists that a web server keeps: everyone is refused but
// a list, and part of the CDN is not on it.
func (v *View) webGaps() []Verdict {
	var out []Verdict
	for _, r := range v.refusals() {
		if r.what.Restored == fact.Yes || !r.what.Everyone || r.what.AllowsCDN != fact.Yes || len(r.what.Ranges) == 0 {
			continue
		}
		c := v.webCase("allowlist.stale", r)
		c.Must("Does the list miss ranges of the CDN?", Yes(at(r.what.By)+" refuses "+rangesText(r.what.Ranges), r.item.ID))
		c.Ask("Do the edge's own addresses lie in the gap?", v.egressIn(r.what.Ranges, r.leg), originward.Possible, originward.Likely)
		c.Says("the allow list of the web server misses ranges of the CDN",
			"The server admits only what its list holds; "+rangesText(r.what.Ranges)+" is not on it ("+at(r.what.By)+").")
		f := fix("Add the missing ranges, from the CDN's published list, and refresh the list on a schedule.",
			edit(r.what.By, "allow "+rangesText(r.what.Ranges)+" before it"), v.reloadOf(r.item.Fact.Server))
		f.Verify = "originward ranges --check " + firstOf(r.what.By.File, "FILE") + ", and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// egressIn answers whether addresses from which the edge is known to connect
// lie in some ranges.
func (v *View) egressIn(ps []netip.Prefix, l *Leg) Ans {
	known := false
	for _, a := range v.Egress {
		if originward.FamilyOf(a) != l.Origin.Family() && l.Addr().IsValid() {
			continue
		}
		known = true
		if slices.ContainsFunc(ps, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return Yes("the edge connects from "+a.String(), v.egressBy()...)
		}
	}
	if known {
		return No("the edge's known addresses do not lie in them", v.egressBy()...)
	}
	if n, _ := cdn.Ranges(cdn.Cloudflare, l.Origin.Family()); len(n) > 0 && len(ps) >= len(n) {
		return Yes("every range of the CDN is in them")
	}
	seen, by := v.seenSources()
	for _, a := range seen {
		if slices.ContainsFunc(ps, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return Yes("the host has seen the edge as "+a.String(), by...)
		}
	}
	return Unseen(lookRecord)
}

func judgeAllowEmptied(v *View) []Verdict {
	return v.blocked("allowlist.updater-emptied", func(b block, c *Case) {
		empty, failed := v.emptiedBy(b), v.updaterFailed()
		c.Must("Do sources that are no edge meet the same end?", when(b.publicBlocked(), "other sources: "+b.public.Verdict, b.gate.By...))
		if empty.IsYes() {
			c.Must("Is the allow list empty?", empty)
			c.Backs("Did the job that fills it fail?", either(failed, empty))
		} else {
			c.Must("Does the list hold next to nothing of the CDN?", when(b.all || tinyShare(b.gate.CDN), "the CDN's ranges that get in: "+rangesText(segRanges(b.gate.CDN.Open)), b.gate.By...))
			c.Backs("Did the job that fills it fail?", failed)
		}
		c.Says("the allow list was emptied by its updater", "The origin admits only what its list holds, and the list holds "+
			"next to nothing"+sentence(failed.Says)+" So "+blockText(b)+".")
		f := fix("Fill the list again from the CDN's published ranges, and let the updater refuse a list that is empty or much shorter than the last one.", v.admitRanges(b)...)
		f.Verify = v.gateVerify(b)
		c.Fix(f)
	})
}

// either is the first answer when it is known to be yes, else the second.
func either(a, b Ans) Ans {
	if a.IsYes() {
		return a
	}
	return b
}

func sentence(s string) string {
	if s == "" {
		return "."
	}
	return ": " + s + "."
}

// judgeAfterRealIP: allow and deny judge the visitor whom the server restored,
// where they were meant for the edge.
func judgeAfterRealIP(v *View) []Verdict {
	var out []Verdict
	for _, r := range v.refusals() {
		if r.what.Restored != fact.Yes {
			continue
		}
		c := v.webCase("allowlist.after-real-ip", r)
		c.Must("Do the rules judge the restored visitor's address?", Yes("the address rules at "+at(r.what.By)+" are judged after the visitor's address is restored", r.item.ID))
		c.Must("Were they meant for the edge?", tri(r.what.AllowsCDN, "they allow the CDN's ranges by name", lookWeb, r.item.ID))
		c.Says("the allow list judges visitors, not the edge",
			"The rules at "+at(r.what.By)+" allow the CDN's ranges, and they are asked about the visitor's address, which the server has restored before; so visitors get "+itoa(r.codes()[0])+".")
		f := fix("Judge the peer's address instead of the restored one, or enforce the list in the packet filter.",
			edit(r.what.By, realIPFix(r.item.Fact.Server)), v.reloadOf(r.item.Fact.Server))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

func realIPFix(server string) string {
	switch server {
	case "nginx":
		return "replace allow/deny by a geo block over $realip_remote_addr and `if ($not_edge) { return 403; }`, or move the list to the packet filter"
	case "apache":
		return "judge with `Require expr %{CONN_REMOTE_ADDR} -ipmatch '…'`, or move the list to the packet filter"
	}
	return "judge the address of the connection, or move the list to the packet filter"
}
