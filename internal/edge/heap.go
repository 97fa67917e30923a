package edge

import (
	"os"
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

// leastHeap is the size below which the collector does not reckon: with a share of
// 100 % it first runs at 4 MiB (GOGC in package runtime).
const leastHeap = 4 << 20

// An edge is at rest when it allocates less than restful between two looks; what is
// then worth giving back is worthwhile.
const (
	restful    = 1 << 20
	worthwhile = 4 << 20
)

// pacer sets the share anew after each collection, and gives memory back at rest.
type pacer struct {
	share int
	ended atomic.Bool
	live  []metrics.Sample // what the share is reckoned from
	heap  []metrics.Sample // what was allocated so far, lies there, lives there, and is free but not given back
	last  uint64           // what had been allocated at the last look
}

// pace begins to set the collector's share, unless the environment does.
func pace() *pacer {
	c := &pacer{
		live: samples("/gc/heap/live:bytes", "/gc/scan/globals:bytes", "/gc/scan/stack:bytes"),
		heap: samples("/gc/heap/allocs:bytes", "/memory/classes/heap/objects:bytes", "/gc/heap/live:bytes", "/memory/classes/heap/free:bytes"),
	}
	if os.Getenv("GOGC") != "" {
		c.end()
		return c
	}
	runtime.GC() // what starting left behind goes, and how much lives is known
	c.collected(struct{}{})
	return c
}

func samples(names ...string) []metrics.Sample {
	s := make([]metrics.Sample, len(names))
	for i, n := range names {
		s[i].Name = n
	}
	return s
}

// value is a sample's; nought for a number that this runtime does not have.
func value(s metrics.Sample) uint64 {
	if s.Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s.Value.Uint64()
}

// end leaves the share as it is.
func (c *pacer) end() { c.ended.Store(true) }

// collected follows a collection, which is told by an object that it found unused.
func (c *pacer) collected(struct{}) {
	if c.ended.Load() {
		return
	}
	metrics.Read(c.live)
	var size uint64
	for _, s := range c.live {
		size += value(s)
	}
	// Setting it stops the world for a moment: not for little.
	if s := shareOf(size); s > c.share*5/4 || s < c.share*4/5 {
		debug.SetGCPercent(s)
		c.share = s
	}
	// A pointer is an object of its own, not one of several in a block.
	runtime.AddCleanup(new(*byte), c.collected, struct{}{})
}

// shareOf is the share in per cent for a heap of n bytes.
func shareOf(n uint64) int {
	return max(heapShare, int(100*heapGarbage/max(n, leastHeap)))
}

// look gives memory back to the system when nothing much has happened since the last
// look: what a crowd of visitors needed to come in, and those who stay do not. It tells
// whether it did.
func (c *pacer) look() bool {
	if c.ended.Load() {
		return false
	}
	metrics.Read(c.heap)
	allocated, lies, lives, free := value(c.heap[0]), value(c.heap[1]), value(c.heap[2]), value(c.heap[3])
	quiet := allocated-c.last < restful
	c.last = allocated
	if !quiet || lies+free < lives+worthwhile {
		return false
	}
	debug.FreeOSMemory()
	return true
}
