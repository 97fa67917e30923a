package exchange

import (
	"sync/atomic"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Step numbers the phases that an exchange itself goes through, so that a Trace
// is an array.
type Step uint8

// The steps in their order.
const (
	StepResolve Step = iota
	StepConnect
	StepTLS
	StepWrite
	StepFirstByte
	StepHeaders
	StepBody
	stepCount
)

var stepPhases = [stepCount]originward.Phase{
	originward.PhaseResolve, originward.PhaseConnect, originward.PhaseTLS, originward.PhaseWrite,
	originward.PhaseFirstByte, originward.PhaseHeaders, originward.PhaseBody,
}

// Phase is the phase that the step is.
func (s Step) Phase() originward.Phase {
	if s >= stepCount {
		return ""
	}
	return stepPhases[s]
}

// Trace records when each phase of one exchange began and ended. It holds no
// pointers and is reused with Reset. The zero Trace is ready: the clock starts
// with the first phase. It is not safe for concurrent use.
type Trace struct {
	start      time.Time
	begin, end [stepCount]time.Duration // since start
	begun      uint8                    // bit per step
	done       uint8                    // bit per step
	// now is the step under way as others may read it: its number above the low bits,
	// which hold when it began, in microseconds since start.
	now uint64
}

// nowBits are those of the beginning in Trace.now: more than a year of microseconds.
const nowBits = 56

// note publishes the step that has begun.
func (t *Trace) note(s Step, at time.Duration) {
	//nolint:gosec // a duration since the start is not negative
	atomic.StoreUint64(&t.now, uint64(s+1)<<nowBits|uint64(max(at.Microseconds(), 0)))
}

// Under is the step that is under way and for how long it has been; ok is false
// before the first one. It alone may be called while another goroutine uses the
// trace, but not while that one resets it.
func (t *Trace) Under(now time.Time) (s Step, since time.Duration, ok bool) {
	x := atomic.LoadUint64(&t.now)
	if x == 0 {
		return 0, 0, false
	}
	//nolint:gosec // what note put together
	began := time.Duration(x&(1<<nowBits-1)) * time.Microsecond
	return Step(x>>nowBits) - 1, max(now.Sub(t.start)-began, 0), true
}

// Reset forgets everything and starts the clock.
func (t *Trace) Reset() { *t = Trace{start: time.Now()} }

// Start is when the clock was started; zero when it was not.
func (t *Trace) Start() time.Time { return t.start }

// Elapsed is the time since the clock was started.
func (t *Trace) Elapsed() time.Duration {
	if t.start.IsZero() {
		return 0
	}
	return time.Since(t.start)
}

// Begin marks the beginning of a step. A step begun again (a retry) is timed anew.
func (t *Trace) Begin(s Step) {
	if t == nil {
		return
	}
	if t.start.IsZero() {
		t.start = time.Now()
	}
	d := time.Since(t.start)
	t.begin[s], t.end[s] = d, d
	t.begun |= 1 << s
	t.done &^= 1 << s
	t.note(s, d)
}

// End marks the proper end of a step.
func (t *Trace) End(s Step) {
	if t == nil {
		return
	}
	t.end[s] = time.Since(t.start)
	t.done |= 1 << s
}

// Next ends a step and begins the one after it at the same moment.
func (t *Trace) Next(from, to Step) {
	if t == nil {
		return
	}
	now := time.Now()
	if t.start.IsZero() {
		t.start = now
	}
	t.nextAt(from, to, now)
}

// nextAt is Next for a moment that has passed.
func (t *Trace) nextAt(from, to Step, at time.Time) {
	d := at.Sub(t.start)
	t.end[from] = d
	t.done |= 1 << from
	t.begin[to], t.end[to] = d, d
	t.begun |= 1 << to
	t.done &^= 1 << to
	t.note(to, d)
}

// Fail marks the moment at which a step failed. It becomes the last one: what was
// under way before it has ended, and what was begun after it is forgotten (a
// request that turns out never to have been acknowledged was not yet written).
func (t *Trace) Fail(s Step) {
	if t == nil {
		return
	}
	if t.start.IsZero() {
		t.start = time.Now()
	}
	now := time.Since(t.start)
	for before := range s {
		if t.Begun(before) && t.done&(1<<before) == 0 {
			t.end[before] = now
			t.done |= 1 << before
		}
	}
	if !t.Begun(s) {
		t.begin[s] = now
	}
	t.end[s] = now
	upTo := uint8(1<<(s+1) - 1)
	t.begun = (t.begun | 1<<s) & upTo
	t.done = t.done & upTo &^ (1 << s)
}

// Took is how long a step took and whether it ended properly; 0 and false when
// it was not begun.
func (t *Trace) Took(s Step) (d time.Duration, done bool) {
	return t.end[s] - t.begin[s], t.done&(1<<s) != 0
}

// Begun tells whether a step was begun.
func (t *Trace) Begun(s Step) bool { return t.begun&(1<<s) != 0 }

// BeganAt is when a step was begun; false when it was not.
func (t *Trace) BeganAt(s Step) (time.Time, bool) {
	return t.start.Add(t.begin[s]), t.Begun(s)
}

// Phases lists the steps that were begun, as evidence.
func (t *Trace) Phases() []fact.PhaseTime {
	var out []fact.PhaseTime
	for s := range stepCount {
		if !t.Begun(s) {
			continue
		}
		d, done := t.Took(s)
		out = append(out, fact.PhaseTime{Phase: s.Phase(), MS: millis(d), Done: done})
	}
	return out
}

// millis is a duration in milliseconds with microsecond precision.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
