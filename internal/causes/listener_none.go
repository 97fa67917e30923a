package causes

import (
	"slices"
	"strconv"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// judgeListenerNone judges the plain case: nothing listens, and nothing more
// particular of the family fits.
func judgeListenerNone(v *View) []Verdict {
	var out []Verdict
	for _, u := range v.unheardLegs() {
		c := newCase("listener.none", u.leg.Subject()).Explains(u.keys...)
		c.Ask("Is the connection refused?", u.refused, originward.Likely, originward.Likely)
		v.unserved(c, u, "Does no socket of the host serve the port?", outsideCap(v, u))
		c.Ask("Is no web server running there, on other ports or addresses?", v.noServerElsewhere(u), originward.Possible, originward.Likely)
		if b := v.cannotBind(u); b.text != "" {
			c.AtMost(originward.Possible, "the server that should serve the port cannot: "+b.text)
		}
		if v.untested(u) {
			c.AtMost(originward.Possible, "the server that should serve the port may refuse its configuration")
		}
		c.Says("nothing listens on port "+itoa(int(u.leg.Port)), v.whyNone(u))
		c.Fix(v.fixStart(u))
		out = append(out, c.Done())
	}
	return out
}

// outsideCap is what a refusal alone is worth. An immediate refusal of a
// source that is not the CDN's excludes bans, range blocks and dead addresses;
// what it cannot part is a rule that rejects everyone, which takes longer
// where its answer is an ICMP message.
func outsideCap(v *View, u unheard) originward.Standing {
	if !directRefused(u.leg).IsYes() || slowRefusal(u.leg) {
		return originward.Possible
	}
	for _, l := range v.Legs {
		if l != u.leg && l.Origin == u.leg.Origin && directWorks(l).IsYes() {
			return originward.Possible // the machine serves another port: see its siblings
		}
		if l.Port == u.leg.Port && l.Origin != u.leg.Origin && directReaches(l).IsYes() {
			return originward.Possible // one of several addresses
		}
	}
	return originward.Likely
}

// noServerElsewhere answers whether no web server runs on the host, so that
// the missing socket is a missing server and not one that listens elsewhere.
func (v *View) noServerElsewhere(u unheard) Ans {
	if len(v.services) == 0 || len(v.listeners) == 0 {
		return Unseen(lookServices)
	}
	near, by := v.OnPort(u.leg)
	if len(near) > 0 && !v.heldBeside(u) {
		return No(socketText(near[0])+" holds the port on another address", by...)
	} else if len(near) > 0 {
		return Unseen(lookBeside)
	}
	by = nil
	for _, it := range v.services {
		by = append(by, it.ID)
	}
	for _, s := range u.servers {
		if dead(s.Service) && v.wouldServe(s.Service, u.leg.Port) == fact.Yes && s.Config != "" {
			if _, other := v.publicServer(); other && s.State == "stopped" && v.namesSite(s.Service) == fact.No {
				return Unseen(lookMeant) // as it was installed, beside an application that may be the site
			}
			return Yes(nameOf(s.Service)+", which should serve the port, is "+s.State, s.By)
		}
	}
	for _, s := range u.servers {
		if running(s.Service) && !v.behindProxy(s.Service) {
			return No(nameOf(s.Service)+" is running", s.By)
		}
	}
	if s, ok := v.publicServer(); ok {
		return No(socketText(s)+" may be the service, on another port", by...)
	}
	if p := v.plainSibling(u.leg); p != nil && p != u.leg && u.leg.Scheme == "https" {
		if a := v.servedPlain(p); a.IsYes() {
			return No(a.Says+": the TLS port alone is missing", a.By...)
		}
	}
	return Yes("no web server is running on the host", by...)
}

// behindProxy reports whether a service is an application that takes local
// connections only: it waits for a proxy, and is not what the edge should meet.
func (v *View) behindProxy(s fact.Service) bool {
	own, _ := v.Sockets(func(k fact.Socket) bool { return containsInt(s.PIDs, k.PID) })
	return !webKinds[s.Kind] && len(own) > 0 && !slices.ContainsFunc(own, func(k fact.Socket) bool { return !k.Addr.IsLoopback() })
}

// heldBeside reports whether the port is held only on other addresses of the
// leg's family, none of them loopback: a server runs, and not for this address.
func (v *View) heldBeside(u unheard) bool {
	near, _ := v.OnPort(u.leg)
	return len(near) > 0 && u.leg.Addr().IsValid() && v.HostIs(u.leg.Addr()).IsYes() && !slices.ContainsFunc(near, func(s fact.Socket) bool {
		return s.Addr.IsLoopback() || s.Addr.Is4() != u.leg.Addr().Is4()
	})
}

func (v *View) whyNone(u unheard) string {
	why := "No process takes connections on port " + itoa(int(u.leg.Port)) + "."
	if near, _ := v.OnPort(u.leg); len(near) > 0 && v.heldBeside(u) {
		return "No process takes connections on " + u.leg.String() + "; " + socketText(near[0]) + " holds the port on that address only."
	}
	if s, ok := v.serverFor(u); ok && dead(s.Service) {
		why = nameOf(s.Service) + " is " + s.State + diedOf(s.Service) + ", so no process takes connections on port " + itoa(int(u.leg.Port)) + "."
	} else if len(v.listeners) == 0 {
		why = "The port refuses everyone at once, as where nothing listens. A packet-filter rule that rejects everyone looks the same from outside; only the host can tell them apart."
	}
	return why
}

// diedOf says how a service ended, where that is known.
func diedOf(s fact.Service) string {
	switch {
	case s.Result == "oom-kill":
		return " (killed for memory)"
	case s.Signal != "":
		return " (signal " + s.Signal + ")"
	case s.ExitCode != nil && *s.ExitCode != 0:
		return " (exit code " + strconv.Itoa(*s.ExitCode) + ")"
	}
	return ""
}

// fixStart starts the server that should serve the port.
func (v *View) fixStart(u unheard) *originward.Fix {
	port := itoa(int(u.leg.Port))
	if near, _ := v.OnPort(u.leg); len(near) > 0 && v.heldBeside(u) {
		who := firstOf(near[0].Program, "the server")
		f := fix("Let "+who+" listen on "+addrOr(u.leg.Addr())+" too, or on every address.",
			edit(v.listenPlace(near[0]), "listen on "+u.leg.String()+", or on the wildcard address"), onHost("restart "+who, ""))
		f.Verify = "ss -ltn 'sport = :" + port + "' shows a socket for the address, and " + v.diagnoseAgain()
		return f
	}
	s, ok := v.serverFor(u)
	if !ok {
		f := fix("Start the web server, or install one, so that port "+port+" is served.",
			onHost("ss -ltnp 'sport = :"+port+"'", ""))
		f.Verify = v.diagnoseAgain()
		return f
	}
	f := fix("Start "+nameOf(s.Service)+" and see that it starts at boot.",
		onHost(v.control("start", s.Service), v.control("stop", s.Service)), v.enable(s.Service))
	f.Verify = "ss -ltn 'sport = :" + port + "' shows a socket, and " + v.diagnoseAgain()
	return f
}

// judgeLoopbackOnly: the port is served on the loopback address only.
func judgeLoopbackOnly(v *View) []Verdict {
	var out []Verdict
	for _, u := range v.unheardLegs() {
		near, by := v.OnPort(u.leg)
		if len(near) == 0 {
			continue
		}
		all := true
		for _, s := range near {
			all = all && s.Addr.IsLoopback()
		}
		if !all || u.leg.Addr().IsLoopback() {
			continue
		}
		s := near[0]
		subj := u.leg.Subject()
		subj.Unit = firstOf(s.Unit, s.Program)
		place := v.listenPlace(s)
		subj.File, subj.Line = place.File, place.Line
		c := newCase("listener.loopback-only", subj).Explains(u.keys...)
		c.Ask("Is the connection refused?", u.refused, originward.Likely, originward.Likely)
		v.unserved(c, u, "Does no socket serve the origin's address?", originward.Likely)
		c.Proof("Is the port served on loopback?", Yes(socketText(s), by...))
		claims, unseen := v.nobodyClaims(u), originward.Likely
		if claims.Look != nil && *claims.Look == lookMeant {
			unseen = originward.Proved // it could not bind the port beside the socket that holds it
		}
		c.Ask("Does no stopped server claim the port?", claims, originward.Possible, unseen)
		c.Says("the server listens on loopback only",
			socketText(s)+" takes local connections only; nothing serves "+u.leg.String()+".")
		f := fix("Let "+firstOf(s.Program, "the server")+" listen on the public or the wildcard address.",
			edit(place, "listen on *:"+itoa(int(u.leg.Port))+" instead of "+s.Addr.String()), v.restartOf(s))
		f.Verify = "ss -ltn 'sport = :" + itoa(int(u.leg.Port)) + "' shows the public or wildcard address"
		c.Fix(f)
		out = append(out, c.Done())
	}
	return out
}

// listenPlace is the configuration line that opens a socket.
func (v *View) listenPlace(s fact.Socket) fact.Place {
	for _, it := range v.Live() {
		for _, l := range it.Fact.Listens {
			if l.Port == s.Port && (s.Addr.IsUnspecified() || hasAny(l.Addr, s.Addr.String())) {
				return l.Place
			}
		}
	}
	return fact.Place{}
}

// restartOf restarts the owner of a socket: a listen address changes with a
// restart, not always with a reload.
func (v *View) restartOf(s fact.Socket) originward.Step {
	for _, x := range v.Services(func(x fact.Service) bool { return s.Unit != "" && x.Unit == s.Unit || x.Kind == s.Program }) {
		return onHost(v.control("restart", x.Service), "")
	}
	if s.Unit != "" && v.manager() == "systemd" {
		return onHost("systemctl restart "+s.Unit, "")
	}
	return originward.Step{}
}
