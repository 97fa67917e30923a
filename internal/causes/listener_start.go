package causes

import (
	"net/netip"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// judgeConfigRejected: a server does not accept its configuration, so a port
// that it should serve is not open.
func judgeConfigRejected(v *View) []Verdict {
	var out []Verdict
	for _, u := range v.unheardLegs() {
		for _, s := range u.servers {
			why, guess := rejection(s.Service), false
			if why.File == "" && why.Text == "" {
				why, guess = v.nameFailsAtStart(s), true
			}
			if why.File == "" && why.Text == "" || v.wouldServe(s.Service, u.leg.Port) == fact.No && !unparsed(v, s.Service) {
				continue
			}
			subj := u.leg.Subject()
			subj.Unit, subj.File, subj.Line = nameOf(s.Service), why.File, why.Line
			c := newCase("listener.config-rejected", subj).Explains(u.keys...)
			c.Ask("Is the port refused?", u.refused, originward.Likely, originward.Likely)
			c.Must("Does the server refuse its configuration?", Yes(nameOf(s.Service)+" refuses its configuration: "+why.Text, s.By))
			if guess {
				c.AtMost(originward.Likely, "the test of its configuration did not end")
			}
			v.unserved(c, u, "Does no socket of the host serve the port?", originward.Likely)
			c.Proof("Is this the server that should serve the port?", v.meant(s, u))
			c.Says(nameOf(s.Service)+" refuses its configuration", configWhy(s.Service, why))
			f := fix("Correct the named line, test, and start the server.",
				edit(why, "correct what the test names: "+why.Text), onHost(testCommand(s.Service), ""),
				onHost(v.control("restart", s.Service), ""), v.enable(s.Service))
			f.Verify = testCommand(s.Service) + " passes, and " + v.diagnoseAgain()
			c.Fix(f)
			out = append(out, c.Done())
		}
	}
	return out
}

// nameFailsAtStart is the backend line of a stopped server for whose name the
// host finds no address, where the server's own test did not come to an end: it
// waits for the resolver, as the server itself did.
func (v *View) nameFailsAtStart(s Service) fact.Place {
	if !dead(s.Service) || s.Test != nil || testCommand(s.Service) == "" {
		return fact.Place{}
	}
	for _, it := range v.web {
		for _, u := range it.Fact.Upstreams {
			if it.Fact.Server != s.Kind || u.Runtime == fact.Yes || u.Addr.IsValid() || u.Socket != "" {
				continue
			}
			for _, r := range v.resolution {
				for _, n := range r.Fact.Names {
					if n.Failure != "" && n.Name != "" && hasAny(u.Name, lower(n.Name)) {
						p := u.Place
						p.Text = n.Name + " has no address on this host (" + n.Failure + ")"
						return p
					}
				}
			}
		}
	}
	return fact.Place{}
}

// untested answers whether nothing speaks against the configuration of the
// stopped server that should serve the leg.
func (v *View) untested(u unheard) bool {
	s, ok := v.serverFor(u)
	return ok && dead(s.Service) && s.Test == nil && testCommand(s.Service) != "" && v.nameFailsAtStart(s).Text != ""
}

// unparsed reports whether the configuration of a service could not be parsed,
// so that its listeners are not known.
func unparsed(v *View, s fact.Service) bool {
	return slices.ContainsFunc(v.web, func(w fact.Item[fact.WebConfig]) bool {
		return w.Fact.Server == s.Kind && (w.Fact.Parsed == fact.No || len(w.Fact.Errors) > 0)
	})
}

// rejection is the line for which a server's configuration is refused; empty
// when its own test passes or fails for another reason.
func rejection(s fact.Service) fact.Place {
	if testFault(s.Test) == "config" {
		if len(s.Test.Errors) > 0 {
			return s.Test.Errors[0]
		}
		return fact.Place{Text: firstOf(s.Test.Output, "the test of its configuration fails")}
	}
	if s.Test != nil && s.Test.OK == fact.Yes {
		return fact.Place{}
	}
	if e := s.StartError; e != nil && dead(s) && !bindText(e.Text) && hasAny(e.Text, "[emerg]", "syntax error", "parsing", "invalid", "unknown directive", "host not found", "no such file", "unexpected", "config") {
		return *e
	}
	return fact.Place{}
}

func configWhy(s fact.Service, p fact.Place) string {
	state := "is " + firstOf(s.State, "not running")
	if running(s) {
		state = "runs with what it had read before"
	}
	where := at(p)
	if where != "" {
		where = " at " + where
	}
	return nameOf(s) + " " + state + ": its configuration is refused" + where + ": " + p.Text
}

func testCommand(s fact.Service) string {
	if s.Test != nil && s.Test.Command != "" {
		return s.Test.Command
	}
	switch s.Kind {
	case "nginx":
		return "nginx -t"
	case "apache":
		return "apachectl -t"
	case "haproxy":
		return "haproxy -c -f " + firstOf(s.Config, "/etc/haproxy/haproxy.cfg")
	case "caddy":
		return "caddy validate --config " + firstOf(s.Config, "/etc/caddy/Caddyfile")
	case "lighttpd":
		return "lighttpd -tt -f " + firstOf(s.Config, "/etc/lighttpd/lighttpd.conf")
	}
	return ""
}

// meant answers whether a server is the one that should serve the leg: its
// configuration says so, or it alone can be.
func (v *View) meant(s Service, u unheard) Ans {
	switch v.wouldServe(s.Service, u.leg.Port) {
	case fact.Yes:
		return Yes(nameOf(s.Service)+" is configured for the port", s.By)
	case fact.No:
		if !unparsed(v, s.Service) {
			return No(nameOf(s.Service)+" is not configured for the port", s.By)
		}
	}
	for _, o := range u.servers {
		if o.Kind == s.Kind && o.Name == s.Name {
			continue
		}
		if running(o.Service) || o.State == "failed" || o.Enabled == fact.Yes || v.wouldServe(o.Service, u.leg.Port) == fact.Yes {
			return Unseen(lookWeb)
		}
	}
	if s.State == "failed" || s.Enabled == fact.Yes || running(s.Service) {
		return Yes("it is the only web server in use on the host", s.By)
	}
	return Unseen(lookWeb)
}

// judgeBindFailed: the configuration is right and the address cannot be bound.
func judgeBindFailed(v *View) []Verdict {
	var out []Verdict
	for _, u := range slices.Concat(v.unheardLegs(), v.takenLegs()) {
		b := v.bindFailure(u)
		if b.text == "" || u.taken.IsYes() && (b.errno != 98 || !dead(b.svc) || u.byWeb && v.namesSite(b.svc) != fact.Yes) {
			continue
		}
		subj := u.leg.Subject()
		subj.Unit = b.unit
		c := newCase("listener.bind-failed", subj).Explains(u.keys...).At(v.bindPlace(b.unit, u.leg.Port))
		c.Ask("Is the port refused, or answered by what is no web server?", u.refused, originward.Likely, originward.Likely)
		if b.inferred {
			c.Must("Is the server to listen where it cannot?", Yes(b.text, b.by...))
			c.AtMost(originward.Likely, "no line of a log tells of the failed bind()")
		} else {
			c.Must("Did bind() fail for the port?", Yes("bind failed: "+b.text, b.by...))
		}
		if u.taken.IsYes() {
			c.Proof("Does another program hold the port?", u.taken)
		} else {
			v.unserved(c, u, "Does no socket of the host serve the port?", originward.Likely)
		}
		c.Says("the address could not be bound", bindWhy(b, u))
		f := fix(bindFix(b.errno), onHost(bindStep(b, u), ""))
		if b.svc.Kind != "" {
			f.Steps = append(f.Steps, onHost(v.control("restart", b.svc), ""))
		}
		f.Verify = "ss -ltn 'sport = :" + itoa(int(u.leg.Port)) + "' shows the address, and " + v.diagnoseAgain()
		c.Fix(f)
		out = append(out, c.Done())
	}
	return out
}

// takenLegs lists the legs on which a program that is no web server answers:
// one of the host's web servers may have found its port taken.
func (v *View) takenLegs() []unheard {
	var out []unheard
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		fails, keys := v.Fails(l, 520, 522, 524, 525)
		if !fails.IsYes() {
			continue
		}
		held, by := v.Sockets(func(s fact.Socket) bool { return v.serves(s, l) })
		if len(held) == 0 {
			continue
		}
		byWeb := slices.ContainsFunc(held, func(s fact.Socket) bool { return webKinds[s.Program] || appProgram(s.Program) })
		out = append(out, unheard{leg: l, listening: v.Listening(l), refused: fails, keys: keys, servers: v.webServers(), byWeb: byWeb,
			taken: Yes(socketText(held[0])+" holds the port", by...)})
	}
	return out
}

// bound is one bind failure.
type bound struct {
	text, unit string
	errno      int
	by         []string
	svc        fact.Service
	inferred   bool // from the configuration alone
}

// bindFailure finds the failure for the leg's port: where the service manager
// tells why a server died, in a configuration test, or in the logs.
func (v *View) bindFailure(u unheard) bound {
	for _, s := range u.servers {
		// A server that cannot bind one port serves none of its others.
		whole := dead(s.Service) && v.wouldServe(s.Service, u.leg.Port) == fact.Yes
		if e := s.StartError; e != nil && !running(s.Service) && bindText(e.Text) && (whole || speaksOfPort(e.Text, u.leg.Port)) {
			return bound{e.Text, nameOf(s.Service), bindErrno(e.Text), []string{s.By}, s.Service, false}
		}
		if testFault(s.Test) == "bind" {
			for _, e := range append(slices.Clone(s.Test.Errors), fact.Place{Text: s.Test.Output}) {
				if bindText(e.Text) && (whole || speaksOfPort(e.Text, u.leg.Port)) {
					return bound{e.Text, nameOf(s.Service), bindErrno(e.Text), []string{s.By}, s.Service, false}
				}
			}
		}
	}
	lines, by := v.Lines(func(l fact.LogLine) bool {
		return speaksOfPort(l.Text+" "+l.Target, u.leg.Port) || slices.ContainsFunc(u.servers, func(s Service) bool {
			return sameProgram(s.Service, l.Program) && dead(s.Service) && v.wouldServe(s.Service, u.leg.Port) == fact.Yes
		})
	}, fact.LogBindFailed)
	if len(lines) == 0 {
		return v.cannotBind(u)
	}
	l := lines[0]
	b := bound{text: l.Text, unit: l.Program, errno: l.Errno, by: by}
	if b.errno == 0 {
		b.errno = bindErrno(l.Text)
	}
	for _, s := range u.servers {
		if sameProgram(s.Service, l.Program) {
			b.svc = s.Service
		}
	}
	return b
}

// cannotBind finds a stopped server that is to listen for the port on an address
// which the host does not have, and on no other: no line tells of its bind(), and
// it can only have failed.
func (v *View) cannotBind(u unheard) bound {
	for _, s := range u.servers {
		if !dead(s.Service) || v.wouldServe(s.Service, u.leg.Port) != fact.Yes || v.namesSite(s.Service) == fact.No {
			continue
		}
		for _, it := range v.web {
			if it.Fact.Server != s.Kind {
				continue
			}
			var foreign fact.Listen
			others := false
			for _, l := range it.Fact.Listens {
				ap, err := netip.ParseAddrPort(l.Addr)
				if l.Port != u.leg.Port {
					continue
				}
				if err != nil || ap.Addr().IsUnspecified() || ap.Addr().IsLoopback() || !v.HostIs(ap.Addr()).IsNo() {
					others = true
				} else {
					foreign = l
				}
			}
			if foreign.Port != 0 && !others {
				return bound{at(foreign.Place) + " listens on " + foreign.Addr + ", and the host does not have that address", nameOf(s.Service), 99, []string{s.By, it.ID}, s.Service, true}
			}
		}
	}
	return bound{}
}

// speaksOfPort reports whether a line names the port, or no port at all.
func speaksOfPort(s string, port uint16) bool {
	want, digits, named := ":"+itoa(int(port)), 0, false
	for i := 0; i < len(s); i++ {
		if s[i] != ':' {
			continue
		}
		j := i + 1
		for j < len(s) && s[j] >= '0' && s[j] <= '9' {
			j++
		}
		if digits = j - i - 1; digits >= 2 && digits <= 5 && (j == len(s) || s[j] != ':') {
			named = true
			if s[i:j] == want {
				return true
			}
		}
	}
	return !named
}

func bindWhy(b bound, u unheard) string {
	why := "the configuration is right, and the address cannot be bound: " + b.text
	switch b.errno {
	case 98:
		why += ". Another program holds the port."
	case 99:
		why += ". The host does not have that address (it changed, or was not there yet at boot)."
	case 97:
		why += ". The address family is switched off."
	}
	return firstOf(b.unit, "the server") + " should serve " + u.leg.String() + "; " + why
}

func bindFix(errno int) string {
	switch errno {
	case 98:
		return "Stop the program that holds the port, then start the web server."
	case 99:
		return "Listen on the wildcard address or on one that the host has; order the server after network-online where the address comes late."
	case 97:
		return "Remove the listener of the family that is switched off, or switch the family on."
	}
	return "Make the address free to bind, then start the web server."
}

func bindStep(b bound, u unheard) string {
	port := itoa(int(u.leg.Port))
	switch b.errno {
	case 98:
		return "ss -ltnp 'sport = :" + port + "'   # then stop what it names"
	case 99:
		return "ip -br addr   # then listen on an address shown here, or on *:" + port
	case 97:
		return "sysctl net.ipv6.conf.all.disable_ipv6   # 1 = the family is off"
	}
	return "ss -ltnp 'sport = :" + port + "'"
}
