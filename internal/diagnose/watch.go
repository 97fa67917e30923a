package diagnose

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/outside"
	"github.com/originward/originward/internal/observe/path"
	"github.com/originward/originward/internal/observe/viaedge"
)

// watchEvery is the pause between two looks of a watch: short enough to meet a
// failure of a few per cent within two minutes, long enough to be no load.
const watchEvery = 5 * time.Second

// watch looks again and again, for failures that come and go: at every door of
// the origin, through the edge, and along the way to the origin.
func (a *Ask) watch(ctx context.Context, g *gathered, k known) {
	a.say("watching for failures that come and go")
	short, cancel := context.WithTimeout(ctx, a.Watch)
	defer cancel()
	var wg sync.WaitGroup
	for _, look := range []func(){
		func() { g.add(outside.Series(short, a.outsideAsk(k), watchEvery), nil) },
		func() { g.add(path.Observe(short, path.Ask{Host: a.Site.Host, Targets: g.contacted(), Now: a.Now})) },
		func() { a.revisit(short, ctx, g) },
	} {
		wg.Go(look)
	}
	wg.Wait()
}

// revisit visits the edge until short ends. A visit that has begun is finished,
// as far as whole allows: a cut one would read as a failure.
func (a *Ask) revisit(short, whole context.Context, g *gathered) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-short.Done():
			return
		case <-tick.C:
			g.add(viaedge.Observe(whole, a.edgeAsk()))
		}
	}
}

// contacted are the origin's addresses and ports that were looked at directly.
func (g *gathered) contacted() []netip.AddrPort {
	g.mu.Lock()
	defer g.mu.Unlock()
	seen := map[netip.AddrPort]bool{}
	var out []netip.AddrPort
	for _, x := range fact.All[fact.Exchange](&g.b) {
		if t := x.Fact.Target; x.Fact.Variant == fact.VariantPlain && t.IsValid() && !seen[t] && !t.Addr().IsLoopback() {
			seen[t] = true
			out = append(out, t)
		}
	}
	return out
}
