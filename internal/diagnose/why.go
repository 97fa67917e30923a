package diagnose

import (
	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/causes"
)

// Trace says item by item how a cause came to its standing.
type Trace struct {
	Cause   originward.CauseID  `json:"cause"`
	Subject originward.Subject  `json:"subject"`
	Stands  originward.Standing `json:"standing"`
	Title   string              `json:"title"`
	Under   *originward.CauseID `json:"because_of,omitempty"` // the cause that it is folded under
	Steps   []TraceStep         `json:"steps"`
	Lowered []string            `json:"lowered,omitempty"` // what lowered the standing after judging, in words
}

// TraceStep is one question that was put to the evidence.
type TraceStep struct {
	Asks   string              `json:"asks"`
	Answer fact.Tri            `json:"answer"` // yes, no; empty = not observed
	Says   string              `json:"says,omitempty"`
	By     []string            `json:"by,omitempty"`    // ids of evidence
	Costs  originward.Standing `json:"costs,omitempty"` // standing at most, given this answer
	Next   *originward.Next    `json:"next,omitempty"`  // what would answer it
}

// Why traces every subject for which the cause was judged, whatever its
// standing, also those that a diagnosis does not list. An empty result means
// that nothing in the bundle speaks of the cause; WhyNot then says what it
// would need.
func Why(b *originward.Bundle, id originward.CauseID) []Trace {
	var out []Trace
	for _, v := range explain(b).verdicts {
		if v.Cause != id {
			continue
		}
		t := Trace{Cause: id, Subject: v.Subject, Stands: v.Standing, Title: v.Title, Under: v.BecauseOf, Steps: []TraceStep{}, Lowered: v.Lowered}
		if v.Settled {
			t.Lowered = append(t.Lowered, "not listed: what it would explain is explained by what is proved")
		}
		for _, c := range v.Checks {
			t.Steps = append(t.Steps, step(c))
		}
		out = append(out, t)
	}
	return out
}

func step(c causes.Check) TraceStep {
	s := TraceStep{Asks: c.Asks, Answer: c.Ans.Is, Says: c.Ans.Says, By: c.Ans.By, Costs: c.Costs()}
	if c.Ans.Is == fact.Unknown && c.Ans.Look != nil {
		s.Next = c.Ans.Look.Next()
	}
	return s
}

// Absent says why a cause has no standing at all.
type Absent struct {
	Cause originward.CauseID  `json:"cause"`
	Why   string              `json:"why"`
	Needs []originward.Next   `json:"needs"`           // looks without which it is never proved
	Other *originward.CauseID `json:"other,omitempty"` // the first root cause that was found instead
}

// WhyNot says what a cause that was not found would need, and what was found
// instead. ok is false when the catalogue does not have the id.
func WhyNot(b *originward.Bundle, id originward.CauseID) (a Absent, ok bool) {
	c, ok := causes.Find(id)
	if !ok {
		return Absent{}, false
	}
	a = Absent{Cause: id, Needs: []originward.Next{}, Why: "Nothing that was observed speaks for it. It is proved so: " + c.Doc.Proof}
	e := explain(b)
	for _, n := range c.Needs {
		seen := false
		for _, v := range n.Any {
			seen = seen || e.view.Has(v)
		}
		if !seen {
			a.Needs = append(a.Needs, originward.Next{Observe: n.Any[0], Question: n.Question, How: n.How})
		}
	}
	for _, v := range e.verdicts {
		if v.Cause == id {
			a.Why = "It stands " + string(v.Standing) + "; see why."
		}
		if a.Other == nil && v.Standing.Named() && v.BecauseOf == nil && v.Cause != id && !answer(v.Cause) {
			a.Other = &v.Cause
		}
	}
	return a, true
}
