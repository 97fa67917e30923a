package edge

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originward/originward/internal/edge/h2"
	"github.com/originward/originward/internal/http1"
	"github.com/originward/originward/internal/sock"
)

// visitor is one visitor's connection. One goroutine owns it: it reads requests,
// speaks to the origin and writes responses.
type visitor struct {
	edge     *Edge
	tcp      *net.TCPConn
	w        io.Writer // sock, or TLS over it
	sock     *sock.Conn
	tls      *tlsConn // nil over plain HTTP
	reader   *http1.Reader
	info     visitorInfo
	readBy   time.Time
	timers   timerSet
	idle     atomic.Bool // waits for a request: draining may close it
	conn2    atomic.Pointer[h2.Conn]
	presence presence
	// set and interrupt are setRead and interruptRead as functions, made once.
	set       func(time.Time)
	interrupt func()
}

// timerSet are the timers in force when the connection was made.
type timerSet struct{ client, header time.Duration }

// visits are reused by all connections, so that idle ones hold none.
var visits = sync.Pool{New: func() any { return &pooledVisit{visit: newVisit()} }}

// pooledVisit is a visit of HTTP/1 with what belongs to it.
type pooledVisit struct {
	visit    *visit
	respond  respond1
	patience patience
}

func newVisitor(e *Edge, tcp *net.TCPConn, https bool) (*visitor, error) {
	s, err := sock.New(tcp)
	if err != nil {
		return nil, err
	}
	c := &visitor{edge: e, tcp: tcp, w: s, sock: s}
	c.set, c.interrupt = c.setRead, c.interruptRead
	t := e.state.Load().cfg.Timers
	c.timers = timerSet{t.Client, t.Header}
	c.info.https = https
	if a, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		c.info.addr, c.info.port = ap.Addr().Unmap().WithZone(""), ap.Port()
		c.info.text = c.info.addr.String()
	}
	if a, ok := tcp.LocalAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		c.info.local = netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
	}
	return c, nil
}

// start runs the connection until its end.
func (c *visitor) start() {
	if c.info.https {
		c.edge.shake(c)
		return
	}
	c.edge.work.Go(c.serve)
}

// end closes the connection and ends its accounting.
func (c *visitor) end() {
	if c.tls != nil {
		_ = c.tls.Close() // says goodbye before the socket closes
		c.tls.wire.free()
	}
	c.tcp.Close()
	c.edge.dismiss(c)
}

// serve serves requests until the connection's end.
func (c *visitor) serve() {
	defer c.end()
	if c.tls == nil {
		c.reader = http1.NewReader(c.sock)
	} else {
		if c.tls.ConnectionState().NegotiatedProtocol == "h2" {
			c.serve2()
			return
		}
		c.w = gathered{c.tls}
	}
	defer c.dropReader()
	for c.wait() && c.one() {
	}
}

// drain lets the connection end with the requests that are under way. It may be
// called from any goroutine.
func (c *visitor) drain() {
	if conn := c.conn2.Load(); conn != nil {
		conn.Drain()
		return
	}
	if c.idle.Load() {
		_ = c.tcp.SetReadDeadline(longAgo) // wakes it up to see the drain
	}
}

// setRead sets the deadline for reads; a drain that began meanwhile is not undone.
func (c *visitor) setRead(t time.Time) {
	c.readBy = t
	_ = c.tcp.SetReadDeadline(t) // a closed connection says so on the read that follows
	if c.idle.Load() && c.edge.draining.Load() {
		_ = c.tcp.SetReadDeadline(longAgo)
	}
}

// longAgo is any time before now.
var longAgo = time.Unix(1, 0)

// keepDeadline has a deadline between half a window and a window away. So a busy
// connection sets one every half minute instead of twice per request; one that fires
// early is looked at and moved on.
func (c *visitor) keepDeadline(now time.Time) {
	if window := c.timers.header; c.readBy.Before(now.Add(window / 2)) {
		c.setRead(now.Add(window))
	}
}

// wait blocks until a request begins; false when none will come.
func (c *visitor) wait() bool {
	if c.reader != nil {
		if c.reader.Buffered() > 0 {
			return true
		}
		c.reader.Release()
	}
	since := time.Now()
	c.idle.Store(true)
	defer c.idle.Store(false)
	if c.edge.draining.Load() { // either this is seen here, or the drain sees idle
		return false
	}
	c.keepDeadline(since)
	for {
		// Over TLS the wire itself is asked: an idle connection's stack stays small.
		var err error
		if c.tls != nil {
			if !c.tls.more {
				c.dropReader()
			}
			if err = c.tls.Await(); err == nil {
				c.needReader()
			}
		} else {
			err = c.reader.WaitRequest()
		}
		if err == nil {
			return true
		}
		now := time.Now()
		left := c.timers.client - now.Sub(since)
		if !errors.Is(err, os.ErrDeadlineExceeded) || left <= 0 || c.edge.draining.Load() {
			return false
		}
		c.setRead(now.Add(min(left, c.timers.header)))
	}
}

// one serves one request; false when the connection is to be closed.
func (c *visitor) one() bool {
	p := visits.Get().(*pooledVisit)
	defer visits.Put(p)
	v, r := p.visit, &p.respond
	r.c, r.v, r.began, r.close, r.keep = c, v, false, false, false
	v.begin(c.edge, &c.info, r)
	v.ctx, v.presence = &c.presence, &c.presence
	c.keepDeadline(v.began)
	head, err := c.readHead(v.began)
	if err != nil {
		c.badRequest(v, err)
		return false
	}
	c.fill(v, head)
	r.keep = head.KeepAlive
	p.patience = patience{set: c.set, limit: c.timers.header}
	v.patience, v.interrupt = &p.patience, c.interrupt
	v.serve()
	c.presence.asked.Store(0)
	return c.after(v, r)
}

// readers are those of TLS visitors, which hold none while they idle.
var readers = sync.Pool{New: func() any { return new(http1.Reader) }}

// needReader has the TLS visitor have a reader.
func (c *visitor) needReader() {
	if c.reader == nil {
		c.reader = readers.Get().(*http1.Reader)
		c.reader.Reset(c.tls)
	}
}

// dropReader gives the reader's buffers back, and a TLS visitor's reader, too.
func (c *visitor) dropReader() {
	if c.reader == nil {
		return
	}
	c.reader.Reset(nil)
	if c.tls != nil {
		readers.Put(c.reader)
		c.reader = nil
	}
}

// interruptRead makes the read under way fail.
func (c *visitor) interruptRead() { _ = c.tcp.SetReadDeadline(longAgo) }

// readHead reads a request's head within the timer for heads.
func (c *visitor) readHead(began time.Time) (*http1.RequestHead, error) {
	for {
		head, err := c.reader.ReadRequestHead(http1.Limits{})
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return head, err
		}
		left := c.timers.header - time.Since(began)
		if left <= 0 {
			return nil, err
		}
		c.setRead(time.Now().Add(left))
	}
}

// fill puts the request into the visit.
func (c *visitor) fill(v *visit, h *http1.RequestHead) {
	v.proto = http11
	if h.Minor == 0 {
		v.proto = http10
	}
	v.method = h.MethodString()
	v.authority, v.target, v.path, v.query = h.Host, h.Target, h.Path, h.Query
	v.setHost(h.Hostname)
	v.head = &h.Head
	v.expect = h.ExpectContinue && v.proto == http11
	if v.proto == http11 && h.Framing.Kind == http1.NoBody {
		v.upgrade = h.Upgrade
	}
	v.body = c.reader.Body()
}

// after decides what becomes of the connection.
func (c *visitor) after(v *visit, r *respond1) bool {
	if v.cut || !r.began {
		return false
	}
	if r.close {
		if !c.reader.Body().Done() || c.reader.Buffered() > 0 {
			c.linger()
		}
		return false
	}
	return c.reader.Body().Done()
}

// writeBoth writes a head and what follows it.
func (c *visitor) writeBoth(head, p []byte) (int, error) {
	if c.tls == nil {
		return c.sock.WriteBoth(head, p)
	}
	n, err := c.w.Write(head)
	if err != nil {
		return n, err
	}
	m, err := c.w.Write(p)
	return n + m, err
}

// last says that what is written next is all there is: nothing more is to come from
// the visitor either, so that the connection ends at once.
func (c *visitor) last(whole bool) {
	if c.tls != nil && whole && c.reader.Body().Done() {
		c.tls.last = true
	}
}

// linger ends a connection on which the visitor may still be sending: closing at
// once would answer that with a reset, and the response could be lost.
func (c *visitor) linger() {
	if c.tls != nil {
		_ = c.tls.CloseWrite() // what follows ends the connection either way
	}
	if c.tcp.CloseWrite() != nil {
		return
	}
	c.setRead(time.Now().Add(lingerTime))
	_, _ = io.Copy(io.Discard, c.tcp) // ends by the deadline, or earlier by the visitor
}

// lingerTime is how long a visitor's remaining bytes are waited for.
const lingerTime = 2 * time.Second

// badRequest answers bytes that are no request.
func (c *visitor) badRequest(v *visit, err error) {
	number := parseStatus(err)
	if number == 0 {
		return // the visitor went away between requests, or in the middle of one
	}
	v.proto, v.method, v.head = http11, "GET", &http1.Head{}
	v.badRequest(number, err)
	v.edge.finish(v)
	c.linger()
}

// parseStatus is the answer to a head that could not be read; 0 = none.
func parseStatus(err error) int {
	var p *http1.ParseError
	if !errors.As(err, &p) {
		return 0
	}
	switch {
	case p.Kind == http1.NoRequest:
		return 0
	case errors.Is(p.Err, os.ErrDeadlineExceeded):
		return 408
	case p.Err != nil:
		return 0
	}
	switch p.Kind {
	case http1.TargetTooLong:
		return 414
	case http1.HeadTooLarge, http1.TooManyFields:
		return 431
	case http1.BadVersion:
		return 505
	}
	return 400
}
