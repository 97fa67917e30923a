package exchange

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/http1"
)

// Conn is a connection to an origin (over HTTP/2: one stream's place on it). It
// serves one exchange at a time and is not safe for concurrent use, but for Close.
type Conn struct {
	target  Target
	profile *Profile
	slot    *Endpoint // where Release gives it back; nil = nowhere
	served  int
	reused  bool      // taken from a pool for the current exchange
	freeAt  time.Time // when it was given back

	wire  *wire
	tls   *tls.Conn // nil over plain HTTP and after a failed connect
	state tls.ConnectionState
	seen  seen
	facts *fact.TLS // worked out when first asked for
	judge *Verdict

	stream net.Conn  // what HTTP is read from: wire.TCPConn (so that the codec can splice) or tls
	out    io.Writer // what HTTP is written to, under the write timer: wire or tls
	reader *http1.Reader
	body   Body
	up     upload
	before int64 // bytes received before the current exchange
	keep   bool  // by everything seen so far, another exchange can follow

	s2   *session2               // over HTTP/2: the session
	h2   atomic.Pointer[stream2] // and the current stream
	left atomic.Bool             // the place on the session has been given back
}

func newConn(t Target, w *wire, p *Profile) *Conn {
	c := &Conn{target: t, profile: p, wire: w}
	c.body.c = c
	return c
}

func (c *Conn) startHTTP1(nc net.Conn) {
	c.stream, c.out = nc, c.wire
	if c.tls != nil {
		c.out = c.tls
	}
	c.reader = http1.NewReader(nc)
}

// Target is what was dialled.
func (c *Conn) Target() Target { return c.target }

// Local is our own address and port.
func (c *Conn) Local() netip.AddrPort {
	a, ok := c.wire.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// Proto is the protocol that is spoken; unknown before and without a handshake.
func (c *Conn) Proto() Proto {
	switch {
	case c.s2 != nil:
		return HTTP2
	case c.reader != nil:
		return HTTP1
	}
	return ProtoUnknown
}

// Served is how many exchanges the connection had carried before the current one.
func (c *Conn) Served() int { return c.served }

// BytesRead is the number of response bytes that arrived in the current exchange.
func (c *Conn) BytesRead() int64 {
	switch {
	case c.h2.Load() != nil:
		return c.h2.Load().received(c.s2.watch)
	case c.reader != nil:
		return c.reader.Received() - c.before
	}
	return 0
}

// TLS is what the handshake showed; nil over plain HTTP. The strict verdict is in
// it whether or not it was enforced. It is shared: do not change it.
func (c *Conn) TLS() *fact.TLS {
	if c.tls == nil {
		return nil
	}
	if c.facts == nil {
		c.facts = c.tlsFacts()
	}
	return c.facts
}

// Verdict is what the strict modes make of the certificate; zero over plain HTTP.
func (c *Conn) Verdict() Verdict {
	if c.tls == nil {
		return Verdict{}
	}
	return *c.verdict()
}

func (c *Conn) verdict() *Verdict {
	if c.judge == nil {
		v := Judge(c.seen.chain(), c.state.OCSPResponse, []string{c.target.Host, c.target.AltHost}, c.target.TLS.Trust)
		c.judge = &v
	}
	return c.judge
}

// Body is the body of the response whose head was returned last.
func (c *Conn) Body() *Body { return &c.body }

// Tunnel leaves HTTP after a 101 (or a 2xx to CONNECT): in yields what the origin
// sends, buffered bytes first; conn is for writing and deadlines. No timer of the
// profile applies any more. The caller ends it with Close. Over HTTP/2 both are nil.
func (c *Conn) Tunnel() (in *http1.Body, conn net.Conn) {
	if c.reader == nil {
		return nil, nil
	}
	c.keep = false
	c.wire.forever()
	c.wire.setWrite(time.Time{})
	return c.reader.Tunnel(), c.stream
}

// Release gives the connection back to its pool when it can carry another
// exchange, and closes it otherwise. The head and body are invalid after it.
func (c *Conn) Release() {
	if c.s2 != nil {
		c.releaseStream()
		return
	}
	if c.reader == nil {
		_ = c.Close() // never used
		return
	}
	c.body.unwatch()
	if c.slot == nil || !c.clean() {
		_ = c.Close()
		return
	}
	c.keep = false
	c.reader.Release()
	c.served++
	c.slot.put(c)
}

// Close closes the connection (over HTTP/2: resets the stream). It may be called
// from another goroutine and more than once.
func (c *Conn) Close() error {
	if c.s2 != nil {
		return c.closeStream()
	}
	c.wire.aborted.Store(true)
	// The socket itself is closed, without TLS's farewell: that would write, and could
	// block behind a write in progress. An origin sees an end of connection either way.
	return c.wire.TCPConn.Close()
}

// clean tells that the exchange has ended as a whole and nothing lies behind it.
func (c *Conn) clean() bool {
	return c.keep && c.reader.Body().Done() && c.reader.Buffered() == 0
}

// alive tells whether an idle connection can be used.
func (c *Conn) alive() bool { return c.wire.query.idle() }

// afterFuncer is a context that calls functions itself, as package context asks for.
type afterFuncer interface {
	AfterFunc(f func()) (stop func() bool)
}

// watch makes ctx's end abort the connection; stop ends the watching.
func (c *Conn) watch(ctx context.Context) (stop func() bool) {
	if a, ok := ctx.(afterFuncer); ok {
		return a.AfterFunc(c.wire.abortFunc)
	}
	if ctx.Done() == nil {
		return nil
	}
	return context.AfterFunc(ctx, c.wire.abortFunc)
}

// RoundTrip sends the request and reads the final response head, which holds until
// the connection is released. The fault's phase is write, first_byte or headers
// (request: the visitor's body failed). After a fault the connection is closed; a
// refusal that the origin sent before it had read the whole request is a response,
// not a fault. When ctx ends before the body was read, the body fails. tr may be nil.
func (c *Conn) RoundTrip(ctx context.Context, req *Request, tr *Trace) (*http1.ResponseHead, *originward.Fault) {
	var (
		head *http1.ResponseHead
		f    *originward.Fault
	)
	if c.s2 != nil {
		head, f = c.roundTrip2(ctx, req, tr)
	} else {
		c.body.stop = c.watch(ctx)
		head, f = c.roundTrip1(ctx, req, tr)
	}
	if f != nil {
		c.body.unwatch()
		_ = c.Close()
		if s := c.h2.Load(); s != nil {
			s.wait()
		}
	}
	return head, f
}
