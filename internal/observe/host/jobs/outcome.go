package jobs

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// Bounds of reading a job's log: its last run stands at the end.
const (
	tail      = 256 << 10
	lastRun   = 3 * time.Minute // lines this close to the last one are of the same run
	lastLines = 60              // where lines have no times
	maxErrors = 8
)

// outcome is how the last run of a job went.
type outcome struct {
	last   time.Time
	ok     fact.Tri
	errors []fact.Place
}

var (
	badWords  = regexp.MustCompile(`(?i)\b(?:error|errors|failed|failure|fail|fatal|could not|cannot|can't|unable|timed out|timeout|refused|denied|unauthorized|invalid|empty|no such host|bad gateway)\b|curl: \(\d+\)|\b(?:HTTP(?:/[\d.]+)?|status(?: code)?|code|returned|got)[ :=]*(?:4|5)\d\d\b`)
	goodWords = regexp.MustCompile(`(?i)\b(?:success(?:ful(?:ly)?)?|succeeded|updated|unchanged|up[- ]to[- ]date|no (?:change|update|renewals)|not (?:yet )?due|renewed|done|ok|good)\b|\b(?:HTTP(?:/[\d.]+)?|status(?: code)?)[ :=]*200\b`)
	notBad    = regexp.MustCompile(`(?i)\b(?:0 (?:errors?|failed|failures?)|no errors?|without errors?|errors?[:=] ?0|failed[:=] ?0)\b`)
)

// bad reports whether a line tells of a failure.
func bad(line string) bool {
	return badWords.MatchString(notBad.ReplaceAllString(line, ""))
}

// readLog judges no more than words: the last run's lines hold one of failure,
// or only ones of success, or neither.
func readLog(f rootfs.FS, name string) (outcome, bool) {
	file, err := f.Open(name)
	if err != nil {
		return outcome{}, false
	}
	defer file.Close()
	fi, err := file.Stat()
	if err != nil || fi.Size() == 0 {
		return outcome{}, false
	}
	off := max(0, fi.Size()-tail)
	b, err := io.ReadAll(io.NewSectionReader(file, off, fi.Size()-off))
	if err != nil {
		return outcome{}, false
	}
	first := 1
	if off > 0 {
		first = 0 // line numbers are not known
	}
	o := runOf(name, b, first)
	if o.last.IsZero() {
		o.last = fi.ModTime().UTC()
	}
	return o, true
}

// runOf reads the last run out of the end of a log. first is the number of the
// first line, 0 = not known.
func runOf(name string, b []byte, first int) outcome {
	type entry struct {
		text string
		no   int
		at   time.Time
	}
	var list []entry
	var at time.Time
	for i, raw := range bytes.Split(b, []byte{'\n'}) {
		l := strings.TrimSpace(string(raw))
		if l == "" {
			continue
		}
		if t, ok := moment(l); ok {
			at = t
		}
		no := 0
		if first > 0 {
			no = first + i
		}
		list = append(list, entry{l, no, at})
	}
	if len(list) == 0 {
		return outcome{}
	}
	end := list[len(list)-1].at
	o := outcome{last: end.UTC()}
	if end.IsZero() {
		o.last = time.Time{}
	}
	good := false
	for i := len(list) - 1; i >= 0; i-- {
		e := list[i]
		if !end.IsZero() && end.Sub(e.at) > lastRun || end.IsZero() && len(list)-i > lastLines {
			break
		}
		switch {
		case bad(e.text):
			if len(o.errors) < maxErrors {
				o.errors = append(o.errors, fact.Place{File: name, Line: e.no, Text: escape.Line(e.text, 300)})
			}
		case goodWords.MatchString(e.text):
			good = true
		}
	}
	switch {
	case len(o.errors) > 0:
		o.ok = fact.No
	case good:
		o.ok = fact.Yes
	}
	return o
}

// stamps are the forms in which jobs write times, at the beginning of a line,
// with or without brackets.
var stamps = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006/01/02 15:04:05", "Mon Jan _2 15:04:05 MST 2006", "Mon Jan _2 15:04:05 2006",
	"Mon _2 Jan 15:04:05 MST 2006", "Mon Jan _2 03:04:05 PM MST 2006",
}

// moment reads the time at the beginning of a line, local where it names no
// zone.
func moment(line string) (time.Time, bool) {
	l := strings.TrimLeft(line, "[(")
	for _, layout := range stamps {
		n := len(layout)
		for _, end := range []int{n, n + 1, n - 1, n - 4} { // zone names and Z differ in length
			if end < 19 || end > len(l) {
				continue
			}
			if t, err := time.ParseInLocation(layout, l[:end], time.Local); err == nil && t.Year() > 2000 {
				return t, true
			}
		}
	}
	return time.Time{}, false
}
