package report

import (
	"fmt"
	"strings"

	"github.com/originward/originward"
)

// verdict is the one sentence that a person reads first.
func verdict(d *originward.Diagnosis) string {
	roots := rootFindings(d)
	switch {
	case len(roots) > 0:
		var titles []string
		for _, f := range roots {
			titles = append(titles, fmt.Sprintf("%s (%s)", line(f.Title), f.Standing))
		}
		lead := "The cause"
		if len(titles) > 1 {
			lead = fmt.Sprintf("%d independent causes", len(titles))
		}
		return lead + ": " + strings.Join(titles, "; ") + "."
	case d.Status == originward.StatusHealthy:
		return "Healthy: the edge reaches the origin on everything that was looked at."
	case d.Status == originward.StatusUnknown && len(d.Evidence) > 0:
		return "Whether the edge reaches the origin was not observed, and what was seen names no cause."
	case d.Status == originward.StatusUnknown:
		return "Nothing could be observed, so nothing is known."
	}
	s := "Broken, and the cause is not decided yet"
	if next := firstNext(d); next != nil {
		s += fmt.Sprintf(": look from %s next: %s", next.Observe, line(next.How))
	}
	return strings.TrimSuffix(s, ".") + "."
}

// rootFindings are the findings behind the root causes, one for each cause, in
// the order of the root causes.
func rootFindings(d *originward.Diagnosis) []*originward.Finding {
	var out []*originward.Finding
	for _, id := range d.RootCauses {
		var best *originward.Finding
		for i := range d.Findings {
			f := &d.Findings[i]
			if f.Cause == id && f.BecauseOf == nil && (best == nil || f.Standing.Rank() < best.Standing.Rank()) {
				best = f
			}
		}
		if best != nil {
			out = append(out, best)
		}
	}
	return out
}

func firstNext(d *originward.Diagnosis) *originward.Next {
	var best *originward.Finding
	for i := range d.Findings {
		f := &d.Findings[i]
		if f.Next == nil || f.Standing == originward.RuledOut {
			continue
		}
		if f.Cause == originward.Undetermined {
			return f.Next
		}
		if best == nil || f.Standing.Rank() < best.Standing.Rank() {
			best = f
		}
	}
	if best == nil {
		return nil
	}
	return best.Next
}

// hops draws the path: who is at fault is the place of the surest cause.
func hops(d *originward.Diagnosis) []Hop {
	you, edge, host := Hop{Name: "You"}, Hop{Name: "Edge"}, Hop{Name: "Host"}
	if d.Edge != nil && d.Edge.Code != 0 {
		you.State, edge.State = Working, Working
		edge.Note = fmt.Sprint(d.Edge.Code)
		if d.Edge.Error != 0 && d.Edge.Error != d.Edge.Code {
			edge.Note = fmt.Sprintf("%d (%d)", d.Edge.Code, d.Edge.Error)
		}
		if d.Edge.Pending {
			edge.Note += " to come"
		}
	}
	if d.Status == originward.StatusHealthy {
		return []Hop{{"You", you.Note, Working}, {"Edge", edge.Note, edge.State}, {"Host", "", Working}}
	}
	roots := rootFindings(d)
	if len(roots) == 0 {
		if d.Status == originward.StatusBroken || d.Status == originward.StatusDegraded {
			host.Note = "not decided"
		}
		return []Hop{you, edge, host}
	}
	for _, f := range roots {
		switch f.Where {
		case originward.WhereCDN:
			edge.State = Broken
		case originward.WhereVisitor:
			you.State = Broken
		default:
			host.State = Broken
		}
	}
	if a := roots[0].Subject; a.Addr.IsValid() && host.State == Broken {
		host.Note = a.Addr.String()
		if a.Port != 0 {
			host.Note += fmt.Sprintf(" port %d", a.Port)
		}
	}
	return []Hop{you, edge, host}
}
