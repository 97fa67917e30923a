package edge

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// The collector runs when the heap has grown by a share of what lives in it. What
// counts with many idle connections is their memory, of which two fifths more are kept
// at most. A small heap would have it run after every few handshakes, though: there it
// waits for that much garbage.
const (
	heapShare   = 40 // per cent
	heapGarbage = 32 << 20
)

// pacer sets the share anew after each collection.
type pacer struct {
	share int
	ended atomic.Bool
	live  []metrics.Sample
}

// pace begins to set the collector's share; what is returned ends that.
func pace() (end func()) {
	c := &pacer{live: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/globals:bytes"}, {Name: "/gc/scan/stack:bytes"},
	}}
	runtime.GC() // what starting left behind goes, and how much lives is known
	c.collected(struct{}{})
	return func() { c.ended.Store(true) }
}

// collected follows a collection, which is told by an object that it found unused.
func (c *pacer) collected(struct{}) {
	if c.ended.Load() {
		return
	}
	// Setting it stops the world for a moment: not for little.
	if s := shareOf(c.size()); s > c.share*5/4 || s < c.share*4/5 {
		debug.SetGCPercent(s)
		c.share = s
	}
	// A pointer is an object of its own, not one of several in a block.
	runtime.AddCleanup(new(*byte), c.collected, struct{}{})
}

// size is what the collector reckons the share from, in bytes (runtime/debug.SetGCPercent).
func (c *pacer) size() (n uint64) {
	metrics.Read(c.live)
	for _, s := range c.live {
		if s.Value.Kind() == metrics.KindUint64 {
			n += s.Value.Uint64()
		}
	}
	return n
}

// leastHeap is the size below which the collector does not reckon: with a share of
// 100 % it first runs at 4 MiB (GOGC in package runtime).
const leastHeap = 4 << 20

// shareOf is the share in per cent for a heap of n bytes.
func shareOf(n uint64) int {
	return max(heapShare, int(100*heapGarbage/max(n, leastHeap)))
}
