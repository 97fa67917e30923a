package edge

import (
	"errors"
	"io"
	"sync"

	"github.com/originward/originward/internal/edge/h2"
	"github.com/originward/originward/internal/http1"
)

// Limits of an HTTP/2 visitor. 128 KiB of header fields is the documented limit
// (connection-limits); a hundred streams is what RFC 9113 section 6.5.2 recommends
// at least, and what nginx takes (128).
const (
	maxFieldBytes = 128 << 10
	maxStreams2   = 128
)

// visits2 are reused by the streams of all connections.
var visits2 = sync.Pool{New: func() any {
	p := &pooledVisit2{visit: newVisit()}
	p.interrupt = func() { p.body.s.Interrupt() }
	return p
}}

// pooledVisit2 is a visit of HTTP/2 with what belongs to it.
type pooledVisit2 struct {
	visit     *visit
	respond   respond2
	head      http1.Head
	body      body2
	interrupt func()
}

// serve2 serves an HTTP/2 connection until its end.
func (c *visitor) serve2() {
	cfg := &h2.Config{
		MaxStreams: maxStreams2, MaxFields: maxFieldBytes, Idle: c.timers.client, Slow: c.timers.header,
		Handler: c.stream,
	}
	err := h2.Serve(c.tls, cfg, func(conn *h2.Conn) {
		c.conn2.Store(conn)
		if c.edge.ending() {
			conn.Drain()
		}
	})
	c.conn2.Store(nil)
	var bad *h2.ConnError
	if errors.As(err, &bad) {
		c.edge.log.Debug("HTTP/2 visitor", "client", c.info.text, "error", err)
	}
}

// stream serves one request.
func (c *visitor) stream(s *h2.Stream) {
	p, ok := visits2.Get().(*pooledVisit2)
	if !ok {
		return
	}
	defer visits2.Put(p)
	v := p.visit
	p.respond = respond2{v: v, s: s, lines: p.respond.lines[:0]}
	p.body = body2{s: s}
	v.begin(c.edge, &c.info, &p.respond)
	v.ctx, v.interrupt = s, p.interrupt
	if err := p.fill(s); err != nil {
		v.badRequest(status2(err), err)
		v.edge.finish(v)
		return
	}
	v.serve()
}

var (
	errTarget    = errors.New("the :path is no valid request target")
	errMethod    = errors.New("the :method is no method")
	errAuthority = errors.New("the :authority is no valid host")
	errTooLong   = errors.New("the :path is longer than 16 KiB")
	errTooLarge  = errors.New("the header fields are larger than 128 KiB")
)

// status2 is the answer to a request that cannot be served.
func status2(err error) int {
	switch {
	case errors.Is(err, errTooLong):
		return 414
	case errors.Is(err, errTooLarge):
		return 431
	}
	return 400
}

// fill puts an HTTP/2 request into the visit, in the form in which HTTP/1.1's are.
func (p *pooledVisit2) fill(s *h2.Stream) error {
	v := p.visit
	v.proto = http2x
	p.head = http1.Head{Fields: s.Fields, ContentLength: s.Length}
	v.head = &p.head
	v.body = &p.body
	v.method = methodOf(s.Method)
	if s.TooLarge {
		return errTooLarge
	}
	if !http1.ValidMethod(v.method) {
		v.method = "GET" // for the page; what was sent is no method
		return errMethod
	}
	target := s.Path
	if v.method == "CONNECT" {
		target = s.Authority
	}
	switch {
	case len(target) > http1.DefaultLimits().Target:
		return errTooLong
	case !http1.ValidTargetBytes(target), v.method != "CONNECT" && target[0] != '/' && string(target) != "*":
		return errTarget
	case !http1.ValidHostBytes(s.Authority):
		return errAuthority
	}
	v.authority, v.target = s.Authority, target
	v.path, v.query = target, nil
	for i, c := range target {
		if c == '?' {
			v.path, v.query = target[:i], target[i+1:]
			break
		}
	}
	v.setHost(http1.HostnameOf(s.Authority))
	v.expect = !s.NoBody && v.head.HasToken("Expect", "100-continue")
	return nil
}

// methodOf is a method as a string, without allocating for the usual ones.
func methodOf(b []byte) string {
	switch string(b) {
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	}
	return string(b)
}

// body2 is the body of an HTTP/2 request.
type body2 struct{ s *h2.Stream }

// Framing is by length when one was declared, else open.
func (b *body2) Framing() http1.Framing {
	switch {
	case b.s.NoBody:
		return http1.Framing{}
	case b.s.Length >= 0:
		return http1.Framing{Kind: http1.LengthBody, Length: b.s.Length}
	}
	return http1.Framing{Kind: http1.ChunkedBody}
}

// WriteTo copies the body.
func (b *body2) WriteTo(w io.Writer) (int64, error) { return b.s.WriteTo(w) }

// Trailers are there once the body has been read.
func (b *body2) Trailers() []http1.Field { return b.s.Trailers() }

// respond2 answers a visitor over HTTP/2.
type respond2 struct {
	v     *visit
	s     *h2.Stream
	lines []byte // field lines of the head on its way out
}

// interim passes a 1xx response on; an origin's 100 is for the edge only.
func (r *respond2) interim(h *http1.ResponseHead) error {
	if h.Status == 100 && h != proceed {
		return nil
	}
	if r.s.Started() {
		return errAnswered
	}
	r.lines = http1.AppendFields(r.lines[:0], h.Fields)
	if err := r.s.Head(h.Status, r.lines, false); err != nil {
		return err
	}
	r.s.Flush()
	return nil
}

// forward sends the origin's response.
func (r *respond2) forward(h *http1.ResponseHead, c *content) error {
	f := c.framing()
	r.lines = r.v.passedLines(r.lines[:0], h, c)
	none := r.v.bodiless(f)
	if err := r.s.Head(h.Status, r.lines, none); err != nil {
		return err
	}
	if none {
		r.s.Flush()
		return nil
	}
	left := int64(-1)
	if f.Kind == http1.LengthBody {
		left = f.Length
	}
	return r.copy(c, left)
}

// copy sends the content; left is its length, -1 when it is not known.
func (r *respond2) copy(c *content, left int64) error {
	for {
		if len(c.ready()) == 0 {
			r.s.Flush() // the next piece has to be waited for
		}
		p, err := c.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if left >= 0 {
			left -= int64(len(p))
		}
		last := left == 0
		if err := r.s.Data(p, last); err != nil {
			return err
		}
		r.v.sent += int64(len(p))
		if last {
			// The source still has to see its own end.
			_, err := c.next()
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
	return r.s.Trailer(c.trailers())
}

// own sends an answer of the edge's own.
func (r *respond2) own(a *answerHead, body []byte) error {
	v := r.v
	r.lines = v.ownLines(r.lines[:0], a, len(body))
	none := v.method == "HEAD" || len(body) == 0
	if err := r.s.Head(a.status, r.lines, none); err != nil {
		return err
	}
	if none {
		r.s.Flush()
		return nil
	}
	v.sent += int64(len(body))
	return r.s.Data(body, true)
}

var (
	_ responder = (*respond2)(nil)
	_ source    = (*body2)(nil)
)
