package edge

import (
	"net/netip"
	"time"

	"github.com/originward/originward/internal/config"
)

// crowd counts visitors' connections by address. The edge's mutex guards it.
type crowd struct {
	by      map[netip.Addr]int32
	refused int64
	told    time.Time
}

// sharedBits is the part of an IPv6 address that counts as one visitor: a network of
// 64 bits is what one customer has at least (RFC 6177).
const sharedBits = 64

// person is the address by which a visitor is counted.
func person(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	p, err := a.Prefix(sharedBits)
	if err != nil {
		return a
	}
	return p.Addr()
}

// enter counts a connection; false when there are too many already.
func (c *crowd) enter(a netip.Addr, all int, l config.Limits) bool {
	p := person(a)
	if l.Connections > 0 && all >= l.Connections || l.PerAddress > 0 && int(c.by[p]) >= l.PerAddress {
		c.refused++
		return false
	}
	if c.by == nil {
		c.by = map[netip.Addr]int32{}
	}
	c.by[p]++
	return true
}

// leave ends a connection that had entered.
func (c *crowd) leave(a netip.Addr) {
	p := person(a)
	if c.by[p]--; c.by[p] <= 0 {
		delete(c.by, p)
	}
}

// tellEvery is how often refusals are reported.
const tellEvery = 10 * time.Second

// tell tells whether refusals are to be reported again.
func (c *crowd) tell(now time.Time) bool {
	if now.Sub(c.told) < tellEvery {
		return false
	}
	c.told = now
	return true
}
