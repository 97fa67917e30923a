package lab

import (
	"context"
	"iter"
	"sync"
)

// FixAll fixes worlds, several at a time, and gives each result as it comes.
func FixAll(ctx context.Context, worlds []*World, m Many) iter.Seq[FixResult] {
	return func(yield func(FixResult) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		next, results := make(chan *World), make(chan FixResult)
		var wg sync.WaitGroup
		for range max(m.Jobs, 1) {
			wg.Go(func() {
				for w := range next {
					results <- m.fixOne(ctx, w)
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
		var failed []*World
		going := true
		for r := range results { // all of them: every standing world is removed
			if m.Again && len(r.Wrong) > 0 {
				failed = append(failed, r.World)
				continue
			}
			if going && !yield(r) {
				going = false
				cancel()
			}
		}
		for _, w := range failed { // alone: it may have been short of processor time
			if going && !yield(m.fixOne(ctx, w)) {
				going = false
			}
		}
	}
}

func (m Many) fixOne(ctx context.Context, w *World) FixResult {
	switch {
	case ctx.Err() != nil:
		return FixResult{World: w, Skipped: "interrupted"}
	case m.Quick && w.Slow:
		return FixResult{World: w, Skipped: "takes minutes"}
	}
	return Fix(ctx, w, m.Options)
}
