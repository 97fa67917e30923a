package remedy

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/diagnose"
)

// tries bounds how often the second look is repeated while it shows the cause
// still: a server needs a moment, and so does an edge that retries.
const tries = 4

// tryPause is between two of them.
const tryPause = 1500 * time.Millisecond

// Looker looks again at what failed, from the vantages that ask has.
func Looker(ask diagnose.Ask, plan Plan) func(context.Context) (Verdict, error) {
	return func(ctx context.Context) (Verdict, error) {
		began := time.Now()
		var v Verdict
		for n := range tries {
			if n > 0 {
				select {
				case <-ctx.Done():
					return v, context.Cause(ctx)
				case <-time.After(tryPause):
				}
			}
			a := ask
			a.Since = time.Since(began) + time.Second // what was logged before is what was cured
			b := diagnose.Observe(ctx, a)
			if err := ctx.Err(); err != nil {
				return v, context.Cause(ctx)
			}
			diagnose.Number(b)
			d := diagnose.Explain(b, diagnose.Options{})
			if v = Judge(&d, plan); v.Helped {
				return v, nil
			}
		}
		return v, nil
	}
}

// Judge says whether a diagnosis made after the fix shows that it helped: the
// site is healthy, or what is broken still is another cause that was known
// before and is not part of this fix.
func Judge(d *originward.Diagnosis, plan Plan) Verdict {
	v := Verdict{Status: string(d.Status)}
	if d.Edge != nil && !d.Edge.Pending {
		v.Code = d.Edge.Code
	}
	through := ""
	if v.Code != 0 {
		through = fmt.Sprintf(", and the edge answers %d", v.Code)
	}
	var still, known []string
	for _, id := range d.RootCauses {
		if slices.Contains(plan.Causes, id) {
			still = append(still, string(id))
		} else {
			known = append(known, string(id))
		}
	}
	switch {
	case len(still) > 0:
		v.Text = strings.Join(still, ", ") + " is still there" + through
	case d.ExitCode() == originward.ExitHealthy:
		v.Helped, v.Text = true, "the site is healthy"+through
	case len(known) > 0 && len(plan.Left) > 0:
		v.Helped, v.Text = true, "cured; what is broken still is "+strings.Join(known, ", ")+through
	case len(known) > 0:
		v.Helped, v.Text = true, "cured; behind it stands "+strings.Join(known, ", ")+through
	default:
		v.Text = "the site is " + string(d.Status) + " and no cause is certain any more" + through
	}
	return v
}

// SiteOf is what the visitor of a bundle asked for.
func SiteOf(b *originward.Bundle) diagnose.Site {
	s := diagnose.Site{Host: b.Host, Path: "/"}
	for _, it := range fact.All[fact.EdgeAnswer](b, originward.Edge) {
		if it.Fact.Host == b.Host && it.Fact.Scheme != "" {
			s.Scheme, s.Path = it.Fact.Scheme, it.Fact.Path
			if p := it.Fact.Target.Port(); p != 443 && p != 80 {
				s.Port = p
			}
			if s.Scheme == "https" {
				break
			}
		}
	}
	if s.Path == "" {
		s.Path = "/"
	}
	return s
}

// OriginsOf are the origin addresses that a bundle looked at from outside.
func OriginsOf(b *originward.Bundle) []string {
	var out []string
	for _, it := range fact.All[fact.Exchange](b, originward.Outside) {
		a := it.Fact.Target.Addr()
		if a.IsValid() && !slices.Contains(out, a.String()) {
			out = append(out, a.String())
		}
	}
	return out
}

// EdgeOf is the edge that a bundle's visitor asked; zero where none answered.
func EdgeOf(b *originward.Bundle) netip.AddrPort {
	for _, it := range fact.All[fact.EdgeAnswer](b, originward.Edge) {
		if it.Fact.Target.IsValid() {
			return netip.AddrPortFrom(it.Fact.Target.Addr(), 0)
		}
	}
	return netip.AddrPort{}
}
