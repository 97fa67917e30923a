package edge

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/exchange"
)

// flights are the visits that wait for an origin: what the edge's record says of
// exchanges that have not ended. They are kept in shards, because every request
// passes here twice.
type flights struct{ shards [flightShards]flightShard }

// flightShards spread the locks; visits are reused where they ran last, so that a
// few times as many shards as processors rarely meet.
const flightShards = 64

type flightShard struct {
	mu    sync.Mutex
	first *visit       // guarded by mu; the newest
	busy  atomic.Int64 // visits under way
	_     [40]byte     // the next shard lies on another cache line
}

// flight is a visit's place in its shard's list. The list's lock guards all but shard.
type flight struct {
	shard      uint8
	on         bool
	prev, next *visit
}

var shardTurn atomic.Uint32

// nextShard gives visits their shards in turn.
func nextShard() uint8 { return uint8(shardTurn.Add(1) % flightShards) }

// enter lists a visit that begins to wait. Until it leaves, what find reads of it
// does not change, but for the trace, which tells by itself.
func (s *flights) enter(v *visit) {
	if v.trace.Start().IsZero() {
		v.trace.Reset()
	}
	sh := &s.shards[v.flight.shard]
	sh.mu.Lock()
	v.flight.on, v.flight.prev, v.flight.next = true, nil, sh.first
	if sh.first != nil {
		sh.first.flight.prev = v
	}
	sh.first = v
	sh.mu.Unlock()
}

// leave ends it.
func (s *flights) leave(v *visit) {
	sh := &s.shards[v.flight.shard]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !v.flight.on {
		return
	}
	if p := v.flight.prev; p != nil {
		p.flight.next = v.flight.next
	} else {
		sh.first = v.flight.next
	}
	if n := v.flight.next; n != nil {
		n.flight.prev = v.flight.prev
	}
	v.flight.on, v.flight.prev, v.flight.next = false, nil, nil
}

// maxFlights bounds what is told of exchanges under way.
const maxFlights = 1000

// find gives the exchanges under way that f chooses, the longest first.
func (s *flights) find(f Filter, now time.Time) []fact.EdgeExchange {
	type found struct {
		record
		step  exchange.Step
		since time.Duration
	}
	var all []found
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for v := sh.first; v != nil && len(all) < maxFlights; v = v.flight.next {
			step, since, ok := v.trace.Under(now)
			if !ok {
				continue // its first phase begins just now
			}
			if x := waitingRecord(v); f.takes(&x) {
				all = append(all, found{x, step, since})
			}
		}
		sh.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b found) int { return a.at.Compare(b.at) })
	if f.Limit > 0 && len(all) > f.Limit {
		all = all[:f.Limit]
	}
	out := make([]fact.EdgeExchange, 0, len(all))
	for _, x := range all {
		e := x.fact()
		e.Phase, e.Detail = x.step.Phase(), waitText(x.step.Phase(), x.since)
		e.Phases = []fact.PhaseTime{{Phase: e.Phase, MS: float64(x.since.Microseconds()) / 1000}}
		out = append(out, e)
	}
	return out
}

// waitingRecord is what is known of a visit that waits, without its trace.
func waitingRecord(v *visit) record {
	return record{
		at: v.began, ray: v.ray, host: v.siteName(), name: v.name, scheme: v.plan.Scheme,
		pair: pair{v.origin, v.egress}, ssl: v.sslMode(),
	}
}

// unended leaves out what has ended since it was looked at.
func unended(waiting, items []fact.EdgeExchange) []fact.EdgeExchange {
	return slices.DeleteFunc(waiting, func(w fact.EdgeExchange) bool {
		return slices.ContainsFunc(items, func(x fact.EdgeExchange) bool { return x.Ray == w.Ray && !x.Retried })
	})
}

// waits say what a phase waits for.
var waits = map[originward.Phase]string{
	originward.PhaseResolve:   "the origin's name is being looked up",
	originward.PhaseConnect:   "the SYN is unanswered",
	originward.PhaseTLS:       "the TLS handshake has not ended",
	originward.PhaseWrite:     "the request is being sent",
	originward.PhaseFirstByte: "the request is sent and nothing has come",
	originward.PhaseHeaders:   "the response's head has not ended",
	originward.PhaseBody:      "the response's body has not ended",
}

// waitText says what is waited for and for how long.
func waitText(p originward.Phase, since time.Duration) string {
	return fmt.Sprintf("%s for %.1f s", waits[p], since.Seconds())
}

// leftText says what was waited for when the visitor left.
func leftText(p originward.Phase, t exchange.Trace) string {
	for s := exchange.StepResolve; s <= exchange.StepBody; s++ {
		if s.Phase() == p && t.Begun(s) {
			d, _ := t.Took(s)
			return "the visitor left; " + waitText(p, d)
		}
	}
	return "the visitor left"
}
