//lint:file-ignore SA1019 net/http's client connection, which replaces package http2's, hides the types of its errors

package exchange

import (
	"context"
	"errors"
	"io"

	"golang.org/x/net/http2"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/http1"
)

// fill reads content into the buffer when it is empty.
func (s *stream2) fill(b *Body) error {
	if len(s.have) > 0 {
		return nil
	}
	if s.err != nil {
		return s.err
	}
	if s.buf == nil {
		s.buf = buffers2.Get().(*[]byte)
	}
	s.move(StepBody)
	n, err := s.res.Body.Read(*s.buf)
	s.moved.Store(paused)
	s.have = (*s.buf)[:n]
	if err != nil {
		s.finish(err)
		if err != io.EOF {
			s.err = b.fail2(err)
		} else {
			b.end()
		}
	}
	if n > 0 {
		return nil
	}
	return s.err
}

// finish marks the end of the stream.
func (s *stream2) finish(err error) {
	s.err, s.ended = err, true
	s.timer.Stop()
}

// fail2 is fail for an error of package http2.
func (b *Body) fail2(err error) error {
	if b.trace != nil {
		b.trace.Fail(StepBody)
		b.trace = nil
	}
	b.failed = b.c.bodyFault2(err)
	return b.failed
}

func (s *stream2) next(b *Body) ([]byte, error) {
	if err := s.fill(b); err != nil {
		return nil, err
	}
	p := s.have
	s.have = nil
	s.consumed += int64(len(p))
	return p, nil
}

func (s *stream2) buffered() []byte { return s.have }

func (s *stream2) discard(n int) {
	s.have = s.have[n:]
	s.consumed += int64(n)
}

func (s *stream2) readInto(b *Body, p []byte) (int, error) {
	if err := s.fill(b); err != nil {
		return 0, err
	}
	n := copy(p, s.have)
	s.discard(n)
	return n, nil
}

func (s *stream2) writeTo(b *Body, w io.Writer) (int64, error) {
	var total int64
	for {
		p, err := s.next(b)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(p)
		total += int64(n)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, &http1.WriteError{Written: total, Err: err}
		}
	}
}

func (s *stream2) done() bool { return s.ended && len(s.have) == 0 }

func (s *stream2) trailers() []http1.Field {
	if s.res == nil || !s.ended {
		return nil
	}
	var out []http1.Field
	for name, vs := range s.res.Trailer {
		for _, v := range vs {
			out = append(out, http1.Field{Name: []byte(name), Value: []byte(v), ID: http1.LookupField([]byte(name))})
		}
	}
	return out
}

// received is the number of bytes that came since the stream began: exact on a
// connection of its own, an upper bound on a shared one.
func (s *stream2) received(w *watch2) int64 { return w.seen().total - s.before }

// releaseStream ends the exchange; the session goes on.
func (c *Conn) releaseStream() {
	s := c.h2.Swap(nil)
	done := false
	if s != nil {
		done = s.done()
		s.close()
	}
	if c.left.CompareAndSwap(false, true) && (c.s2.leave(done) || c.slot == nil) {
		c.s2.shut()
	}
}

// closeStream resets the stream. It may be called at any time from anywhere.
func (c *Conn) closeStream() error {
	if s := c.h2.Load(); s != nil {
		s.cancel(context.Canceled)
		s.timer.Stop()
	}
	if c.left.CompareAndSwap(false, true) && (c.s2.leave(false) || c.slot == nil) {
		c.s2.shut()
	}
	return nil
}

// close frees what the stream holds.
func (s *stream2) close() {
	s.timer.Stop()
	if s.res != nil {
		_ = s.res.Body.Close() // resets the stream when it has not ended
	}
	s.cancel(nil)
	s.wait()
	if s.buf != nil {
		buffers2.Put(s.buf)
		s.buf, s.have = nil, nil
	}
}

// wait waits for the request's Body to return: until then it uses the visitor.
func (s *stream2) wait() {
	if s.sent != nil {
		<-s.sent
	}
}

// fault2 classifies a round trip that failed.
func (c *Conn) fault2(s *stream2, err error) *originward.Fault {
	step := StepWrite
	if s.wrote.Load() > 0 {
		step = StepFirstByte
	}
	var (
		v *visitorError
		t *TimeoutError
	)
	switch cause := context.Cause(s.ctx); {
	case errors.As(cause, &v), errors.As(err, &v):
		return visitorFault(v.err)
	case errors.As(cause, &t):
		return timeout2(step, t)
	case errors.Is(cause, context.DeadlineExceeded):
		return timeout2(step, s.expired(step, s.quiet(), cause))
	case cause != nil:
		return fault(step, originward.ProxyInternalError, cause)
	}
	if h := c.error2(err); h != nil {
		return fault(StepHeaders, originward.HTTPProtocolError, h)
	}
	return fault(step, originward.ConnectionTerminated, c.alert(err))
}

// timeout2 names what did not come in time.
func timeout2(step Step, t *TimeoutError) *originward.Fault {
	switch {
	case t.Unacked > 0:
		t.For = "acknowledgment of the request"
		return fault(StepWrite, originward.ConnectionTimeout, t)
	case step == StepWrite:
		t.For = "room for the request"
		return fault(StepWrite, originward.ConnectionWriteTimeout, t)
	}
	t.For = "response"
	return fault(step, originward.HTTPResponseTimeout, t)
}

// error2 is what the origin did to HTTP/2; nil when it was the connection that failed.
func (c *Conn) error2(err error) *H2Error {
	var (
		rst  http2.StreamError
		conn http2.ConnectionError
		away http2.GoAwayError
	)
	seen := c.s2.watch.seen()
	if _, ok := alertIn(err); ok {
		return nil
	}
	kind, _ := sysError(err)
	switch {
	case errors.As(err, &rst):
		return &H2Error{Frame: "rst_stream", Code: rst.Code, Err: err}
	case errors.As(err, &away):
		return &H2Error{Frame: "goaway", Code: away.ErrCode, Err: err}
	case seen.goAway:
		return &H2Error{Frame: "goaway", Code: seen.code, Err: err}
	case seen.total > 0 && !seen.settings:
		return &H2Error{Frame: "garbage", Sample: seen.first, Err: err}
	case errors.As(err, &conn):
		return &H2Error{Frame: "protocol", Err: err}
	case kind != sysNone, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	}
	return &H2Error{Frame: "protocol", Err: err}
}

// bodyFault2 classifies a failure of the response's body.
func (c *Conn) bodyFault2(err error) *originward.Fault {
	s := c.h2.Load()
	var t *TimeoutError
	cause := context.Cause(s.ctx)
	if !errors.As(cause, &t) && errors.Is(cause, context.DeadlineExceeded) {
		t = s.expired(StepBody, s.quiet(), cause)
	}
	if t != nil {
		t.For = "more of the response body"
		return fault(StepBody, originward.ConnectionReadTimeout, t)
	}
	if h := c.error2(err); h != nil {
		return fault(StepBody, originward.HTTPResponseIncomplete, h)
	}
	return fault(StepBody, originward.HTTPResponseIncomplete, c.alert(err))
}
