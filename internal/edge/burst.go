package edge

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/events"
	"github.com/originward/originward/internal/exchange"
)

// Burst is a zone whose requests fail so often that somebody should look.
type Burst struct {
	Zone, Host string
	Scheme     string         // the visitor's
	Edge       netip.AddrPort // where the visitor asked
	Ray        string         // of the last failure
	Code       int            // status of the last failure; 499 = the visitor left
	Phase      originward.Phase
	Fault      originward.FaultType // empty = the origin's own answer, or a visitor who left
	Failures   int                  // within Window
	Window     time.Duration
	At         time.Time
}

// Diagnosed is what a look at a zone came to.
type Diagnosed struct {
	ID     string               `json:"id"`
	Zone   string               `json:"zone"`
	Host   string               `json:"host"`
	At     time.Time            `json:"at"`
	Status originward.Status    `json:"status"`
	Causes []originward.CauseID `json:"root_causes"` // most certain first
	// Standing of the first cause; empty = there is none.
	Standing originward.Standing  `json:"standing,omitempty"`
	Summary  string               `json:"summary"`
	Failures int                  `json:"failures"` // that began it
	Phase    originward.Phase     `json:"phase,omitempty"`
	Fault    originward.FaultType `json:"fault,omitempty"`
	Code     int                  `json:"code"`
	Ray      string               `json:"ray"`
}

// outbreak notices bursts of a zone's failures. It outlives changes of the
// configuration.
type outbreak struct {
	mu   sync.Mutex
	at   []time.Time // of the last failures, a ring; guarded by mu
	next int         // guarded by mu
	told time.Time   // when the last burst was told of; guarded by mu
	last *Diagnosed  // guarded by mu; nil = none
}

// fail notes a failure; true when it makes a burst that is to be told of.
func (o *outbreak) fail(now time.Time, d config.Diagnosis) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.at) != d.Failures { // as configured now
		o.at, o.next = make([]time.Time, d.Failures), 0
	}
	o.at[o.next] = now
	o.next = (o.next + 1) % len(o.at)
	oldest := o.at[o.next]
	if oldest.IsZero() || now.Sub(oldest) > d.Window || !o.told.IsZero() && now.Sub(o.told) < d.Gap {
		return false
	}
	o.told = now
	return true
}

// current is how long what a look came to is taken for the cause of further failures
// of the same kind: beyond it things may have changed.
const current = 15 * time.Minute

// cause is what the last look came to, where it speaks of such a failure.
func (o *outbreak) cause(now time.Time, p originward.Phase, t originward.FaultType, code int) *Diagnosed {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.last
	if d == nil || now.Sub(d.At) > current || d.Phase != p || d.Fault != t || d.Code != code {
		return nil
	}
	return d
}

func (o *outbreak) diagnosed(d *Diagnosed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = d
}

// longLeft is how long a visitor must have waited for a connection for the wait to
// count as a failure: a fast connect takes less (as our own probes give it).
const longLeft = 2500 * time.Millisecond

// failed tells whether a visit failed at its origin. What rules answered, and what
// visitors did, is no failure.
func (v *visit) failed() bool {
	switch {
	case v.zone == nil || v.site == nil || v.ruleID != "":
		return false
	case v.left != "":
		for _, s := range [...]exchange.Step{exchange.StepResolve, exchange.StepConnect, exchange.StepTLS} {
			if took, _ := v.trace.Took(s); v.left == s.Phase() && took >= longLeft {
				return true
			}
		}
		return false
	case v.fault != nil:
		return originward.PhaseRequest.Before(v.fault.Phase)
	}
	return failing(v.status) && v.errCode == 0
}

// watchBurst counts a failed visit and tells of a burst.
func (v *visit) watchBurst() {
	f := v.edge.onBurst.Load()
	if f == nil || !v.failed() {
		return
	}
	d := v.st.cfg.Diagnosis
	if v.zone.Diagnosis != nil {
		d = *v.zone.Diagnosis
	}
	if !d.On {
		return
	}
	now := time.Now()
	if !v.zone.outbreak.fail(now, d) {
		return
	}
	p, t := v.failure()
	(*f)(Burst{
		Zone: v.zone.Name, Host: events.Bounded(v.siteName()), Scheme: v.conn.scheme(), Edge: v.conn.local, Ray: v.ray.String(),
		Code: v.status, Phase: p, Fault: t, Failures: d.Failures, Window: d.Window, At: now,
	})
}

// failure is the kind of a visit's failure.
func (v *visit) failure() (originward.Phase, originward.FaultType) {
	if v.fault != nil {
		return v.fault.Phase, v.fault.Type
	}
	return v.left, ""
}

// cause is what a diagnosis found of failures such as this visit's; nil = nothing,
// or none was made. It is for the owner's eyes, never for the visitor's.
func (v *visit) cause() *Diagnosed {
	if v.zone == nil || !v.failed() {
		return nil
	}
	p, t := v.failure()
	return v.zone.outbreak.cause(v.began, p, t, v.status)
}

// OnBurst has f told of bursts of failures, in the zones whose configuration asks for
// it. It must return at once.
func (e *Edge) OnBurst(f func(Burst)) { e.onBurst.Store(&f) }

// Diagnosed tells the edge what a look at a zone came to: from now on it stands in
// the log beside failures of the same kind, and in the security events.
func (e *Edge) Diagnosed(d Diagnosed) {
	d.Causes = slices.Clone(d.Causes)
	st := e.state.Load()
	z := st.routes.zones[d.Zone]
	if z == nil {
		return // gone meanwhile
	}
	z.outbreak.diagnosed(&d)
	z.meter.Diagnosed(string(d.Status))
	e.guard.events.Add(events.Event{
		At: d.At.UTC(), Ray: d.Ray, Colo: st.cfg.Colo, Zone: d.Zone, Host: d.Host, Source: events.FromDiagnosis, Action: "diagnosed",
		RuleID: d.ID, Description: events.Bounded(d.Summary), Status: d.Code, Outcome: events.WentOn, Sample: 1,
	})
}
