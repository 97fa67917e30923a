package edgedns

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// limiter counts equal answers to one network (response rate limiting): a server
// must not be of use to floods with forged senders. Loopback is not limited.
type limiter struct {
	rate int // a second; 0 = no limit
	seed maphash.Seed

	mu      sync.Mutex
	second  int64             // guarded by mu
	counted map[uint64]uint32 // in this second; guarded by mu
}

// Networks that count as one sender.
const (
	network4 = 24
	network6 = 56
	// maxCounted bounds the memory of one second; beyond it nothing more is let through
	// that is not counted already.
	maxCounted = 1 << 18
	// slip answers every second answer above the limit with the TC bit, so that an
	// honest asker gets through by TCP.
	slip = 2
)

func newLimiter(rate int) *limiter {
	return &limiter{rate: rate, seed: maphash.MakeSeed(), counted: map[uint64]uint32{}}
}

// verdict is what becomes of an answer.
type verdict int

const (
	pass verdict = iota
	drop
	truncate
)

func (l *limiter) check(to netip.Addr, name []byte, now time.Time) verdict {
	if l.rate == 0 || to.IsLoopback() {
		return pass
	}
	bits := network6
	if to.Is4() {
		bits = network4
	}
	network, _ := to.Prefix(bits) // bits fit the family
	var h maphash.Hash
	h.SetSeed(l.seed)
	a := network.Addr().As16()
	_, _ = h.Write(a[:])
	_, _ = h.Write(name)
	key := h.Sum64()

	l.mu.Lock()
	defer l.mu.Unlock()
	if s := now.Unix(); s != l.second {
		l.second = s
		clear(l.counted)
	}
	n, ok := l.counted[key]
	if !ok && len(l.counted) >= maxCounted {
		return drop
	}
	n++
	l.counted[key] = n
	over := int(n) - l.rate
	switch {
	case over <= 0:
		return pass
	case over%slip == 0:
		return truncate
	}
	return drop
}
