package pool

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Status is what monitoring says of an origin.
type Status uint32

// The statuses. The zero Status is unknown: no check has decided yet.
const (
	Unknown Status = iota
	Up
	Down
)

// String is the status in a word.
func (s Status) String() string {
	switch s {
	case Up:
		return "healthy"
	case Down:
		return "unhealthy"
	}
	return "unknown"
}

// Check is the result of one health check.
type Check struct {
	At     time.Time
	OK     bool
	Reason string        // of the documented vocabulary; NoFailure when OK
	Detail string        // what was met, escaped and bounded; empty when OK
	Code   int           // HTTP status; 0 = none came
	RTT    time.Duration // of the whole check
	Addr   netip.Addr    // that was asked; zero = none was found
}

// Health is what is known of one origin of a pool. It is safe for concurrent use,
// and shared by all configurations that have the origin.
type Health struct {
	status     atomic.Uint32
	pending    atomic.Int64 // requests under way
	disabledAt atomic.Int64 // Unix nanoseconds; 0 = it is enabled, or nobody saw it being disabled

	mu     sync.Mutex
	row    int   // checks in a row of one outcome; guarded by mu
	rowOK  bool  // which outcome; guarded by mu
	last   Check // guarded by mu
	seenOn bool  // was enabled in the configuration in force; guarded by mu
}

// Status is what monitoring says.
func (h *Health) Status() Status { return Status(h.status.Load()) }

// Last is the last check; ok is false when there was none.
func (h *Health) Last() (c Check, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last, !h.last.At.IsZero()
}

// Note takes a check in. up and down are how many in a row decide. changed tells
// that the status is another one now.
func (h *Health) Note(c Check, up, down int) (now Status, changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last.At.IsZero() || h.rowOK != c.OK {
		h.row = 0
	}
	h.row, h.rowOK, h.last = h.row+1, c.OK, c
	was := h.Status()
	now = was
	switch {
	case c.OK && h.row >= up:
		now = Up
	case !c.OK && h.row >= down:
		now = Down
	}
	h.status.Store(uint32(now))
	return now, now != was
}

// Forget makes the status unknown: what was known is old.
func (h *Health) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last, h.row = Check{}, 0
	h.status.Store(uint32(Unknown))
}

// inForce notes whether the origin is enabled in the configuration in force.
func (h *Health) inForce(enabled bool, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case enabled:
		h.disabledAt.Store(0)
	case h.seenOn:
		h.disabledAt.Store(now.UnixNano())
	}
	h.seenOn = enabled
}
