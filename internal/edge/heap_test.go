package edge

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestShareOf(t *testing.T) {
	for _, c := range []struct {
		size uint64
		want int
	}{{0, 800}, {4 << 20, 800}, {32 << 20, 100}, {80 << 20, 40}, {1 << 30, 40}} {
		if got := shareOf(c.size); got != c.want {
			t.Errorf("%d MiB: %d %%, want %d %%", c.size>>20, got, c.want)
		}
	}
}

// The share follows the heap from one collection to the next, until the end.
func TestPace(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	share := func() int {
		s := debug.SetGCPercent(-1)
		debug.SetGCPercent(s)
		return s
	}
	p := pace()
	small := share()
	ballast := make([]byte, 200<<20)
	for range 100 { // cleanups run some time after a collection
		runtime.GC()
		if share() == heapShare {
			break
		}
	}
	large := share()
	runtime.KeepAlive(ballast)
	if small <= heapShare || large != heapShare {
		t.Errorf("%d %% of a small heap, %d %% of a large one; want more than %d, and %d", small, large, heapShare, heapShare)
	}
	p.end()
	debug.SetGCPercent(77)
	for range 5 {
		runtime.GC()
	}
	if s := share(); s != 77 {
		t.Errorf("set to %d %% after the end", s)
	}
}

// What a crowd needed to come in is given back when it has settled, and not before.
func TestPacerLook(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	p := pace()
	defer p.end()
	p.look()
	var crowd [][]byte
	for range 64 << 10 {
		crowd = append(crowd, make([]byte, 1<<10))
	}
	runtime.KeepAlive(crowd)
	if p.look() {
		t.Error("memory was given back in the middle of it")
	}
	if !p.look() {
		t.Error("64 MiB of garbage were kept at rest")
	}
	if p.look() {
		t.Error("there was nothing more to give back")
	}
}
