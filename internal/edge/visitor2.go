package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward/internal/http1"
)

// Limits of an HTTP/2 visitor. 128 KiB of header fields is the documented limit
// (connection-limits); a hundred streams is what RFC 9113 section 6.5.2 recommends
// at least, and what nginx takes (128).
const (
	maxFieldBytes = 128 << 10
	maxStreams2   = 128
)

// server2 is the library's server for HTTP/2 visitors. It is handed connections
// after their handshake.
type server2 struct {
	http  *http.Server
	conns chan net.Conn
	ended chan struct{}
	addr  net.Addr

	mu       sync.Mutex
	visitors map[net.Conn]*visitor // guarded by mu
}

func newServer2(e *Edge) *server2 {
	s := &server2{conns: make(chan net.Conn), ended: make(chan struct{}), addr: &net.TCPAddr{}, visitors: map[net.Conn]*visitor{}}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	s.http = &http.Server{
		Handler:        http.HandlerFunc(stream),
		Protocols:      protocols,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: maxStreams2},
		MaxHeaderBytes: maxFieldBytes,
		IdleTimeout:    e.state.Load().cfg.Timers.Client,
		ErrorLog:       slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, visitorKey{}, s.visitor(c))
		},
		ConnState: func(c net.Conn, st http.ConnState) {
			if st == http.StateClosed {
				s.leave(e, c)
			}
		},
	}
	return s
}

// visitorKey is where a stream's context holds its visitor.
type visitorKey struct{}

func (s *server2) visitor(c net.Conn) *visitor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.visitors[c]
}

// leave ends the accounting of a connection; it may be called more than once.
func (s *server2) leave(e *Edge, c net.Conn) {
	s.mu.Lock()
	v := s.visitors[c]
	delete(s.visitors, c)
	s.mu.Unlock()
	if v != nil {
		e.dismiss(v)
		e.work.Done()
	}
}

// Accept, Close and Addr make the server its own listener.

// Accept waits for a connection to be handed over.
func (s *server2) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.ended:
		return nil, net.ErrClosed
	}
}

// Close ends accepting; the library calls it once.
func (s *server2) Close() error {
	close(s.ended)
	return nil
}

// Addr is of no meaning.
func (s *server2) Addr() net.Addr { return s.addr }

// hand gives a connection to the library, whose goroutines serve it from now on.
func (s *server2) hand(e *Edge, c *visitor, conn *tls.Conn) bool {
	_ = c.tcp.SetReadDeadline(time.Time{}) // a closed connection says so on the read that follows
	s.mu.Lock()
	s.visitors[conn] = c
	s.mu.Unlock()
	e.work.Add(1)
	select {
	case s.conns <- conn:
		return true
	case <-s.ended:
		s.mu.Lock()
		delete(s.visitors, conn)
		s.mu.Unlock()
		e.work.Done()
		return false
	}
}

// stream serves one request of an HTTP/2 connection, in a goroutine of the
// library's, which speaks to the origin itself.
func stream(w http.ResponseWriter, req *http.Request) {
	c, ok := req.Context().Value(visitorKey{}).(*visitor)
	if !ok || c == nil {
		panic(http.ErrAbortHandler) // a connection that has ended already
	}
	v := newVisit()
	out := &respond2{v: v, w: w}
	v.begin(c.edge, &c.info, out)
	v.ctx = req.Context()
	v.interrupt = func() { _ = req.Body.Close() } // never fails for a server's request
	if err := v.fill2(req); err != nil {
		v.proto, v.method, v.head = http2x, req.Method, &http1.Head{}
		v.badRequest(400, err)
		c.edge.finish(v)
		return
	}
	v.serve()
	if v.cut {
		panic(http.ErrAbortHandler) // resets the stream: the visitor must not take it for whole
	}
}

var (
	errTarget    = errors.New("the :path is no valid request target")
	errAuthority = errors.New("the :authority is no valid host")
	errTooLong   = errors.New("the :path is longer than 16 KiB")
)

// fill2 puts an HTTP/2 request into the visit, in the form in which HTTP/1.1's are.
func (v *visit) fill2(req *http.Request) error {
	v.proto, v.method = http2x, req.Method
	target := req.RequestURI
	switch {
	case !http1.ValidTarget(target) || !strings.HasPrefix(target, "/") && target != "*" && v.method != "CONNECT":
		return errTarget
	case len(target) > http1.DefaultLimits().Target:
		return errTooLong
	case !http1.ValidHost(req.Host):
		return errAuthority
	}
	v.authority, v.target = []byte(req.Host), []byte(target)
	v.path, v.query = v.target, nil
	if i := strings.IndexByte(target, '?'); i >= 0 {
		v.path, v.query = v.target[:i], v.target[i+1:]
	}
	v.setHost([]byte(hostname(req.Host)))
	v.head = headOf(req)
	v.body = &body2{req: req}
	v.expect = false // the library answers it when the body is first read
	return nil
}

// hostname is a valid host[:port] without its port and brackets.
func hostname(host string) string {
	if strings.HasPrefix(host, "[") {
		name, _, _ := strings.Cut(host[1:], "]")
		return name
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}

// headOf makes the codec's fields of a header map. HTTP/2 has no hop-by-hop
// fields but TE.
func headOf(req *http.Request) *http1.Head {
	h := &http1.Head{ContentLength: req.ContentLength}
	n := 0
	for _, vs := range req.Header {
		n += len(vs)
	}
	h.Fields = make([]http1.Field, 0, n)
	for name, vs := range req.Header {
		for _, val := range vs {
			h.Fields = append(h.Fields, field2(name, val))
		}
	}
	return h
}

func field2(name, val string) http1.Field {
	f := http1.Field{Name: []byte(name), Value: []byte(val)}
	f.ID = http1.LookupField(f.Name)
	f.Hop = f.ID == http1.FieldTE
	for _, c := range f.Name {
		if c == '_' || c == '.' {
			f.Odd = true
		}
	}
	return f
}

// body2 is the body of an HTTP/2 request.
type body2 struct{ req *http.Request }

// Framing is by length when one was declared, else open.
func (b *body2) Framing() http1.Framing {
	switch n := b.req.ContentLength; {
	case n > 0:
		return http1.Framing{Kind: http1.LengthBody, Length: n}
	case n < 0:
		return http1.Framing{Kind: http1.ChunkedBody}
	}
	return http1.Framing{}
}

// copyBuffer is the size of pieces between HTTP/2 streams and origins.
const copyBuffer = 32 << 10

// WriteTo copies the body.
func (b *body2) WriteTo(w io.Writer) (int64, error) {
	buf := make([]byte, copyBuffer)
	var total int64
	for {
		n, err := b.req.Body.Read(buf)
		if n > 0 {
			m, werr := w.Write(buf[:n])
			total += int64(m)
			if werr != nil {
				return total, &http1.WriteError{Written: total, Err: werr}
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Trailers are there once the body has been read.
func (b *body2) Trailers() []http1.Field {
	var out []http1.Field
	for name, vs := range b.req.Trailer {
		for _, val := range vs {
			out = append(out, field2(name, val))
		}
	}
	return out
}

// respond2 answers a visitor over HTTP/2.
type respond2 struct {
	v *visit
	w http.ResponseWriter
}

func (r *respond2) set(name, value string) { r.w.Header().Add(name, value) }

// interim passes a 1xx response on; 100 is the library's affair.
func (r *respond2) interim(h *http1.ResponseHead) error {
	if h.Status == 100 {
		return nil
	}
	head := r.w.Header()
	for i := range h.Fields {
		if f := &h.Fields[i]; !f.Hop {
			head.Add(string(f.Name), string(f.Value))
		}
	}
	r.w.WriteHeader(h.Status)
	clear(head)
	return nil
}

// edgeFields are the fields that the edge adds.
func (r *respond2) edgeFields(fromOrigin bool) {
	v := r.v
	b := v.edgeLines(v.buf[:0], fromOrigin)
	v.buf = b
	for line := range strings.SplitSeq(strings.TrimSuffix(string(b), "\r\n"), "\r\n") {
		name, val, _ := strings.Cut(line, ": ")
		if name == "Proxy-Status" {
			r.set(name, val) // behind the origin's, which stays
			continue
		}
		r.w.Header().Set(name, val)
	}
}

// forward sends the origin's response.
func (r *respond2) forward(h *http1.ResponseHead, c *content) error {
	head := r.w.Header()
	fields := r.v.responseFields(nil, h, c.decoded)
	for line := range strings.SplitSeq(strings.TrimSuffix(string(fields), "\r\n"), "\r\n") {
		if name, val, ok := strings.Cut(line, ": "); ok {
			head.Add(name, val)
		}
	}
	f := c.framing()
	if n := declared(h, f, c.decoded); n >= 0 {
		head.Set("Content-Length", decimal(n))
	}
	r.edgeFields(true)
	r.w.WriteHeader(h.Status)
	if f.Kind == http1.NoBody || r.v.method == "HEAD" {
		return nil
	}
	return r.copy(c)
}

func (r *respond2) copy(c *content) error {
	flusher, _ := r.w.(http.Flusher)
	for {
		if len(c.ready()) == 0 && flusher != nil {
			flusher.Flush() // the next piece has to be waited for
		}
		p, err := c.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if _, err := r.w.Write(p); err != nil {
			return err
		}
		r.v.sent += int64(len(p))
	}
	for _, t := range c.trailers() {
		r.set(http.TrailerPrefix+string(t.Name), string(t.Value))
	}
	return nil
}

// own sends an answer of the edge's own.
func (r *respond2) own(a *answerHead, body []byte) error {
	head := r.w.Header()
	clear(head)
	for _, f := range a.fields {
		head.Add(f[0], strings.Map(printable, f[1]))
	}
	head.Set("Content-Length", decimal(int64(len(body))))
	r.edgeFields(false)
	r.w.WriteHeader(a.status)
	if r.v.method == "HEAD" {
		return nil
	}
	r.v.sent += int64(len(body))
	_, err := r.w.Write(body)
	return err
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func printable(c rune) rune {
	if c < ' ' || c == 0x7f {
		return ' '
	}
	return c
}

var (
	_ responder = (*respond2)(nil)
	_ source    = (*body2)(nil)
)
