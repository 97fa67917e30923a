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

// Endpoint is the pool of connections to one target. It is safe for concurrent use.
type Endpoint struct {
	client *Client
	target Target

	mu       sync.Mutex
	idle     []*Conn // newest last
	sessions []*session2
	used     time.Time
	speaks2  bool  // the origin has negotiated HTTP/2 before
	dialing  *turn // of who dials a session; nil = nobody does
}

// Target is the endpoint's target.
func (e *Endpoint) Target() Target { return e.target }

// Get returns an idle connection that is still alive, or dials. tr may be nil.
func (e *Endpoint) Get(ctx context.Context, tr *Trace) (*Conn, *originward.Fault) {
	for {
		if c := e.take(); c != nil {
			return c, nil
		}
		t, mine := e.queue()
		if mine {
			c, f := e.dial(ctx, tr)
			e.over(t, f == nil)
			return c, f
		}
		tr.Begin(StepConnect) // of the session that another exchange is making
		select {
		case <-t.done:
		case <-ctx.Done():
			tr.Fail(StepConnect)
			return nil, connectFault(ctx.Err(), e.target, tr.Elapsed())
		}
		if !t.ok {
			return e.dial(ctx, tr) // nobody waits for a second failure
		}
	}
}

// turn is a dial that others wait for.
type turn struct {
	done chan struct{} // closed when it is over
	ok   bool          // it made a session; set before done is closed
}

// queue lets one dial at a time go to an origin that speaks HTTP/2, so that many
// first requests at once share one connection. mine is true for who is to dial, and
// to call over after it.
func (e *Endpoint) queue() (t *turn, mine bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.speaks2 {
		return nil, true
	}
	if e.dialing != nil {
		return e.dialing, false
	}
	e.dialing = &turn{done: make(chan struct{})}
	return e.dialing, true
}

// over ends a turn; nil is none.
func (e *Endpoint) over(t *turn, ok bool) {
	if t == nil {
		return
	}
	t.ok = ok
	e.mu.Lock()
	e.dialing = nil
	e.mu.Unlock()
	close(t.done)
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
	e.used = time.Now()
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

// maxIdle bounds the idle connections to one target. What a burst has opened beyond
// it is closed as it is given back, the longest idle first.
const maxIdle = 1000

// put keeps an idle connection.
func (e *Endpoint) put(c *Conn) {
	c.freeAt = time.Now()
	e.mu.Lock()
	c.slot = e
	first := len(e.idle) == 0
	var oldest *Conn
	if len(e.idle) >= maxIdle {
		oldest = e.idle[0]
		e.idle = append(e.idle[:0], e.idle[1:]...)
	}
	e.idle = append(e.idle, c)
	e.used = c.freeAt
	e.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
	if !first {
		return // the client knows of this endpoint
	}
	e.settle()
}

// settle makes sure that what is kept here is looked after.
func (e *Endpoint) settle() {
	switch keeper := e.client.keeper(e); {
	case keeper == nil: // closed meanwhile
		e.doom()
		e.sweep(func(*Conn) bool { return true }, func(*session2) bool { return true })
	case keeper != e:
		e.move(keeper)
	}
}

// move hands idle connections and sessions to the endpoint that took e's place.
func (e *Endpoint) move(to *Endpoint) {
	e.mu.Lock()
	conns, sessions := e.idle, e.sessions
	e.idle, e.sessions = nil, nil
	e.mu.Unlock()
	to.mu.Lock()
	defer to.mu.Unlock()
	to.sessions = append(to.sessions, sessions...)
	for _, c := range conns {
		c.slot = to
		to.idle = append(to.idle, c)
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

// unused tells that nothing is kept here and nothing was asked for lately.
func (e *Endpoint) unused(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.idle) == 0 && len(e.sessions) == 0 && now.Sub(e.used) >= forgetAfter
}
