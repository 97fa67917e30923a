package cache

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Flight is one fetch that others wait for. Its leader lands it once, with the
// entry that is being filled or with nil when the response is not to be kept,
// and ends it when the body is whole or has failed.
type Flight struct {
	key    string
	done   chan struct{}
	entry  *Entry
	landed bool // the leader's alone
}

// Done is closed when the leader knows whether its response is kept.
func (f *Flight) Done() <-chan struct{} { return f.done }

// Entry is what the leader keeps, nil when nothing; valid once Done is closed.
func (f *Flight) Entry() *Entry { return f.entry }

// flights are the fetches under way, by key.
type flights struct {
	mu sync.Mutex
	m  map[string]*Flight
}

// join gives the flight for a key, and whether the caller leads it.
func (fs *flights) join(key string) (f *Flight, leads bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.m[key]; f != nil {
		return f, false
	}
	f = &Flight{key: key, done: make(chan struct{})}
	if fs.m == nil {
		fs.m = map[string]*Flight{}
	}
	fs.m[key] = f
	return f, true
}

// land tells who waits; a flight with nothing to keep is over.
func (fs *flights) land(f *Flight, e *Entry) {
	if f.landed {
		return
	}
	f.landed = true
	if e == nil {
		fs.end(f)
	}
	f.entry = e
	close(f.done)
}

// end forgets the flight: who asks from now on finds the store, or begins anew.
func (fs *flights) end(f *Flight) {
	fs.mu.Lock()
	if fs.m[f.key] == f {
		delete(fs.m, f.key)
	}
	fs.mu.Unlock()
}

// passes remembers keys whose responses were not kept, so that their visitors do
// not wait for one another in vain. It forgets by overwriting: a key forgotten
// only waits once more.
type passes struct {
	seed  maphash.Seed
	slots [4096]struct{ hash, until atomic.Int64 }
}

// passFor is how long a key's visitors go to the origin without waiting.
const passFor = 10 * time.Second

func (p *passes) slot(key string) (*struct{ hash, until atomic.Int64 }, int64) {
	h := maphash.String(p.seed, key)
	return &p.slots[h%uint64(len(p.slots))], int64(h)
}

func (p *passes) add(key string, now time.Time) {
	s, h := p.slot(key)
	s.hash.Store(h)
	s.until.Store(now.Add(passFor).UnixNano())
}

func (p *passes) has(key string, now time.Time) bool {
	s, h := p.slot(key)
	return s.hash.Load() == h && now.UnixNano() < s.until.Load()
}
