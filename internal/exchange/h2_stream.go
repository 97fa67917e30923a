package exchange

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/http1"
)

// buffers2 hold content between package http2 and the caller.
var buffers2 = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// stream2 is one exchange on an HTTP/2 session.
type stream2 struct {
	live    liveTrace
	ctx     context.Context
	cancel  context.CancelCauseFunc
	timer   *time.Timer // the profile's timers, one after the other
	profile *Profile
	start   time.Time
	before  int64 // bytes received on the connection when the stream began

	mu    sync.Mutex // guards query
	query sockQuery

	stage atomic.Int32 // Step that is under way
	moved atomic.Int64 // nanoseconds after start at which it last moved; negative = the caller pauses
	wrote atomic.Int64 // nanoseconds after start at which the request was written; 0 = not yet

	res      *http.Response
	sent     chan struct{} // closed when the request's Body has returned; nil = it has none
	buf      *[]byte
	have     []byte // content in buf that was not consumed
	err      error  // the body's end or failure, behind have
	consumed int64
	ended    bool
}

// paused marks that nothing is waited for.
const paused = -1

// limit is how long a step may stand still.
func (s *stream2) limit(step Step) time.Duration {
	if step == StepWrite {
		return s.profile.Write
	}
	return s.profile.Read
}

// move marks progress, or the beginning of a wait.
func (s *stream2) move(step Step) {
	s.stage.Store(int32(step))
	s.moved.Store(int64(time.Since(s.start)))
}

// look runs when a timer may have run out.
func (s *stream2) look() {
	if s.ctx.Err() != nil {
		return // over
	}
	step := Step(s.stage.Load())
	moved := s.moved.Load()
	if moved == paused {
		s.timer.Reset(s.limit(step))
		return
	}
	quiet := time.Since(s.start) - time.Duration(moved)
	left := s.limit(step) - quiet
	t := s.expired(step, quiet, nil)
	switch {
	case left <= timerSlack:
	case t.Unacked > 0 && quiet+timerSlack >= s.profile.Ack:
	case step == StepFirstByte && quiet < s.profile.Ack:
		s.timer.Reset(min(left, s.profile.Ack-quiet))
		return
	default:
		s.timer.Reset(left)
		return
	}
	s.cancel(t)
}

// expired is the error of a wait that has lasted for quiet, with the segments that
// the origin has not acknowledged in all that time.
func (s *stream2) expired(step Step, quiet time.Duration, err error) *TimeoutError {
	s.mu.Lock()
	st := s.query.tcp()
	s.mu.Unlock()
	t := &TimeoutError{Waited: quiet, Err: err}
	long := quiet >= min(minSilence, s.profile.Ack)
	// A segment that was never sent again is not the request: the library has just
	// written the cancellation of the stream.
	if step == StepFirstByte && long && st.unacked > 0 && st.resent && st.lastAck+timerSlack >= quiet {
		t.Unacked = st.unacked
	}
	return t
}

// quiet is how long the stream has stood still.
func (s *stream2) quiet() time.Duration {
	return time.Since(s.start) - time.Duration(max(s.moved.Load(), 0))
}

// roundTrip2 is RoundTrip over HTTP/2.
func (c *Conn) roundTrip2(ctx context.Context, req *Request, tr *Trace) (*http1.ResponseHead, *originward.Fault) {
	tr.Begin(StepWrite)
	s := &stream2{profile: c.profile, start: time.Now(), before: c.s2.watch.seen().total}
	if err := s.query.init(c.wire.TCPConn); err != nil {
		return nil, fault(StepWrite, originward.ProxyInternalError, err)
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.timer = time.AfterFunc(time.Hour, s.look) // set when the request is sent
	c.h2.Store(s)
	s.live.tr = tr
	res, err := c.exchange2(s.ctx, s, req)
	s.live.end()
	if err != nil {
		f := c.fault2(s, err)
		s.trace(tr)
		tr.Fail(stepOf(f, StepWrite))
		return nil, f
	}
	if !s.trace(tr) { // the answer overtook the end of the request
		tr.Next(StepWrite, StepFirstByte)
	}
	tr.Next(StepFirstByte, StepHeaders)
	if size2(res.Header) > c.profile.Head {
		tr.Fail(StepHeaders)
		return nil, fault(StepHeaders, originward.HTTPResponseHeaderSection, errHeadSize)
	}
	head, err := parse2(res.StatusCode, res.Header, req.Method)
	if err != nil {
		tr.Fail(StepHeaders)
		return nil, fault(StepHeaders, originward.HTTPProtocolError, err)
	}
	s.res = res
	head.Framing = framing2(res, req.Method)
	tr.Next(StepHeaders, StepBody)
	s.stage.Store(int32(StepBody))
	s.moved.Store(paused)
	c.body.begin(nil, head.Framing, tr)
	if head.Framing.Kind == http1.NoBody {
		s.finish(io.EOF)
		c.body.end()
	}
	return head, nil
}

// liveTrace is the trace of a round trip as package http2's goroutines may use it:
// they can outlast the round trip, after which the trace is another one's.
type liveTrace struct {
	mu sync.Mutex
	tr *Trace // guarded by mu once the round trip runs; nil = none
}

// sent publishes that the request has been written.
func (l *liveTrace) sent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tr != nil {
		l.tr.note(StepFirstByte, time.Since(l.tr.start))
	}
}

func (l *liveTrace) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tr = nil
}

// trace copies the moment at which package http2 had written the request; false
// when it has not.
func (s *stream2) trace(tr *Trace) bool {
	at := s.wrote.Load()
	if at == 0 {
		return false
	}
	if tr != nil {
		tr.nextAt(StepWrite, StepFirstByte, s.start.Add(time.Duration(at)))
	}
	return true
}

func framing2(res *http.Response, method string) http1.Framing {
	switch {
	case method == http.MethodHead, res.StatusCode == http.StatusNoContent, res.StatusCode == http.StatusNotModified:
		return http1.Framing{Kind: http1.NoBody}
	case res.ContentLength >= 0:
		return http1.Framing{Kind: http1.LengthBody, Length: res.ContentLength}
	}
	return http1.Framing{Kind: http1.ChunkedBody}
}

// parse2 gives a head the form that HTTP/1.1 heads have.
func parse2(status int, h http.Header, method string) (*http1.ResponseHead, error) {
	raw := head2(status, h)
	return http1.NewReader(&once{raw}).ReadResponseHead(http1.Limits{Head: len(raw) + 1, Fields: len(raw)}, method)
}

// once is a reader of bytes that has no end: the head is all that is read.
type once struct{ b []byte }

func (o *once) Read(p []byte) (int, error) {
	if len(o.b) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, o.b)
	o.b = o.b[n:]
	return n, nil
}

// interim2 is a 1xx response on its way to the caller's goroutine.
type interim2 struct {
	status int
	header http.Header
}

// exchange2 lets package http2 do the round trip. Body and the round trip itself
// run in goroutines that end with it, or with the stream.
func (c *Conn) exchange2(ctx context.Context, s *stream2, req *Request) (*http.Response, error) {
	var body io.Reader
	if req.Body != nil {
		body = s.startUpload(ctx, req)
	}
	hr, err := request2(req, body)
	if err != nil {
		return nil, err
	}
	interims := make(chan interim2)
	trace := &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				s.wrote.Store(int64(time.Since(s.start)))
				s.live.sent()
				s.move(StepFirstByte)
			}
		},
	}
	if req.Interim != nil {
		trace.Got1xxResponse = func(status int, h textproto.MIMEHeader) error {
			i := interim2{status, http.Header(h)}
			select {
			case interims <- i:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	s.move(StepWrite)
	s.timer.Reset(min(s.profile.Write, s.profile.Ack, s.profile.Read))
	hr = hr.WithContext(httptrace.WithClientTrace(ctx, trace))
	type result struct {
		res *http.Response
		err error
	}
	results := make(chan result, 1)
	go func() {
		res, err := c.s2.cc.RoundTrip(hr)
		results <- result{res, err}
	}()
	var failed error
	for {
		select {
		case i := <-interims:
			if failed == nil && !s.uploading() { // Body may be writing to the visitor itself
				failed = passInterim(req, i)
			}
			if failed != nil {
				s.cancel(failed)
			}
		case r := <-results:
			if r.err == nil && failed != nil {
				_ = r.res.Body.Close() // the stream is given up
				r.err = failed
			}
			return r.res, r.err
		}
	}
}

// startUpload runs the request's Body. It ends at the latest when the stream does
// and the visitor has said something, or nothing for its own time.
func (s *stream2) startUpload(ctx context.Context, req *Request) io.Reader {
	pr, pw := io.Pipe()
	sent := make(chan struct{})
	s.sent = sent
	stop := context.AfterFunc(ctx, func() { _ = pr.CloseWithError(io.ErrClosedPipe) }) // always nil
	go func() {
		defer close(sent)
		defer stop()
		err := req.Body(pw)
		if err != nil && !errors.Is(err, io.ErrClosedPipe) {
			err = &visitorError{err}
		}
		_ = pw.CloseWithError(err) // always nil
	}()
	return &progress{s: s, r: pr}
}

// uploading tells whether the request's Body is still running.
func (s *stream2) uploading() bool {
	if s.sent == nil {
		return false
	}
	select {
	case <-s.sent:
		return false
	default:
		return true
	}
}

func passInterim(req *Request, i interim2) error {
	head, err := parse2(i.status, i.header, req.Method)
	if err != nil {
		return err
	}
	if err := req.Interim(head); err != nil {
		return &visitorError{err}
	}
	return nil
}

// progress marks that the origin takes the request's body.
type progress struct {
	s *stream2
	r io.Reader
}

func (p *progress) Read(b []byte) (int, error) {
	p.s.moved.Store(paused) // waiting for the visitor
	n, err := p.r.Read(b)
	if p.s.wrote.Load() == 0 {
		p.s.moved.Store(int64(time.Since(p.s.start)))
	}
	return n, err
}
