package causes

import (
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Ans is the evidence's answer to one question: yes, no, or not observed, by
// which items, in words, and where one would have to look when unknown.
type Ans struct {
	Is   fact.Tri
	By   []string // ids of evidence
	Says string   // what was seen, in plain words
	Look *Look    // what would answer it; nil = nothing better is known
}

// Yes, No and Unseen make answers.
func Yes(says string, by ...string) Ans { return Ans{Is: fact.Yes, Says: says, By: by} }

// No is an answer that was observed to be no.
func No(says string, by ...string) Ans { return Ans{Is: fact.No, Says: says, By: by} }

// Unseen is the answer of something that was not looked at.
func Unseen(l Look) Ans { return Ans{Look: &l} }

// Not is the opposite answer with the same evidence.
func (a Ans) Not() Ans {
	switch a.Is {
	case fact.Yes:
		a.Is = fact.No
	case fact.No:
		a.Is = fact.Yes
	}
	return a
}

// IsYes reports whether the answer was observed to be yes.
func (a Ans) IsYes() bool { return a.Is == fact.Yes }

// IsNo reports whether the answer was observed to be no.
func (a Ans) IsNo() bool { return a.Is == fact.No }

// Known reports whether the question was answered.
func (a Ans) Known() bool { return a.Is != fact.Unknown }

// when is Yes or No by ok.
func when(ok bool, says string, by ...string) Ans {
	return Ans{Is: fact.TriOf(ok), Says: says, By: by}
}

// tri turns a Tri into an answer.
func tri(t fact.Tri, says string, look Look, by ...string) Ans {
	if t == fact.Unknown {
		return Ans{Look: &look}
	}
	return Ans{Is: t, Says: says, By: by}
}

// Look is an observation that would answer a question.
type Look struct {
	Vantage  originward.Vantage
	Question originward.Question
	How      string
}

// Next is the look in the vocabulary of findings.
func (l Look) Next() *originward.Next {
	return &originward.Next{Observe: l.Vantage, Question: l.Question, How: l.How}
}

// Check is one question that a judge put to the evidence, with its price.
type Check struct {
	Asks   string
	Ans    Ans
	No     originward.Standing // standing at most when the answer is no
	Unseen originward.Standing // standing at most when it was not observed
}

// Costs is the standing that the answer leaves at most.
func (c Check) Costs() originward.Standing {
	switch c.Ans.Is {
	case fact.Yes:
		return originward.Proved
	case fact.No:
		return c.No
	}
	return c.Unseen
}

// Verdict is a cause's standing for one subject with the way that led there.
type Verdict struct {
	originward.Finding
	Checks  []Check
	Explain []string // keys of the observed failures that it would explain
	Vague   bool     // a catch-all: gives way to any named cause of the same failure
	Settled bool     // what it would explain is explained by something proved: not listed
	Lowered []string // what lowered the standing after judging, in words
}

// Lower caps the standing and keeps the reason.
func (v *Verdict) Lower(to originward.Standing, why string) {
	if v.Standing.Rank() < to.Rank() {
		v.Standing = to
		v.Lowered = append(v.Lowered, why)
	}
}

// Missing lists the looks that would raise the verdict, the one that costs
// most first.
func (v *Verdict) Missing() []Look {
	var out []Look
	for _, want := range []originward.Standing{originward.StandingUnknown, originward.Possible, originward.Likely} {
		for _, c := range v.Checks {
			if c.Ans.Is == fact.Unknown && c.Ans.Look != nil && c.Unseen == want && !slices.Contains(out, *c.Ans.Look) {
				out = append(out, *c.Ans.Look)
			}
		}
	}
	return out
}

// Case collects the checks of one cause for one subject.
type Case struct {
	v Verdict
}

// newCase begins a case. The standing is proved until a check costs something.
func newCase(id originward.CauseID, s originward.Subject) *Case {
	return &Case{Verdict{Finding: originward.Finding{Cause: id, Subject: s, Standing: originward.Proved}}}
}

// Ask puts a question with its own prices.
func (c *Case) Ask(asks string, a Ans, no, unseen originward.Standing) *Case {
	c.v.Checks = append(c.v.Checks, Check{asks, a, no, unseen})
	return c
}

// Must is a part of the mechanism: no rules the cause out, unseen leaves it
// possible.
func (c *Case) Must(asks string, a Ans) *Case {
	return c.Ask(asks, a, originward.RuledOut, originward.Possible)
}

// Proof is what proves the mechanism: no rules the cause out, unseen leaves it
// likely.
func (c *Case) Proof(asks string, a Ans) *Case {
	return c.Ask(asks, a, originward.RuledOut, originward.Likely)
}

// Apart parts the cause from a look-alike: the answer yes excludes it. No
// means that the look-alike stands, which leaves the cause possible; unseen
// leaves it likely.
func (c *Case) Apart(asks string, a Ans) *Case {
	return c.Ask(asks, a, originward.Possible, originward.Likely)
}

// Backs is support that is not needed: anything but yes costs certainty only.
func (c *Case) Backs(asks string, a Ans) *Case {
	return c.Ask(asks, a, originward.Likely, originward.Likely)
}

// Explains names the failures that the cause would explain.
func (c *Case) Explains(keys ...string) *Case {
	for _, k := range keys {
		if !slices.Contains(c.v.Explain, k) {
			c.v.Explain = append(c.v.Explain, k)
		}
	}
	return c
}

// Says sets the title and the reason.
func (c *Case) Says(title, why string) *Case {
	c.v.Title, c.v.Why = title, why
	return c
}

// Fix sets the fix.
func (c *Case) Fix(f *originward.Fix) *Case {
	c.v.Finding.Fix = f
	return c
}

// Vague marks a catch-all.
func (c *Case) Vague() *Case {
	c.v.Vague = true
	return c
}

// AtMost caps the standing for a reason that is no observation.
func (c *Case) AtMost(s originward.Standing, why string) *Case {
	c.v.Checks = append(c.v.Checks, Check{Asks: why, Ans: Ans{Says: why}, No: s, Unseen: s})
	return c
}

// Done works out the standing, the evidence for and against, and what to look
// at next.
func (c *Case) Done() Verdict {
	v := &c.v
	v.For, v.Against = []string{}, []string{}
	for _, k := range v.Checks {
		if s := k.Costs(); s.Rank() > v.Standing.Rank() {
			v.Standing = s
		}
		switch k.Ans.Is {
		case fact.Yes:
			v.For = addIDs(v.For, k.Ans.By)
		case fact.No:
			v.Against = addIDs(v.Against, k.Ans.By)
		}
	}
	if looks := v.Missing(); len(looks) > 0 && v.Standing != originward.Proved && v.Standing != originward.RuledOut {
		v.Next = looks[0].Next()
	}
	slices.Sort(v.Explain)
	return *v
}

// addIDs adds ids that are not there yet. Long lists are sought in by a set:
// thousands of items must not cost their square.
func addIDs(to, ids []string) []string {
	if len(ids) > 8 && len(to)+len(ids) > 64 {
		return addMany(to, ids)
	}
	for _, id := range ids {
		if id != "" && !slices.Contains(to, id) {
			to = append(to, id)
		}
	}
	return to
}

func addMany(to, ids []string) []string {
	seen := make(map[string]bool, len(to)+len(ids))
	for _, id := range to {
		seen[id] = true
	}
	for _, id := range ids {
		if id != "" && !seen[id] {
			seen[id] = true
			to = append(to, id)
		}
	}
	return to
}
