package main

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/preflight"
)

// JUnit XML as CI systems read it.
type (
	junitGate struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitTest `xml:"testcase"`
	}
	junitTest struct {
		Class   string     `xml:"classname,attr"`
		Name    string     `xml:"name,attr"`
		Failure *junitNote `xml:"failure,omitempty"`
		Skipped *junitNote `xml:"skipped,omitempty"`
	}
	junitNote struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// preflightJUnit writes one case for each visitor's scheme, port and origin
// address in the wanted mode; without one, in every mode that encrypts.
func preflightJUnit(w io.Writer, m preflight.Matrix, want originward.SSLMode) error {
	suite := junitGate{Name: "originward preflight " + m.Host, Cases: []junitTest{}}
	for _, c := range m.Cells {
		if want != "" && c.Mode != want || want == "" && (c.Mode == originward.SSLOff || c.Mode == originward.SSLFlexible) {
			continue
		}
		t := junitTest{Class: "mode " + string(c.Mode), Name: fmt.Sprintf("%s:%d to %s", c.Scheme, c.Port, c.Addr)}
		switch {
		case c.Outcome == preflight.Unsupported || c.Outcome == preflight.Unknown || c.Outcome == "":
			t.Skipped = &junitNote{Message: c.Why}
			suite.Skipped++
		case !c.Good() && c.Outcome != preflight.Redirected:
			t.Failure = &junitNote{Message: fmt.Sprintf("a visitor would get %s", cellText(c)), Text: c.Why}
			suite.Failures++
		}
		suite.Cases = append(suite.Cases, t)
	}
	suite.Tests = len(suite.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
