package diagnose

import (
	"cmp"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/causes"
)

// conclude adds the two answers that are no causes, and brings the status into
// line with what is named.
func (e *explained) conclude() {
	named := slices.ContainsFunc(e.verdicts, func(v causes.Verdict) bool { return v.Standing.Named() })
	switch {
	case named && e.status == originward.StatusHealthy:
		e.status = originward.StatusDegraded
	case !named && e.status == originward.StatusHealthy:
		e.verdicts = append(e.verdicts, e.healthy())
		return
	}
	e.undetermined(named)
}

// healthy is the finding of a site that answers.
func (e *explained) healthy() causes.Verdict {
	var v causes.Verdict
	c, _ := causes.Find(originward.Healthy)
	v.Finding = originward.Finding{
		Cause: originward.Healthy, Standing: originward.Likely, Title: c.Title, Where: c.Where,
		Subject: originward.Subject{Host: e.b.Host}, For: []string{}, Against: []string{},
		Why: "The origin answers directly; through the edge nothing was looked at.",
	}
	edge := e.view.EdgeGood()
	if edge.IsYes() {
		v.For, v.Standing = edge.By, originward.Proved
		v.Why = "Every visit through the edge is served."
	} else if edge.Look != nil {
		v.Next = edge.Look.Next()
	}
	for _, l := range e.view.Legs {
		for _, x := range l.Direct {
			if causes.OutcomeOf(x.Fact) == causes.OutOK && l.Used != fact.No && !slices.Contains(v.For, x.ID) {
				v.For = append(v.For, x.ID)
			}
		}
	}
	return v
}

// undetermined adds a finding for the failures that no named cause explains.
func (e *explained) undetermined(named bool) {
	var open []causes.Bad
	for _, b := range e.view.AllBads() {
		if !slices.ContainsFunc(e.verdicts, func(v causes.Verdict) bool { return v.Standing.Named() && slices.Contains(v.Explain, b.Key) }) {
			open = append(open, b)
		}
	}
	if len(open) == 0 && (named || e.view.FailedVisits() == 0) {
		return
	}
	var v causes.Verdict
	c, _ := causes.Find(originward.Undetermined)
	v.Finding = originward.Finding{
		Cause: originward.Undetermined, Standing: originward.StandingUnknown, Title: c.Title, Where: c.Where,
		Subject: originward.Subject{Host: e.b.Host}, For: []string{}, Against: []string{},
	}
	var keys []string
	for _, b := range open {
		keys = append(keys, b.Key)
		for _, id := range b.By {
			if !slices.Contains(v.For, id) {
				v.For = append(v.For, id)
			}
		}
	}
	if len(open) > 0 && open[0].Leg != nil {
		v.Subject = open[0].Leg.Subject()
	}
	v.Next = e.cheapest(keys)
	v.Why = "What was looked at fits several causes" + e.candidates(keys) + "; the observation named next would part them."
	e.verdicts = append(e.verdicts, v)
}

// candidates names the possible causes of some failures.
func (e *explained) candidates(keys []string) string {
	var ids []string
	for _, v := range e.verdicts {
		if v.Standing == originward.Possible && overlaps(v.Explain, keys) && !slices.Contains(ids, string(v.Cause)) && len(ids) < 6 {
			ids = append(ids, string(v.Cause))
		}
	}
	if len(ids) == 0 {
		return ", or none that is known"
	}
	text := " ("
	for i, id := range ids {
		if i > 0 {
			text += ", "
		}
		text += id
	}
	return text + ")"
}

func overlaps(a, b []string) bool {
	return slices.ContainsFunc(a, func(k string) bool { return slices.Contains(b, k) })
}

// cheapest is the look that would answer most of the possible causes of some
// failures; of equal ones, a vantage that was not looked at before, then the
// one that is easier to have.
func (e *explained) cheapest(keys []string) *originward.Next {
	type vote struct {
		look causes.Look
		n    int
	}
	var votes []vote
	exact := slices.ContainsFunc(e.verdicts, func(v causes.Verdict) bool {
		return !v.Vague && v.Standing == originward.Possible && overlaps(v.Explain, keys)
	})
	for _, v := range e.verdicts {
		if exact && v.Vague {
			continue // a catch-all has no say where something exact is possible
		}
		if v.Standing != originward.Possible && v.Standing != originward.Likely || len(keys) > 0 && !overlaps(v.Explain, keys) {
			continue
		}
		for i, l := range v.Missing() {
			if l.Vantage == originward.Outside && !e.view.Has(originward.Outside) && l.Question != fact.QDNS {
				l = causes.FirstOutside // a closer look at what nobody looked at begins with the plain one
			}
			weight := 2
			if i == 0 {
				weight = 3
			}
			at := slices.IndexFunc(votes, func(x vote) bool { return x.look == l })
			if at < 0 {
				votes = append(votes, vote{l, 0})
				at = len(votes) - 1
			}
			votes[at].n += weight
		}
	}
	slices.SortStableFunc(votes, func(a, b vote) int {
		return cmp.Or(
			cmp.Compare(b.n+e.fresh(b.look), a.n+e.fresh(a.look)),
			cmp.Compare(price(a.look.Vantage), price(b.look.Vantage)),
			cmp.Compare(a.look.Question, b.look.Question),
		)
	})
	// A whole vantage that is missing tells more than a closer look from one
	// that is there.
	if len(votes) > 0 && (e.fresh(votes[0].look) > 0 || e.whole()) {
		return votes[0].look.Next()
	}
	return e.anyMissing()
}

// whole reports whether every vantage was looked from.
func (e *explained) whole() bool {
	return !slices.ContainsFunc(originward.Vantages(), func(v originward.Vantage) bool { return !e.view.Has(v) })
}

// fresh prefers a vantage that was not looked at at all.
func (e *explained) fresh(l causes.Look) int {
	if !e.view.Has(l.Vantage) {
		return 4
	}
	return 0
}

// price orders vantages by how easily they are had.
func price(v originward.Vantage) int {
	return slices.Index([]originward.Vantage{originward.Edge, originward.Outside, originward.Host, originward.CDN}, v)
}

// anyMissing names a vantage that was not looked at, the most telling first.
func (e *explained) anyMissing() *originward.Next {
	if !e.view.Has(originward.Outside) && slices.ContainsFunc(e.view.AllBads(), func(b causes.Bad) bool { return b.Code >= 520 && b.Code <= 526 }) {
		return causes.FirstOutside.Next() // what fails between edge and origin, anyone can try for himself
	}
	for _, v := range []originward.Vantage{originward.Host, originward.Edge, originward.Outside, originward.CDN} {
		if !e.view.Has(v) {
			return &originward.Next{Observe: v, How: causes.HowToAdd(v)}
		}
	}
	return &originward.Next{Observe: originward.Host, Question: fact.QLogs, How: "read the origin host's logs of the failing second, and repeat the run with --watch 2m"}
}

// missing lists what was not observed: as the observers told, and every
// vantage of which there is nothing at all.
func (e *explained) missing() []originward.NotObserved {
	out := []originward.NotObserved{}
	out = append(out, e.b.NotObserved...)
	out = append(out, e.broken...)
	if e.hostAge > staleAfter {
		out = append(out, oldHost(e.hostAge))
	}
	for _, v := range originward.Vantages() {
		told := slices.ContainsFunc(e.b.NotObserved, func(n originward.NotObserved) bool { return n.Vantage == v })
		if !e.view.Has(v) && !told {
			out = append(out, originward.NotObserved{Vantage: v, Why: "nothing was looked at from here", How: causes.HowToAdd(v)})
		}
	}
	slices.SortStableFunc(out, func(a, b originward.NotObserved) int {
		return cmp.Or(
			cmp.Compare(vantageKey(a.Vantage), vantageKey(b.Vantage)), cmp.Compare(a.Question, b.Question),
			cmp.Compare(subjectKey(a.Subject), subjectKey(b.Subject)), cmp.Compare(a.Why, b.Why), cmp.Compare(a.How, b.How),
		)
	})
	return slices.CompactFunc(out, func(a, b originward.NotObserved) bool {
		return a.Vantage == b.Vantage && a.Question == b.Question && a.Why == b.Why && a.How == b.How && subjectKey(a.Subject) == subjectKey(b.Subject)
	})
}
