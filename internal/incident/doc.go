// Package incident reads reports of published incidents: what could be
// observed, from where, and what the cause turned out to be. A report is a
// text archive that a person can read and write; its lines become the same
// evidence that the observers make, so that the engine is held to what really
// happened to real sites. docs/incidents.md describes the format.
package incident

import (
	"time"

	"github.com/originward/originward"
)

// Incident is one report.
type Incident struct {
	File    string   // for messages
	Title   string   // first line of the archive's comment
	Site    string   // host name; shop.example where the report does not tell one
	Sources []string // "owner/repo#number", a URL, or "documented: …" where no public thread was found
	Story   string   // what happened, in a few sentences
	Stages  []Stage  // what was observed first, and with what was observed later
}

// Stage is what was known at one time, and what the engine has to say of it.
type Stage struct {
	Name   string // "observed" or "later"
	Bundle originward.Bundle
	Expect Expect
}

// Expect is the right answer to a stage.
type Expect struct {
	Causes       []Cause              // root causes that have to be named, and no other
	Undetermined bool                 // no cause may be named; Next is asked for
	Healthy      bool                 // nothing is broken
	Next         []Look               // looks of which the finding must ask for one
	Never        []originward.CauseID // causes that would be wrong, whatever else is named
}

// Cause is a root cause with the least standing that it must have.
type Cause struct {
	ID       originward.CauseID
	Standing originward.Standing // proved or likely
}

// Look is a question that decides.
type Look struct {
	Vantage  originward.Vantage
	Question originward.Question // empty = any of the vantage
}

// start is when the observations of a report without a date were made. It is
// the only clock that the package has.
var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
