package lab

import (
	"context"
	"iter"
)

// FixAll fixes worlds, several at a time, and gives each result as it comes.
func FixAll(ctx context.Context, worlds []*World, m Many) iter.Seq[FixResult] {
	return all(ctx, worlds, m, runner[FixResult]{
		run:     func(ctx context.Context, w *World) FixResult { return Fix(ctx, w, m.Options) },
		skipped: func(w *World, why string) FixResult { return FixResult{World: w, Skipped: why} },
		failed:  func(r FixResult) (*World, bool) { return r.World, len(r.Wrong) > 0 },
	})
}
