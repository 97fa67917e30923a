package causes

import (
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// judgeWedged: the proxy process is alive and serves nothing.
func judgeWedged(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) || !v.Listening(l).IsYes() {
			continue
		}
		frozen := v.frozen(l)
		hang := v.localHangs(l)
		if !frozen.IsYes() && !hang.IsYes() {
			continue
		}
		fails, keys := v.Fails(l, 504, 502, 521, 522, 524, 525, 520)
		c := newCase("backend.proxy-wedged", l.Subject()).Explains(keys...)
		socks, _ := v.SocketsOf(l)
		c.v.Subject.Unit = firstOf(socks[0].Unit, socks[0].Program)
		c.Ask("Does the site fail?", fails, originward.Possible, originward.Likely)
		c.Must("Does a socket of the server stand open?", v.Listening(l))
		c.Ask("Does a request on the host itself hang or break?", hang, originward.Possible, originward.Likely)
		c.Ask("Are its processes frozen, or do its backends answer?", either(frozen, v.backendsAnswer(l)), originward.Possible, originward.Possible)
		c.Ask("Is no limit of the server reached?", v.noLimit(), originward.Possible, originward.Likely)
		c.Says("the server's process is alive and serves nothing", firstOf(c.v.Subject.Unit, "The server")+" holds the port and does not answer, not even on the host itself"+because(frozen)+".")
		step := onHost("restart the server", "")
		for _, s := range v.Services(func(s fact.Service) bool { return isWeb(s) && (s.Stopped == fact.Yes || running(s)) }) {
			if s.Stopped == fact.Yes || len(v.Services(func(o fact.Service) bool { return isWeb(o) && running(o) })) == 1 {
				step = onHost(v.control("restart", s.Service), "")
				break
			}
		}
		f := fix("Continue or restart the process, and give it a probe that asks for a page.", contStep(frozen, socks), step)
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

func contStep(frozen Ans, socks []fact.Socket) originward.Step {
	if !frozen.IsYes() || len(socks) == 0 || socks[0].PID == 0 {
		return originward.Step{}
	}
	return onHost("kill -CONT "+itoa(socks[0].PID), "")
}

// frozen answers whether the processes behind the leg's port are stopped.
func (v *View) frozen(l *Leg) Ans {
	socks, _ := v.SocketsOf(l)
	for _, s := range v.Services(func(s fact.Service) bool { return s.Stopped == fact.Yes }) {
		for _, k := range socks {
			if containsInt(s.PIDs, k.PID) || k.Unit != "" && k.Unit == s.Unit || k.Program == s.Kind || k.Program == "apache2" && s.Kind == "apache" {
				return Yes("the processes of "+nameOf(s.Service)+" are stopped (state T)", s.By)
			}
		}
	}
	return Unseen(lookServices)
}

// localHangs answers whether a request on the host itself hangs or breaks.
func (v *View) localHangs(l *Leg) Ans {
	if len(l.Local) == 0 {
		return Unseen(lookLocal)
	}
	a := Unseen(lookLocal)
	for _, x := range l.Local {
		switch o := OutcomeOf(x.Fact); {
		case o == OutTimeout, o == OutUnreachable:
			// Not a word of the server: the kernel answers connects, or its packet
			// filter does not let them through.
		case o == OutSlow, o == OutNoAck, o == OutTLS && hung(x.Fact.Fault):
			a = Yes("on the host itself a request to "+x.Fact.Target.String()+" gets no answer", x.ID)
		case o != "":
			return No("on the host itself a request is answered: "+string(o), x.ID)
		}
	}
	return a
}

// hung reports whether a handshake ended by waiting.
func hung(f *fact.Fault) bool {
	return f.Alert == 0 && (f.Ended == "timeout" || f.Errno == "ETIMEDOUT")
}

func (v *View) backendsAnswer(l *Leg) Ans {
	n := 0
	for _, u := range v.upstreams() {
		if u.leg != l {
			continue
		}
		switch {
		case u.up.Answers != fact.Yes:
			return No(u.up.Name+" does not answer", u.item.ID)
		case u.up.Speaks == "" && u.up.Status == 0:
			return Unseen(lookLocal) // a connect alone: it may hang in its turn
		}
		n++
	}
	if n == 0 {
		return Unseen(lookWeb)
	}
	return Yes("all of its backends answer")
}

// allTaken answers whether as many connections are open as a proxy takes: haproxy
// says nothing of it and lets all others wait.
func (v *View) allTaken() Ans {
	open := 0
	var by []string
	for _, it := range v.counters {
		by = addIDs(by, []string{it.ID})
		for _, p := range it.Fact.ClientPeers {
			open += p.Count
		}
	}
	for _, it := range v.Live() {
		for _, s := range it.Fact.Settings {
			if it.Fact.Server == "haproxy" && s.Name == "maxconn" && s.Site == "global" && s.Num > 0 && open > 0 && float64(open) >= s.Num {
				return Yes(itoa(open)+" connections are open, and "+at(s.Place)+" allows "+itoa(int(s.Num)), addIDs(by, []string{it.ID})...)
			}
		}
	}
	return Unseen(lookCounters)
}

// noLimit answers whether no log line names an exhausted limit.
func (v *View) noLimit() Ans {
	if a := v.flooded(); a.IsYes() {
		return a.Not()
	}
	if a := v.allTaken(); a.IsYes() {
		return a.Not()
	}
	return v.Logged("a limit is reached", nil, fact.LogWorkersFull, fact.LogTooManyFiles).Not()
}

// deniedConnect reports whether a security module's line is about a connect of
// a web server: such modules deny much that no visitor notices.
func deniedConnect(l fact.LogLine) bool {
	return hasAny(l.Text, "name_connect", "connectto", `operation="connect"`) &&
		hasAny(l.Text, "nginx", "httpd", "apache", "haproxy", "php-fpm", "caddy", "lighttpd", "traefik", "envoy", "varnish", "squid")
}

// judgeSELinux: a security module denies the proxy's connect.
func judgeSELinux(v *View) []Verdict {
	var out []Verdict
	avc := v.Logged("the audit log denies a connect", deniedConnect, fact.LogAVC)
	// A unix socket's own mode and owner refuse with the same error number: for
	// one only the module's own word counts.
	denied := v.Logged("the proxy's log names error 13", func(l fact.LogLine) bool {
		return avc.IsYes() || !hasAny(l.Target, "unix:") && !strings.HasPrefix(l.Target, "/")
	}, fact.LogUpstreamDenied)
	if !avc.IsYes() && !denied.IsYes() {
		return nil
	}
	ups := v.upstreams()
	for _, l := range v.Legs {
		fails, keys := v.proxyFails(l, 502, 503)
		if l.Used == fact.No || !v.Here(l) || !fails.IsYes() {
			continue
		}
		c := newCase("backend.selinux-denied", l.Subject()).Explains(keys...)
		c.Must("Does the origin's own proxy answer 502 or 503?", fails)
		c.Ask("Was the proxy's connect denied (error 13)?", denied, originward.Likely, originward.Likely)
		c.Ask("Does the audit log name the denial?", avc, originward.Likely, originward.Likely)
		up := Unseen(lookLocal)
		for _, u := range ups {
			if u.leg == l && u.up.Answers != fact.Unknown {
				up = tri(u.up.Answers, u.up.Name+" answers when others ask: "+string(u.up.Answers), lookLocal, u.item.ID)
			}
		}
		c.Ask("Does the backend answer when others ask?", up, originward.Possible, originward.Likely)
		c.Says("a security module denies the proxy's connect to its backend", "The proxy may not connect"+because(either(avc, denied))+".")
		f := fix("Set the boolean or the policy that allows it.",
			onHost("setsebool -P httpd_can_network_connect 1", "setsebool -P httpd_can_network_connect 0"))
		f.Verify = "ausearch -m avc -ts recent shows no denial, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}
