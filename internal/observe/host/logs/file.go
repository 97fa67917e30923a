package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// file is one log file to read.
type file struct {
	fs      rootfs.FS
	name    string
	program string  // nginx, apache …
	access  bool    // an access log
	format  *format // an access log's own format; nil = one of the usual
	idle    bool    // its program does not run here: a missing log is no loss
}

// Window is the stretch of time that is looked at.
type Window struct {
	From, To time.Time
	Local    *time.Location // of times that name no zone
}

// Has reports whether a moment lies in the window.
func (w Window) Has(t time.Time) bool {
	return !t.IsZero() && !t.Before(w.From) && !t.After(w.To)
}

// States of a log that was looked for.
const (
	stateRead       = "read"
	stateMissing    = "missing"
	stateRotated    = "rotated"
	stateUnreadable = "unreadable"
	stateEmpty      = "empty_window"
)

// read counts the lines of the window, and those of the file before it where
// the window began before the last rotation.
func (f file) read(w Window, t *tally) fact.LogSource {
	s, first := f.one(f.name, w, t)
	if s.State == stateUnreadable || s.State == stateMissing {
		return s
	}
	if first.IsZero() || first.After(w.From) {
		old, _ := f.one(f.before(), w, t)
		switch {
		case old.State == stateRead:
			s.State, s.Lines = stateRead, s.Lines+old.Lines
		case old.State == stateMissing && f.compressed():
			if s.Lines == 0 {
				s.State = stateRotated
			}
			s.Why = "what was logged before the last rotation is compressed and was not read"
		}
	}
	return s
}

// before is the file that the log was before the last rotation: x.log.1, or
// with a date x.log-20261122 and x-20261122.log, of which the last counts.
func (f file) before() string {
	out := f.name + ".1"
	if f.fs.Exists(out) == fact.Yes {
		return out
	}
	ext := filepath.Ext(f.name)
	for _, pattern := range []string{f.name + "-2[0-9]*[0-9]", strings.TrimSuffix(f.name, ext) + "-2[0-9]*[0-9]" + ext} {
		if names, _ := f.fs.Glob(pattern); len(names) > 0 {
			return names[len(names)-1]
		}
	}
	return out
}

// packed are the endings of compressed logs.
var packed = []string{".gz", ".xz", ".bz2", ".zst"}

func (f file) compressed() bool {
	for _, end := range packed {
		if names, err := f.fs.Glob(f.name + "*" + end); err == nil && len(names) > 0 {
			return true
		}
	}
	return false
}

func (f file) one(name string, w Window, t *tally) (s fact.LogSource, first time.Time) {
	s = fact.LogSource{Name: f.name, State: stateRead}
	r, err := f.fs.Open(name)
	if err != nil {
		s.State, s.Why = stateUnreadable, err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			s.State = stateMissing
		}
		return s, first
	}
	defer r.Close()
	in, err := openReader(r, clock{loc: w.Local, now: w.To})
	if err != nil {
		s.State, s.Why = stateUnreadable, err.Error()
		return s, first
	}
	first, _ = in.at(0)
	start, end, cut := in.window(w.From, w.To)
	in.lines(start, end, func(at time.Time, line []byte) bool {
		if w.Has(at) {
			s.Lines++
			f.line(at, line, t)
		}
		return true
	})
	switch {
	case s.Lines == 0:
		s.State = stateEmpty
	case cut:
		s.Why = fmt.Sprintf("only the newest %d MiB of the window were read", maxWindow>>20)
	}
	return s, first
}

// request reads a line of an access log by its own format, or, where the line
// is of another one (the format was changed), by the usual ones.
func (f file) request(line []byte) (accessLine, bool) {
	if f.format != nil {
		if a, ok := f.format.parse(string(line)); ok {
			return a, true
		}
	}
	return parseAccess(line)
}

func (f file) line(at time.Time, line []byte, t *tally) {
	if f.program == "haproxy" {
		haproxyLine(f.name, at, string(line), t)
	}
	if f.access {
		if a, ok := f.request(line); ok {
			for _, kind := range a.kinds() {
				m := match{kind: kind, client: a.client, status: a.status, target: a.target}
				t.add(f.name, f.program, at, m, a.ray, string(line))
			}
			return
		}
	}
	program := f.program
	if program == "syslog" {
		if program = syslogProgram(string(line)); program == "haproxy" {
			haproxyLine(f.name, at, string(line), t)
		}
	}
	if program == "kernel" {
		kernelLine(f.name, at, string(line), t, nil)
		return
	}
	if m, ok := classify(program, string(line)); ok {
		t.add(f.name, program, at, m, "", string(line))
	}
}
