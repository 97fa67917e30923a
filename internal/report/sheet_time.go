package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

const stamp = "2006-01-02 15:04:05 UTC"

// since says when it broke, and how that is known: what failed can tell itself,
// else the edge's record, else only when it was seen.
func since(d *originward.Diagnosis, b *originward.Bundle) string {
	if d.Status == originward.StatusHealthy || d.Status == originward.StatusUnknown {
		return ""
	}
	cited := map[string]bool{}
	for _, f := range rootFindings(d) {
		for _, id := range f.For {
			cited[id] = true
		}
	}
	told := func(at time.Time, what string) string { return at.UTC().Format(stamp) + " (" + what + ")" }
	for _, s := range fact.All[fact.Services](b, originward.Host) {
		for _, v := range s.Fact.Services {
			if cited[s.ID] && (v.State == "stopped" || v.State == "failed") && !v.Since.IsZero() && v.Since.Before(d.AskedAt.Add(time.Minute)) {
				return told(v.Since, v.Kind+" "+v.State)
			}
		}
	}
	for _, x := range fact.All[fact.Exchange](b) {
		if t := x.Fact.TLS; cited[x.ID] && t != nil && len(t.Chain) > 0 && slices.Contains(t.Reasons, fact.CertExpired) {
			return told(t.Chain[0].NotAfter, "the certificate expired")
		}
	}
	if at, whole := firstFault(b); !at.IsZero() {
		if whole {
			return told(at, "first failure in the edge's record after a success")
		}
		return told(at, "oldest failure in the edge's record; it may be longer")
	}
	if d.Edge != nil && !d.Edge.At.IsZero() {
		return told(d.Edge.At, "when it was first looked at; it may be longer")
	}
	return told(d.AskedAt, "when it was first looked at; it may be longer")
}

// firstFault is the oldest failure in the edge's record; whole tells that a
// success stands before it.
func firstFault(b *originward.Bundle) (at time.Time, whole bool) {
	var items []fact.EdgeExchange
	for _, r := range fact.All[fact.EdgeRecord](b) {
		items = append(items, r.Fact.Items...)
	}
	slices.SortFunc(items, func(a, b fact.EdgeExchange) int { return a.At.Compare(b.At) })
	for i, x := range items {
		if x.Fault != "" {
			return x.At, i > 0
		}
	}
	return time.Time{}, false
}

// changes are what was altered within the days before, newest first.
func changes(d *originward.Diagnosis, b *originward.Bundle) []Change {
	type change struct {
		at   time.Time
		what string
	}
	var all []change
	add := func(at time.Time, format string, v ...any) {
		if at.IsZero() || at.After(d.AskedAt.Add(time.Minute)) || d.AskedAt.Sub(at) > changesWithin {
			return
		}
		all = append(all, change{at, line(fmt.Sprintf(format, v...))})
	}
	for _, e := range fact.All[fact.CDNEvents](b) {
		for _, x := range e.Fact.Events {
			if x.Kind == "audit" {
				add(x.At, "at the CDN: %s %s", x.Action, x.Text)
			}
		}
	}
	for _, r := range fact.All[fact.CDNRecords](b) {
		for _, x := range r.Fact.Records {
			add(x.Modified, "DNS record %s %s → %s was changed", x.Type, x.Name, x.Content)
		}
	}
	for _, s := range fact.All[fact.Services](b, originward.Host) {
		for _, v := range s.Fact.Services {
			if v.State != "" && v.State != "not_installed" {
				add(v.Since, "%s is %s since then", v.Kind, v.State)
			}
		}
	}
	for _, c := range fact.All[fact.Certificates](b, originward.Host) {
		for _, f := range c.Fact.Files {
			add(f.Modified, "certificate file %s was written", f.File)
		}
	}
	for _, l := range fact.All[fact.Load](b, originward.Host) {
		add(l.Fact.Boot, "the host was started")
	}
	slices.SortStableFunc(all, func(a, b change) int { return b.at.Compare(a.at) })
	var out []Change
	for _, c := range all {
		if n := len(out); n > 0 && out[n-1].What == c.what || n == maxChanges {
			continue
		}
		out = append(out, Change{c.at.UTC().Format(stamp), strings.TrimSpace(c.what)})
	}
	return out
}
