package causes

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// judgeIPv6Broken: the IPv6 path comes and goes while IPv4 works.
func judgeIPv6Broken(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		sib := v.familySibling(l)
		if l.Used == fact.No || !l.Addr().Is6() || sib == nil || len(l.Bads) == 0 {
			continue
		}
		works := directReaches(sib)
		if !works.IsYes() {
			works = v.edgeReaches(sib)
		}
		flaps := v.flaps(l)
		if !flaps.IsYes() && !v.unreached(l).IsYes() {
			continue
		}
		fails, keys := v.Fails(l, 522, 523, 521)
		c := newCase("path.ipv6-broken", l.Subject()).Explains(keys...)
		c.Must("Does IPv6 fail at connect?", fails)
		c.Must("Does IPv4 work?", works)
		c.Ask("Does IPv6 work at other times?", flaps, originward.Possible, originward.Possible)
		c.Ask("Has the host the address, a listener on it, and an open packet filter?", v.admits(l), originward.Possible, originward.Likely)
		c.Says("the IPv6 path to the origin comes and goes", l.String()+" is reached at some times and not at others, while "+sib.String()+" answers: the path is at fault, not the server.")
		f := fix("Switch the record to IPv4 until the path is mended, and watch both families.",
			v.withdraw(l.Addr(), ""), atProvider("report the IPv6 path with a trace from both sides"))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// unreached answers whether the leg is silent or unreachable, not refused.
func (v *View) unreached(l *Leg) Ans {
	if len(l.Direct) == 0 {
		for _, b := range l.Bad(522, 523) {
			return Yes("the edge answers "+itoa(b.Code), b.By...)
		}
		return Unseen(lookDirect)
	}
	return directIs(l, "is silent or unreachable from outside", OutTimeout, OutUnreachable)
}

// edgeReaches answers whether the edge got a response over the leg.
func (v *View) edgeReaches(l *Leg) Ans {
	for h := range l.hits() {
		if h.Contact() {
			return Yes("the edge gets through to "+l.String(), h.By...)
		}
	}
	return Unseen(lookRecord)
}

// flaps answers whether equal exchanges with the leg end well at some times
// and badly at others.
func (v *View) flaps(l *Leg) Ans {
	good, bad, by := v.tally(l)
	n := good + bad
	switch {
	case good > 0 && bad > 0:
		return Yes(itoa(good)+" of "+itoa(n)+" exchanges reach it", by...)
	case n >= 5:
		return No("all of "+itoa(n)+" exchanges end the same way", by...)
	}
	return Unseen(lookRepeat)
}

// steady answers whether at least two exchanges with the legs failed and none
// ended well.
func (v *View) steady(legs ...*Leg) Ans {
	good, bad := 0, 0
	var by []string
	put := func(ok bool, id string) {
		by = addIDs(by, []string{id})
		if ok {
			good++
		} else {
			bad++
		}
	}
	for _, l := range legs {
		for _, x := range l.Direct {
			put(directCode(v, x) == 0, x.ID)
		}
		for _, h := range l.Exact {
			put(h.Good(), h.By[0])
		}
	}
	switch {
	case good > 0:
		return No(itoa(good)+" of "+itoa(good+bad)+" exchanges end well", by...)
	case bad >= 2:
		return Yes("all of "+itoa(bad)+" exchanges fail", by...)
	}
	return Unseen(lookRepeat)
}

// tally counts the exchanges that reach the leg's port and those that do not.
func (v *View) tally(l *Leg) (good, bad int, by []string) {
	put := func(ok bool, id string) {
		by = addIDs(by, []string{id})
		if ok {
			good++
		} else {
			bad++
		}
	}
	for _, x := range l.Direct {
		if o := OutcomeOf(x.Fact); o != "" {
			put(o != OutTimeout && o != OutUnreachable && o != OutRefused, x.ID)
		}
	}
	for _, r := range v.repeats {
		for _, run := range r.Fact.Runs[:min(len(r.Fact.Runs), maxItems)] {
			if r.Fact.Target == l.Target() || run.Peer.IsValid() && run.Peer.Unmap() == l.Addr() && r.Fact.Via == "direct" {
				put(run.Phase != originward.PhaseConnect, r.ID)
			}
		}
	}
	for _, h := range l.Exact {
		put(h.Phase != originward.PhaseConnect && h.Code != 521 && h.Code != 522 && h.Code != 523, h.By[0])
	}
	return good, bad, by
}

// judgeISPPortBlock: behind a router, and web ports never arrive.
func judgeISPPortBlock(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		silent := directIs(l, "is silent from outside", OutTimeout)
		if l.Used == fact.No || !silent.IsYes() || len(l.Bads) == 0 {
			continue
		}
		here := v.HostIs(l.Addr())
		if here.Is != fact.Unknown || here.Says == "" {
			continue // the host has the address, or nothing is known of it
		}
		fails, keys := v.Fails(l, 522)
		c := newCase("path.isp-port-block", l.Subject()).Explains(keys...)
		c.Must("Does the connect stay unanswered?", fails)
		c.Must("Is it unanswered from outside too?", silent)
		c.Must("Does the host stand behind a router?", Yes(here.Says, here.By...))
		c.Ask("Does the host itself take such connections?", v.admits(l), originward.RuledOut, originward.Possible)
		c.Ask("Do other ports get through?", v.unusualPort(l), originward.Possible, originward.Possible)
		c.AtMost(originward.Likely, "where the packet is lost between provider and host shows only on the router's outer side")
		c.Says("the access provider or the router does not let web ports in", "The host stands behind a router, listens and admits the edge; connects to port "+itoa(int(l.Port))+" from outside are lost before it.")
		f := fix("Forward the port on the router; if the provider blocks web ports, use another port with an origin rule, or a tunnel.",
			onHost("on the router: forward TCP "+itoa(int(l.Port))+" to this host", "remove the forwarding"), onCDN("origin rule: another destination port; or a tunnel that needs no open port", ""))
		f.Verify = v.diagnoseAgain()
		x := c.Fix(f).Done()
		if x.Next == nil {
			x.Next = captureLook(l).Next()
		}
		out = append(out, x)
	}
	return out
}

// unusualPort answers whether a port that providers do not block gets through.
func (v *View) unusualPort(l *Leg) Ans {
	for _, o := range v.Legs {
		if o.Origin == l.Origin && o.Port != 80 && o.Port != 443 && o.Port != 25 && directReaches(o).IsYes() {
			return directReaches(o)
		}
	}
	return Unseen(lookPath)
}

// judgeProviderOutage: nothing of the address answers, and the path ends
// before it.
func judgeProviderOutage(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		gone := v.unreached(l)
		if l.Used == fact.No || !l.Main || !gone.IsYes() || len(l.Bads) == 0 {
			continue
		}
		if v.otherPortOpen(l).IsYes() || v.Has(originward.Host) && v.HostIs(l.Addr()).IsYes() && !v.endsShort(l).IsYes() {
			continue
		}
		fails, keys := v.Fails(l, 522, 523, 521)
		c := newCase("path.provider-outage", l.Subject()).Explains(keys...).Vague()
		c.Must("Does the connect fail?", fails)
		c.Must("Does no port of the address answer?", gone)
		c.Ask("Does the path end inside the provider's network?", v.endsShort(l), originward.Possible, originward.Possible)
		c.AtMost(originward.Likely, "whether others at the provider fail too cannot be seen from here")
		c.Says("the provider's network or the machine is down", "No port of "+l.Addr().String()+" answers from outside. A dead machine, a wrong address, a firewall that drops everything and an outage of the provider look the same.")
		c.Fix(fix("Look at the provider's status page and the machine's console; fail over if there is another origin.", atProvider("ticket with the trace and the times of failure")))
		out = append(out, c.Done())
	}
	return out
}

// endsShort answers whether the path to the leg ends before the host: by a trace,
// or because connects from outside are answered as unreachable while the host
// itself would take them.
func (v *View) endsShort(l *Leg) Ans {
	if a := v.tracedShort(l); a.Known() {
		return a
	}
	back := directIs(l, "is answered as unreachable", OutUnreachable)
	if admits := v.admits(l); back.IsYes() && admits.IsYes() && v.outsideReaches(l) {
		return Yes("connects from outside are answered as unreachable, and the host itself would take them", addIDs(back.By, admits.By)...)
	}
	return Unseen(lookPath)
}

// outsideReaches reports whether the place from which connects to the leg were
// tried has a route to anywhere in that family.
func (v *View) outsideReaches(l *Leg) bool {
	for _, o := range v.own {
		for _, f := range o.Fact.Families {
			if f.Usable == fact.No && (f.Family == originward.IP6) == l.Addr().Is6() {
				return false
			}
		}
	}
	return true
}

// tracedShort answers whether a trace towards the leg ends before it, by a word
// of a router on the way. A trace that only stays without an answer is also what
// a filter that drops everything leaves.
func (v *View) tracedShort(l *Leg) Ans {
	for _, p := range v.paths {
		if p.Fact.Target.Addr().Unmap() != l.Addr() || len(p.Fact.Hops) == 0 {
			continue
		}
		if p.Fact.Reached == fact.Yes {
			return No("the trace reaches "+l.Addr().String(), p.ID)
		}
		for _, h := range p.Fact.Hops {
			if p.Fact.Reached == fact.No && h.ICMP != "" && h.Addr.Unmap() != l.Addr() && !strings.Contains(h.ICMP, "prohib") {
				return Yes(h.Addr.String()+", on the way to "+l.Addr().String()+", answers "+h.ICMP, p.ID)
			}
		}
	}
	return Unseen(lookPath)
}

// judgeTransitLoss: only some places of the edge fail, and nothing else parts
// them.
func judgeTransitLoss(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No {
			continue
		}
		fails, keys := v.Fails(l, 522, 520, 524)
		if !fails.IsYes() || !v.edgeOnly(l) || !directReaches(l).IsYes() || l.garbled() || l.cutOff() {
			continue
		}
		c := newCase("path.transit-loss", l.Subject()).Explains(keys...).Vague()
		c.Must("Does the edge fail?", fails)
		c.Must("Does a direct connect from elsewhere work?", directReaches(l))
		c.Ask("Does the host itself take the edge's connections?", v.admits(l), originward.RuledOut, originward.Possible)
		c.Ask("Do some of the edge's addresses fail, and others always get through?", v.bySource(l), originward.Possible, originward.Possible)
		c.Ask("Is no queue or table of the host full?", v.noKernelLoss(l), originward.Possible, originward.Possible)
		c.Ask("Does a trace show loss in a network between?", v.lossOnPath(l), originward.Possible, originward.Likely)
		c.AtMost(originward.Likely, "the path between edge and origin can be traced only from there")
		c.Says("packets are lost on the way between the CDN and the origin", "The host admits the edge, direct connects work, and some of the edge's connections are lost: a network between them drops packets.")
		c.Fix(fix("Report the failing edge addresses with traces from the origin towards them; route around or wait.",
			onHost("mtr -wbzc 50 --tcp -P 443 EDGE-ADDRESS   # from the origin", ""), atProvider("ticket with that trace")))
		out = append(out, c.Done())
	}
	return out
}

// bySource answers whether the edge's addresses part cleanly into those from
// which exchanges over the leg fail and those from which they work: what
// happens to be lost at times falls on all of them alike.
func (v *View) bySource(l *Leg) Ans {
	if a := v.partial(l); !a.IsYes() {
		return a
	}
	good, bad := map[netip.Addr]bool{}, map[netip.Addr]bool{}
	var by []string
	for h := range l.hits() {
		if !h.Egress.IsValid() {
			continue
		}
		by = addIDs(by, h.By)
		if h.lost() {
			bad[h.Egress] = true
		} else if h.Contact() {
			good[h.Egress] = true
		}
	}
	var failing []string
	for a := range bad {
		if good[a] {
			return No("exchanges from "+a.String()+" fail at times only", by...)
		}
		failing = append(failing, a.String())
	}
	if len(failing) == 0 || len(good) == 0 {
		return Unseen(lookRecord)
	}
	slices.Sort(failing)
	return Yes("every exchange from "+strings.Join(failing, ", ")+" fails, and none from the edge's other addresses", by...)
}

// partial answers whether some of the edge's exchanges over the leg work.
func (v *View) partial(l *Leg) Ans {
	good, bad := 0, 0
	var by []string
	for h := range l.hits() {
		by = addIDs(by, h.By)
		if h.lost() {
			bad++
		} else if h.Contact() {
			good++
		}
	}
	switch {
	case good > 0 && bad > 0:
		return Yes(itoa(bad)+" of "+itoa(good+bad)+" exchanges of the edge fail", by...)
	case bad > 1:
		return No("every exchange of the edge fails", by...)
	}
	return Unseen(lookRecord)
}

func (v *View) lossOnPath(l *Leg) Ans {
	for _, p := range v.paths {
		if p.Fact.Target.Addr().Unmap() == l.Addr() && p.Fact.Reached == fact.No {
			return Yes("a trace does not get through", p.ID)
		}
	}
	return Unseen(lookPath)
}

// judgeMTUBlackhole: small packets pass, large ones vanish and no error comes.
func judgeMTUBlackhole(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		hole := v.largeVanish(l)
		if l.Used == fact.No || !hole.IsYes() {
			continue
		}
		fails, keys := v.Fails(l, 520, 522, 524, 525)
		if body, bk := v.bodyStalls(l); body.IsYes() && !fails.IsYes() {
			fails, keys = body, bk
		}
		c := newCase("path.mtu-blackhole", l.Subject()).Explains(keys...)
		c.Ask("Do exchanges stall after the connect?", fails, originward.Possible, originward.Likely)
		c.Must("Do large packets vanish without an error?", hole)
		c.Apart("Do small exchanges work?", v.smallWorks(l))
		if !v.sized(l) {
			c.AtMost(originward.Likely, "no probe of sizes saw it: it shows on the way back only")
		}
		c.Says("large packets vanish on the way", "Small packets to and from "+l.String()+" pass, larger ones vanish, and no error comes back: the path's MTU is smaller than both sides believe.")
		f := fix("Clamp the MSS to the path, or lower the MTU of the interface; let ICMP fragmentation-needed through.",
			onHost("iptables -t mangle -A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu", "iptables -t mangle -D POSTROUTING -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

func (v *View) largeVanish(l *Leg) Ans {
	for _, p := range v.paths {
		if m := p.Fact.MTU; p.Fact.Target.Addr().Unmap() == l.Addr() && m.SmallestLost > 0 {
			if m.FragNeededMTU > 0 {
				return No("a router names its MTU, "+itoa(m.FragNeededMTU), p.ID)
			}
			return Yes("packets of "+itoa(m.SmallestLost)+" bytes are lost without an error, of "+itoa(m.LargestOK)+" pass", p.ID)
		}
	}
	// Without a probe of sizes: the head of the page comes, the page does not, and
	// the host itself gets it.
	for _, x := range l.Variants {
		if x.Fact.Variant == fact.VariantHead && OutcomeOf(x.Fact) == OutOK && v.answersItself(l) && directIs(l, "sends nothing", OutSlow).IsYes() {
			return Yes("a response without its body arrives, the whole one does not, and the host itself gets it at once", x.ID)
		}
	}
	return Unseen(lookPath)
}

// sized reports whether a probe of sizes saw large packets vanish.
func (v *View) sized(l *Leg) bool {
	return slices.ContainsFunc(v.paths, func(p fact.Item[fact.Path]) bool {
		return p.Fact.Target.Addr().Unmap() == l.Addr() && p.Fact.MTU.SmallestLost > 0
	})
}

// bodyStalls answers whether responses begin and their bodies stall.
func (v *View) bodyStalls(l *Leg) (Ans, []string) {
	for _, x := range l.Direct {
		if x.Fact.Fault != nil && OutcomeOf(x.Fact) == OutBody && x.Fact.Fault.Type == originward.ConnectionReadTimeout {
			return Yes("the body of "+l.String()+" stalls", x.ID), []string{"body|" + l.Target().String()}
		}
	}
	return Unseen(lookVariants), nil
}

func (v *View) smallWorks(l *Leg) Ans {
	for _, x := range slices.Concat(l.Direct, l.Variants) {
		if OutcomeOf(x.Fact) == OutOK && x.Fact.Connected() {
			return Yes("a small exchange works", x.ID)
		}
	}
	for _, x := range l.Variants {
		if x.Fact.Variant == fact.VariantSmallHello && x.Fact.TLS != nil && x.Fact.TLS.Complete {
			return Yes("a small ClientHello works", x.ID)
		}
	}
	return Unseen(lookVariants)
}
