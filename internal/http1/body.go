package http1

import "io"

// Body reads the body of one message. Errors of the message or its connection are
// *ParseError (kinds BodyTruncated, ChunkedTruncated, the chunk kinds …); io.EOF is
// the body's proper end only.
type Body struct {
	r *Reader
}

// Framing is how the body is delimited.
func (b *Body) Framing() Framing { panic("unwritten") }

// Read reads content, with chunk framing removed.
func (b *Body) Read(p []byte) (int, error) { panic("unwritten") }

// Next returns the next piece of content without copying, reading from the
// connection when none is buffered. The piece holds until the next call on the body
// or its reader. io.EOF, with no bytes, is the body's proper end.
func (b *Body) Next() ([]byte, error) { panic("unwritten") }

// Buffered returns the next content bytes that have already arrived, without I/O
// and without consuming them: use it to send a head and the first bytes in one
// write, then Discard them.
func (b *Body) Buffered() []byte { panic("unwritten") }

// Discard consumes the first n bytes of Buffered.
func (b *Body) Discard(n int) { panic("unwritten") }

// WriteTo writes the remaining content to w and returns how many content bytes w
// took. From TCP to TCP it splices in the kernel where that is possible. A failure of
// the source is a *ParseError, one of w a *WriteError.
func (b *Body) WriteTo(w io.Writer) (int64, error) { panic("unwritten") }

// Drain reads and drops the rest of the body if it ends within max content bytes;
// false when it does not, after which the connection must be closed.
func (b *Body) Drain(max int64) (bool, error) { panic("unwritten") }

// Done tells that the whole body, trailer section included, has been consumed.
func (b *Body) Done() bool { panic("unwritten") }

// Remaining is the number of content bytes not yet consumed, -1 when unknown.
func (b *Body) Remaining() int64 { panic("unwritten") }

// Consumed is the number of content bytes read so far.
func (b *Body) Consumed() int64 { panic("unwritten") }

// Trailers are the trailer fields of a chunked body that is Done; fields that a
// trailer must not hold (framing, routing: RFC 9110 section 6.5.1) are left out.
// They hold until the next head is read.
func (b *Body) Trailers() []Field { panic("unwritten") }
