package edge

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/originward/originward/internal/http1"
)

// maxResets3 is how many requests beyond those that were answered a visitor may give
// up before its connection ends, as over HTTP/2.
const maxResets3 = 512

// visitor3 is a visitor's HTTP/3 connection.
type visitor3 struct {
	edge   *Edge
	conn   *quic.Conn
	info   visitorInfo
	timers timerSet
	resets atomic.Int64 // given up, less answered
}

func newVisitor3(e *Edge, conn *quic.Conn) *visitor3 {
	c := &visitor3{edge: e, conn: conn}
	t := e.state.Load().cfg.Timers
	c.timers = timerSet{t.Client, t.Header}
	remote, local := udpAddr(conn.RemoteAddr()), udpAddr(conn.LocalAddr())
	c.info = visitorInfo{addr: remote.Addr(), text: remote.Addr().String(), port: remote.Port(), local: local, https: true}
	st := conn.ConnectionState().TLS
	c.info.sni = lower(st.ServerName)
	c.info.tls = tlsInfo{version: tlsVersionName(st.Version), cipher: tls.CipherSuiteName(st.CipherSuite)}
	if st.CurveID != 0 {
		c.info.tls.curve = st.CurveID.String()
	}
	return c
}

func udpAddr(a net.Addr) netip.AddrPort {
	if u, ok := a.(*net.UDPAddr); ok {
		ap := u.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
	}
	return netip.AddrPort{}
}

// visits3 are reused by the requests of all connections.
var visits3 = sync.Pool{New: func() any { return &pooledVisit3{visit: newVisit()} }}

// pooledVisit3 is a visit of HTTP/3 with what belongs to it.
type pooledVisit3 struct {
	visit   *visit
	respond respond3
	head    http1.Head
	body    body3
}

// ServeHTTP serves one request.
func (c *visitor3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := visits3.Get().(*pooledVisit3)
	if !ok {
		return
	}
	cut := c.serve(p, w, r)
	p.respond, p.body = respond3{}, body3{}
	visits3.Put(p)
	switch {
	case r.Context().Err() == nil:
		c.resets.Add(-1)
	case c.resets.Add(1) > maxResets3:
		_ = c.conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad), "")
	}
	if cut {
		panic(http.ErrAbortHandler) // the stream is reset: nobody takes what came for whole
	}
}

func (c *visitor3) serve(p *pooledVisit3, w http.ResponseWriter, r *http.Request) (cut bool) {
	v, control := p.visit, http.NewResponseController(w)
	p.respond = respond3{v: v, w: w, control: control, slow: c.timers.client}
	p.body = body3{r: r, control: control, slow: c.timers.header}
	v.begin(c.edge, &c.info, &p.respond)
	v.ctx, v.interrupt = r.Context(), p.body.stop
	if err := p.fill(r); err != nil {
		v.badRequest(status2(err), err)
		c.edge.finish(v)
	} else {
		v.serve()
	}
	return v.cut
}

// fill puts an HTTP/3 request into the visit, in the form in which HTTP/1.1's are.
func (p *pooledVisit3) fill(r *http.Request) error {
	v := p.visit
	v.proto = http3x
	v.method = r.Method
	p.head = http1.Head{Fields: p.head.Fields[:0], ContentLength: -1}
	v.head, v.body = &p.head, &p.body
	for name, values := range r.Header {
		id := http1.LookupField([]byte(name))
		switch id {
		case http1.FieldConnection, http1.FieldKeepAlive, http1.FieldProxyConnection, http1.FieldTransferEncoding, http1.FieldUpgrade:
			return errHopField // RFC 9114 section 4.2
		}
		for _, x := range values {
			if !http1.ValidFieldValue(x) {
				return errFieldValue
			}
			f := http1.Field{Name: []byte(strings.ToLower(name)), Value: []byte(x), ID: id}
			f.Hop = id == http1.FieldTE
			f.Odd = strings.ContainsAny(name, "_.")
			p.head.Fields = append(p.head.Fields, f)
		}
	}
	for name := range r.Trailer { // announced: the library takes the field out
		if http1.InTrailer(http1.LookupField([]byte(name))) {
			p.head.Fields = append(p.head.Fields, http1.Field{Name: []byte("trailer"), Value: []byte(strings.ToLower(name)), ID: http1.FieldTrailer})
		}
	}
	target := []byte(r.RequestURI)
	if r.Method == http.MethodConnect {
		target = []byte(r.Host)
	}
	switch {
	case !http1.ValidMethod(r.Method):
		v.method = "GET" // for the page; what was sent is no method
		return errMethod
	case len(p.head.Fields) > maxFields3:
		return errTooLarge
	case len(target) > http1.DefaultLimits().Target:
		return errTooLong
	case !http1.ValidTargetBytes(target), r.Method != http.MethodConnect && target[0] != '/' && string(target) != "*":
		return errTarget
	case !http1.ValidHostBytes([]byte(r.Host)):
		return errAuthority
	}
	v.authority, v.target = []byte(r.Host), target
	v.path, v.query, _ = bytes.Cut(target, []byte("?"))
	if len(v.query) == 0 {
		v.query = nil
	}
	v.setHost(http1.HostnameOf(v.authority))
	if err := p.body.begin(); err != nil {
		return err
	}
	if p.body.length >= 0 {
		p.head.ContentLength = p.body.length
	}
	v.expect = !p.body.none && v.head.HasToken("Expect", "100-continue")
	return nil
}

// maxFields3 is HTTP/2's and HTTP/1.1's.
const maxFields3 = 1000

var (
	errHopField    = errors.New("a field of the connection, which HTTP/3 does not have")
	errFieldValue  = errors.New("a field's value holds what none may")
	errInterrupted = errors.New("the body is not wanted any more")
)

// body3 is the body of an HTTP/3 request.
type body3 struct {
	r       *http.Request
	control *http.ResponseController
	slow    time.Duration // for a pause in it
	length  int64         // -1 = not declared
	none    bool
	first   []byte // read ahead
	stopped atomic.Bool
}

// begin finds out whether there is a body. Of methods that usually have none the end
// of the request is waited for, which came with its head.
func (b *body3) begin() error {
	b.length = -1
	if b.r.Header["Content-Length"] != nil {
		b.length = b.r.ContentLength
		b.none = b.length == 0
		return nil
	}
	switch b.r.Method {
	case "POST", "PUT", "PATCH":
		return nil
	}
	buf := make([]byte, 512)
	_ = b.control.SetReadDeadline(time.Now().Add(b.slow)) // a stream that is gone says so when read
	n, err := b.r.Body.Read(buf)
	b.first = buf[:n]
	if n == 0 && errors.Is(err, io.EOF) {
		b.none = true
		return nil
	}
	if n == 0 {
		return err
	}
	return nil
}

// Framing is by length when one was declared, else open.
func (b *body3) Framing() http1.Framing {
	switch {
	case b.none:
		return http1.Framing{}
	case b.length >= 0:
		return http1.Framing{Kind: http1.LengthBody, Length: b.length}
	}
	return http1.Framing{Kind: http1.ChunkedBody}
}

// stop wakes a read that waits.
func (b *body3) stop() {
	b.stopped.Store(true)
	_ = b.control.SetReadDeadline(longAgo) // a stream that is gone reads nothing anyway
}

// copyBuffers are what bodies are copied through.
var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// WriteTo copies the body.
func (b *body3) WriteTo(w io.Writer) (total int64, err error) {
	buf, ok := copyBuffers.Get().(*[]byte)
	if !ok || b.none {
		return 0, nil
	}
	defer copyBuffers.Put(buf)
	part := b.first
	for {
		if len(part) > 0 {
			n, werr := w.Write(part)
			total += int64(n)
			if werr != nil {
				return total, &http1.WriteError{Written: total, Err: werr}
			}
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		_ = b.control.SetReadDeadline(time.Now().Add(b.slow)) // as above
		if b.stopped.Load() {
			return total, errInterrupted
		}
		var n int
		n, err = b.r.Body.Read(*buf)
		part = (*buf)[:n]
	}
}

// Trailers are there once the body has been read.
func (b *body3) Trailers() (out []http1.Field) {
	for name, values := range b.r.Trailer {
		id := http1.LookupField([]byte(name))
		for _, x := range values {
			if http1.InTrailer(id) && http1.ValidFieldValue(x) {
				out = append(out, http1.Field{Name: []byte(strings.ToLower(name)), Value: []byte(x), ID: id})
			}
		}
	}
	return out
}

type visitor3Key struct{}

// serve3 finds the connection of a request.
func serve3(w http.ResponseWriter, r *http.Request) {
	if c, ok := r.Context().Value(visitor3Key{}).(*visitor3); ok {
		c.ServeHTTP(w, r)
	}
}

func (e *Edge) context3(ctx context.Context, conn *quic.Conn) context.Context {
	return context.WithValue(ctx, visitor3Key{}, newVisitor3(e, conn))
}
