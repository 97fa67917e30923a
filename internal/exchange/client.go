package exchange

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/http1"
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
		e = &Endpoint{client: c, target: t}
		c.endpoints[t] = e
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

// kept starts the sweeper when a connection begins to idle; false = closed.
func (c *Client) kept() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	if c.sweeper == nil {
		c.sweeper = time.AfterFunc(sweepEvery, c.sweep)
	}
	return true
}

// sweep drops connections that are of no use, and endpoints that have none left.
func (c *Client) sweep() {
	now := time.Now()
	idle := c.dialer.profile.Idle
	left := 0
	for _, e := range c.all() {
		e.sweep(
			func(conn *Conn) bool { return now.Sub(conn.freeAt) >= idle || !conn.alive() },
			func(s *session2) bool { return s.idleSince(now) >= idle || s.over() },
		)
		left += e.idleCount()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for t, e := range c.endpoints {
		if e.empty() && now.Sub(e.lastUse()) > idle {
			delete(c.endpoints, t) // who still holds it can go on using it
		}
	}
	switch {
	case c.closed:
	case left > 0:
		c.sweeper.Reset(sweepEvery)
	default:
		c.sweeper = nil
	}
}

// Endpoint is the pool of connections to one target. It is safe for concurrent use.
type Endpoint struct {
	client *Client
	target Target

	mu       sync.Mutex
	idle     []*Conn // newest last
	sessions []*session2
	used     time.Time
	speaks2  bool          // the origin has negotiated HTTP/2 before
	dialing  chan struct{} // closed when the dial of a session is over; nil = none is under way
}

// Target is the endpoint's target.
func (e *Endpoint) Target() Target { return e.target }

// Get returns an idle connection that is still alive, or dials. tr may be nil.
func (e *Endpoint) Get(ctx context.Context, tr *Trace) (*Conn, *originward.Fault) {
	for {
		if c := e.take(); c != nil {
			return c, nil
		}
		wait, done := e.queue()
		if wait == nil {
			defer done()
			return e.dial(ctx, tr)
		}
		tr.Begin(StepConnect) // of the session that another exchange is making
		select {
		case <-wait:
		case <-ctx.Done():
			tr.Fail(StepConnect)
			return nil, connectFault(ctx.Err(), e.target, 0)
		}
	}
}

// queue lets one dial at a time go to an origin that speaks HTTP/2, so that many
// first requests at once share one connection. wait is nil for who is to dial, and
// calls done after it.
func (e *Endpoint) queue() (wait <-chan struct{}, done func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.speaks2 {
		return nil, func() {}
	}
	if e.dialing != nil {
		return e.dialing, nil
	}
	mine := make(chan struct{})
	e.dialing = mine
	return nil, func() {
		e.mu.Lock()
		e.dialing = nil
		e.mu.Unlock()
		close(mine)
	}
}

// dial makes a new connection that will be kept here.
func (e *Endpoint) dial(ctx context.Context, tr *Trace) (*Conn, *originward.Fault) {
	c, f := e.client.dialer.Dial(ctx, e.target, tr)
	if f != nil {
		return c, f
	}
	c.slot = e
	if c.s2 != nil {
		e.addSession(c.s2)
	}
	return c, nil
}

// Do gets a connection and does the round trip. When a reused connection turns out
// dead before a byte of the response arrived, a replayable request is sent once
// more on a new connection. On success the caller reads conn.Body and then calls
// conn.Release or conn.Close. With a fault conn is nil when none was established;
// otherwise it is closed and only tells about itself.
func (e *Endpoint) Do(ctx context.Context, req *Request, tr *Trace) (*Conn, *http1.ResponseHead, *originward.Fault) {
	c, f := e.Get(ctx, tr)
	if f != nil {
		return c, nil, f
	}
	head, f := c.RoundTrip(ctx, req, tr)
	if f == nil {
		return c, head, nil
	}
	if !req.Replayable || !c.diedUnused(f) || ctx.Err() != nil {
		return c, nil, f
	}
	c, f = e.dial(ctx, tr)
	if f != nil {
		return c, nil, f
	}
	head, f = c.RoundTrip(ctx, req, tr)
	return c, head, f
}

// diedUnused tells that a reused connection ended before a byte of the response:
// the origin had closed it while it idled. A timer that ran out is no such end.
func (c *Conn) diedUnused(f *originward.Fault) bool {
	var h *H2Error
	switch {
	case !c.reused:
		return false
	case f.Type == originward.ConnectionTerminated:
		return c.s2 != nil || c.BytesRead() == 0
	case errors.As(f, &h):
		// What these refuse was not processed (RFC 9113 section 8.7).
		return h.Frame == "goaway" && h.Code == http2.ErrCodeNo ||
			h.Frame == "rst_stream" && h.Code == http2.ErrCodeRefusedStream
	}
	return false
}

// take returns an idle connection, nil when there is none. Each is looked at first:
// it may have been closed, and bytes that nobody asked for would be read as the
// answer to the next request.
func (e *Endpoint) take() *Conn {
	for {
		c := e.pop()
		if c == nil {
			return nil
		}
		if c.s2 != nil || c.alive() {
			c.reused = true
			return c
		}
		_ = c.Close()
	}
}

// pop takes a place on an HTTP/2 session, or the newest idle connection.
func (e *Endpoint) pop() *Conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.openStreamLocked(); c != nil {
		return c
	}
	n := len(e.idle)
	if n == 0 {
		return nil
	}
	c := e.idle[n-1]
	e.idle[n-1] = nil
	e.idle = e.idle[:n-1]
	return c
}

// put keeps an idle connection.
func (e *Endpoint) put(c *Conn) {
	c.freeAt = time.Now()
	e.mu.Lock()
	first := len(e.idle) == 0
	e.idle = append(e.idle, c)
	e.used = c.freeAt
	e.mu.Unlock()
	if first && !e.client.kept() {
		e.sweep(func(*Conn) bool { return true }, func(*session2) bool { return true })
	}
}

// sweep closes idle connections and HTTP/2 sessions that are of no use.
func (e *Endpoint) sweep(drop func(*Conn) bool, end func(*session2) bool) {
	e.mu.Lock()
	var dead []*Conn
	keep := e.idle[:0]
	for _, c := range e.idle {
		if drop(c) {
			dead = append(dead, c)
		} else {
			keep = append(keep, c)
		}
	}
	clear(e.idle[len(keep):])
	e.idle = keep
	over := e.dropSessionsLocked(end)
	e.mu.Unlock()
	for _, c := range dead {
		_ = c.Close()
	}
	for _, s := range over {
		s.shut()
	}
}

func (e *Endpoint) idleCount() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.idle) + len(e.sessions)
}

func (e *Endpoint) empty() bool { return e.idleCount() == 0 }

func (e *Endpoint) lastUse() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.used
}
