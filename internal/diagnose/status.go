package diagnose

import (
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/causes"
)

// statusOf is the state of the hop as it was observed: what the edge answered
// first, and where the edge was not asked, what direct exchanges gave on the
// addresses that it uses. Nothing is predicted.
func statusOf(v *causes.View) originward.Status {
	bads := v.AllBads()
	good, bad := tallyVisits(v)
	if good+bad > 0 {
		switch {
		case bad == 0 && len(bads) == 0:
			return originward.StatusHealthy
		case good == 0:
			return originward.StatusBroken
		}
		return originward.StatusDegraded
	}
	works := 0
	for _, l := range v.Legs {
		if l.Used != fact.No && len(l.Direct) > 0 && len(l.Bads) == 0 && l.Main && direct(l) {
			works++
		}
	}
	switch {
	case len(bads) > 0 && works > 0:
		return originward.StatusDegraded
	case len(bads) > 0:
		return originward.StatusBroken
	case works > 0:
		return originward.StatusHealthy
	}
	return originward.StatusUnknown
}

func direct(l *causes.Leg) bool {
	return slices.ContainsFunc(l.Direct, func(x fact.Item[fact.Exchange]) bool { return causes.OutcomeOf(x.Fact) == causes.OutOK })
}

// tallyVisits counts visits that were served and visits that were not. With
// visits over https only those count: plain http is often only a redirect.
func tallyVisits(v *causes.View) (good, bad int) {
	https := slices.ContainsFunc(v.Hits, func(h causes.Hit) bool { return h.Scheme == "https" })
	for _, h := range v.Hits {
		if h.Attempt || https && h.Scheme == "http" {
			continue
		}
		if h.Good() {
			good++
		} else {
			bad++
		}
	}
	return good, bad + v.FailedVisits()
}

// edgeAnswer is the most telling answer of the edge: a failure that the edge
// named, another failure, or else any answer. Nil = the edge was not asked.
func edgeAnswer(v *causes.View) *originward.EdgeAnswer {
	var best *causes.Hit
	score := -1
	for i := range v.Hits {
		h := &v.Hits[i]
		if n := telling(*h); n > score {
			best, score = h, n
		}
	}
	if best == nil {
		return nil
	}
	a := &originward.EdgeAnswer{Code: best.Status, Fault: best.Fault, Ray: best.Ray, At: best.At}
	if code, fault := best.Coming(); best.Pending && code != 0 {
		a.Code, a.Fault, a.Pending = code, fault, true
	}
	if best.Code != best.Status && best.Code >= 1000 {
		a.Error = best.Code
	}
	return a
}

func telling(h causes.Hit) int {
	n := 0
	switch {
	case h.Good():
	case h.Pending:
		n = 1
		if code, _ := h.Coming(); code != 0 {
			n = 2 // the edge's record says what it waits for
		}
	case h.Code == 524:
		n = 5 // silence too, and of a connection that was open already
	case h.Code == 522:
		n = 6 // silence tells less than any answer: a filter that rejects answers only so often
	case h.Code >= 520 && h.Code <= 530 || h.Code >= 1000:
		n = 8
	default:
		n = 4
	}
	if h.Own {
		n += 4
	}
	if h.Scheme == "https" {
		n++
	}
	return n
}
