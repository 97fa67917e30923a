package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/escape"
)

// junitSuite is a test suite as CI systems read it (the JUnit XML that Jenkins,
// GitLab and GitHub's actions share).
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	At       string      `xml:"timestamp,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string     `xml:"classname,attr"`
	Name    string     `xml:"name,attr"`
	Failure *junitText `xml:"failure,omitempty"`
	Skipped *junitText `xml:"skipped,omitempty"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes a diagnosis for CI: one case for the hop as a whole, one for
// each cause that was named, and one, skipped, for each that is not excluded.
func JUnit(w io.Writer, d *originward.Diagnosis) error {
	p := NewPage(d)
	s := junitSuite{Name: "originward " + p.Host, At: d.AskedAt.UTC().Format("2006-01-02T15:04:05")}
	hop := junitCase{Class: p.Host, Name: "the edge reaches the origin"}
	switch d.Status {
	case originward.StatusHealthy:
	case originward.StatusUnknown:
		hop.Skipped = &junitText{Message: p.Verdict}
	default:
		hop.Failure = &junitText{Message: p.Verdict, Text: p.Verdict}
	}
	s.Cases = append(s.Cases, hop)
	for _, r := range p.Roots {
		s.Cases = append(s.Cases, junitCase{Class: p.Host, Name: string(r.Cause), Failure: &junitText{
			Message: fmt.Sprintf("%s (%s)", r.Title, r.Standing), Text: junitDetail(r),
		}})
	}
	for _, r := range p.Possible {
		c := junitCase{Class: p.Host, Name: string(r.Cause), Skipped: &junitText{Message: "not excluded: " + r.Title}}
		if r.Next != nil {
			c.Skipped.Message += "; decided from " + string(r.Next.Observe) + ": " + r.Next.How
		}
		s.Cases = append(s.Cases, c)
	}
	for _, c := range s.Cases {
		s.Tests++
		if c.Failure != nil {
			s.Failures++
		}
		if c.Skipped != nil {
			s.Skipped++
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", " ")
	if err := enc.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitDetail(r Block) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Why)
	for _, e := range r.Evidence {
		fmt.Fprintf(&b, "%s %s %s: %s\n", e.ID, e.Vantage, e.At, e.Text)
	}
	if r.Fix != nil {
		fmt.Fprintf(&b, "Fix: %s\n", r.Fix.Summary)
		for _, st := range r.Fix.Steps {
			fmt.Fprintf(&b, "  %s\n", st.Run)
		}
	}
	return escape.Text(b.String(), 16*maxLine)
}
