// Package events keeps what the edge's security rules decided: the last so many in
// memory, to be asked for, and all that are sampled as JSON lines.
package events

import (
	"encoding/json"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originward/originward/internal/edge/logfile"
	"github.com/originward/originward/internal/edge/ray"
)

// Event is one decision of a rule about one request.
type Event struct {
	At          time.Time `json:"datetime"`
	Ray         string    `json:"rayName"` // 16 hex digits
	Colo        string    `json:"edgeColoName,omitempty"`
	Zone        string    `json:"zone"`
	Source      string    `json:"source"` // firewallCustom, ratelimit, ipAccess, uaBlock, hot, firewallManaged
	Action      string    `json:"action"` // block, log, skip, …; "…_bypassed" for a challenge solved before
	RuleID      string    `json:"ruleId"`
	Description string    `json:"description,omitempty"`
	Expression  string    `json:"expression,omitempty"` // that matched
	Client      string    `json:"clientIP,omitempty"`
	Country     string    `json:"clientCountryName,omitempty"` // two letters
	ASN         uint32    `json:"clientAsn,omitempty"`
	Method      string    `json:"clientRequestHTTPMethodName"`
	Host        string    `json:"clientRequestHTTPHost"`
	Path        string    `json:"clientRequestPath"`
	Query       string    `json:"clientRequestQuery,omitempty"`
	Scheme      string    `json:"clientRequestScheme"`
	Protocol    string    `json:"clientRequestHTTPProtocol"`
	UserAgent   string    `json:"userAgent,omitempty"`
	Status      int       `json:"edgeResponseStatus,omitempty"` // 0 = the request went on
	Outcome     Outcome   `json:"outcome"`
	Sample      float64   `json:"sampleInterval"` // so many events stand behind this one
}

// FromDiagnosis is the source of events that tell of a diagnosis: no rule decided.
const FromDiagnosis = "diagnosis"

// Outcome is what became of the request by this decision.
type Outcome string

// The outcomes.
const (
	Stopped Outcome = "stopped" // answered here: no origin was asked
	WentOn  Outcome = "went_on" // later rules, the cache or the origin decide
)

// Policy is what is kept of a request, and of how many.
type Policy struct {
	Sample float64 // 0 to 1
	Client string  // full, truncated, none
	Query  bool
}

// Everything keeps all of every request.
var Everything = Policy{Sample: 1, Client: "full", Query: true}

// Takes tells whether a request is among those that are kept. All that is written
// about one ray is kept, or nothing.
func (p Policy) Takes(id ray.ID) bool {
	return p.Sample >= 1 || float64(uint64(id)*0x9e3779b97f4a7c15>>11)/(1<<53) < p.Sample
}

// Lengths of the networks that truncated addresses show.
const (
	truncated4 = 24
	truncated6 = 48
)

// Addr is an address as the policy has it written.
func (p Policy) Addr(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	switch p.Client {
	case "none":
		return ""
	case "truncated":
		bits := truncated4
		if a = a.Unmap(); a.Is6() {
			bits = truncated6
		}
		net, err := a.Prefix(bits)
		if err != nil {
			return ""
		}
		return net.Addr().String()
	}
	return a.String()
}

// Bounds of what a visitor writes into an event.
const textMax = 512

// Bounded cuts foreign text and makes it valid.
func Bounded[T string | []byte](s T) string {
	if len(s) > textMax {
		s = s[:textMax]
	}
	return string(s)
}

// DefaultMemory is how many events are remembered: some 10 MB at the most.
const DefaultMemory = 5000

// Log keeps events. It is safe for concurrent use.
type Log struct {
	mu     sync.Mutex
	ring   []Event // guarded by mu
	next   int     // guarded by mu
	size   int     // guarded by mu
	policy Policy  // guarded by mu

	written atomic.Bool // lines go somewhere
	lines   logfile.Lines
}

// New makes a log that remembers the last size events.
func New(size int) *Log { return &Log{size: size, policy: Everything} }

// Set changes where events are written (nil = nowhere), how, and how many are
// remembered.
func (l *Log) Set(out io.Writer, p Policy, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if size != l.size {
		kept := l.newestLocked(size)
		l.ring, l.next, l.size = nil, 0, size
		for i := len(kept) - 1; i >= 0; i-- {
			l.keepLocked(kept[i])
		}
	}
	l.policy = p
	l.lines.Redirect(out)
	l.written.Store(out != nil)
}

// Policy is the one in force.
func (l *Log) Policy() Policy {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.policy
}

// Add keeps events of one request. Lines are gathered until there are many, or Flush.
func (l *Log) Add(list ...Event) {
	l.mu.Lock()
	for _, e := range list {
		l.keepLocked(e)
	}
	l.mu.Unlock()
	if !l.written.Load() {
		return
	}
	for _, e := range list {
		b, err := json.Marshal(e)
		if err != nil {
			l.lines.Fail(err)
			continue
		}
		l.lines.Add(append(b, '\n'))
	}
}

// Flush writes what has been gathered. It returns the first failure since it was last
// called.
func (l *Log) Flush() error { return l.lines.Flush() }

func (l *Log) keepLocked(e Event) {
	if l.size <= 0 {
		return
	}
	if len(l.ring) < l.size {
		l.ring = append(l.ring, e)
		return
	}
	l.ring[l.next] = e
	l.next = (l.next + 1) % l.size
}

// newestLocked gives at most n events, the newest first.
func (l *Log) newestLocked(n int) []Event {
	out := make([]Event, 0, min(n, len(l.ring)))
	for i := 0; i < len(l.ring) && len(out) < n; i++ {
		out = append(out, l.ring[(l.next+len(l.ring)-1-i)%len(l.ring)])
	}
	return out
}

// Filter chooses events. Zero fields choose all.
type Filter struct {
	Ray    string
	Zone   string
	Host   string
	Source string
	Action string
	Rule   string
	Client string
	Since  time.Time
	Limit  int
}

func (f *Filter) takes(e *Event) bool {
	for _, x := range [...][2]string{
		{f.Ray, e.Ray}, {f.Zone, e.Zone}, {f.Host, e.Host}, {f.Source, e.Source}, {f.Action, e.Action}, {f.Rule, e.RuleID}, {f.Client, e.Client},
	} {
		if x[0] != "" && x[0] != x[1] {
			return false
		}
	}
	return f.Since.IsZero() || !e.At.Before(f.Since)
}

// Find gives the events that f chooses, newest first.
func (l *Log) Find(f Filter) []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []Event{}
	for i := range l.ring {
		e := &l.ring[(l.next+len(l.ring)-1-i)%len(l.ring)]
		if f.takes(e) {
			out = append(out, *e)
			if len(out) == f.Limit {
				break
			}
		}
	}
	return out
}
