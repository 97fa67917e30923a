package monitor

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/originward/originward/internal/edge/pool"
)

// Job is an origin of a pool that is to be checked.
type Job struct {
	Key      pool.Key
	PoolName string
	Subject  Subject
	Health   *pool.Health
}

// Change is a change of an origin's health.
type Change struct {
	Job   Job
	Now   pool.Status
	Check pool.Check
}

// Watch checks origins on time. It is safe for concurrent use; Close ends it.
type Watch struct {
	check   func(context.Context, Subject) pool.Check
	changed func(Change)
	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup

	mu   sync.Mutex
	runs map[pool.Key]*run // guarded by mu
}

// run is one origin under watch.
type run struct {
	job    Job
	cancel context.CancelFunc
	first  chan struct{} // closed when the first check is over
}

// NewWatch makes a watch of nothing yet. check does a check; changed is told of
// each change of health, by several goroutines at once.
func NewWatch(check func(context.Context, Subject) pool.Check, changed func(Change)) *Watch {
	w := &Watch{check: check, changed: changed, runs: map[pool.Key]*run{}}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// Set says what is to be checked from now on. What is checked already goes on as it
// does; where only the monitor has changed, what is known of the origin holds until
// the next check.
func (w *Watch) Set(jobs []Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil {
		return
	}
	wanted := map[pool.Key]bool{}
	for _, j := range jobs {
		wanted[j.Key] = true
		old := w.runs[j.Key]
		switch {
		case old != nil && old.job.PoolName == j.PoolName && reflect.DeepEqual(old.job.Subject, j.Subject):
			continue
		case old != nil:
			old.cancel()
		default:
			j.Health.Forget() // of a time when nobody looked
		}
		ctx, cancel := context.WithCancel(w.ctx)
		r := &run{j, cancel, make(chan struct{})}
		w.runs[j.Key] = r
		w.work.Go(func() { w.watch(ctx, r) })
	}
	for k, r := range w.runs {
		if !wanted[k] {
			r.cancel()
			delete(w.runs, k)
		}
	}
}

// Checked waits until everything under watch was checked once, or ctx ends.
func (w *Watch) Checked(ctx context.Context) {
	w.mu.Lock()
	var all []chan struct{}
	for _, r := range w.runs {
		all = append(all, r.first)
	}
	w.mu.Unlock()
	for _, c := range all {
		select {
		case <-c:
		case <-ctx.Done():
			return
		}
	}
}

// Close ends all checks and waits for them.
func (w *Watch) Close() {
	w.mu.Lock()
	w.cancel()
	w.mu.Unlock()
	w.work.Wait()
}

// watch checks one origin now and then every interval.
func (w *Watch) watch(ctx context.Context, r *run) {
	j := r.job
	first := sync.OnceFunc(func() { close(r.first) })
	defer first()
	t := time.NewTicker(j.Subject.Monitor.Interval)
	defer t.Stop()
	for {
		c := w.check(ctx, j.Subject)
		if ctx.Err() != nil {
			return // a check that was broken off says nothing
		}
		if now, changed := j.Health.Note(c, j.Subject.Monitor.Up, j.Subject.Monitor.Down); changed {
			w.changed(Change{j, now, c})
		}
		first()
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}
