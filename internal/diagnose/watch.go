package diagnose

import (
	"context"
	"time"
)

// watchEvery is the pause between two looks of a watch: short enough to meet a
// failure of a few per cent within two minutes, long enough to be no load.
const watchEvery = 5 * time.Second

// watch looks again and again, for failures that come and go. Every look is
// evidence of its own, with its own time.
func (a *Ask) watch(ctx context.Context, g *gathered, k known) {
	ctx, cancel := context.WithTimeout(ctx, a.Watch)
	defer cancel()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		a.say("watching for failures that come and go")
		// A look that has begun is finished: a cut one would read as a failure.
		look := context.WithoutCancel(ctx)
		a.observeOutside(look, g, k)
		a.observeEdge(look, g)
	}
}
