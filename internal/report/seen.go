package report

import (
	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// maxSeen bounds what is shown of an undecided failure.
const maxSeen = 6

// seen lists what was met where something is wrong and no cause is named: a
// person then needs the observation itself, for it is all there is. The visit
// through the edge comes first, then direct exchanges, those that ended badly
// before others, then the host's listeners and logs. Nil when a cause is named.
func seen(d *originward.Diagnosis) []Line {
	if len(d.RootCauses) > 0 || d.Status != originward.StatusBroken && d.Status != originward.StatusDegraded {
		return nil
	}
	var out []Line
	for _, keep := range []func(*originward.Evidence) bool{visitSeen, directSeen, directWorks, hostSeen} {
		for i := range d.Evidence {
			e := &d.Evidence[i]
			if len(out) < maxSeen && keep(e) {
				out = append(out, lineOf(e, false))
			}
		}
	}
	return out
}

func lineOf(e *originward.Evidence, against bool) Line {
	return Line{
		ID: line(e.ID), Vantage: string(e.Vantage), At: e.At.UTC().Format("15:04:05"),
		Text: line(e.Text), Reproduce: line(e.Reproduce), Against: against,
	}
}

func visitSeen(e *originward.Evidence) bool {
	if f, ok := e.Fact.(fact.EdgeAnswer); ok {
		return f.Variant == fact.VariantPlain && (f.Status == 0 || f.Status >= 400)
	}
	_, repeat := e.Fact.(fact.Repeat)
	return repeat && e.Vantage == originward.Edge
}

func directSeen(e *originward.Evidence) bool {
	return e.Vantage == originward.Outside && badExchange(e)
}

// directWorks shows the other half of a contrast: what a visitor without the
// edge gets.
func directWorks(e *originward.Evidence) bool {
	x, ok := e.Fact.(fact.Exchange)
	return ok && e.Vantage == originward.Outside && x.Variant == fact.VariantPlain && !badExchange(e)
}

func hostSeen(e *originward.Evidence) bool {
	if e.Vantage != originward.Host {
		return false
	}
	switch f := e.Fact.(type) {
	case fact.Logs:
		return len(f.Lines) > 0
	case fact.Listeners:
		return true
	}
	return false
}

// badExchange reports whether a plain exchange ended otherwise than with an
// answer that serves a visitor.
func badExchange(e *originward.Evidence) bool {
	x, ok := e.Fact.(fact.Exchange)
	return ok && x.Variant == fact.VariantPlain && (x.Fault != nil || x.Response != nil && x.Response.Status >= 400)
}
