// Package collect is the seam between the runner of host evidence
// (internal/observe/host) and its collectors, which live in packages of their
// own beside this one and import this package, never the runner.
//
// A collector answers one question about this host. It never judges, writes,
// restarts, or sends a packet to an address that is not the host's own. What
// it could not see it returns as NotObserved, with what would make it visible.
// Everything speaks of the network namespace of this process.
package collect

import (
	"context"
	"time"

	"github.com/originward/originward"
)

// Collector answers one question. Run is called once, on a goroutine of its
// own, with a context that ends when Budget is over; what it returns by then
// counts. A Run that panics, hangs or returns too much becomes NotObserved and
// costs no other collector anything.
type Collector struct {
	Name     string              // short, for messages: "listeners"
	Question originward.Question // what it answers
	Budget   time.Duration       // 0 = DefaultBudget
	Bytes    int                 // largest evidence as JSON; 0 = DefaultBytes
	Run      func(ctx context.Context, env *Env) ([]originward.Evidence, []originward.NotObserved)
}

// Limits of a collector that names none. A whole run is to take at most
// 500 ms on an ordinary host (design §7); a slow disk or a hung daemon may
// take a collector to its budget without costing the others.
const (
	DefaultBudget = 3 * time.Second
	DefaultBytes  = 4 << 20
)

// Item makes an evidence item of this host. text is one plain sentence whose
// foreign parts are escaped already; reproduce is the shell command that shows
// it again.
func (e *Env) Item(s originward.Subject, f originward.Fact, text, reproduce string) originward.Evidence {
	return originward.Evidence{
		Vantage: originward.Host, Question: f.Question(), At: e.Now().UTC(),
		Subject: s, Fact: f, Text: text, Reproduce: reproduce,
	}
}

// Missing says that something about this host was not seen: why, and what
// makes it visible.
func Missing(q originward.Question, s originward.Subject, why, how string) originward.NotObserved {
	return originward.NotObserved{Vantage: originward.Host, Question: q, Subject: s, Why: why, How: how}
}
