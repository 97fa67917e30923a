package causes

import (
	"net/netip"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// wayBack answers whether replies to the edge leave by the way that replies to
// everyone take, and whether the edge's packets pass the reverse-path filter.
func (v *View) wayBack(l *Leg) Ans {
	seen := false
	var by []string
	for _, it := range v.routes {
		for _, g := range it.Fact.Groups {
			if !v.routeOf(g, it, l) || !g.CDN {
				continue
			}
			seen = true
			by = addIDs(by, []string{it.ID})
			if g.InIface != "" && g.Iface != "" && g.InIface != g.Iface && v.takenElsewhere(it, g) == "" {
				return Ans{By: []string{it.ID}, Says: "requests arrive on " + g.InIface + ", and replies leave by " + g.Iface, Look: &lookCounters}
			}
			if v.takenElsewhere(it, g) != "" || g.InOK == fact.No {
				return No("replies to "+rangesText(g.Ranges)+" do not leave as they should", it.ID)
			}
		}
	}
	if !seen {
		return Unseen(lookRoutes)
	}
	return Yes("replies to the edge leave by the usual way", by...)
}

// routeOf reports whether a route group speaks of the leg's family and, where
// the item names one, its address.
func (v *View) routeOf(g fact.RouteGroup, it fact.Item[fact.Routes], l *Leg) bool {
	if l.Addr().IsValid() && g.Family != l.Origin.Family() {
		return false
	}
	a := it.Subject.Addr
	return !a.IsValid() || !l.Addr().IsValid() || a.Unmap() == l.Addr() || v.HostIs(l.Addr()).Is != fact.Yes
}

// capturedBy says how a route group takes replies elsewhere; empty = it does
// not.
func capturedBy(g fact.RouteGroup) string {
	switch g.Type {
	case "blackhole":
		return "a blackhole route swallows them"
	case "unreachable", "prohibit":
		return "an " + g.Type + " route refuses them"
	case "none":
		return "no route leads there"
	case "local":
		return "the host takes the addresses for its own"
	}
	if g.Private && !g.Default {
		return "they go to a private next hop (" + firstOf(addrOr(g.Gateway), g.Iface) + ")"
	}
	return ""
}

// takenElsewhere is capturedBy, and the default route of another table that a
// policy rule chooses for the edge's ranges alone: a host behind a router sends
// everyone's replies to a private next hop, and that one is nobody's capture.
// So is a network of the host's own, set up over the edge's ranges.
func (v *View) takenElsewhere(it fact.Item[fact.Routes], g fact.RouteGroup) string {
	if how := capturedBy(g); how != "" {
		return how
	}
	onLink := g.Type == "unicast" && !g.Default && !g.Gateway.IsValid() && g.Iface != "" && g.InIface != g.Iface
	if !onLink && (!g.Private || !g.Default || len(it.Fact.Rules) == 0) || v.sameForAll(it, g) {
		return ""
	}
	usual := slices.ContainsFunc(it.Fact.Groups, func(o fact.RouteGroup) bool {
		return !o.CDN && o.Family == g.Family && o.Type == "unicast" && o.Iface != g.Iface
	})
	if !usual {
		return ""
	}
	if onLink {
		return "they go straight to " + g.Iface + ", as if the edge were a neighbour there"
	}
	return "a policy rule sends them to a private next hop (" + firstOf(addrOr(g.Gateway), g.Iface) + ")"
}

func addrOr(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// judgeReturnCaptured: a route takes replies to part of the CDN elsewhere.
func judgeReturnCaptured(v *View) []Verdict {
	var out []Verdict
	v.eachCapture(func(l *Leg, it fact.Item[fact.Routes], g fact.RouteGroup, how string) {
		if _, ban := v.bannedBy(g.Ranges); !ban { // see bannedRoutes
			out = append(out, v.captured(l, it, g, how))
		}
	})
	return out
}

// eachCapture calls f for every leg and route that takes replies to part of the
// CDN elsewhere.
func (v *View) eachCapture(f func(l *Leg, it fact.Item[fact.Routes], g fact.RouteGroup, how string)) {
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		for _, it := range v.routes {
			for _, g := range it.Fact.Groups {
				if how := v.takenElsewhere(it, g); g.CDN && how != "" && v.routeOf(g, it, l) && !v.sameForAll(it, g) {
					f(l, it, g, how)
				}
			}
		}
	}
}

// bannedRoutes judges bans that a tool enforces by routes: it answers for the
// addresses, and would set the route again.
func (v *View) bannedRoutes() []Verdict {
	var out []Verdict
	v.eachCapture(func(l *Leg, it fact.Item[fact.Routes], g fact.RouteGroup, how string) {
		t, ban := v.bannedBy(g.Ranges)
		if !ban {
			return
		}
		c := v.capturedCase("ban.edge-ip", l, it, g, how)
		c.Must("Is that a ban of a running tool's?", Yes(t.name()+" holds "+rangesText(g.Ranges), t.By))
		c.Says(t.name()+" has banned addresses of the edge", t.name()+" banned "+rangesText(g.Ranges)+" by a route: "+how+". Its log shows the edge's address in place of the visitor's.")
		f := fix("Lift the ban, put the CDN's ranges on the tool's ignore list, and restore the visitor's address in the web server's log.",
			append(liftAll(t.CDN), ignoreStep(&fact.FirewallRule{Owner: t.Tool}), v.restoreVisitor())...)
		f.Verify = "ip route get " + sampleAddr(g) + " leaves by the default route, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	})
	return out
}

// sameForAll reports whether addresses that are no edge meet the same route:
// the host then has no way back at all, which is another problem.
func (v *View) sameForAll(it fact.Item[fact.Routes], g fact.RouteGroup) bool {
	return slices.ContainsFunc(it.Fact.Groups, func(o fact.RouteGroup) bool {
		return !o.CDN && o.Family == g.Family && o.Type == g.Type && o.Iface == g.Iface && o.Gateway == g.Gateway
	})
}

// capturedCase is the case of an edge whose replies a route takes elsewhere.
func (v *View) capturedCase(id originward.CauseID, l *Leg, it fact.Item[fact.Routes], g fact.RouteGroup, how string) *Case {
	codes := []int{522, 523, 521}
	fails, keys := v.Fails(l, codes...)
	subj := l.Subject()
	subj.Ranges = some(g.Ranges)
	text := specialText(it.Fact, g)
	subj.Name = text
	c := newCase(id, subj).Explains(keys...)
	worst := originward.Likely
	if fails.IsNo() && v.EdgeGood().IsYes() {
		worst = originward.Possible
	}
	c.Ask("Does the edge's connect fail?", fails, worst, originward.Likely)
	c.Must("Is the reply's route captured?", Yes("replies to "+rangesText(g.Ranges)+": "+how+" ("+firstOf(text, g.Type)+")", it.ID))
	c.Ask("Do the edge's own addresses lie in it?", v.egressIn(g.Ranges, l), originward.Possible, originward.Likely)
	return c
}

func (v *View) captured(l *Leg, it fact.Item[fact.Routes], g fact.RouteGroup, how string) Verdict {
	text := specialText(it.Fact, g)
	c := v.capturedCase("path.return-route-captured", l, it, g, how)
	c.Says("a route on the host takes replies to the CDN elsewhere",
		"The edge's packets arrive, and replies to "+rangesText(g.Ranges)+" do not go back: "+how+".")
	f := fix("Remove the route, or add a more specific one for the CDN's range.", routeStep(text, g), onHost("ip route get "+sampleAddr(g)+"   # must show the default way", ""))
	f.Verify = "ip route get " + sampleAddr(g) + " leaves by the default route, and " + v.diagnoseAgain()
	return c.Fix(f).Done()
}

func sampleAddr(g fact.RouteGroup) string {
	if len(g.Ranges) == 0 {
		return "EDGE-ADDRESS"
	}
	return g.Ranges[0].Addr().Next().String()
}

// specialText is the table entry that captures a group.
func specialText(r fact.Routes, g fact.RouteGroup) string {
	for _, s := range r.Special {
		for _, p := range g.Ranges {
			if s.Prefix.Overlaps(p) && (s.Type == g.Type || s.Iface == g.Iface && g.Iface != "") {
				return s.Text
			}
		}
	}
	return ""
}

func routeStep(text string, g fact.RouteGroup) originward.Step {
	if text == "" {
		return originward.Step{}
	}
	ip := "ip route"
	if g.Family == originward.IP6 {
		ip = "ip -6 route"
	}
	return risky(onHost(ip+" del "+text, ip+" add "+text), "what the route was made for (a VPN, a block) no longer has it; a more specific route for the CDN's range keeps both")
}

// judgeAsymmetric: replies leave by another interface than requests arrive on,
// or the reverse-path filter drops the requests.
func judgeAsymmetric(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		for _, it := range v.routes {
			for _, g := range it.Fact.Groups {
				if !g.CDN || g.Type != "unicast" || !v.routeOf(g, it, l) || v.takenElsewhere(it, g) != "" && !v.sameForAll(it, g) {
					continue
				}
				if g.InOK == fact.No || g.InIface != "" && g.Iface != "" && g.InIface != g.Iface {
					out = append(out, v.asymmetric(l, it, g))
				}
			}
		}
	}
	return out
}

// repliesReturn answers whether replies to the edge leave by the interface on
// which its requests arrive.
func (v *View) repliesReturn(l *Leg) Ans {
	a := Unseen(lookRoutes)
	for _, it := range v.routes {
		for _, g := range it.Fact.Groups {
			if !g.CDN || g.Type != "unicast" || g.InIface == "" || g.Iface == "" || !v.routeOf(g, it, l) {
				continue
			}
			if g.InIface != g.Iface {
				return No("requests arrive on "+g.InIface+", and replies leave by "+g.Iface, it.ID)
			}
			a = Yes("replies leave by "+g.Iface+", on which requests arrive", it.ID)
		}
	}
	return a
}

// answersItself reports whether the leg answers the host it is on.
func (v *View) answersItself(l *Leg) bool {
	return slices.ContainsFunc(l.Local, func(x fact.Item[fact.Exchange]) bool {
		return x.Fact.Variant == fact.VariantPlain && OutcomeOf(x.Fact) == OutOK
	})
}

func (v *View) asymmetric(l *Leg, it fact.Item[fact.Routes], g fact.RouteGroup) Verdict {
	fails, keys := v.Fails(l, 522)
	c := newCase("path.asymmetric-return", l.Subject()).Explains(keys...)
	worst := originward.Likely
	if fails.IsNo() && v.EdgeGood().IsYes() {
		worst = originward.Possible
	}
	c.Ask("Does the edge's connect stay unanswered?", fails, worst, originward.Likely)
	c.Must("Do replies leave by another interface than requests arrive on?",
		Yes("requests arrive on "+firstOf(g.InIface, "one interface")+", replies leave by "+firstOf(g.Iface, "another"), it.ID))
	dropped := Unseen(lookCounters)
	if g.InOK == fact.No {
		dropped = Yes("the kernel's own look-up refuses packets from there ("+firstOf(g.InErrno, "reverse-path filter")+")", it.ID)
	} else if n, by := v.growth("IPReversePathFilter"); n > 0 {
		dropped = Yes("the reverse-path filter drops packets now", by...)
	}
	if seen := v.dropped(l, dropReturn); seen.IsYes() {
		dropped = seen
	}
	unseen := originward.Possible
	if fails.IsYes() && g.InIface != "" && directIs(l, "is silent from outside too", OutTimeout).IsYes() {
		unseen = originward.Likely // nobody gets an answer: what is lost is lost for all
	}
	c.Ask("Does the kernel drop such packets?", dropped, originward.Possible, unseen)
	c.Says("replies leave by another way than requests come",
		"Requests to "+l.String()+" arrive on "+g.InIface+", and the way back to the edge leads over "+g.Iface+"; the reverse-path filter or the network beyond drops one of them.")
	f := fix("Send replies back by the interface the request came in on (policy routing), or set the reverse-path filter to loose.",
		onHost("sysctl -w net.ipv4.conf."+firstOf(g.InIface, "all")+".rp_filter=2", "sysctl -w net.ipv4.conf."+firstOf(g.InIface, "all")+".rp_filter=1"),
		onHost("ip rule add from "+addrOr(l.Addr())+" table 100 && ip route add default via GATEWAY dev "+g.InIface+" table 100", "ip rule del from "+addrOr(l.Addr())+" table 100"))
	f.Verify = "ip route get " + addrOr(l.Addr()) + " from " + sampleAddr(g) + " iif " + g.InIface + " answers local, and " + v.diagnoseAgain()
	return c.Fix(f).Done()
}

// growth is how much a kernel counter grew between the two readings.
func (v *View) growth(names ...string) (n uint64, by []string) {
	for _, it := range v.counters {
		for _, k := range names {
			if g := it.Fact.Growth[k]; g > 0 {
				n += g
				by = addIDs(by, []string{it.ID})
			}
		}
	}
	return n, by
}
