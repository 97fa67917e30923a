package causes

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// judgeBackendDown: the process behind the proxy does not run.
func judgeBackendDown(v *View) []Verdict {
	out := v.tunnelBackendDown()
	for _, u := range v.upstreams() {
		refused := v.refusedBackend(u.up, u.item.ID)
		if !refused.IsYes() {
			continue
		}
		fails, keys := v.proxyFails(u.leg, 502, 503, 504)
		c := newCase("backend.down", u.subject()).Explains(keys...)
		c.Ask("Does the origin's own proxy answer 502 or 503?", fails, originward.Possible, originward.Likely)
		c.Ask("Did the origin write it, and not the edge?", v.written(u.leg), originward.RuledOut, originward.Likely)
		c.Must("Is the backend's port refused?", refused)
		c.Ask("Does no socket of the host serve it?", v.noBackendSocket(u), originward.Possible, originward.Likely)
		c.Apart("Is the backend not found on another port?", v.notElsewhere(u))
		if turn := v.inTurn(u); turn.IsYes() {
			c.Ask("Is it gone for good, and not one of several that are restarted in turn?", turn.Not(), originward.Likely, originward.Proved)
		}
		if !fails.IsYes() && v.groupServes(u) {
			c.AtMost(originward.Possible, "others of its group take the requests, and nobody was seen to fail")
		}
		s, ok := v.backendService(u.up)
		c.Says("the application behind the proxy does not run", "The proxy forwards to "+u.up.Name+" ("+at(u.up.Place)+"), where nothing takes connections"+serviceText(s, ok)+".")
		start := onHost("start the application that should serve "+u.up.Name, "")
		if ok {
			c.v.Subject.Unit = nameOf(s.Service)
			start = onHost(v.control("start", s.Service), v.control("stop", s.Service))
		}
		f := fix("Start the application, and correct what keeps it from starting.", start)
		f.Verify = "a connect to " + u.up.Name + " succeeds, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// groupServes reports whether another backend of the same group answers.
func (v *View) groupServes(u inner) bool {
	return u.up.Group != "" && slices.ContainsFunc(v.upstreams(), func(o inner) bool {
		return o.item.ID == u.item.ID && o.up.Group == u.up.Group && o.up.Name != u.up.Name && o.up.Answers == fact.Yes
	})
}

func serviceText(s Service, ok bool) string {
	if !ok || !dead(s.Service) {
		return ""
	}
	return ": " + nameOf(s.Service) + " is " + s.State + diedOf(s.Service)
}

// noBackendSocket answers whether nothing serves the backend; for a unix
// socket the refusal itself says so.
func (v *View) noBackendSocket(u inner) Ans {
	if u.up.Socket != "" && u.up.Answers == fact.No {
		return Yes("nothing accepts on "+u.up.Socket, u.item.ID)
	}
	return v.backendSocket(u.up, u.item.ID).Not()
}

// elsewhere finds a socket of an application that may be the backend on
// another port of the same host.
func (v *View) elsewhere(u inner) (fact.Socket, []string, bool) {
	if u.up.Socket != "" || !u.up.Addr.IsValid() {
		return fact.Socket{}, nil, false
	}
	// Of the applications' sockets the first is taken, those of a known program
	// before the others.
	found, ok := fact.Socket{}, false
	for _, s := range v.apps.socks {
		if s.Port == u.up.Addr.Port() {
			continue
		}
		if appProgram(s.Program) {
			return s, v.apps.by, true
		}
		if !ok {
			found, ok = s, true
		}
	}
	if !ok {
		return fact.Socket{}, nil, false
	}
	return found, v.apps.by, true
}

// apps are sockets that may be an application's, with the lists they stand in.
type apps struct {
	socks []fact.Socket
	by    []string
}

// readApps lists the sockets that may be an application's to which no upstream
// leads.
func (v *View) readApps() (a apps) {
	a.socks, a.by = v.Sockets(func(s fact.Socket) bool {
		return !webProgram(s.Program) && !v.usedUpstream(s) && (appPort(s.Port) || appProgram(s.Program)) && !v.isLegPort(s.Port)
	})
	return a
}

func webProgram(name string) bool {
	return slices.Contains([]string{"nginx", "apache2", "httpd", "caddy", "lighttpd", "haproxy", "varnishd", "traefik", "envoy"}, name)
}

// usedUpstream reports whether another upstream already leads to a socket.
func (v *View) usedUpstream(s fact.Socket) bool { return v.upPorts[s.Port] }

// answeringPorts are the ports of upstreams that answer.
func (v *View) answeringPorts() map[uint16]bool {
	m := map[uint16]bool{}
	for _, it := range v.web {
		for _, u := range it.Fact.Upstreams {
			if u.Answers == fact.Yes {
				m[u.Addr.Port()] = true
			}
		}
	}
	return m
}

func (v *View) isLegPort(p uint16) bool {
	return slices.ContainsFunc(v.Legs, func(l *Leg) bool { return l.Port == p && l.Used == fact.Yes })
}

func (v *View) notElsewhere(u inner) Ans {
	if len(v.listeners) == 0 {
		return Unseen(lookListeners)
	}
	if s, by, ok := v.elsewhere(u); ok {
		return No(socketText(s)+" may be the application, on another port", by...)
	}
	return Yes("no other application listens on the host", v.listeners[0].ID)
}

// backendWent answers whether the proxy of a leg lost its backend: what crashes
// breaks its connections off, or refuses them until it is started anew. Other
// failures of the proxy have other reasons. A leg without a proxy's log, or
// without a backend, tells neither.
func (v *View) backendWent(l *Leg) Ans {
	behind := false
	for _, u := range v.upstreams() {
		if u.leg != l {
			continue
		}
		behind = true
		if s, ok := v.processOf(u.up); ok && s.Kind == "app" {
			lines, by := v.Lines(nil, fact.LogSegfault)
			if !slices.ContainsFunc(lines, func(x fact.LogLine) bool {
				d := s.Since.Sub(x.At)
				return d > -time.Second && d < restartWithin || v.lostAt(x.At) // or one of its workers crashed
			}) && len(lines) > 0 {
				return No(nameOf(s.Service)+" runs, and was not started after a crash", addIDs(by, []string{s.By})...)
			}
		}
	}
	if !behind {
		return Unseen(lookLogs)
	}
	if a := v.Logged("the proxy lost its backend", nil, fact.LogUpstreamClosed, fact.LogUpstreamRefused); a.IsYes() {
		return a
	}
	return v.Logged("the proxy's log tells of another failure", nil, fact.LogUpstreamDenied, fact.LogUpstreamNoPort, fact.LogUpstreamTimeout, fact.LogUpstreamTLS,
		fact.LogUpstreamResolve, fact.LogUpstreamHeader, fact.LogUpstreamInvalid).Not()
}

// restartWithin is how soon after a crash a program is started anew by whatever
// watches it.
const restartWithin = 2 * time.Minute

// crashLines are the lines of crashes that may be the site's.
func (v *View) crashLines() []fact.LogLine {
	lines, _ := v.Lines(v.crashOfSite, fact.LogChildCrash, fact.LogSegfault)
	return lines
}

// killedBy9 reports whether a child's exit is by SIGKILL, which no program gives
// itself by a fault.
func killedBy9(l fact.LogLine) bool { return l.Kind == fact.LogChildCrash && l.Errno == 9 }

// judgeBackendWrongPort: the proxy points at the wrong port or scheme.
func judgeBackendWrongPort(v *View) []Verdict {
	var out []Verdict
	for _, u := range v.upstreams() {
		scheme := v.wrongScheme(u)
		s, by, moved := v.elsewhere(u)
		refused := v.refusedBackend(u.up, u.item.ID)
		if !scheme.IsYes() && (!moved || !refused.IsYes()) {
			continue
		}
		fails, keys := v.proxyFails(u.leg, 502, 503, 400)
		c := newCase("backend.wrong-port", u.subject()).Explains(keys...)
		c.Ask("Does the origin's own proxy fail?", fails, originward.Possible, originward.Likely)
		c.Ask("Did the origin write it, and not the edge?", v.written(u.leg), originward.Likely, originward.Likely)
		why, step := "", ""
		if scheme.IsYes() {
			c.Must("Does the backend speak another scheme?", scheme)
			why, step = scheme.Says, "speak "+u.up.Speaks+" to "+u.up.Name
		} else {
			c.Must("Is the configured port refused?", refused)
			c.Ask("Does the application listen on another port?", Yes(socketText(s), by...), originward.RuledOut, originward.Possible)
			c.Ask("Is the application's own service not stopped?", v.backendAlive(u), originward.Possible, originward.Likely)
			why, step = socketText(s)+", and the proxy forwards to "+u.up.Name, "forward to port "+itoa(int(s.Port))
		}
		c.Says("the proxy points at the wrong port of the application", "The proxy's line at "+at(u.up.Place)+" does not fit the application: "+why+".")
		f := fix("Correct the port or scheme in the proxy's configuration.", edit(u.up.Place, step), v.reloadOf(u.item.Fact.Server))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// wrongScheme answers whether the backend speaks TLS where http is spoken to
// it, or the reverse.
func (v *View) wrongScheme(u inner) Ans {
	switch {
	case u.up.Answers != fact.Yes || u.up.Speaks == "":
	case u.up.Scheme == "http" && u.up.Speaks == "tls":
		return Yes(u.up.Name+" speaks TLS, and the proxy speaks http to it", u.item.ID)
	case u.up.Scheme == "https" && u.up.Speaks == "http":
		return Yes(u.up.Name+" speaks plain http, and the proxy speaks TLS to it", u.item.ID)
	}
	return Unseen(lookLocal)
}

func (v *View) backendAlive(u inner) Ans {
	s, ok := v.backendService(u.up)
	if ok && dead(s.Service) && (s.State == "failed" || s.Enabled == fact.Yes) {
		return No(nameOf(s.Service)+" is "+s.State, s.By)
	}
	if len(v.services) == 0 {
		return Unseen(lookServices)
	}
	return Yes("no backend service is known to be stopped", v.services[0].ID)
}

// crashOfSite reports whether a line tells of a crash that can be the site's:
// the kernel and the service manager write of every program of the machine.
func (v *View) crashOfSite(l fact.LogLine) bool {
	switch {
	case l.Program == "systemd":
		unit := v.Services(func(s fact.Service) bool { return s.Unit == l.Target })
		if len(unit) > 0 {
			return (isWeb(unit[0].Service) || unit[0].Role == "backend") && v.ofSite(unit[0].Service)
		}
		// A unit of which no more is known: the proxy lost its backend in the same moment.
		return v.lostAt(l.At)
	case l.Kind == fact.LogSegfault && l.Target != "" && len(v.services) > 0:
		if !webKinds[l.Target] && !v.lostAt(l.At) {
			return false // the kernel writes of every program: a proxy must have lost its backend in that moment
		}
		socks, _ := v.Sockets(func(s fact.Socket) bool { return s.Program == l.Target || strings.HasPrefix(s.Program, l.Target) })
		return len(socks) > 0 || len(v.Services(func(s fact.Service) bool { return sameProgram(s, l.Target) && installed(s) && v.ofSite(s) })) > 0
	}
	return true
}

// lostAt reports whether a proxy lost its backend in the middle of an answer at
// a time.
func (v *View) lostAt(t time.Time) bool {
	lost, _ := v.Lines(func(p fact.LogLine) bool { return t.Sub(p.At).Abs() < 2*time.Second }, fact.LogUpstreamClosed)
	return len(lost) > 0
}

// judgeBackendCrashed: workers crash while they answer.
func judgeBackendCrashed(v *View) []Verdict {
	var out []Verdict
	crash := v.Logged("workers crash", v.crashOfSite, fact.LogChildCrash, fact.LogSegfault)
	if kill := v.childrenKilled(); kill.unit != "" && !slices.ContainsFunc(first(v.crashLines(), maxItems), func(x fact.LogLine) bool { return !killedBy9(x) }) {
		return nil // the kernel ended them for their memory: see capacity.oom
	}
	if !crash.IsYes() {
		return nil
	}
	lines, _ := v.Lines(v.crashOfSite, fact.LogChildCrash, fact.LogSegfault)
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		fails, keys := v.proxyFails(l, 502, 520, 503, cutShort)
		if !fails.IsYes() {
			continue
		}
		program := lines[0].Program
		if program == "kernel" {
			program = lines[0].Target
		}
		c := newCase("backend.crashed", originward.Subject{Addr: l.Addr(), Port: l.Port, Family: l.Origin.Family(), Unit: program}).Explains(keys...)
		c.Must("Does the origin fail?", fails)
		c.Must("Do the logs of that time show crashes?", crash)
		own := No("the kernel's log is the whole machine's, and no server's own log tells of it", crash.By...)
		if i := slices.IndexFunc(lines, func(x fact.LogLine) bool { return x.Kind == fact.LogChildCrash && x.Source != "kernel" }); i >= 0 {
			own = Yes("the server's own log: "+lines[i].Text, crash.By...)
		}
		c.Ask("Is it this server's own log?", own, originward.Likely, originward.Likely)
		if !own.IsYes() {
			c.Ask("Does the proxy's log show a backend that went away?", v.backendWent(l), originward.Possible, originward.Likely)
		}
		c.Apart("Is no close on purpose configured or logged?", v.closedOnPurpose(l).Not())
		c.Says("workers of the server crash", "The log of the failing time shows crashes: "+lines[0].Text)
		f := fix("Roll back the last update, or switch off the module that crashes.", onHost("journalctl -u "+firstOf(program, "SERVICE")+" --since -1h; coredumpctl list", ""))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// judgeStaleUpstreamDNS: the proxy keeps the address that a backend's name had
// at start.
func judgeStaleUpstreamDNS(v *View) []Verdict {
	var out []Verdict
	for _, u := range v.upstreams() {
		if len(u.up.Resolved) == 0 || u.up.Runtime == fact.Yes {
			continue
		}
		lines, by := v.Lines(func(l fact.LogLine) bool { return otherAddress(l, u.up) }, fact.LogUpstreamRefused, fact.LogUpstreamTimeout, fact.LogUpstreamClosed)
		if len(lines) == 0 {
			out = append(out, v.staleBlind(u)...)
			continue
		}
		fails, keys := v.proxyFails(u.leg, 502, 504)
		c := newCase("backend.stale-upstream-dns", u.subject()).Explains(keys...)
		c.Ask("Does the origin's own proxy answer 502 or 504?", fails, originward.Possible, originward.Likely)
		c.Must("Does the proxy dial another address than the name has now?", Yes(u.up.Name+" is "+addrsText(u.up.Resolved)+" now, and the proxy's log shows "+lines[0].Target, append(by, u.item.ID)...))
		c.Proof("Does the present address answer?", tri(u.up.Answers, u.up.Name+" answers at its present address: "+string(u.up.Answers), lookLocal, u.item.ID))
		c.Says("the proxy keeps an old address of its backend", "The proxy resolved "+u.up.Name+" when it started and dials "+lines[0].Target+"; the name is "+addrsText(u.up.Resolved)+" now.")
		f := fix("Reload the proxy now, and let it resolve the name at request time.", v.reloadOf(u.item.Fact.Server),
			edit(u.up.Place, "nginx: resolver ADDRESS valid=10s; set $up "+u.up.Name+"; proxy_pass http://$up"))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// staleBlind judges a proxy whose log does not tell which address it dials: it
// fails on the host itself, while its backend's name leads to one that answers.
func (v *View) staleBlind(u inner) []Verdict {
	if _, err := netip.ParseAddrPort(u.up.Name); err == nil || u.up.Runtime != fact.No || u.up.Answers != fact.Yes || u.up.Status >= 500 {
		return nil
	}
	refused := v.Logged("the proxy's connects to the backend fail", func(l fact.LogLine) bool { return u.up.Group != "" && strings.HasPrefix(l.Target, u.up.Group+"/") }, fact.LogUpstreamRefused, fact.LogUpstreamTimeout)
	local := Unseen(lookLocal)
	for _, x := range u.leg.Local {
		if r := x.Fact.Response; r != nil && r.Status >= 502 && r.Status <= 504 {
			local = Yes("on the host itself the proxy answers "+itoa(r.Status), x.ID)
		} else if r != nil && r.Status < 500 {
			return nil // it works now
		}
	}
	if !refused.IsYes() || !local.IsYes() {
		return nil
	}
	fails, keys := v.proxyFails(u.leg, 502, 503, 504)
	c := newCase("backend.stale-upstream-dns", u.subject()).Explains(keys...)
	c.Ask("Does the origin's own proxy answer 502, 503 or 504?", fails, originward.Possible, originward.Likely)
	c.Must("Does the proxy fail now, on the host itself?", local)
	c.Must("Do its connects to this backend fail?", refused)
	c.Must("Does the backend answer at the name's present address?", Yes(u.up.Name+" ("+addrsText(u.up.Resolved)+") answers "+itoa(u.up.Status), u.item.ID))
	c.AtMost(originward.Likely, "the proxy's log does not tell which address it dials")
	c.Says("the proxy keeps an old address of its backend", "The proxy resolved "+u.up.Name+" when it started; its connects fail, and the name's present address "+addrsText(u.up.Resolved)+" answers.")
	f := fix("Reload the proxy now, and let it resolve the name at run time.", v.reloadOf(u.item.Fact.Server), edit(u.up.Place, "haproxy: a resolvers section, and on the server line: resolvers NAME init-addr last,libc,none"))
	f.Verify = v.diagnoseAgain()
	return []Verdict{c.Fix(f).Done()}
}

// otherAddress reports whether a line's target is an address that the
// upstream's name does not have now.
func otherAddress(l fact.LogLine, u fact.Upstream) bool {
	t := l.Target
	if i := slices.Index([]byte(t), '/'); len(t) > 7 && i >= 0 && hasAny(t, "http://", "https://", "fastcgi://") {
		t = t[i+2:]
	}
	for i, r := range t {
		if r == '/' {
			t = t[:i]
			break
		}
	}
	ap, err := netip.ParseAddrPort(t)
	if err != nil {
		a, err := netip.ParseAddr(t)
		if err != nil {
			return false
		}
		ap = netip.AddrPortFrom(a, u.Addr.Port())
	}
	if _, err := netip.ParseAddrPort(u.Name); err == nil {
		return false // written as an address: there is no name to go stale
	}
	if u.Addr.IsValid() && u.Addr.Port() != 0 && ap.Port() != u.Addr.Port() {
		return false
	}
	return !slices.Contains(u.Resolved, ap.Addr().Unmap())
}

// judgeWrongResolution: the backend's name means something else here.
func judgeWrongResolution(v *View) []Verdict {
	var out []Verdict
	for _, u := range v.upstreams() {
		public := slices.ContainsFunc(u.up.Resolved, func(a netip.Addr) bool { return !private(a) && !v.HostIs(a).IsYes() })
		failed := v.resolveFails(u.up)
		full := public && hasDot(u.up.Name) // a full name may well mean another machine
		if v.leadsToEdge(u.up) || !public && !failed.IsYes() || full && u.up.Answers != fact.No && (!v.deadUpstream(u).IsYes() || !v.servedHere(u.up)) {
			continue
		}
		fails, keys := v.proxyFails(u.leg, 502, 504)
		c := newCase("backend.wrong-resolution", u.subject()).Explains(keys...)
		c.Ask("Does the origin's own proxy fail?", fails, originward.Possible, originward.Likely)
		means := failed
		if public {
			means = Yes(u.up.Name+" means "+addrsText(u.up.Resolved)+" on this host, a public address", u.item.ID)
		}
		c.Must("Does the name mean something else here?", means)
		c.Ask("Does what is there not answer?", v.deadUpstream(u), originward.Possible, originward.Likely)
		if full && u.up.Answers == fact.Unknown {
			c.AtMost(originward.Likely, "that the backend is the one on this host follows from the port alone")
		}
		c.Says("the backend's name means something else on this host", "The proxy forwards to "+u.up.Name+" ("+at(u.up.Place)+"): "+means.Says+".")
		f := fix("Use the backend's full name, or the container network's own resolver.", edit(u.up.Place, "write the full name or the address of the backend"), v.reloadOf(u.item.Fact.Server))
		f.Verify = "getent hosts " + u.up.Name + " gives the backend's address, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// deadUpstream answers whether what an upstream's name means does not answer:
// tried now, or by the proxy's log.
func (v *View) deadUpstream(u inner) Ans {
	if u.up.Answers != fact.Unknown {
		return tri(u.up.Answers, u.up.Name+" answers: "+string(u.up.Answers), lookLocal, u.item.ID).Not()
	}
	lines, by := v.Lines(func(l fact.LogLine) bool { return targets(l, u.up) }, fact.LogUpstreamTimeout, fact.LogUpstreamRefused, fact.LogUpstreamResolve)
	if len(lines) > 0 {
		return Yes("the proxy's log: "+lines[0].Text, by...)
	}
	return Unseen(lookLogs)
}

// servedHere reports whether a program that is no web server listens on this host
// on the port of an upstream that leads elsewhere.
func (v *View) servedHere(u fact.Upstream) bool {
	socks, _ := v.Sockets(func(s fact.Socket) bool {
		return strings.HasSuffix(u.Name, ":"+itoa(int(s.Port))) && !webKinds[s.Program]
	})
	return len(socks) > 0
}

func hasDot(s string) bool { return slices.Contains([]byte(s), '.') }

// resolveFails answers whether a name that the proxy uses does not resolve on
// the host.
func (v *View) resolveFails(u fact.Upstream) Ans {
	for _, it := range v.resolution {
		for _, n := range it.Fact.Names {
			if n.Failure != "" && n.Failure != "timeout" && (n.Name == u.Name || hasAny(u.Name, lower(n.Name))) && n.Name != "" {
				return Yes(n.Name+" does not resolve on this host ("+n.Failure+")", it.ID)
			}
		}
	}
	if lines, by := v.Lines(func(l fact.LogLine) bool { return targets(l, u) }, fact.LogUpstreamResolve); len(lines) > 0 {
		return Yes("the proxy's log: "+lines[0].Text, by...)
	}
	return Unseen(lookNames)
}
