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
	if m.Again {
		return m.again(ctx, worlds)
	}
	return func(yield func(Result) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		next, results := make(chan *World), make(chan Result)
		var wg sync.WaitGroup
		for range max(m.Jobs, 1) {
			wg.Go(func() {
				for w := range next {
					results <- m.one(ctx, w)
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
		for r := range results { // all of them: every standing world is removed
			if going && !yield(r) {
				going = false
				cancel()
			}
		}
	}
}

// again runs those that failed once more, one at a time.
func (m Many) again(ctx context.Context, worlds []*World) iter.Seq[Result] {
	m.Again = false
	return func(yield func(Result) bool) {
		var failed []*World
		for r := range RunAll(ctx, worlds, m) {
			if len(r.Wrong) > 0 {
				failed = append(failed, r.World)
			} else if !yield(r) {
				return
			}
		}
		m.Jobs = 1
		for r := range RunAll(ctx, failed, m) {
			r.Again = true
			if !yield(r) {
				return
			}
		}
	}
}

func (m Many) one(ctx context.Context, w *World) Result {
	switch {
	case ctx.Err() != nil:
		return Result{World: w, Skipped: "interrupted"}
	case m.Quick && w.Slow:
		return Result{World: w, Skipped: "takes minutes"}
	}
	return Run(ctx, w, m.Options)
}
