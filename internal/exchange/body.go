package exchange

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/http1"
)

// Body is a response's body with the read timer. Its errors but io.EOF are
// [*originward.Fault] of the body phase, or [*http1.WriteError] when the
// destination of WriteTo failed.
type Body struct {
	c       *Conn
	h1      *http1.Body
	framing http1.Framing
	trace   *Trace
	stop    func() bool // ends the watch over the caller's context
	failed  *originward.Fault
	ahead   []byte // content that was taken from h1 early
}

func (b *Body) begin(h1 *http1.Body, f http1.Framing, tr *Trace) {
	b.h1, b.framing, b.trace, b.failed, b.ahead = h1, f, tr, nil, nil
}

// end marks the proper end of the body.
func (b *Body) end() {
	if b.trace != nil {
		b.trace.End(StepBody)
		b.trace = nil
	}
	b.unwatch()
}

func (b *Body) unwatch() {
	if b.stop == nil {
		return
	}
	if !b.stop() {
		b.c.keep = false // the context has ended: the connection is aborted
	}
	b.stop = nil
}

// fail turns a failure of the source into a fault, which stays.
func (b *Body) fail(err error) error {
	var w *http1.WriteError
	if errors.As(err, &w) {
		return err
	}
	if b.trace != nil {
		b.trace.Fail(StepBody)
		b.trace = nil
	}
	b.unwatch()
	b.failed = b.c.bodyFault(err)
	return b.failed
}

// brokenAtOnce finds a transfer coding that is broken in what has arrived with the
// head: the response can still be replaced then, so it is a fault of the headers
// phase. It does not wait.
func (b *Body) brokenAtOnce() *originward.Fault {
	if b.framing.Kind != http1.ChunkedBody || b.c.reader.Buffered() == 0 || len(b.h1.Buffered()) > 0 || b.h1.Done() {
		return nil
	}
	// Bytes lie there that are no content: half a chunk line, or a broken one. The next
	// piece, under a deadline that has run out, tells which.
	b.c.wire.setRead(pastDeadline)
	p, err := b.h1.Next()
	b.c.wire.await(time.Now(), b.c.profile.Read, waitBody)
	var parse *http1.ParseError
	switch {
	case err == nil:
		b.ahead = bytes.Clone(p) // crypto/tls had it decrypted already
	case errors.As(err, &parse) && parse.Err == nil:
		f := b.c.bodyFault(err)
		f.Phase = originward.PhaseHeaders
		return f
	}
	return nil
}

// Framing is how the body is delimited. Over HTTP/2 it is LengthBody when a length
// was declared, else ChunkedBody (to be framed anew), or NoBody.
func (b *Body) Framing() http1.Framing { return b.framing }

// Next returns the next piece of content without copying; io.EOF, with no bytes,
// is the proper end. The piece holds until the next call.
func (b *Body) Next() ([]byte, error) {
	if b.failed != nil {
		return nil, b.failed
	}
	if s := b.c.h2.Load(); s != nil {
		return s.next(b)
	}
	if p := b.ahead; len(p) > 0 {
		b.ahead = nil
		return p, nil
	}
	for {
		p, err := b.h1.Next()
		switch {
		case err == nil:
			return p, nil
		case err == io.EOF:
			b.end()
			return nil, err
		case !b.again(err):
			return nil, b.fail(err)
		}
	}
}

// again tells that a read failed on a premature deadline, over plain TCP.
func (b *Body) again(err error) bool { return b.c.tls == nil && b.c.wire.again(err) }

// Buffered returns content bytes that have already arrived, without I/O.
func (b *Body) Buffered() []byte {
	if s := b.c.h2.Load(); s != nil {
		return s.buffered()
	}
	if len(b.ahead) > 0 {
		return b.ahead
	}
	return b.h1.Buffered()
}

// Discard consumes the first n bytes of Buffered.
func (b *Body) Discard(n int) {
	if s := b.c.h2.Load(); s != nil {
		s.discard(n)
		return
	}
	if len(b.ahead) > 0 {
		b.ahead = b.ahead[n:]
		return
	}
	b.h1.Discard(n)
}

// Read reads content.
func (b *Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if have := b.Buffered(); len(have) > 0 {
		n := copy(p, have)
		b.Discard(n)
		return n, nil
	}
	if b.failed != nil {
		return 0, b.failed
	}
	if s := b.c.h2.Load(); s != nil {
		return s.readInto(b, p)
	}
	for {
		n, err := b.h1.Read(p)
		switch {
		case err == nil:
			return n, nil
		case err == io.EOF:
			b.end()
			return n, err
		case !b.again(err):
			return n, b.fail(err)
		}
	}
}

// WriteTo writes the remaining content to w, spliced in the kernel where that is
// possible, and returns how many bytes w took.
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	if b.failed != nil {
		return 0, b.failed
	}
	if s := b.c.h2.Load(); s != nil {
		return s.writeTo(b, w)
	}
	var total int64
	if p := b.ahead; len(p) > 0 {
		n, err := w.Write(p)
		if total = int64(n); err != nil {
			return total, &http1.WriteError{Written: total, Err: err}
		}
		b.ahead = nil
	}
	for {
		n, err := b.h1.WriteTo(w)
		total += n
		switch {
		case err == nil:
			b.end()
			return total, nil
		case !b.sourceAgain(err):
			return total, b.fail(err)
		}
	}
}

// sourceAgain is again for an error that may be the destination's: its deadlines
// are the caller's.
func (b *Body) sourceAgain(err error) bool {
	var w *http1.WriteError
	return !errors.As(err, &w) && b.again(err)
}

// Done tells that the whole body has been consumed.
func (b *Body) Done() bool {
	if s := b.c.h2.Load(); s != nil {
		return s.done()
	}
	return b.h1 == nil || b.h1.Done() && len(b.ahead) == 0
}

// Consumed is the number of content bytes read so far.
func (b *Body) Consumed() int64 {
	if s := b.c.h2.Load(); s != nil {
		return s.consumed
	}
	if b.h1 != nil {
		return b.h1.Consumed() - int64(len(b.ahead))
	}
	return 0
}

// Trailers are the trailer fields once the body has ended.
func (b *Body) Trailers() []http1.Field {
	if s := b.c.h2.Load(); s != nil {
		return s.trailers()
	}
	return b.h1.Trailers()
}
