package lab

import (
	"context"
	"iter"
	"sync"
	"time"
)

// Options say how a world is built.
type Options struct {
	Exe        string // binary that plays edge, prober and collector; empty = this program
	Documented bool   // the edge waits as long as documented, not just seconds

	// Patience is how long the visitors who come before the diagnosis wait for
	// their answer; 0 = 2.5 s. One who waits longer than the edge leaves a
	// recorded exchange behind.
	Patience time.Duration

	ownZone bool // the zone is made through the edge's API
}

// Many says how several worlds are run.
type Many struct {
	Options
	Jobs  int  // worlds that stand at a time; 0 = 1
	Quick bool // leave out slow worlds
	Again bool // a world that fails beside others is run once more, alone: it may have been short of processor time
}

// RunAll runs worlds, several at a time, and gives each result as it comes. A
// world that is left out, also because the run was interrupted, is a skipped
// result.
func RunAll(ctx context.Context, worlds []*World, m Many) iter.Seq[Result] {
	return all(ctx, worlds, m, runner[Result]{
		run:     func(ctx context.Context, w *World) Result { return Run(ctx, w, m.Options) },
		skipped: func(w *World, why string) Result { return Result{World: w, Skipped: why} },
		failed:  func(r Result) (*World, bool) { return r.World, len(r.Wrong) > 0 },
		again:   func(r Result) Result { r.Again = true; return r },
	})
}

// runner is what is done with each of many worlds, and what its result tells.
type runner[R any] struct {
	run     func(context.Context, *World) R
	skipped func(w *World, why string) R
	failed  func(R) (*World, bool)
	again   func(R) R // marks a result of the second run; nil = nothing marks it
}

// all gives the results of many worlds, of those that failed beside others the
// second one, if Again is set.
func all[R any](ctx context.Context, worlds []*World, m Many, r runner[R]) iter.Seq[R] {
	return func(yield func(R) bool) {
		var failed []*World
		for x := range side(ctx, worlds, m, r) {
			if w, bad := r.failed(x); bad && m.Again {
				failed = append(failed, w)
			} else if !yield(x) {
				return
			}
		}
		m.Jobs = 1
		for x := range side(ctx, failed, m, r) {
			if r.again != nil {
				x = r.again(x)
			}
			if !yield(x) {
				return
			}
		}
	}
}

// side runs worlds side by side.
func side[R any](ctx context.Context, worlds []*World, m Many, r runner[R]) iter.Seq[R] {
	return func(yield func(R) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		next, results := make(chan *World), make(chan R)
		var wg sync.WaitGroup
		for range max(m.Jobs, 1) {
			wg.Go(func() {
				for w := range next {
					switch {
					case ctx.Err() != nil:
						results <- r.skipped(w, "interrupted")
					case m.Quick && w.Slow:
						results <- r.skipped(w, "takes minutes")
					default:
						results <- r.run(ctx, w)
					}
				}
			})
		}
		go func() {
			for _, w := range worlds {
				next <- w
			}
			close(next)
			wg.Wait()
			close(results)
		}()
		going := true
		for x := range results { // all of them: every standing world is removed
			if going && !yield(x) {
				going = false
				cancel()
			}
		}
	}
}
