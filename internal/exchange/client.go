package exchange

import (
	"sync"
	"time"
)

// sweepEvery is how often idle connections are looked at: those that are past their
// time or that the origin has closed are dropped. Origins commonly close after 5 to
// 75 s; looking more often would cost more than the descriptors it frees.
const sweepEvery = 10 * time.Second

// Client dials origins and keeps idle connections, newest first, for the
// profile's idle time. It is safe for concurrent use.
type Client struct {
	dialer *Dialer

	mu        sync.Mutex
	endpoints map[Target]*Endpoint
	sweeper   *time.Timer // runs while connections idle; nil = none does
	closed    bool
}

// NewClient returns a client that dials with d.
func NewClient(d *Dialer) *Client {
	return &Client{dialer: d, endpoints: make(map[Target]*Endpoint)}
}

// Dialer is the dialer in use.
func (c *Client) Dialer() *Dialer { return c.dialer }

// Endpoint is the client's slot for a target. Keep it where the target is known:
// looking it up costs a lock and a map access.
func (c *Client) Endpoint(t Target) *Endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.endpoints[t]
	if e == nil {
		e = &Endpoint{client: c, target: t, used: time.Now()}
		c.endpoints[t] = e
		c.startSweepLocked()
	}
	return e
}

// Idle is the number of connections that no exchange uses.
func (c *Client) Idle() int {
	n := 0
	for _, e := range c.all() {
		n += e.idleCount()
	}
	return n
}

func (c *Client) all() []*Endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*Endpoint, 0, len(c.endpoints))
	for _, e := range c.endpoints {
		out = append(out, e)
	}
	return out
}

// CloseIdle closes the idle connections.
func (c *Client) CloseIdle() {
	for _, e := range c.all() {
		e.sweep(func(*Conn) bool { return true }, func(*session2) bool { return true })
	}
}

// Close closes the idle connections; those in use close when they are released.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	if c.sweeper != nil {
		c.sweeper.Stop()
		c.sweeper = nil
	}
	c.mu.Unlock()
	for _, e := range c.all() {
		e.doom()
	}
	c.CloseIdle()
}

// startSweepLocked starts the sweeper. c.mu is held.
func (c *Client) startSweepLocked() {
	if c.sweeper == nil && !c.closed {
		c.sweeper = time.AfterFunc(sweepEvery, c.sweep)
	}
}

// keeper is the endpoint that keeps connections to e's target: e, unless it was
// dropped and another one made since. It is nil when the client is closed.
func (c *Client) keeper(e *Endpoint) *Endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.startSweepLocked()
	if now := c.endpoints[e.target]; now != nil {
		return now
	}
	c.endpoints[e.target] = e
	return e
}

// sweep drops connections that are of no use, and endpoints that have none left.
func (c *Client) sweep() {
	now := time.Now()
	idle := c.dialer.profile.Idle
	for _, e := range c.all() {
		e.sweep(
			func(conn *Conn) bool { return now.Sub(conn.freeAt) >= idle || !conn.alive() },
			func(s *session2) bool { return s.idleSince(now) >= idle || s.over() },
		)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for t, e := range c.endpoints {
		if e.unused(now) {
			delete(c.endpoints, t) // who still holds it can go on using it
		}
	}
	switch {
	case c.closed:
	case len(c.endpoints) > 0:
		c.sweeper.Reset(sweepEvery)
	default:
		c.sweeper = nil
	}
}

// forgetAfter is how long an endpoint without connections is remembered: visitors
// may name any host of a wildcard, and each is a target of its own.
const forgetAfter = time.Minute
