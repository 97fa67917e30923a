// Package report says what a diagnosis found: on a terminal, as JSON,
// Markdown, HTML and SARIF. Every form is written from one Page, so that all
// of them tell the same in the same order: verdict, evidence, fix, how to
// check, what was not looked at.
package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/escape"
)

// Bounds of one screen; the whole diagnosis is in the JSON.
const (
	maxLine     = 400 // characters of one line of evidence
	maxCited    = 6   // evidence lines under one cause
	maxPossible = 5   // other findings shown
	maxMissing  = 8   // lines of what was not looked at
)

// Page is what a person is told, in the order in which it is told.
type Page struct {
	Host     string
	Status   originward.Status
	When     string
	Took     string
	Hops     []Hop
	Verdict  string
	Roots    []Block
	Folded   []string     // consequences, one line each
	Seen     []Line       // what was met, where no cause is named
	Possible []Block      // not excluded, with what would decide
	Diffs    []Difference // telling ones only
	Missing  []Missing
	More     int // missing lines left out
}

// Hop is one of the three places of the path: You, Edge, Host.
type Hop struct {
	Name  string
	Note  string // code, place or address
	State State
}

// State of a hop.
type State int

// The states; the zero State is not known.
const (
	Unseen State = iota
	Working
	Broken
)

// Block is one finding with its proof and its cure.
type Block struct {
	Cause    originward.CauseID
	Standing originward.Standing
	Title    string
	Why      string
	About    string
	Also     []string // other subjects of the same cause
	Evidence []Line
	Omitted  int // evidence lines left out
	Fix      *originward.Fix
	Where    originward.Where
	Next     *originward.Next
}

// Line is one piece of evidence.
type Line struct {
	ID, Vantage, At, Text, Reproduce string
	Against                          bool
}

// Missing is one thing that was not looked at.
type Missing struct{ Vantage, Why, How string }

// NewPage arranges a diagnosis. Every text in it is escaped for a terminal and
// bounded: a bundle can come from anyone.
func NewPage(d *originward.Diagnosis) Page {
	p := Page{
		Host:   escape.Line(d.Host, 253),
		Status: d.Status,
		When:   d.AskedAt.UTC().Format("2006-01-02 15:04:05 UTC"),
		Took:   fmt.Sprintf("%d ms", d.DurationMS),
	}
	ev := map[string]*originward.Evidence{}
	for i := range d.Evidence {
		ev[d.Evidence[i].ID] = &d.Evidence[i]
	}
	for i := range d.Findings {
		f := &d.Findings[i]
		switch {
		case f.Cause == originward.Healthy || f.Cause == originward.Undetermined:
		case f.BecauseOf != nil && f.Standing.Named():
			p.Folded = append(p.Folded, fmt.Sprintf("%s (%s), because of %s", line(f.Title), f.Cause, *f.BecauseOf))
		case f.Standing.Named() && slices.Contains(d.RootCauses, f.Cause):
			p.Roots = group(p.Roots, block(f, ev))
		case f.Standing == originward.Possible:
			p.Possible = group(p.Possible, block(f, ev))
		}
	}
	p.Possible = slices.DeleteFunc(p.Possible, func(b Block) bool { return slices.Contains(d.RootCauses, b.Cause) })
	p.Possible = p.Possible[:min(len(p.Possible), maxPossible)]
	p.Verdict = verdict(d)
	p.Hops = hops(d)
	p.Diffs = differences(d)
	p.Seen = seen(d)
	for _, n := range d.NotObserved {
		if len(p.Missing) == maxMissing {
			p.More++
			continue
		}
		what := string(n.Vantage)
		if n.Question != "" {
			what += " " + string(n.Question)
		}
		p.Missing = append(p.Missing, Missing{line(what), line(n.Why), line(n.How)})
	}
	return p
}

// group puts a finding under the surer one of the same cause, if there is one:
// a person wants each cause once, with everything that it is about.
func group(bs []Block, b Block) []Block {
	for i := range bs {
		have := &bs[i]
		if have.Cause != b.Cause {
			continue
		}
		also := b.About
		if b.Standing != have.Standing {
			also += " (" + string(b.Standing) + ")"
		}
		if also != "" && also != have.About && !slices.Contains(have.Also, also) {
			have.Also = append(have.Also, also)
		}
		return bs
	}
	return append(bs, b)
}

func line(s string) string { return escape.Line(s, maxLine) }

func block(f *originward.Finding, ev map[string]*originward.Evidence) Block {
	b := Block{
		Cause: f.Cause, Standing: f.Standing, Title: line(f.Title), Why: line(f.Why),
		About: about(f.Subject), Fix: cleanFix(f.Fix), Where: f.Where, Next: f.Next,
	}
	add := func(ids []string, against bool) {
		for _, id := range ids {
			e := ev[id]
			if e == nil {
				continue
			}
			if len(b.Evidence) == maxCited {
				b.Omitted++
				continue
			}
			b.Evidence = append(b.Evidence, lineOf(e, against))
		}
	}
	add(f.For, false)
	add(f.Against, true)
	if b.Next != nil {
		n := *b.Next
		n.How = line(n.How)
		b.Next = &n
	}
	return b
}

func cleanFix(f *originward.Fix) *originward.Fix {
	if f == nil {
		return nil
	}
	c := originward.Fix{Summary: line(f.Summary), Verify: line(f.Verify)}
	for _, s := range f.Steps {
		c.Steps = append(c.Steps, originward.Step{
			Run: escape.Line(s.Run, 4*maxLine), Undo: escape.Line(s.Undo, 4*maxLine), On: s.On, Risk: line(s.Risk),
		})
	}
	return &c
}

// about says in a few words what a finding is about.
func about(s originward.Subject) string {
	var w []string
	add := func(format string, v any, ok bool) {
		if ok {
			w = append(w, fmt.Sprintf(format, v))
		}
	}
	add("%s", s.Addr, s.Addr.IsValid())
	add("port %d", s.Port, s.Port != 0)
	add("%s", map[originward.Family]string{originward.IP4: "IPv4", originward.IP6: "IPv6"}[s.Family], s.Family != "" && !s.Addr.IsValid())
	add("%s", ranges(s), len(s.Ranges) > 0)
	add("%s", s.Unit, s.Unit != "")
	add("%s", place(s), s.File != "")
	add("%s", s.Name, s.Name != "")
	return line(strings.Join(w, ", "))
}

func ranges(s originward.Subject) string {
	const show = 3
	var w []string
	for i, r := range s.Ranges {
		if i == show {
			w = append(w, fmt.Sprintf("and %d more", len(s.Ranges)-show))
			break
		}
		w = append(w, r.String())
	}
	return strings.Join(w, " ")
}

func place(s originward.Subject) string {
	if s.Line == 0 {
		return s.File
	}
	return fmt.Sprintf("%s:%d", s.File, s.Line)
}
