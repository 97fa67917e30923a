package cache

import (
	"errors"
	"io"
	"sync"
)

// Bodies are held in pieces. Of a body whose length nobody told, they are large enough
// that a copy is cheap and small enough that a small body wastes little; where the
// length is known, a body is one piece that goes out in one call, up to what may be
// set aside for bytes that possibly never come.
const (
	pieceSize  = 32 << 10
	largePiece = 256 << 10
)

// errAborted ends the reading of a body whose fetch failed.
var errAborted = errors.New("the fetch of this response failed")

// Body is a body that can be read by many while it still grows. Its writer
// calls Write, then Close or Abort once.
type Body struct {
	mu     sync.Mutex
	pieces [][]byte
	size   int64
	expect int64 // declared length; 0 or less = unknown
	done   bool
	err    error
	grown  chan struct{} // closed when more is there; made when somebody waits
}

// Write appends a copy of p.
func (b *Body) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		last := len(b.pieces) - 1
		if last < 0 || len(b.pieces[last]) == cap(b.pieces[last]) {
			b.pieces = append(b.pieces, make([]byte, 0, b.room(len(p))))
			last++
		}
		piece := b.pieces[last]
		m := copy(piece[len(piece):cap(piece)], p)
		b.pieces[last] = piece[:len(piece)+m]
		p = p[m:]
		b.size += int64(m)
	}
	b.wake()
	return n, nil
}

// room is the size of the next piece, which begins with n bytes.
func (b *Body) room(n int) int {
	if left := b.expect - b.size; left >= int64(n) {
		return int(min(left, largePiece))
	}
	return min(pieceSize, max(n, 512))
}

func (b *Body) wake() {
	if b.grown != nil {
		close(b.grown)
		b.grown = nil
	}
}

// Close says that the body is whole.
func (b *Body) Close() { b.end(nil) }

// Abort says that it will never be.
func (b *Body) Abort() { b.end(errAborted) }

func (b *Body) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.done {
		b.done, b.err = true, err
		b.wake()
	}
}

// Size is how much is there, and whether that is all of it.
func (b *Body) Size() (int64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size, b.done && b.err == nil
}

// Reader reads a body from its beginning, or a range of it.
type Reader struct {
	b       *Body
	piece   int
	off     int
	left    int64 // bytes to give; -1 = all
	quit    <-chan struct{}
	current []byte
}

// Read begins at byte from and gives n bytes; n < 0 means all. It stops early
// when quit is closed, which may be nil.
func (b *Body) Read(from, n int64, quit <-chan struct{}) *Reader {
	r := &Reader{}
	r.reset(b, from, n, quit)
	return r
}

func (r *Reader) reset(b *Body, from, n int64, quit <-chan struct{}) {
	*r = Reader{b: b, left: n, quit: quit}
	b.mu.Lock()
	defer b.mu.Unlock()
	for from > 0 && r.piece < len(b.pieces) {
		l := int64(len(b.pieces[r.piece]))
		if from < l {
			r.off = int(from)
			return
		}
		from -= l
		r.piece++
	}
}

// Ready gives what is there without waiting; it stays valid.
func (r *Reader) Ready() []byte {
	if len(r.current) == 0 && r.left != 0 {
		r.b.mu.Lock()
		r.take()
		r.b.mu.Unlock()
	}
	return r.current
}

// Discard consumes the first n bytes of Ready.
func (r *Reader) Discard(n int) { r.current = r.current[n:] }

// take makes the next piece current, if it is there.
func (r *Reader) take() bool {
	for r.piece < len(r.b.pieces) {
		p := r.b.pieces[r.piece]
		if r.off < len(p) {
			r.current = p[r.off:]
			if r.left >= 0 && int64(len(r.current)) > r.left {
				r.current = r.current[:r.left]
			}
			if r.left >= 0 {
				r.left -= int64(len(r.current))
			}
			r.off += len(r.current)
			return true
		}
		if len(p) < cap(p) && !r.b.done {
			return false // the piece may still grow
		}
		r.piece, r.off = r.piece+1, 0
	}
	return false
}

// Next gives the next piece, waiting for it; io.EOF is the proper end.
func (r *Reader) Next() ([]byte, error) {
	if p := r.current; len(p) > 0 {
		r.current = nil
		return p, nil
	}
	for {
		if r.left == 0 {
			return nil, io.EOF
		}
		r.b.mu.Lock()
		if r.take() {
			p := r.current
			r.current = nil
			r.b.mu.Unlock()
			return p, nil
		}
		if r.b.done {
			err := r.b.err
			r.b.mu.Unlock()
			if err == nil {
				err = io.EOF
			}
			return nil, err
		}
		if r.b.grown == nil {
			r.b.grown = make(chan struct{})
		}
		grown := r.b.grown
		r.b.mu.Unlock()
		select {
		case <-grown:
		case <-r.quit:
			return nil, errAborted
		}
	}
}
