package cache

import (
	"fmt"
	"hash/maphash"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/originward/originward/internal/http1"
)

// Options bound a store.
type Options struct {
	Memory int64  // bytes; 0 = 256 MiB
	Object int64  // largest response that is kept, bytes; 0 = 16 MiB
	Dir    string // of the disk tier; empty = none
	Disk   int64  // bytes; 0 = 4 GiB
	Now    func() time.Time
	Log    *slog.Logger
}

// The defaults: a quarter of a small server's memory, and objects of which some
// dozen fit.
const (
	defaultMemory = 256 << 20
	defaultObject = 16 << 20
	defaultDisk   = 4 << 30
	// maxVariants bounds the responses of one key that differ by Vary.
	maxVariants = 16
)

// Store keeps responses: in memory by how recently and how often they were asked
// for, behind it on disk.
type Store struct {
	opts    Options
	mem     *otter.Cache[string, []*Entry]
	putting sync.Mutex // variants of a key are replaced one at a time
	flights flights
	passes  passes
	disk    *disk // nil = none
}

// Open makes a store.
func Open(o Options) (*Store, error) {
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	if o.Object <= 0 {
		o.Object = defaultObject
	}
	o.Object = min(o.Object, o.Memory/4)
	if o.Disk <= 0 {
		o.Disk = defaultDisk
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{opts: o, passes: passes{seed: maphash.MakeSeed()}}
	if o.Dir != "" {
		d, err := openDisk(o.Dir, o.Disk, o.Log)
		if err != nil {
			return nil, err
		}
		s.disk = d
	}
	mem, err := otter.New(&otter.Options[string, []*Entry]{
		MaximumWeight: uint64(o.Memory),
		// Weights are counted in 32 bits.
		Weigher: func(_ string, es []*Entry) uint32 {
			var n int64
			for _, e := range es {
				n += e.weight()
			}
			return uint32(min(n, 1<<32-1))
		},
		OnDeletion: func(ev otter.DeletionEvent[string, []*Entry]) {
			if ev.Cause == otter.CauseOverflow && s.disk != nil {
				for _, e := range ev.Value {
					s.disk.offer(e)
				}
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	s.mem = mem
	return s, nil
}

// Close writes what the disk tier needs to be read again.
func (s *Store) Close() error {
	if s.disk == nil {
		return nil
	}
	for _, es := range s.mem.All() {
		for _, e := range es {
			s.disk.offer(e)
		}
	}
	return s.disk.close()
}

// Get finds the entry that answers a request, fresh or not; nil = none.
func (s *Store) Get(key string, h *http1.Head) *Entry {
	es, ok := s.mem.GetIfPresent(key)
	if !ok && s.disk != nil {
		if es = s.disk.load(key); len(es) > 0 {
			s.putAll(key, es)
		}
	}
	for _, e := range es {
		if e.Matches(h) {
			e.used.Add(1)
			return e
		}
	}
	return nil
}

// Join gives the fetch under way for a key, and whether the caller is to do it.
// It is nil when the key's responses were not worth waiting for of late.
func (s *Store) Join(key string) (f *Flight, leads bool) {
	if s.passes.has(key, s.opts.Now()) {
		return nil, true
	}
	return s.flights.join(key)
}

// Keep decides whether a fetched response is kept, and tells who waits. The
// entry it gives is to be filled and then ended with Whole or Failed. f may be
// nil.
func (s *Store) Keep(f *Flight, set *Settings, key string, req *http1.Head, h *http1.ResponseHead, sent time.Time) *Entry {
	now := s.opts.Now()
	e, ok := newEntry(set, key, req, h, sent, now)
	if ok && h.ContentLength > s.opts.Object {
		ok = false
	}
	if !ok {
		s.Drop(f, key)
		return nil
	}
	// A body of unknown length may prove too large: nobody else is to depend on it before it is whole.
	if f != nil && h.ContentLength >= 0 {
		s.flights.land(f, e)
	}
	return e
}

// Drop tells who waits that nothing is kept.
func (s *Store) Drop(f *Flight, key string) {
	if f == nil {
		return
	}
	s.passes.add(key, s.opts.Now())
	s.flights.land(f, nil)
}

// Abandon ends a flight that brought no response: who waits asks for itself.
func (s *Store) Abandon(f *Flight) {
	if f != nil {
		s.flights.land(f, nil)
	}
}

// Room tells whether a growing body may still be kept.
func (s *Store) Room(e *Entry) bool {
	n, _ := e.Body.Size()
	return n <= s.opts.Object
}

// Whole puts a filled entry into the store.
func (s *Store) Whole(f *Flight, e *Entry) {
	e.Body.Close()
	s.put(e)
	if f != nil {
		s.flights.land(f, e)
		s.flights.end(f)
	}
}

// Failed gives an entry up: who reads it is cut off, nobody finds it.
func (s *Store) Failed(f *Flight, e *Entry) {
	e.Body.Abort()
	if f != nil {
		s.flights.land(f, nil)
		s.flights.end(f)
	}
}

// Renewed tells who waits that an entry holds on.
func (s *Store) Renewed(f *Flight, e *Entry) {
	if f != nil {
		s.flights.land(f, e)
		s.flights.end(f)
	}
}

// Renew replaces an entry by itself with the fields of a 304. It gives nil, and
// forgets the entry, when the 304 forbids keeping it.
func (s *Store) Renew(e *Entry, set *Settings, req *http1.Head, h *http1.ResponseHead, sent time.Time) *Entry {
	n, ok := e.renewed(set, req, h, sent, s.opts.Now())
	if !ok {
		s.forget(e)
		return nil
	}
	s.put(n)
	return n
}

func (s *Store) put(e *Entry) {
	s.putting.Lock()
	defer s.putting.Unlock()
	have, _ := s.mem.GetIfPresent(e.Key)
	es := make([]*Entry, 0, len(have)+1)
	es = append(es, e)
	for _, old := range have {
		// Responses that vary otherwise than the newest are out of date.
		if old.vary == e.vary && old.varied != e.varied && len(es) < maxVariants {
			es = append(es, old)
		}
	}
	s.mem.Set(e.Key, es)
	if s.disk != nil {
		s.disk.forget(e.Key)
	}
}

func (s *Store) putAll(key string, es []*Entry) {
	s.putting.Lock()
	defer s.putting.Unlock()
	if _, ok := s.mem.GetIfPresent(key); !ok {
		s.mem.Set(key, es)
	}
}

func (s *Store) forget(e *Entry) { s.Forget(e.Key) }

// Forget drops a key: something was changed under its URL (RFC 9111 section
// 4.4). Requests that steered to another response of the same URL keep theirs
// until that is stale.
func (s *Store) Forget(key string) {
	s.putting.Lock()
	defer s.putting.Unlock()
	s.mem.Invalidate(key)
	if s.disk != nil {
		s.disk.forget(key)
	}
}

// Purge says what to forget; each given part alone is enough.
type Purge struct {
	Everything bool
	URLs       []string // whole, as in a key
	Prefixes   []string // host and path, without a scheme
	Hosts      []string
	Tags       []string
}

// Purge forgets, in both tiers, and tells how many keys in memory it was. host
// bounds it to a zone: only keys of hosts for which it says yes.
func (s *Store) Purge(p Purge, host func(string) bool) int {
	urls := map[string]bool{}
	for _, u := range p.URLs {
		urls[u] = true
	}
	tags := map[string]bool{}
	for _, t := range p.Tags {
		tags[strings.ToLower(t)] = true
	}
	return s.purge(func(key string, has []string) bool {
		key, _, _ = strings.Cut(key, "\n") // what a request steered by
		_, rest, _ := strings.Cut(key, "://")
		name, _, _ := strings.Cut(rest, "/")
		bare, _, _ := strings.Cut(name, ":")
		if !host(bare) {
			return false
		}
		if p.Everything || urls[key] {
			return true
		}
		for _, h := range p.Hosts {
			if strings.EqualFold(h, bare) {
				return true
			}
		}
		for _, x := range p.Prefixes {
			if strings.HasPrefix(rest, x) {
				return true
			}
		}
		for _, t := range has {
			if tags[t] {
				return true
			}
		}
		return false
	})
}

func (s *Store) purge(match func(key string, tags []string) bool) int {
	s.putting.Lock()
	defer s.putting.Unlock()
	n := 0
	for key, es := range s.mem.All() {
		for _, e := range es {
			if match(key, e.tags) {
				s.mem.Invalidate(key)
				n++
				break
			}
		}
	}
	if s.disk != nil {
		s.disk.drop(match)
	}
	return n
}
