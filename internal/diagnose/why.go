package diagnose

import (
	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Trace says item by item how a cause came to its standing.
type Trace struct {
	Cause   originward.CauseID  `json:"cause"`
	Subject originward.Subject  `json:"subject"`
	Stands  originward.Standing `json:"standing"`
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

// Why traces every subject for which the cause was judged. An empty result
// means that nothing in the bundle speaks of the cause; WhyNot then says what
// it would need.
func Why(b *originward.Bundle, id originward.CauseID) []Trace { return nil }
