package logs

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// Bounds of what is kept.
const (
	maxText  = 500 // bytes of a line's text
	maxKinds = 400 // different lines
)

// cdnOf tells in which CDN's range an address lies.
type cdnOf func(netip.Addr) (name string, in netip.Prefix, ok bool)

// tally counts equal lines together.
type tally struct {
	cdn   cdnOf
	ray   string    // of the failing request; its line is kept on its own
	netns string    // number of our network namespace; empty = not known
	begun time.Time // of the host itself: what the kernel said before is about others; zero = not known
	lines map[key]*fact.LogLine
}

// key is what makes two lines equal.
type key struct {
	kind, source, program, target, cdn, ray string
	status, errno                           int
	client                                  netip.Addr // only where who it was decides
}

func newTally(cdn cdnOf, ray string) *tally {
	return &tally{cdn: cdn, ray: ray, lines: map[key]*fact.LogLine{}}
}

func (t *tally) add(source, program string, at time.Time, m match, ray, text string) {
	k := key{kind: m.kind, source: source, program: program, target: escape.Line(m.target, 200), status: m.status, errno: m.errno}
	if m.client.IsValid() {
		if name, _, ok := t.cdn(m.client); ok {
			k.cdn = name
		}
	}
	if t.ray != "" && ray == t.ray {
		k.ray = ray
	}
	switch m.kind {
	case fact.LogStatus, fact.LogClosed444, fact.LogSlow, fact.LogTLSToPlain:
		k.target = "" // any path
		if m.client.IsPrivate() || m.client.IsLoopback() {
			k.client = m.client
		}
	case fact.LogBan, fact.LogBlockedSYN, fact.LogStrayRST:
		k.client = m.client
	}
	l := t.lines[k]
	if l == nil {
		if len(t.lines) >= maxKinds {
			return
		}
		l = &fact.LogLine{Kind: m.kind, Source: source, Program: program, CDN: k.cdn, Target: k.target, Status: m.status, Errno: m.errno, Ray: k.ray}
		t.lines[k] = l
	}
	l.Count++
	if !at.Before(l.At) {
		l.At, l.Text, l.Client = at.UTC(), escape.Line(text, maxText), m.client
	}
}

// sorted gives the lines, the newest first.
func (t *tally) sorted() []fact.LogLine {
	out := make([]fact.LogLine, 0, len(t.lines))
	for _, l := range t.lines {
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b fact.LogLine) int {
		if c := b.At.Compare(a.At); c != 0 {
			return c
		}
		return strings.Compare(a.Kind+a.Source+a.Target+a.Text, b.Kind+b.Source+b.Target+b.Text)
	})
	return out
}
