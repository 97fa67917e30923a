package diagnose

import (
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/causes"
)

// settle lowers what the evidence as a whole does not carry.
func (e *explained) settle() {
	for i := range e.verdicts {
		e.needs(&e.verdicts[i])
		e.ofTheOrigin(&e.verdicts[i])
		e.ofToday(&e.verdicts[i])
		e.byWorker(&e.verdicts[i])
		e.latent(&e.verdicts[i])
	}
	e.eitherWay()
	e.whichOne()
	e.giveWay()
	e.settled()
}

// needs caps a proof that lacks evidence of a vantage on which the cause is
// decided. Judges ask for it too; this makes it certain.
func (e *explained) needs(v *causes.Verdict) {
	if v.Standing != originward.Proved {
		return
	}
	c, _ := causes.Find(v.Cause)
	for _, n := range c.Needs {
		if e.has(v.For, n.Any) {
			continue
		}
		v.Lower(originward.Likely, "no evidence from "+vantages(n.Any)+" speaks for it, and without it the cause is not proved")
		if v.Next == nil {
			v.Next = &originward.Next{Observe: n.Any[0], Question: n.Question, How: n.How}
		}
	}
}

// ofTheOrigin caps a proof by what a host says of itself where nothing tells
// that this host has the origin's address: it may be another machine. Behind
// NAT the person's word counts, as the host's addresses were read.
func (e *explained) ofTheOrigin(v *causes.Verdict) {
	if v.Standing != originward.Proved || !v.Subject.Addr.IsValid() || !e.has(v.For, []originward.Vantage{originward.Host}) {
		return
	}
	if here := e.view.HostIs(v.Subject.Addr); !here.Known() && len(here.By) == 0 {
		v.Lower(originward.Likely, "nothing tells whether the host that was looked at has "+v.Subject.Addr.String())
		v.Next = here.Look.Next()
	}
}

// byWorker caps a proof on an address where a worker of the CDN takes the name
// and nothing shows that the edge went to that address for it: what the worker
// asks for, nobody told.
func (e *explained) byWorker(v *causes.Verdict) {
	if v.Standing != originward.Proved || !v.Subject.Addr.IsValid() || !e.view.WorkerTakes() {
		return
	}
	if l := e.leg(v.Subject); l == nil || len(l.Exact) == 0 {
		v.Lower(originward.Likely, "a worker takes the name, and what it asks for stands in its code only")
	}
}

// eitherWay caps a proof for a port that the edge may not use at all: while
// neither mode nor record tells, the same failure may have come by the other
// port of the same address, where this cause does not stand.
func (e *explained) eitherWay() {
	if e.view.Mode.HTTPS.Known() {
		return
	}
	var lower []int
	for i := range e.verdicts {
		v := &e.verdicts[i]
		if v.Standing != originward.Proved {
			continue
		}
		l := e.leg(v.Subject)
		if l == nil {
			continue
		}
		for _, o := range e.view.Legs {
			if o != l && o.Origin == l.Origin && o.Used != fact.No && sharesFailure(l, o) && !e.namedOn(v.Cause, o) {
				lower = append(lower, i)
				break
			}
		}
	}
	for _, i := range lower {
		v := &e.verdicts[i]
		v.Lower(originward.Likely, "whether the edge uses port "+strconv.Itoa(int(v.Subject.Port))+" is not known, and the other port of the address fails for another reason")
		v.Next = &originward.Next{Observe: originward.CDN, Question: fact.QCDNSettings, How: causes.HowToAdd(originward.CDN)}
	}
}

// whichOne caps a proof for one of several addresses where an answer of the edge
// is all that fails, and does not tell which of them it tried.
func (e *explained) whichOne() {
	var lower []int
	for i, v := range e.verdicts {
		if v.Standing == originward.Proved && v.Subject.Addr.IsValid() && e.anotherOne(v) {
			lower = append(lower, i)
		}
	}
	for _, i := range lower {
		v := &e.verdicts[i]
		v.Lower(originward.Likely, "the edge's answer does not tell which of the addresses it tried, and none was tried from elsewhere")
		v.Next = causes.FirstOutside.Next()
	}
}

// anotherOne reports whether what a verdict explains may have failed at another
// address: no exchange of its own address fails.
func (e *explained) anotherOne(v causes.Verdict) bool {
	other := false
	for _, l := range e.view.Legs {
		if l.Addr() != v.Subject.Addr || v.Subject.Port != 0 && l.Port != v.Subject.Port {
			continue
		}
		if len(l.Exact) > 0 || slices.ContainsFunc(l.Direct, func(x fact.Item[fact.Exchange]) bool { return x.Fact.Fault != nil }) {
			return false
		}
		other = other || slices.ContainsFunc(e.view.Legs, func(o *causes.Leg) bool {
			return o.Origin != l.Origin && o.Used != fact.No && sharesFailure(l, o) && !e.namedOn(v.Cause, o)
		})
	}
	return other
}

// leg is the one that a subject names.
func (e *explained) leg(s originward.Subject) *causes.Leg {
	for _, l := range e.view.Legs {
		if l.Addr() == s.Addr && l.Port == s.Port {
			return l
		}
	}
	return nil
}

// sharesFailure reports whether one answer of the edge counts as a failure of
// both legs.
func sharesFailure(a, b *causes.Leg) bool {
	return slices.ContainsFunc(a.Bads, func(x causes.Bad) bool {
		return x.Edge && slices.ContainsFunc(b.Bads, func(y causes.Bad) bool { return y.Edge && y.Code == x.Code })
	})
}

// namedOn reports whether a cause stands proved or likely on a leg.
func (e *explained) namedOn(id originward.CauseID, l *causes.Leg) bool {
	return slices.ContainsFunc(e.verdicts, func(v causes.Verdict) bool {
		return v.Cause == id && v.Standing.Named() && v.Subject.Addr == l.Addr() && v.Subject.Port == l.Port
	})
}

// has reports whether one of the ids is evidence of one of the vantages.
func (e *explained) has(ids []string, vs []originward.Vantage) bool {
	for i := range e.b.Evidence {
		x := &e.b.Evidence[i]
		if slices.Contains(vs, x.Vantage) && slices.Contains(ids, x.ID) {
			return true
		}
	}
	return false
}

func vantages(vs []originward.Vantage) string {
	var s []string
	for _, v := range vs {
		s = append(s, string(v))
	}
	return strings.Join(s, " or ")
}

// latent caps a cause that explains nothing of what was seen to fail. On a
// site that answers it is a weakness, no cause.
func (e *explained) latent(v *causes.Verdict) {
	if len(v.Explain) > 0 {
		return
	}
	switch {
	case e.status == originward.StatusUnknown:
		v.Lower(originward.Likely, "no failure was observed")
	case e.status == originward.StatusHealthy:
		v.Lower(originward.Possible, "the site answers: it does no harm now")
	default:
		v.Lower(originward.Possible, "it does not explain what fails")
	}
}

// giveWay lowers what another verdict explains better: a likely cause whose
// failures are all explained by proved ones, and a catch-all beside anything
// named.
func (e *explained) giveWay() {
	for i := range e.verdicts {
		v := &e.verdicts[i]
		if v.Standing == originward.Proved && v.Vague {
			if by := e.source(*v); by != "" {
				v.Lower(originward.Likely, string(by)+" may be what brings it about")
			}
		}
		if v.Standing != originward.Likely || len(v.Explain) == 0 {
			continue
		}
		for _, k := range v.Explain {
			if by := e.explainer(*v, k, originward.Proved); by == "" {
				goto vague
			}
		}
		v.Lower(originward.Possible, "what it would explain is explained by what is proved")
		continue
	vague:
		if v.Vague {
			if by := e.better(*v); by != "" {
				v.Lower(originward.Possible, string(by)+" explains the same failure more exactly")
			}
		}
	}
}

// source is a named cause that is less certain than a catch-all and can have
// brought it about: what stands proved then is what is seen, not why.
func (e *explained) source(v causes.Verdict) originward.CauseID {
	for _, o := range e.verdicts {
		if o.Standing == originward.Likely && !o.Vague && follows(v.Cause, o.Cause) && overlaps(o.Explain, v.Explain) {
			return o.Cause
		}
	}
	return ""
}

// explainer is a cause of at least the standing that explains a failure and is
// no consequence of v: what v itself may have brought about does not make it
// superfluous.
func (e *explained) explainer(v causes.Verdict, key string, at originward.Standing) originward.CauseID {
	for _, o := range e.verdicts {
		if o.Cause == v.Cause || o.Standing.Rank() > at.Rank() || !slices.Contains(o.Explain, key) || follows(o.Cause, v.Cause) {
			continue
		}
		return o.Cause
	}
	return ""
}

// better is a named cause that is no catch-all and explains one of the same
// failures.
func (e *explained) better(v causes.Verdict) originward.CauseID {
	for _, o := range e.verdicts {
		if o.Cause == v.Cause || !o.Standing.Named() || o.Vague && o.Standing.Rank() >= v.Standing.Rank() {
			continue
		}
		if slices.ContainsFunc(v.Explain, func(k string) bool { return slices.Contains(o.Explain, k) }) {
			return o.Cause
		}
	}
	return ""
}

// settled marks the possible causes of failures that are explained: they are
// not listed, and stay in the trace.
func (e *explained) settled() {
	for i := range e.verdicts {
		v := &e.verdicts[i]
		if v.Standing != originward.Possible || len(v.Explain) == 0 {
			continue
		}
		v.Settled = true
		for _, k := range v.Explain {
			if e.explainer(*v, k, originward.Proved) == "" {
				v.Settled = false
				break
			}
		}
	}
}
