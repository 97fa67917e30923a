package causes

import (
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// admits answers whether the host itself takes the leg's connections: a
// listener, the packet filter and the way back are all in order.
func (v *View) admits(l *Leg) Ans {
	listen, g := v.served(l), v.Gate(l)
	switch {
	case !listen.Known():
		return listen
	case listen.IsNo():
		return listen
	case !g.Seen || g.CDN.Empty():
		return Unseen(lookFirewall)
	case len(g.CDN.Blocked) > 0:
		return No("the host's packet filter turns some of the CDN away", g.By...)
	case len(g.CDN.Unsure) > 0:
		return Ans{By: g.By, Says: "the packet filter's answer depends on its state", Look: &lookFirewall}
	}
	if to, by := v.redirectOf(l); to.IsValid() && !v.HostIs(to.Addr()).IsYes() {
		if there := v.targetGone(to.Addr()).Not(); !there.IsYes() {
			there.Says = "connections are handed on to " + to.String() + ": " + there.Says
			there.By = addIDs(there.By, by)
			return there
		}
	}
	back := v.wayBack(l)
	if !back.IsYes() {
		return back
	}
	return Yes("the host listens and its packet filter admits the CDN", addIDs(listen.By, g.By)...)
}

// publicAdmitted answers whether the host's packet filter lets ordinary
// sources in too, so that silence towards a probe is not the host's.
func (v *View) publicAdmitted(l *Leg) Ans {
	g := v.Gate(l)
	s, ok := g.Public(probeOf(l))
	if !ok {
		return Unseen(lookFirewall)
	}
	return when(s.Verdict == fact.VerdictAccept, "other sources: "+s.Verdict, g.By...)
}

func judgeCloudPortClosed(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		silent := directIs(l, "is silent from outside", OutTimeout)
		if l.Used == fact.No || !silent.IsYes() || len(l.Bads) == 0 {
			continue
		}
		fails, keys := v.Fails(l, 522)
		c := newCase("firewall.cloud.port-closed", l.Subject()).Explains(keys...)
		c.Must("Does the connect stay unanswered?", fails)
		c.Must("Is it unanswered from outside too?", silent)
		c.Ask("Does the host itself take such connections?", v.admits(l), originward.RuledOut, originward.Possible)
		c.Ask("Does its packet filter let ordinary sources in?", v.publicAdmitted(l), originward.Possible, originward.Possible)
		c.Ask("Does the host have the public address itself, so that no router forwards to it?", v.HostIs(l.Addr()), originward.RuledOut, originward.Possible)
		c.Apart("Is no queue or table of the host full?", v.noKernelLoss(l))
		c.Apart("Do replies leave the way that requests come?", v.repliesReturn(l))
		c.AtMost(originward.Likely, "a firewall in front of the host cannot be read from any place that was looked from; only a capture on the host during a connect from outside shows that the SYN never arrives")
		c.Says("a firewall in front of the host does not admit port "+itoa(int(l.Port)),
			"The host listens on "+l.String()+" and admits it, and connects from outside stay unanswered: they are lost before the host.")
		f := fix("Open the port in the provider's firewall or security group (80 and 443 if visitors use both).",
			atProvider("in the provider's panel: inbound rule TCP "+itoa(int(l.Port))+" from the CDN's ranges (originward ranges)"))
		f.Verify = "tcpdump -ni any 'tcp dst port " + itoa(int(l.Port)) + " and tcp[tcpflags] & tcp-syn != 0' shows the SYN, and " + v.diagnoseAgain()
		x := c.Fix(f).Done()
		if x.Next == nil {
			x.Next = captureLook(l).Next()
		}
		out = append(out, x)
	}
	return out
}

func captureLook(l *Leg) Look {
	return Look{originward.Host, "", "on the origin: tcpdump -ni any 'tcp dst port " + itoa(int(l.Port)) + " and tcp[tcpflags] & tcp-syn != 0' while connecting from outside; no SYN = it is lost before the host"}
}

// judgeProviderDDoS: the provider filters the CDN's traffic.
func judgeProviderDDoS(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No {
			continue
		}
		works := directReaches(l)
		fails, keys := v.Fails(l, 522, 520, 521)
		if !works.IsYes() || !fails.IsYes() || !v.edgeOnly(l) || l.garbled() {
			continue
		}
		c := newCase("firewall.provider-ddos", l.Subject()).Explains(keys...).Vague()
		c.Must("Does the edge fail?", fails)
		c.Must("Does a source that is no edge get through?", works)
		c.Ask("Does the host itself take the edge's connections?", v.admits(l), originward.RuledOut, originward.Possible)
		c.AtMost(originward.Possible, "only the provider's mitigation log shows that it filters")
		c.Says("the provider may filter the CDN's traffic",
			"The host admits the edge and a direct connect works, yet the edge's connections do not get through: what lies between may filter them.")
		c.Fix(fix("Ask the provider whether mitigation is on for the address, and to exempt the CDN's ranges.", atProvider("ticket: the address, the CDN's ranges (originward ranges), the times of the failures")))
		out = append(out, c.Done())
	}
	return out
}

// garbled reports whether the edge's failures on the leg are responses that it
// cannot read: what lies between loses packets, and TCP lets it change none.
func (l *Leg) garbled() bool {
	return len(l.Bads) > 0 && !slices.ContainsFunc(l.Bads, func(b Bad) bool {
		return b.Fault != originward.HTTPProtocolError && b.Fault != originward.HTTPResponseHeaderSection
	})
}

// cutOff reports whether every failure of the leg is a connection that was ended:
// the end arrived, so it was not lost on the way.
func (l *Leg) cutOff() bool {
	return len(l.Bads) > 0 && !slices.ContainsFunc(l.Bads, func(b Bad) bool {
		return b.Fault != originward.ConnectionTerminated && b.Fault != originward.HTTPResponseIncomplete
	})
}

// edgeOnly reports whether the failures of a leg were seen by the edge itself.
func (v *View) edgeOnly(l *Leg) bool {
	return slices.ContainsFunc(l.Bads, func(b Bad) bool { return b.Edge })
}

func judgeGeo(v *View) []Verdict {
	out := v.blocked("firewall.geo", func(b block, c *Case) {
		c.Says("a rule by country judges the edge's address",
			blockText(b)+". The rule goes by country, and it judges the edge's address, not the visitor's.")
		f := fix("Exempt the CDN's ranges before the rule, and apply country rules at the CDN or to the restored address.",
			v.exempt(b), v.persist(b.seg().Rule))
		f.Verify = v.gateVerify(b)
		c.Fix(f)
	})
	for _, r := range v.refusals() {
		if r.what.Restored == fact.Yes || len(r.what.Ranges) == 0 || !hasAny(r.what.By.Text, "geo", "country") {
			continue
		}
		c := v.webCase("firewall.geo", r)
		c.Must("Does a rule by country refuse the edge's address?", Yes(at(r.what.By)+" refuses "+rangesText(r.what.Ranges), r.item.ID))
		c.Ask("Do the edge's own addresses lie among them?", v.egressIn(r.what.Ranges, r.leg), originward.Possible, originward.Likely)
		c.Says("a rule by country judges the edge's address", at(r.what.By)+" goes by the country of the edge's address, not of the visitor's.")
		f := fix("Exempt the CDN's ranges, or judge the visitor's address that the CDN sends.", edit(r.what.By, "exempt the CDN's ranges, or use the restored address"), v.reloadOf(r.item.Fact.Server))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// exempt accepts the blocked ranges before the deciding rule.
func (v *View) exempt(b block) originward.Step {
	r := b.seg().Rule
	if r == nil || len(b.ranges()) == 0 {
		return originward.Step{}
	}
	plain := *r
	plain.Set = ""
	return admitRange(&plain, b.ranges()[0], b.leg.Port)
}

// judgeTCPWrappers: hosts.deny refuses the edge after the connection is
// accepted.
func judgeTCPWrappers(v *View) []Verdict {
	var out []Verdict
	for _, it := range v.bans {
		for _, s := range it.Fact.Sources {
			if !hasAny(s.Tool, "hosts.deny", "tcp-wrappers", "tcpwrappers", "libwrap", "denyhosts") || len(s.CDN) == 0 || s.State == fact.No {
				continue
			}
			for _, l := range v.Legs {
				if l.Used == fact.No || !v.Here(l) {
					continue
				}
				out = append(out, v.wrapped(l, s, it.ID))
			}
		}
	}
	return out
}

func (v *View) wrapped(l *Leg, s fact.BanSource, by string) Verdict {
	fails, keys := v.Fails(l, 520, 525)
	subj := l.Subject()
	subj.File, subj.Ranges = s.File, some(banRanges(s.CDN))
	if p := s.CDN[0].Place; p.File != "" {
		subj.File, subj.Line = p.File, p.Line
	}
	c := newCase("firewall.tcp-wrappers", subj).Explains(keys...)
	c.Ask("Is the edge's connection accepted and closed without a byte?", fails, originward.Possible, originward.Likely)
	c.Must("Does hosts.deny refuse addresses of the edge?", Yes(at(s.CDN[0].Place)+" refuses "+rangesText(banRanges(s.CDN))+": "+s.CDN[0].Place.Text, by))
	c.Proof("Does a server that listens ask the file?", tri(s.Enforced, "a program that listens on the edge's ports is linked to the wrappers' library", lookWrapped, by))
	c.Ask("Do the edge's own addresses lie among them?", v.egressIn(banRanges(s.CDN), l), originward.Possible, originward.Likely)
	c.Apart("Does a source that is no edge get an answer?", directWorks(l))
	c.Says("hosts.deny refuses the edge", "The server accepts the edge's connection and closes it, because "+firstOf(at(s.CDN[0].Place), "hosts.deny")+" refuses its address.")
	f := fix("Allow the CDN's ranges in hosts.allow for the web server, or take the line out of hosts.deny.",
		edit(s.CDN[0].Place, "take the CDN's ranges out"))
	f.Verify = "tcpdmatch http EDGE-ADDRESS says granted, and " + v.diagnoseAgain()
	return c.Fix(f).Done()
}
