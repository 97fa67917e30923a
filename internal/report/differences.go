package report

import (
	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/compare"
)

// Difference is one field in which a visitor gets something else through the
// edge than straight from the origin.
type Difference struct{ Field, Direct, Edge string }

// differences compares the first visit through the edge with the direct
// exchange of the same scheme; nil where one of them was not made.
func differences(d *originward.Diagnosis) []Difference {
	b := &originward.Bundle{Evidence: d.Evidence}
	direct := fact.All[fact.Exchange](b, originward.Outside)
	for _, a := range fact.All[fact.EdgeAnswer](b, originward.Edge) {
		if a.Fact.Variant != fact.VariantPlain || a.Fact.Status == 0 {
			continue
		}
		for _, x := range direct {
			if x.Fact.Variant != fact.VariantPlain || x.Fact.Scheme != a.Fact.Scheme {
				continue
			}
			var out []Difference
			for _, f := range compare.Diff(x.Fact, a.Fact) {
				if f.Weight == compare.Telling {
					out = append(out, Difference{line(f.Field), line(f.Direct), line(f.Edge)})
				}
			}
			return out
		}
	}
	return nil
}
