package rules

import (
	"hash/maphash"
	"sync"
	"time"
)

// The limiter's size: 64 shards of at most 4,096 counters hold 262,144 keys in
// some 15 MB, however many keys a flood brings. Counters hold no pointers, so they
// cost the garbage collector nothing.
const (
	limiterShards = 64
	shardKeys     = 4096
)

// Limiter counts requests per rule and characteristics in bounded memory. It is
// safe for concurrent use.
type Limiter struct {
	seed   maphash.Seed
	shards [limiterShards]limiterShard
}

type limiterShard struct {
	mu   sync.Mutex
	keys map[uint64]window // guarded by mu
}

// window is one key's count under one rule. Times are UNIX nanoseconds.
type window struct {
	started int64
	blocked int64 // until; 0 = not
	count   int64
}

// NewLimiter returns an empty limiter.
func NewLimiter() *Limiter {
	l := &Limiter{seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].keys = map[uint64]window{}
	}
	return l
}

// count adds a request's cost to a key of a rule, 0 to look only; over tells that
// the limit is exceeded, since when at the earliest, and for how long.
func (l *Limiter) count(rule *RateLimit, key uint64, cost int, now time.Time) (wait time.Duration, since time.Time, over bool) {
	s := &l.shards[key%limiterShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	w, held := s.keys[key]
	at := now.UnixNano()
	if !held {
		if cost == 0 {
			return 0, now, false
		}
		if len(s.keys) >= shardKeys {
			s.evictLocked(at)
		}
		w.started = at
	}
	if at < w.blocked {
		return time.Duration(w.blocked - at), time.Unix(0, w.blocked-int64(rule.Mitigation)), true
	}
	if at-w.started >= int64(rule.Period) {
		w.started, w.count = at, 0
	}
	w.count += int64(cost)
	since = time.Unix(0, w.started)
	wait, over = w.judge(rule, at)
	if over && rule.Mitigation > 0 {
		since = now
	}
	s.keys[key] = w
	return wait, since, over
}

// forgive sets a key's counter to zero.
func (l *Limiter) forgive(key uint64, now time.Time) {
	s := &l.shards[key%limiterShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, held := s.keys[key]; held {
		s.keys[key] = window{started: now.UnixNano()}
	}
}

// judge tells whether the limit is exceeded, and begins the mitigation when it is.
// A request that is counted afterwards is let through by the one that exceeds: the
// next one finds the count above the limit.
func (w *window) judge(rule *RateLimit, at int64) (time.Duration, bool) {
	if w.count <= int64(rule.Requests) {
		return 0, false
	}
	if rule.Mitigation == 0 {
		return time.Duration(w.started + int64(rule.Period) - at), true
	}
	// A new count begins when the mitigation ends.
	w.blocked = at + int64(rule.Mitigation)
	w.started, w.count = w.blocked, 0
	return rule.Mitigation, true
}

// evictLocked makes room: of a few keys in the map's random order it drops the
// one least worth keeping, so that a flood of keys costs no scan and cannot
// push out visitors that are being blocked.
func (s *limiterShard) evictLocked(at int64) {
	const look = 8
	var worst uint64
	var worstWindow window
	n := 0
	for k, w := range s.keys {
		if n == 0 || w.cheaper(&worstWindow, at) {
			worst, worstWindow = k, w
		}
		if n++; n == look {
			break
		}
	}
	delete(s.keys, worst)
}

func (w *window) cheaper(o *window, at int64) bool {
	a, b := at < w.blocked, at < o.blocked
	if a != b {
		return !a
	}
	return w.count < o.count
}

// Len is the number of keys being counted.
func (l *Limiter) Len() int {
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += len(s.keys)
		s.mu.Unlock()
	}
	return n
}
