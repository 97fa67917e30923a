package meter

import (
	"sync"
	"sync/atomic"
)

// tally counts what seldom happens by keys of closed lists. The zero tally is ready.
type tally[K comparable] struct {
	mu sync.RWMutex
	by map[K]*atomic.Uint64 // guarded by mu
}

func (t *tally[K]) add(k K) {
	t.mu.RLock()
	n := t.by[k]
	t.mu.RUnlock()
	if n == nil {
		n = t.make(k)
	}
	n.Add(1)
}

func (t *tally[K]) make(k K) *atomic.Uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = map[K]*atomic.Uint64{}
	}
	if t.by[k] == nil {
		t.by[k] = new(atomic.Uint64)
	}
	return t.by[k]
}

func (t *tally[K]) each(f func(K, uint64)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for k, n := range t.by {
		f(k, n.Load())
	}
}
