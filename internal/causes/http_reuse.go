package causes

import (
	"math"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// judgeKeepaliveRace: the origin closes idle connections that the edge reuses.
func judgeKeepaliveRace(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No {
			continue
		}
		race := v.reusedFail(l)
		if !race.IsYes() {
			continue
		}
		fails, keys := v.Fails(l, 520, 502)
		if !fails.IsYes() {
			fails, keys = Yes("some exchanges on connections that were used before fail", race.By...), []string{"reuse|" + l.Target().String()}
		}
		idle, place := v.idleTimeout(l)
		c := newCase("http.keepalive-race", l.Subject()).Explains(keys...)
		c.v.Subject.File, c.v.Subject.Line = place.File, place.Line
		c.Must("Do some exchanges end without a response?", fails)
		c.Must("Do only those on reused connections fail, and at once?", race)
		c.Ask("Does the origin close idle connections sooner than the edge?", idle, originward.Possible, originward.Likely)
		c.Apart("Does the server's log name no limit and no crash?", v.Logged("a limit or a crash", nil, fact.LogWorkersFull, fact.LogChildCrash, fact.LogTooManyFiles).Not())
		c.Says("the origin closes idle connections that the edge reuses", "Fresh connections work; some requests on connections that had been idle fail within milliseconds"+because(idle)+".")
		f := fix("Make the origin's idle timeout longer than the proxy's that reuses its connections (the CDN keeps them 900 s).",
			edit(place, "keepalive_timeout 905s; keepalive_requests 100000"), v.reloadServing(l))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// reusedFail answers whether failures without a response come on reused
// connections only.
func (v *View) reusedFail(l *Leg) Ans {
	var old, fresh, good int
	var by []string
	for _, h := range l.Exact {
		lost := h.Code == 520 && (h.Phase == originward.PhaseWrite || h.Phase == originward.PhaseFirstByte)
		switch {
		case lost && h.Reused:
			old++
			by = addIDs(by, h.By)
		case lost:
			fresh++
		case h.Contact():
			good++
		}
	}
	for _, x := range l.Variants {
		if x.Fact.Variant == fact.VariantReuse && OutcomeOf(x.Fact) == OutEmpty {
			old++
			by = addIDs(by, []string{x.ID})
		}
	}
	for _, r := range v.repeats {
		for _, run := range r.Fact.Runs[:min(len(r.Fact.Runs), maxItems)] {
			lost := run.Fault == originward.ConnectionTerminated || run.Fault == originward.HTTPResponseIncomplete
			if lost && run.Reused && (r.Fact.Target == l.Target() || r.Fact.Via == "edge") {
				old++
				by = addIDs(by, []string{r.ID})
			} else if lost {
				fresh++
			}
		}
	}
	for _, x := range l.Direct {
		switch OutcomeOf(x.Fact) {
		case OutOK:
			good++
		case OutEmpty:
			fresh++
		}
	}
	switch {
	case old > 0 && fresh == 0 && good > 0:
		return Yes(itoa(old)+" exchanges fail, all of them on reused connections", by...)
	case fresh > 0:
		return No("fresh connections fail too")
	}
	return Unseen(lookRepeat)
}

// edgeIdle is how long an edge keeps an idle connection to an origin
// (cloudflare connection-limits, 2026-07-23).
const edgeIdle = 900

// idleTimeout answers whether the server closes idle connections sooner than
// the edge.
func (v *View) idleTimeout(l *Leg) (Ans, fact.Place) {
	if !v.Here(l) {
		return Unseen(lookWeb), fact.Place{}
	}
	for _, it := range v.Live() {
		for _, s := range it.Fact.Timeouts {
			switch lower(s.Name) {
			case "keepalive_timeout", "keepalivetimeout", "timeout http-keep-alive", "server.max-keep-alive-idle", "http-keep-alive":
				if s.Num > 0 || s.Value == "0" {
					return when(s.Num < edgeIdle, s.Name+" is "+s.Value+" at "+firstOf(at(s.Place), "its default"), it.ID), s.Place
				}
			}
		}
	}
	return Unseen(lookWeb), fact.Place{}
}

// judgeNestedTimeouts: a layer behind the edge cuts the request at its own
// limit.
func judgeNestedTimeouts(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No {
			continue
		}
		fails, keys := v.proxyFails(l, 504)
		logged := v.Logged("the proxy's log", nil, fact.LogUpstreamTimeout)
		if !fails.IsYes() {
			continue
		}
		cut, place := v.cutAt(l)
		if !logged.IsYes() && !cut.IsYes() {
			continue
		}
		c := newCase("http.nested-timeouts", l.Subject()).Explains(keys...)
		c.v.Subject.File, c.v.Subject.Line = place.File, place.Line
		c.Must("Does the site answer 504?", fails)
		c.Ask("Did the origin's own proxy write it?", v.written(l), originward.RuledOut, originward.Likely)
		missing := originward.Likely
		if cut.IsYes() {
			missing = originward.Proved // the second of the cut tells as much
		}
		c.Ask("Does the proxy's log say that it gave up waiting?", logged, missing, missing)
		c.Ask("Does the cut come at the second of one of its limits?", cut, originward.Possible, originward.Possible)
		c.Ask("Is the backend alive?", v.slowBackend(l), originward.Possible, originward.Likely)
		c.Says("a layer behind the edge cuts the request at its own limit", "The origin's proxy gives up before its backend answers"+because(cut)+"; raising that limit alone moves the cut to the next layer, the edge's 125 s last.")
		f := fix("Make the backend answer sooner; write down all limits and order them from inside out.", edit(place, "raise it above the backend's slowest answer and below the edge's 125 s"), v.reloadServing(l))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// cutAt answers whether the failing answer came at the second of a configured
// limit.
func (v *View) cutAt(l *Leg) (Ans, fact.Place) {
	if !v.Here(l) || len(v.web) == 0 {
		return Unseen(lookWeb), fact.Place{}
	}
	for _, it := range v.Live() {
		for _, s := range it.Fact.Timeouts {
			if s.Num <= 0 || !hasAny(s.Name, "read", "proxy", "server", "fastcgi", "uwsgi", "timeout") || hasAny(s.Name, "keep", "client", "connect", "lingering", "send") {
				continue
			}
			for _, b := range v.waits(l) {
				if math.Abs(b.sec-s.Num) <= 1.5 {
					return Yes("the cut comes after "+itoa(int(math.Round(b.sec)))+" s, the value of "+s.Name+" at "+firstOf(at(s.Place), "its default"), it.ID, b.by), s.Place
				}
			}
		}
	}
	return Unseen(lookRepeat), fact.Place{}
}

type wait struct {
	sec float64
	by  string
}

// waits are how long failing answers with 504 took.
func (v *View) waits(l *Leg) []wait {
	var out []wait
	for _, h := range v.Hits {
		if h.Code == 504 && h.MS > 0 {
			out = append(out, wait{h.MS / 1000, h.By[0]})
		}
	}
	for _, x := range slices.Concat(l.Direct, l.Local) {
		if r := x.Fact.Response; r != nil && r.Status == 504 {
			sum := 0.0
			for _, p := range x.Fact.Phases {
				sum += p.MS
			}
			out = append(out, wait{sum / 1000, x.ID})
		}
	}
	return out
}

// slowBackend answers whether the backend takes connections, and is only late.
func (v *View) slowBackend(l *Leg) Ans {
	for _, u := range v.upstreams() {
		if u.leg == l && u.up.Answers != fact.Unknown {
			return tri(u.up.Answers, u.up.Name+" takes connections: "+string(u.up.Answers), lookLocal, u.item.ID)
		}
	}
	return Unseen(lookLocal)
}
