package http1

import (
	"errors"
	"io"
)

// bodyState is where a body reader stands.
type bodyState uint8

const (
	bodyDone      bodyState = iota
	bodyData                // left bytes of content or of the current chunk follow
	bodyChunkSize           // a chunk-size line follows
	bodyChunkEnd            // the CRLF behind chunk data follows
	bodyTrailer             // the trailer section follows
)

// Body reads the body of one message. Errors of the message or its connection are
// *ParseError (kinds BodyTruncated, ChunkedTruncated, the chunk kinds …); io.EOF is
// the body's proper end only.
type Body struct {
	r        *Reader
	framing  Framing
	side     Side
	state    bodyState
	quirks   Quirk
	left     int64 // bytes left of content or chunk; -1 when only the end of the connection tells
	consumed int64
	waste    int64 // chunk framing beyond what content needs
	err      *ParseError
	trailers []Field
}

// start begins a body right behind the head.
func (b *Body) start(side Side, f Framing) {
	*b = Body{r: b.r, framing: f, side: side, trailers: b.trailers[:0]}
	switch f.Kind {
	case LengthBody:
		b.left = f.Length
		b.state = bodyData
		if f.Length == 0 {
			b.state = bodyDone
		}
	case ChunkedBody:
		b.state = bodyChunkSize
	case UntilCloseBody, TunnelBody:
		b.left = -1
		b.state = bodyData
	}
}

// Framing is how the body is delimited.
func (b *Body) Framing() Framing { return b.framing }

// Done tells that the whole body, trailer section included, has been consumed.
func (b *Body) Done() bool { return b.state == bodyDone }

// Remaining is the number of content bytes not yet consumed, -1 when unknown.
func (b *Body) Remaining() int64 {
	switch {
	case b.state == bodyDone:
		return 0
	case b.framing.Kind == LengthBody:
		return b.left
	}
	return -1
}

// Consumed is the number of content bytes read so far.
func (b *Body) Consumed() int64 { return b.consumed }

// Quirks are the deviations tolerated in the chunk framing and trailers so far.
func (b *Body) Quirks() Quirk { return b.quirks }

// Trailers are the trailer fields of a chunked body that is Done; fields that a
// trailer must not hold (framing, routing: RFC 9110 section 6.5.1) are left out.
// They hold until the next head is read.
func (b *Body) Trailers() []Field { return b.trailers }

// Next returns the next piece of content without copying, reading from the
// connection when none is buffered. The piece holds until the next call on the body
// or its reader. io.EOF, with no bytes, is the body's proper end.
func (b *Body) Next() ([]byte, error) {
	p, err := b.peek()
	if err != nil {
		return nil, err
	}
	b.Discard(len(p))
	return p, nil
}

// Buffered returns the next content bytes that have already arrived, without I/O
// and without consuming them: use it to send a head and the first bytes in one
// write, then Discard them.
func (b *Body) Buffered() []byte {
	r := b.r
	if b.framing.Kind == ChunkedBody && b.state != bodyData {
		b.advance()
	}
	if b.state != bodyData || b.err != nil || r.rd == r.wr {
		return nil
	}
	n := r.wr - r.rd
	if b.left >= 0 && int64(n) > b.left {
		n = int(b.left)
	}
	return r.cur.b[r.rd : r.rd+n : r.rd+n]
}

// Discard consumes the first n bytes of Buffered.
func (b *Body) Discard(n int) {
	if n == 0 {
		return
	}
	b.r.rd += n
	b.took(int64(n))
	if b.framing.Kind == ChunkedBody && b.state == bodyChunkEnd {
		// Look ahead at what has arrived, so that Done is known together with the last bytes.
		b.advance()
	}
}

// took counts n bytes of content as consumed.
func (b *Body) took(n int64) {
	b.consumed += n
	if b.left < 0 {
		return
	}
	b.left -= n
	if b.left > 0 {
		return
	}
	if b.framing.Kind == ChunkedBody {
		b.state = bodyChunkEnd
	} else {
		b.state = bodyDone
	}
}

// Read reads content, with chunk framing removed.
func (b *Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	have := b.Buffered()
	if len(have) == 0 && b.state == bodyData && b.err == nil && len(p) >= minRoom && b.r.rd == b.r.wr {
		return b.direct(p)
	}
	if len(have) == 0 {
		var err error
		if have, err = b.peek(); err != nil {
			return 0, err
		}
	}
	n := copy(p, have)
	b.Discard(n)
	return n, nil
}

// peek is Next without consuming.
func (b *Body) peek() ([]byte, error) {
	for {
		if p := b.Buffered(); len(p) > 0 {
			return p, nil
		}
		if b.err != nil {
			return nil, b.err
		}
		if b.state == bodyDone {
			return nil, io.EOF
		}
		if err := b.fill(); err != nil {
			return nil, b.ended(err)
		}
	}
}

// direct reads content straight into p, past the buffer.
func (b *Body) direct(p []byte) (int, error) {
	if b.left >= 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.read(p)
	if err != nil {
		return 0, b.ended(err)
	}
	b.r.base += int64(n)
	b.took(int64(n))
	return n, nil
}

// fill reads more from the connection.
func (b *Body) fill() error {
	r := b.r
	if b.framing.Kind == TunnelBody && r.raw != nil && r.rd == r.wr && r.pin == 0 && r.cur != nil {
		// A tunnel can be silent for hours: wait without a buffer.
		r.base += int64(r.rd)
		r.rd, r.wr = 0, 0
		putBuffer(r.cur)
		r.cur = nil
	}
	return r.fillBody(max(b.left, 0))
}

// ended turns the end or failure of the connection into the body's.
func (b *Body) ended(err error) error {
	if b.left < 0 && errors.Is(err, io.EOF) {
		b.state = bodyDone
		return io.EOF
	}
	kind := BodyTruncated
	part := PartBody
	want := b.framing.Length
	switch b.state {
	case bodyTrailer:
		kind, part = ChunkedTruncated, PartTrailer
	case bodyChunkSize, bodyChunkEnd:
		kind = ChunkedTruncated
	default:
		if b.framing.Kind == ChunkedBody {
			kind = ChunkedTruncated
		}
	}
	e := b.r.fault(kind, b.side, part, max(b.r.wr-MaxSample, b.r.rd), b.r.wr)
	e.Want, e.Have, e.Err = want, b.consumed, err
	var timeout interface{ Timeout() bool }
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		b.err = e
	}
	return e
}

// Drain reads and drops the rest of the body if it ends within max content bytes;
// false when it does not, after which the connection must be closed.
func (b *Body) Drain(max int64) (bool, error) {
	if left := b.Remaining(); left > max {
		return false, nil
	}
	for limit := b.consumed + max; ; {
		_, err := b.Next()
		switch {
		case err == io.EOF:
			return true, nil
		case err != nil:
			return false, err
		case b.consumed > limit:
			return false, nil
		}
	}
}
