package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/causes"
)

// Options are the few things about a diagnosis that are not in the bundle.
type Options struct {
	// Took is how long observing took; it is shown and decides nothing.
	Took time.Duration
}

// Explain judges a bundle. It never changes b, does no I/O and never panics.
// Evidence without ids is numbered first, as Number does.
func Explain(b *originward.Bundle, opts Options) originward.Diagnosis {
	e := explain(b)
	d := originward.Diagnosis{
		Schema: originward.DiagnosisSchema, Host: e.b.Host, AskedAt: e.b.AskedAt,
		DurationMS: opts.Took.Milliseconds(), Status: e.status, Edge: edgeAnswer(e.view),
		RootCauses: []originward.CauseID{}, Findings: []originward.Finding{},
		Evidence: e.b.Evidence, NotObserved: e.missing(),
	}
	for _, v := range e.verdicts {
		if e.listed(v) && len(d.Findings) < maxFindings {
			d.Findings = append(d.Findings, v.Finding)
		}
	}
	for _, f := range d.Findings {
		if f.Standing.Named() && f.BecauseOf == nil && !answer(f.Cause) && !slices.Contains(d.RootCauses, f.Cause) {
			d.RootCauses = append(d.RootCauses, f.Cause)
		}
	}
	return d
}

// A diagnosis is bounded: an honest one has a handful of findings, of a few
// subjects each.
const (
	maxFindings = 100
	maxSubjects = 24
)

func first[T any](s []T, n int) []T { return s[:min(len(s), n)] }

// answer reports the two ids that are answers and no causes.
func answer(id originward.CauseID) bool {
	return id == originward.Healthy || id == originward.Undetermined
}

// explained is one bundle with everything that was worked out of it.
type explained struct {
	b        *originward.Bundle
	view     *causes.View
	verdicts []causes.Verdict
	status   originward.Status
	broken   []originward.NotObserved // judges that failed: a bug of ours, told as such
	rank     map[originward.CauseID]int
	hostAge  time.Duration // how long before the question the host was looked at
}

func explain(b *originward.Bundle) *explained {
	e := &explained{b: prepare(b), rank: map[originward.CauseID]int{}}
	e.view = causes.NewView(e.b)
	e.hostAge = hostAge(e.b)
	for i, c := range causes.Catalogue() {
		e.rank[c.ID] = i
		e.verdicts = append(e.verdicts, e.judge(c)...)
	}
	e.merge()
	e.status = statusOf(e.view)
	e.settle()
	e.fold()
	e.conclude()
	e.order()
	return e
}

// judge runs one judge. A judge that panics is a bug; it must not cost the
// other answers, and it must not pass in silence either.
func (e *explained) judge(c causes.Cause) (out []causes.Verdict) {
	defer func() {
		if p := recover(); p != nil {
			out = nil
			e.broken = append(e.broken, originward.NotObserved{
				Vantage: originward.Host, Why: fmt.Sprintf("internal error while judging %s: %v", c.ID, p), How: "report this as a bug, with the saved bundle",
			})
		}
	}()
	for _, v := range first(c.Judge(e.view), maxSubjects) {
		if v.Title == "" {
			v.Title = c.Title
		}
		v.Where = c.Where
		out = append(out, e.aged(v))
	}
	return out
}

// merge keeps one verdict per cause and subject: the more certain one, with
// what both explain.
func (e *explained) merge() {
	var out []causes.Verdict
	at := map[string]int{}
	for _, v := range e.verdicts {
		k := string(v.Cause) + "|" + subjectKey(v.Subject)
		i, seen := at[k]
		if !seen {
			at[k] = len(out)
			out = append(out, v)
			continue
		}
		better, worse := out[i], v
		if worse.Standing.Rank() < better.Standing.Rank() {
			better, worse = worse, better
		}
		better.Explain = union(better.Explain, worse.Explain)
		out[i] = better
	}
	e.verdicts = out
}

func subjectKey(s originward.Subject) string { return fmt.Sprintf("%+v", s) }

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// order sorts verdicts for reading: the most certain first, roots before
// consequences, then as the catalogue has them.
func (e *explained) order() {
	slices.SortStableFunc(e.verdicts, func(a, b causes.Verdict) int {
		return cmp.Or(
			cmp.Compare(a.Standing.Rank(), b.Standing.Rank()),
			cmp.Compare(consequence(a), consequence(b)),
			cmp.Compare(e.rank[a.Cause], e.rank[b.Cause]),
			cmp.Compare(subjectKey(a.Subject), subjectKey(b.Subject)),
		)
	})
}

func consequence(v causes.Verdict) int {
	if v.BecauseOf != nil {
		return 1
	}
	return 0
}

// listed reports whether a verdict belongs into the diagnosis. What is only
// possible and is explained by something proved would bury the answer; what is
// ruled out is worth telling where the failure looked like it.
func (e *explained) listed(v causes.Verdict) bool {
	switch v.Standing {
	case originward.Proved, originward.Likely:
		return true
	case originward.Possible:
		return !v.Settled
	case originward.RuledOut:
		return len(v.Explain) > 0 && len(v.Against) > 0
	}
	return v.Cause == originward.Undetermined
}
