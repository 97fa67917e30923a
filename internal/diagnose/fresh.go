package diagnose

import (
	"slices"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/causes"
)

// freshFor is how far the host's evidence may be from the time of the failure
// and still prove its cause. Evidence is carried from the host by hand, within
// hours; by the next day services were restarted and rules reloaded.
const freshFor = 24 * time.Hour

// ofToday caps a proof that rests on what the host said of another day.
func (e *explained) ofToday(v *causes.Verdict) {
	if v.Standing != originward.Proved {
		return
	}
	for i := range e.b.Evidence {
		x := &e.b.Evidence[i]
		if x.Vantage != originward.Host || x.At.IsZero() || !slices.Contains(v.For, x.ID) {
			continue
		}
		if away := e.b.AskedAt.Sub(x.At).Abs(); away > freshFor {
			v.Lower(originward.Likely, "the host's evidence is of "+x.At.UTC().Format(time.DateOnly)+", and the host may have changed since")
			v.Next = &originward.Next{Observe: originward.Host, Question: x.Question, How: "collect the host's evidence again, it is of " +
				x.At.UTC().Format(time.DateTime) + ": " + causes.HowToAdd(originward.Host)}
			return
		}
	}
}
