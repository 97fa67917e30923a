package http1

import (
	"errors"
	"io"
)

// ErrBodyTooLong and ErrBodyTooShort say that a body did not have its declared length.
var (
	ErrBodyTooLong  = errors.New("http1: body longer than its declared length")
	ErrBodyTooShort = errors.New("http1: body shorter than its declared length")
)

// chunkOverhead is room for a chunk's size line, its end, and a last chunk without trailers.
const chunkOverhead = 32

// ChunkWriter writes content as chunks: one chunk and one write per call of Write.
// Its buffer comes from a pool at the first write and goes back at Close.
type ChunkWriter struct {
	w   io.Writer
	buf *buffer
	n   int // bytes of buf that wait to be sent
}

// NewChunkWriter returns a chunk writer on w. prefix, which may be nil, is sent in
// the same write as the first chunk: a head that is ready, say. It is copied.
func NewChunkWriter(w io.Writer, prefix []byte) *ChunkWriter {
	c := new(ChunkWriter)
	c.Reset(w, prefix)
	return c
}

// Reset makes c write to w, with the given prefix.
func (c *ChunkWriter) Reset(w io.Writer, prefix []byte) {
	c.Abort()
	c.w = w
	if len(prefix) > 0 {
		c.buf = getBuffer(max(streamBuffer, len(prefix)+2*chunkOverhead))
		c.n = copy(c.buf.b, prefix)
	}
}

// Write sends p as one chunk, a long p as several. Errors are *WriteError.
func (c *ChunkWriter) Write(p []byte) (int, error) {
	done := 0
	for len(p) > 0 {
		n := c.add(p)
		if err := c.Flush(); err != nil {
			return done, err
		}
		done += n
		p = p[n:]
	}
	return done, nil
}

// add puts as much of p as fits into the buffer, as one chunk.
func (c *ChunkWriter) add(p []byte) int {
	if c.buf == nil {
		c.buf = getBuffer(streamBuffer)
	}
	n := min(len(p), c.room())
	if n > 0 {
		c.n = len(AppendChunk(c.buf.b[:c.n], p[:n]))
	}
	return max(n, 0)
}

// room is how much content fits into the buffer beside what waits in it.
func (c *ChunkWriter) room() int { return len(c.buf.b) - c.n - chunkOverhead }

// Flush sends what waits in the buffer: the prefix, as long as no chunk has followed it.
func (c *ChunkWriter) Flush() error {
	if c.n == 0 {
		return nil
	}
	n, err := c.w.Write(c.buf.b[:c.n])
	c.n = 0
	if err != nil {
		return &WriteError{Written: int64(n), Err: err}
	}
	return nil
}

// CopyBody sends the rest of b as chunks and ends the message with b's trailers. What has
// arrived together is sent together: it writes only when it would have to wait for more.
// It returns the content bytes taken. A failure of b is a *ParseError, and leaves the message
// unfinished; one of the destination is a *WriteError.
func (c *ChunkWriter) CopyBody(b *Body) (int64, error) {
	var total int64
	for !b.Done() {
		p := b.Buffered()
		if len(p) == 0 {
			if b.Done() {
				break
			}
			if err := c.Flush(); err != nil {
				return total, err
			}
			var err error
			if p, err = b.peek(); err == io.EOF {
				break
			} else if err != nil {
				return total, err
			}
		}
		n := c.add(p)
		b.Discard(n)
		total += int64(n)
		if n < len(p) {
			if err := c.Flush(); err != nil {
				return total, err
			}
		}
	}
	return total, c.Close(b.Trailers())
}

// Close sends the last chunk with the trailers, which may be nil. Not calling it
// leaves the message unfinished on purpose, so that the peer sees the failure.
func (c *ChunkWriter) Close(trailers []Field) error {
	if c.buf == nil {
		c.buf = getBuffer(smallBuffer)
	}
	last := AppendLastChunk(c.buf.b[:c.n], trailers)
	n, err := c.w.Write(last)
	c.Abort()
	if err != nil {
		return &WriteError{Written: int64(n), Err: err}
	}
	return nil
}

// Abort gives the buffer back without ending the message.
func (c *ChunkWriter) Abort() {
	putBuffer(c.buf)
	c.buf, c.n = nil, 0
}

// LengthWriter writes content of a declared length and refuses any other.
type LengthWriter struct {
	w    io.Writer
	left int64
}

// NewLengthWriter returns a writer of exactly n bytes to w.
func NewLengthWriter(w io.Writer, n int64) *LengthWriter { return &LengthWriter{w: w, left: n} }

// Write writes p, or nothing and ErrBodyTooLong when p exceeds what is left. Errors of w are *WriteError.
func (l *LengthWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > l.left {
		return 0, ErrBodyTooLong
	}
	n, err := l.w.Write(p)
	l.left -= int64(n)
	if err != nil {
		return n, &WriteError{Written: int64(n), Err: err}
	}
	return n, nil
}

// Close returns ErrBodyTooShort when bytes are missing.
func (l *LengthWriter) Close() error {
	if l.left > 0 {
		return ErrBodyTooShort
	}
	return nil
}
