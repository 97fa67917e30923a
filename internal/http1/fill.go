package http1

import "io"

// maxEmptyReads is how often a source may return nothing and no error in a row, as in bufio.
const maxEmptyReads = 100

// read reads into p once, at least one byte or an error. An error that comes with
// bytes is kept for the next call.
func (r *Reader) read(p []byte) (int, error) {
	if err := r.pending; err != nil {
		r.pending = nil
		return 0, err
	}
	for range maxEmptyReads {
		n, err := r.src.Read(p)
		if n > 0 {
			r.total += int64(n)
			r.pending = err
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// firstRead reads when nothing is buffered. While it waits it holds no buffer where
// the source allows that.
func (r *Reader) firstRead(size int) error {
	if r.raw != nil && r.pending == nil {
		return r.raw.read(r, size)
	}
	if r.await != nil && r.cur == nil && r.pending == nil {
		if err := r.await.Await(); err != nil {
			return err
		}
	}
	if r.cur == nil {
		r.cur = getBuffer(size)
	}
	n, err := r.read(r.cur.b[r.wr:])
	r.wr += n
	return err
}

// fillHead reads more of a head, moving it to the front of the buffer or to a larger
// buffer when the end is reached. The parse then begins again: pieces already found pointed
// into the old place. That happens a handful of times at most, as buffers grow by factors.
func (r *Reader) fillHead() error {
	if r.wr == len(r.cur.b) {
		if r.start > 0 {
			copy(r.cur.b, r.cur.b[r.start:r.wr])
		} else {
			grown := getBuffer(min(2*len(r.cur.b), max(r.limits.Head+smallBuffer, len(r.cur.b)+1)))
			grown.fields, r.cur.fields = r.cur.fields, grown.fields
			copy(grown.b, r.cur.b[:r.wr])
			putBuffer(r.cur)
			r.cur = grown
		}
		r.base += int64(r.start)
		r.rd -= r.start
		r.wr -= r.start
		r.start = 0
		r.restart()
	}
	n, err := r.read(r.cur.b[r.wr:])
	r.wr += n
	return err
}

// restart begins the parse of the current head anew.
func (r *Reader) restart() {
	clear(r.cur.fields)
	r.cur.fields = r.cur.fields[:0]
	r.line, r.scan, r.lines = r.start, r.start, 0
}

// minRoom is the free space below which reading on into a buffer is not worth a system call.
const minRoom = 2 << 10

// fillBody reads more body bytes behind those that are unread; want is how many are
// expected at least, 0 when unknown.
func (r *Reader) fillBody(want int64) error {
	if r.cur == nil {
		return r.firstRead(streamBuffer)
	}
	if r.rd == r.wr || (r.rd > r.pin && len(r.cur.b)-r.wr < minRoom) {
		copy(r.cur.b[r.pin:], r.cur.b[r.rd:r.wr])
		moved := r.rd - r.pin
		r.base += int64(moved)
		r.rd -= moved
		r.wr -= moved
	}
	room := len(r.cur.b) - r.wr
	if room < minRoom || (want > int64(room) && len(r.cur.b) < streamBuffer) {
		r.moveBody()
	}
	n, err := r.read(r.cur.b[r.wr:])
	r.wr += n
	return err
}

// moveBody continues the body in another buffer; the head stays where it is.
func (r *Reader) moveBody() {
	next := getBuffer(max(streamBuffer, 2*(r.wr-r.rd)))
	copy(next.b, r.cur.b[r.rd:r.wr])
	if r.pin > 0 {
		r.held = r.cur
	} else {
		putBuffer(r.cur)
	}
	r.cur = next
	r.base += int64(r.rd)
	r.wr -= r.rd
	r.rd, r.pin = 0, 0
}
