package rules

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// The limiter's size: with 64 shards of at most 4,096 keys it holds 262,144
// visitors at about 80 bytes each, however many keys a flood brings.
const (
	limiterShards = 64
	shardKeys     = 4096
)

// Limiter counts requests per rule and visitor in bounded memory. It is safe
// for concurrent use.
type Limiter struct {
	seed   maphash.Seed
	shards [limiterShards]limiterShard
}

type limiterShard struct {
	mu   sync.Mutex
	keys map[limitKey]*window // guarded by mu
}

type limitKey struct {
	rule string
	addr netip.Prefix
}

// window is one visitor's count under one rule.
type window struct {
	started      time.Time
	count        int
	blockedUntil time.Time
}

// NewLimiter returns an empty limiter.
func NewLimiter() *Limiter {
	l := &Limiter{seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].keys = map[limitKey]*window{}
	}
	return l
}

// Count counts one request of a visitor under a rule; over tells that the limit
// is exceeded, and wait for how long. IPv6 visitors are counted by /64, for one
// site has at least that many addresses.
func (l *Limiter) Count(rule *RateLimit, addr netip.Addr, now time.Time) (wait time.Duration, over bool) {
	bits := 32
	if addr = addr.Unmap(); addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return 0, false
	}
	key := limitKey{rule.ID, prefix}
	s := &l.shards[maphash.Comparable(l.seed, key)%limiterShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.keys[key]
	if w == nil {
		if len(s.keys) >= shardKeys {
			s.evictLocked(now)
		}
		w = &window{started: now}
		s.keys[key] = w
	}
	if now.Before(w.blockedUntil) {
		return w.blockedUntil.Sub(now), true
	}
	if now.Sub(w.started) >= rule.Period {
		w.started, w.count = now, 0
	}
	w.count++
	if w.count <= rule.Requests {
		return 0, false
	}
	if rule.Mitigation == 0 {
		return w.started.Add(rule.Period).Sub(now), true
	}
	// A new count begins when the mitigation ends.
	w.blockedUntil = now.Add(rule.Mitigation)
	w.started, w.count = w.blockedUntil, 0
	return rule.Mitigation, true
}

// evictLocked makes room: of a few keys in the map's random order it drops the
// one least worth keeping, so that a flood of keys costs no scan and cannot
// push out visitors that are being blocked.
func (s *limiterShard) evictLocked(now time.Time) {
	const look = 8
	var worst limitKey
	var worstWindow *window
	n := 0
	for k, w := range s.keys {
		if worstWindow == nil || w.cheaper(worstWindow, now) {
			worst, worstWindow = k, w
		}
		if n++; n == look {
			break
		}
	}
	delete(s.keys, worst)
}

func (w *window) cheaper(o *window, now time.Time) bool {
	a, b := now.Before(w.blockedUntil), now.Before(o.blockedUntil)
	if a != b {
		return !a
	}
	return w.count < o.count
}

// Len is the number of visitors being counted.
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
