package exchange

import (
	"context"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/http1"
)

// Client dials origins and keeps idle connections, newest first, for the
// profile's idle time. It is safe for concurrent use.
type Client struct {
	dialer *Dialer
}

// NewClient returns a client that dials with d.
func NewClient(d *Dialer) *Client { return &Client{dialer: d} }

// Endpoint is the client's slot for a target. Keep it where the target is known:
// looking it up costs a map access.
func (c *Client) Endpoint(t Target) *Endpoint { panic("unwritten") }

// Idle is the number of idle connections.
func (c *Client) Idle() int { panic("unwritten") }

// CloseIdle closes the idle connections.
func (c *Client) CloseIdle() { panic("unwritten") }

// Close closes the idle connections; those in use close when they are released.
func (c *Client) Close() { panic("unwritten") }

// Endpoint is the pool of connections to one target.
type Endpoint struct {
	client *Client
	target Target
}

// Target is the endpoint's target.
func (e *Endpoint) Target() Target { return e.target }

// Get returns an idle connection that is still alive, or dials. tr may be nil.
func (e *Endpoint) Get(ctx context.Context, tr *Trace) (*Conn, *originward.Fault) {
	panic("unwritten")
}

// Do gets a connection and does the round trip. When a reused connection turns out
// dead before a byte of the response arrived, a replayable request is sent once
// more on a new connection. On success the caller reads conn.Body and then calls
// conn.Release or conn.Close. With a fault conn is nil when none was established;
// otherwise it is closed and only tells about itself.
func (e *Endpoint) Do(ctx context.Context, req *Request, tr *Trace) (*Conn, *http1.ResponseHead, *originward.Fault) {
	panic("unwritten")
}
