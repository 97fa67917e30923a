package burst

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/edge"
)

// Bounds of the work: a diagnosis takes 3.5 s at most with its fast timers, and a
// minute on a machine in trouble. An owner cannot read more than a few an hour.
const (
	lookTime = time.Minute
	perHour  = 12
	// maxQueue zones wait while another is looked at; more have to fail once more.
	maxQueue = 8
)

// Options are what a runner has beside its edge. The zero Options work.
type Options struct {
	Log *slog.Logger     // nil = nothing is said
	Now func() time.Time // nil = time.Now
	// Look observes a site; nil = Look of this package.
	Look func(context.Context, *edge.Edge, edge.Burst) (*originward.Bundle, error)
}

// Runner waits for bursts and diagnoses them.
type Runner struct {
	edge   *edge.Edge
	o      Options
	kept   *shelf
	queue  chan edge.Burst
	starts []time.Time // of the last hour; of the runner's goroutine
	cancel context.CancelFunc
	done   chan struct{}
}

// Start has a runner wait for the bursts of an edge until Shutdown. What was kept
// under the edge's data before is there again.
func Start(e *edge.Edge, o Options) (*Runner, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Look == nil {
		o.Look = Look
	}
	dir := ""
	if data := e.Config().Data; data != "" {
		dir = filepath.Join(data, "diagnoses")
	}
	kept, err := openShelf(dir, o.Log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Runner{edge: e, o: o, kept: kept, queue: make(chan edge.Burst, maxQueue), cancel: cancel, done: make(chan struct{})}
	go r.run(ctx)
	e.OnBurst(r.offer)
	return r, nil
}

// Shutdown gives up what is under way and waits for its end, at most until ctx ends.
func (r *Runner) Shutdown(ctx context.Context) error {
	r.cancel()
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// List gives what is kept, newest first.
func (r *Runner) List() []edge.Diagnosed { return r.kept.list() }

// Read gives one diagnosis as JSON, or the evidence that it was made of; it is nil
// when none of this id is kept.
func (r *Runner) Read(id string, evidence bool) ([]byte, error) { return r.kept.read(id, evidence) }

// offer takes a burst without waiting.
func (r *Runner) offer(b edge.Burst) {
	select {
	case r.queue <- b:
	default:
		r.o.Log.Warn("failures not diagnosed: too many zones fail", "zone", b.Zone, "waiting", maxQueue)
	}
}

func (r *Runner) run(ctx context.Context) {
	defer close(r.done)
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-r.queue:
			if !r.may(b) {
				continue
			}
			if err := r.diagnose(ctx, b); err != nil && ctx.Err() == nil {
				r.o.Log.Error("failures not diagnosed", "zone", b.Zone, "host", b.Host, "error", err)
			}
		}
	}
}

// may tells whether another diagnosis may start.
func (r *Runner) may(b edge.Burst) bool {
	now := r.o.Now()
	for len(r.starts) > 0 && now.Sub(r.starts[0]) >= time.Hour {
		r.starts = r.starts[1:]
	}
	if len(r.starts) >= perHour {
		r.o.Log.Warn("failures not diagnosed: enough diagnoses this hour", "zone", b.Zone, "an_hour", perHour)
		return false
	}
	r.starts = append(r.starts, now)
	return true
}

func (r *Runner) diagnose(ctx context.Context, b edge.Burst) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	r.o.Log.Warn("failures: diagnosing", "zone", b.Zone, "host", b.Host, "failures", b.Failures, "within", b.Window, "code", b.Code, "fault", b.Fault, "phase", b.Phase, "ray", b.Ray)
	began := r.o.Now()
	bundle, err := r.o.Look(ctx, r.edge, b)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("gave up: %w", err)
	}
	diagnose.Number(bundle)
	d := diagnose.Explain(bundle, diagnose.Options{Took: r.o.Now().Sub(began)})
	sum, err := summary(b, &d, began)
	if err != nil {
		return err
	}
	if err := r.kept.add(sum, &d, bundle, r.edge.Config().DiagnosesKept); err != nil {
		return err
	}
	r.edge.Diagnosed(sum)
	r.o.Log.Warn("failures: diagnosed", "zone", sum.Zone, "host", sum.Host, "diagnosis", sum.ID, "status", sum.Status, "causes", sum.Causes, "summary", sum.Summary)
	return nil
}

// summary is a diagnosis in a few words.
func summary(b edge.Burst, d *originward.Diagnosis, at time.Time) (edge.Diagnosed, error) {
	var tail [4]byte
	if _, err := rand.Read(tail[:]); err != nil {
		return edge.Diagnosed{}, err
	}
	s := edge.Diagnosed{
		ID:   at.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(tail[:]),
		Zone: b.Zone, Host: b.Host, At: at.UTC(), Status: d.Status, Causes: d.RootCauses,
		Failures: b.Failures, Phase: b.Phase, Fault: b.Fault, Code: b.Code, Ray: b.Ray,
	}
	var words []string
	for _, id := range d.RootCauses {
		for _, f := range d.Findings {
			if f.Cause == id {
				if s.Standing == "" {
					s.Standing = f.Standing
				}
				words = append(words, string(f.Standing)+": "+f.Title)
				break
			}
		}
	}
	switch {
	case len(words) > 0:
		s.Summary = strings.Join(words, "; ")
	case d.Status == originward.StatusHealthy:
		s.Summary = "healthy again when it was looked at"
	default:
		s.Summary = "undecided; more would show: " + missing(d)
	}
	return s, nil
}

// missing names the vantages that were not there.
func missing(d *originward.Diagnosis) string {
	var out []string
	seen := map[originward.Vantage]bool{}
	for _, n := range d.NotObserved {
		if n.Vantage != "" && !seen[n.Vantage] {
			seen[n.Vantage] = true
			out = append(out, string(n.Vantage))
		}
	}
	if len(out) == 0 {
		return "nothing that is missing"
	}
	return strings.Join(out, ", ")
}
