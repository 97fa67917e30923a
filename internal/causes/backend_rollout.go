package causes

import (
	"slices"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// rolloutBack is how long before the look an instance may have been started to
// belong to a rollout that visitors feel.
const rolloutBack = 10 * time.Minute

// judgeRolloutDrain: requests reach instances that are shutting down.
func judgeRolloutDrain(v *View) []Verdict {
	var out []Verdict
	for _, u := range v.upstreams() {
		told := slices.ContainsFunc(out, func(x Verdict) bool { return x.Subject.Addr == u.leg.Addr() && x.Subject.Port == u.leg.Port })
		fails, keys := v.proxyFails(u.leg, 502, 503, 520)
		if told || !fails.IsYes() || !v.partial5xx(u.leg) {
			continue
		}
		young := v.youngBackend(u)
		lines := v.Logged("the proxy's connections to a backend are refused or closed", func(l fact.LogLine) bool { return targets(l, u.up) }, fact.LogUpstreamRefused, fact.LogUpstreamClosed)
		if !young.IsYes() || !lines.IsYes() {
			continue
		}
		c := newCase("backend.rollout-drain", u.subject()).Explains(keys...)
		c.Must("Do some requests fail with 502 or 503, and others not?", fails)
		c.Must("Did a backend start within the failing time?", young)
		c.Must("Did the proxy lose its backend then?", lines)
		c.Apart("Does the backend answer now?", tri(u.up.Answers, u.up.Name+" answers: "+string(u.up.Answers), lookLocal, u.item.ID))
		c.Apart("Is it no crash that made it start anew?", v.noCrash())
		c.AtMost(originward.Likely, "that a deploy was running is told by its time only")
		c.Says("requests reached an instance that was shutting down", "The failures line up with a restart of the backend: "+young.Says+".")
		f := fix("Let the instance leave the balancer before it stops taking requests: drain first, delay the shutdown.", onHost("in the deploy: mark the instance down, wait, then stop it", ""))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// noCrash answers whether nothing tells of a program that died by itself: what
// dies is started anew as well.
func (v *View) noCrash() Ans {
	for _, s := range v.Services(func(s fact.Service) bool {
		return s.Role == "backend" && (dead(s) || s.Restarts > 0) && diedOf(s) != ""
	}) {
		return No(nameOf(s.Service)+diedOf(s.Service), s.By)
	}
	return v.Logged("a program died by itself", nil, fact.LogChildCrash, fact.LogSegfault).Not()
}

// inTurn answers whether a backend that refuses is one of several that are
// restarted one after the other: another one of them was refused in its turn, was
// started since, and answers.
func (v *View) inTurn(u inner) Ans {
	for _, o := range v.upstreams() {
		if o.leg != u.leg || o.up.Name == u.up.Name || o.up.Group != u.up.Group || o.up.Answers != fact.Yes {
			continue
		}
		lines, by := v.Lines(func(l fact.LogLine) bool { return l.Target != "" && targets(l, o.up) }, fact.LogUpstreamRefused, fact.LogUpstreamClosed)
		s, ok := v.processOf(o.up)
		if !ok || v.At.Sub(s.Since) > rolloutBack || !slices.ContainsFunc(lines, func(l fact.LogLine) bool {
			return s.Since.Before(l.At.Add(rolloutBack)) && !s.Since.Before(l.At.Add(-time.Minute))
		}) {
			continue
		}
		return Yes(o.up.Name+" was refused too, and was started anew "+v.At.Sub(s.Since).Round(time.Second).String()+" before", addIDs(by, []string{s.By, o.item.ID})...)
	}
	return No("no other instance was restarted of late", u.item.ID)
}

// partial5xx reports whether the origin answers well at other times, on this
// port or another.
func (v *View) partial5xx(l *Leg) bool {
	for _, o := range v.Legs {
		if o.Origin != l.Origin || o.Used == fact.No {
			continue
		}
		for h := range o.hits() {
			if h.Good() && h.Contact() {
				return true
			}
		}
		if slices.ContainsFunc(o.Direct, v.fine) {
			return true
		}
	}
	return false
}

// processOf is the running service behind an upstream on this host, by the
// owner of its socket.
func (v *View) processOf(u fact.Upstream) (Service, bool) {
	if !u.Addr.IsValid() {
		return Service{}, false
	}
	socks, _ := v.Sockets(func(s fact.Socket) bool { return s.PID > 0 && s.Port == u.Addr.Port() && s.Serves(u.Addr.Addr()) })
	for _, k := range socks {
		for _, s := range v.Services(func(s fact.Service) bool { return running(s) && !s.Since.IsZero() && containsInt(s.PIDs, k.PID) }) {
			return s, true
		}
	}
	return Service{}, false
}

// youngBackend answers whether a backend was started shortly before the look:
// the one behind the upstream, where its process is known.
func (v *View) youngBackend(u inner) Ans {
	if s, ok := v.processOf(u.up); ok {
		return v.young(s)
	}
	for _, s := range v.Services(func(s fact.Service) bool { return s.Role == "backend" && running(s) && !s.Since.IsZero() }) {
		if a := v.young(s); a.IsYes() {
			return a
		}
	}
	if len(v.services) == 0 {
		return Unseen(lookServices)
	}
	return No("no backend was started shortly before", v.services[0].ID)
}

func (v *View) young(s Service) Ans {
	d := v.At.Sub(s.Since)
	return when(d > -time.Minute && d < rolloutBack, nameOf(s.Service)+" was started "+max(d, 0).Round(time.Second).String()+" before", s.By)
}
