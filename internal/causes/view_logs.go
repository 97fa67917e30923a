package causes

import (
	"net/netip"
	"slices"
	"time"

	"github.com/originward/originward/fact"
)

// LogsSeen reports whether any log of the failure window was read.
func (v *View) LogsSeen() Ans {
	if len(v.logs) == 0 {
		return Unseen(lookLogs)
	}
	var by []string
	for _, it := range v.logs {
		by = append(by, it.ID)
		for _, s := range it.Fact.Sources {
			if s.State == "read" {
				return Yes("logs of the failure window were read", it.ID)
			}
		}
	}
	return Ans{By: by, Says: "no log of the failure window could be read", Look: &lookLogs}
}

// SourceRead reports whether a log whose name passes keep was read, empty or
// not.
func (v *View) SourceRead(keep func(name string) bool) Ans {
	for _, it := range v.logs {
		for _, s := range it.Fact.Sources {
			if keep(s.Name) && (s.State == "read" || s.State == "empty_window") {
				return Yes(s.Name+" was read", it.ID)
			}
		}
	}
	return Unseen(lookLogs)
}

// Lines are the classified log lines of some kinds within the window, with the
// ids of the evidence. keep may be nil.
func (v *View) Lines(keep func(fact.LogLine) bool, kinds ...string) (out []fact.LogLine, by []string) {
	for _, it := range v.logs {
		for _, l := range it.Fact.Lines[:min(len(it.Fact.Lines), maxItems)] {
			if !slices.Contains(kinds, l.Kind) || keep != nil && !keep(l) {
				continue
			}
			if past(it.Fact, l) || !it.Fact.From.IsZero() && l.At.Before(it.Fact.From) {
				continue
			}
			out = append(out, l)
			by = addIDs(by, []string{it.ID})
		}
	}
	return out, by
}

// lately is how long before the look a line about a passing state (a full pool,
// a request that met a limit) still speaks of the failure that is looked at:
// what was full half an hour ago says nothing of a port that is closed now.
const lately = 10 * time.Minute

// passing are the kinds of lines that tell of a state which passes.
var passing = []string{
	fact.LogWorkersFull, fact.LogTooManyFiles, fact.LogConntrackFull, fact.LogSYNFlood, fact.LogProxyProtocol, fact.LogUpstreamHeader,
	fact.LogHeaderTooBig, fact.LogLimited, fact.LogDenied, fact.LogHTTP2,
}

// past reports whether a line tells of a passing state that was not seen lately.
func past(in fact.Logs, l fact.LogLine) bool {
	return !l.At.IsZero() && !in.To.IsZero() && in.To.Sub(l.At) > lately && slices.Contains(passing, l.Kind)
}

// Logged is the answer to "does a line of these kinds stand in the logs".
// Absence is only known where the logs were read.
func (v *View) Logged(says string, keep func(fact.LogLine) bool, kinds ...string) Ans {
	lines, by := v.Lines(keep, kinds...)
	if len(lines) > 0 {
		n := 0
		for _, l := range lines {
			n += max(l.Count, 1)
		}
		return Yes(says+" ("+itoa(n)+"×): "+lines[0].Text, by...)
	}
	if a := v.LogsSeen(); !a.IsYes() {
		return Unseen(lookLogs)
	}
	return No("no such line in the logs that were read", v.LogsSeen().By...)
}

// fromEdge reports whether a line's client is an address of the edge.
func (v *View) fromEdge(l fact.LogLine) bool {
	return l.CDN != "" || v.IsEdge(l.Client)
}

// seenSources are addresses of the edge that the host itself saw: in logs, and
// as peers of connections.
func (v *View) seenSources() (out []netip.Addr, by []string) {
	for _, it := range v.logs {
		for _, l := range it.Fact.Lines[:min(len(it.Fact.Lines), maxItems)] {
			if l.Client.IsValid() && v.fromEdge(l) && l.Kind != fact.LogStrayRST && len(out) < maxItems {
				out = append(out, l.Client.Unmap())
				by = addIDs(by, []string{it.ID})
			}
		}
	}
	return out, by
}
