package diagnose

import (
	"slices"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/causes"
)

// staleAfter is the age from which what was seen on the host does not prove what
// is the case now: rules, bans and services change by the minute, and evidence
// that is handed on in a ticket is easily older than the last attempt to repair.
const staleAfter = 30 * time.Minute

// hostAge is how long before the question the host was looked at last; zero when
// that is not known.
func hostAge(b *originward.Bundle) time.Duration {
	var last time.Time
	for _, it := range b.Evidence {
		if it.Vantage == originward.Host && it.At.After(last) {
			last = it.At
		}
	}
	if last.IsZero() || b.AskedAt.IsZero() {
		return 0
	}
	return b.AskedAt.Sub(last)
}

// oldHost is what is missing where the host was looked at too long ago.
func oldHost(age time.Duration) originward.NotObserved {
	return originward.NotObserved{Vantage: originward.Host,
		Why: "what was seen on the host is " + age.Round(time.Minute).String() + " old",
		How: "collect it again: add --ssh root@HOST, or run `sudo originward host -o host.json` there and add --host-evidence host.json"}
}

// aged takes from a verdict the certainty that it owes to an old look at the host.
func (e *explained) aged(v causes.Verdict) causes.Verdict {
	if e.hostAge <= staleAfter || !v.Standing.Named() || !slices.ContainsFunc(e.b.Evidence, func(it originward.Evidence) bool {
		return it.Vantage == originward.Host && slices.Contains(v.For, it.ID)
	}) {
		return v
	}
	switch {
	case v.Where == originward.WhereNetwork || v.Where == originward.WhereProvider:
		v.Standing = originward.Possible // it rests on the host being in order, which it may not be any more
	case v.Standing == originward.Proved:
		v.Standing = originward.Likely
	default:
		return v
	}
	v.Next = &originward.Next{Observe: originward.Host, How: oldHost(e.hostAge).How}
	return v
}
