package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// Audience is whom an escalation is written for.
type Audience string

// The audiences.
const (
	ForCDN  Audience = "cdn"  // the CDN's support
	ForHost Audience = "host" // the hosting provider
	ForTeam Audience = "team" // one's own people
)

var audiences = []Audience{ForCDN, ForHost, ForTeam}

// ParseAudience reads an audience's name.
func ParseAudience(s string) (Audience, error) {
	if slices.Contains(audiences, Audience(s)) {
		return Audience(s), nil
	}
	return "", fmt.Errorf("audience %q: allowed are cdn, host, team", s)
}

// Bounds of the one page that an escalation is.
const (
	maxRays      = 4
	maxExcluded  = 10
	maxChanges   = 6
	maxReproduce = 6
)

// changesWithin is how long before the question a change can have led to it:
// a week, for most broken hops broke on the day of a change, and certificates
// and lists within some days of it.
const changesWithin = 7 * 24 * time.Hour

// Sheet is an escalation: one page for somebody who can act on it. Everything
// that decides is on its first screen: what is broken, the ask, the cause, the
// evidence.
type Sheet struct {
	Audience  Audience
	Title     string
	Since     string
	Ask       []string
	Verdict   string
	Facts     []Row
	Roots     []Block
	Excluded  []Excluded
	Changes   []Change
	Reproduce []string
	Missing   []Missing
	Redacted  []Row
	Asked     string
}

// For says whom the page is written for.
func (s Sheet) For() string {
	return map[Audience]string{ForCDN: "For the CDN's support", ForHost: "For the hosting provider", ForTeam: "For the team"}[s.Audience]
}

// Row is a label and what it stands for.
type Row struct{ Label, Value string }

// Excluded is a cause that it is not, and what shows it.
type Excluded struct {
	Title string
	Cause originward.CauseID
	Why   string
	IDs   []string // of evidence
}

// Change is something that was altered not long before.
type Change struct{ At, What string }

// SheetOptions are what a sheet needs beside the diagnosis.
type SheetOptions struct {
	Audience Audience
	Redacted []Row                           // what was replaced, from the redactor
	Title    func(originward.CauseID) string // of a cause, as the catalogue has it
}

// NewSheet arranges a diagnosis for an audience. Every text in it is escaped
// and bounded. The diagnosis' facts must have their types.
func NewSheet(d *originward.Diagnosis, o SheetOptions) Sheet {
	p := NewPage(d)
	s := Sheet{
		Audience: o.Audience, Verdict: p.Verdict, Roots: p.Roots, Missing: p.Missing,
		Redacted: o.Redacted, Asked: p.When,
	}
	b := &originward.Bundle{Host: d.Host, AskedAt: d.AskedAt, Evidence: d.Evidence}
	s.Title = sheetTitle(d)
	s.Since = since(d, b)
	s.Ask = ask(d, o.Audience)
	s.Facts = sheetFacts(d, b, s.Since)
	s.Excluded = excluded(d, o)
	s.Changes = changes(d, b)
	s.Reproduce = reproduce(d)
	return s
}

func sheetTitle(d *originward.Diagnosis) string {
	host := line(d.Host)
	switch {
	case d.Edge != nil && d.Edge.Pending:
		return fmt.Sprintf("%s: the edge waits for the origin in vain (%d to come)", host, d.Edge.Code)
	case d.Edge != nil && d.Edge.Code >= 500:
		code := fmt.Sprint(d.Edge.Code)
		if d.Edge.Error != 0 && d.Edge.Error != d.Edge.Code {
			code += fmt.Sprintf(" (error %d)", d.Edge.Error)
		}
		return fmt.Sprintf("%s answers %s", host, code)
	case d.Status == originward.StatusHealthy:
		return host + " works"
	case d.Status == originward.StatusDegraded:
		return host + " fails in part"
	case d.Status == originward.StatusBroken:
		return host + " fails"
	}
	return host + ": nothing could be observed"
}

// sheetFacts are the figures that a ticket is asked for first.
func sheetFacts(d *originward.Diagnosis, b *originward.Bundle, since string) []Row {
	var rows []Row
	add := func(label, value string) {
		if value != "" {
			rows = append(rows, Row{label, line(value)})
		}
	}
	add("Host name", d.Host)
	add("Origin", strings.Join(origins(d, b), ", "))
	add("At the edge", edgeCodes(b))
	add("Broken since", since)
	add("Rays", strings.Join(rays(d, b), ", "))
	add("Edge location", strings.Join(places(b), ", "))
	add("Edge fetches from", strings.Join(egress(b), ", "))
	if d.Edge != nil && d.Edge.Fault != "" {
		fault := string(d.Edge.Fault)
		if d.Edge.Pending {
			fault += ", once the edge gives up"
		}
		add("Fault (RFC 9209)", fault)
	}
	return rows
}

// origins are the addresses and ports that exchanges were tried with.
func origins(d *originward.Diagnosis, b *originward.Bundle) []string {
	var out []string
	add := func(s string) {
		if !slices.Contains(out, s) && len(out) < maxRays {
			out = append(out, s)
		}
	}
	for _, f := range rootFindings(d) {
		if f.Subject.Addr.IsValid() && f.Subject.Port != 0 {
			add(fmt.Sprintf("%s port %d", f.Subject.Addr, f.Subject.Port))
		}
	}
	for _, x := range fact.All[fact.Exchange](b, originward.Outside) {
		add(fmt.Sprintf("%s port %d", x.Fact.Target.Addr(), x.Fact.Target.Port()))
	}
	return out
}

// edgeCodes counts what visits got, worst first.
func edgeCodes(b *originward.Bundle) string {
	count := map[int]int{}
	visits := 0
	tally := func(status int) {
		visits++
		count[status]++
	}
	for _, r := range fact.All[fact.Repeat](b, originward.Edge) {
		for _, run := range r.Fact.Runs {
			tally(run.Status)
		}
	}
	if visits == 0 {
		for _, a := range fact.All[fact.EdgeAnswer](b, originward.Edge) {
			if a.Fact.Variant == "" {
				tally(a.Fact.Status)
			}
		}
	}
	var codes []int
	for c := range count {
		codes = append(codes, c)
	}
	slices.SortFunc(codes, func(x, y int) int { return y - x })
	var w []string
	for _, c := range codes {
		name := fmt.Sprint(c)
		if c == 0 {
			name = "no answer"
		}
		w = append(w, fmt.Sprintf("%s at %d of %d visits", name, count[c], visits))
	}
	return strings.Join(w, ", ")
}

// rays are those of failed requests, newest first.
func rays(d *originward.Diagnosis, b *originward.Bundle) []string {
	type seen struct {
		ray string
		at  time.Time
	}
	var all []seen
	add := func(ray, colo string, at time.Time) {
		if colo != "" && !strings.Contains(ray, "-") {
			ray += "-" + colo
		}
		if ray != "" && !slices.ContainsFunc(all, func(s seen) bool { return s.ray == ray }) {
			all = append(all, seen{ray, at})
		}
	}
	colo := ""
	for _, a := range fact.All[fact.EdgeAnswer](b, originward.Edge) {
		if a.Fact.Status >= 500 || a.Fact.Error != 0 {
			add(a.Fact.Ray, a.Fact.Colo, a.At)
			colo = a.Fact.Colo
		}
	}
	for _, r := range fact.All[fact.EdgeRecord](b) {
		for _, x := range r.Fact.Items {
			if x.Fault != "" {
				add(x.Ray, colo, x.At)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b seen) int { return b.at.Compare(a.at) })
	var out []string
	for _, s := range all[:min(len(all), maxRays)] {
		out = append(out, fmt.Sprintf("%s at %s", line(s.ray), s.at.UTC().Format("2006-01-02 15:04:05")))
	}
	return out
}

func places(b *originward.Bundle) []string {
	var out []string
	for _, a := range fact.All[fact.EdgeAnswer](b, originward.Edge) {
		if c := a.Fact.Colo; c != "" && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

func egress(b *originward.Bundle) []string {
	var out []string
	for _, r := range fact.All[fact.EdgeRecord](b) {
		for _, a := range r.Fact.Egress {
			if s := a.String(); !slices.Contains(out, s) && len(out) < 2*maxRays {
				out = append(out, s)
			}
		}
	}
	return out
}

// excluded are the causes that the evidence contradicts.
func excluded(d *originward.Diagnosis, o SheetOptions) []Excluded {
	var out []Excluded
	for _, f := range d.Findings {
		if f.Standing != originward.RuledOut || len(out) == maxExcluded || slices.ContainsFunc(out, func(e Excluded) bool { return e.Cause == f.Cause }) {
			continue
		}
		title := f.Title
		if o.Title != nil {
			title = o.Title(f.Cause)
		}
		out = append(out, Excluded{Title: line(title), Cause: f.Cause, Why: against(d, f.Against), IDs: f.Against[:min(len(f.Against), maxCited)]})
	}
	return out
}

// against tells what was seen that contradicts a cause: the first two items say
// enough, the rest is in the evidence.
func against(d *originward.Diagnosis, ids []string) string {
	var w []string
	for _, e := range d.Evidence {
		if slices.Contains(ids, e.ID) && len(w) < 2 {
			w = append(w, strings.TrimSuffix(escape.Line(e.Text, maxLine/2), "."))
		}
	}
	if len(w) == 0 {
		return ""
	}
	return "Seen against it: " + strings.Join(w, "; ") + "."
}

// reproduce are the commands behind the evidence that the causes cite.
func reproduce(d *originward.Diagnosis) []string {
	var out []string
	for _, f := range rootFindings(d) {
		for _, e := range d.Evidence {
			if slices.Contains(f.For, e.ID) && e.Reproduce != "" && len(out) < maxReproduce {
				if cmd := line(e.Reproduce); !slices.Contains(out, cmd) {
					out = append(out, cmd)
				}
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, e := range d.Evidence {
		if e.Reproduce != "" && (e.Vantage == originward.Edge || e.Vantage == originward.Outside) && len(out) < maxReproduce/2 {
			out = append(out, line(e.Reproduce))
		}
	}
	return out
}
