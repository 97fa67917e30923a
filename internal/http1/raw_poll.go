//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package http1

import (
	"io"
	"os"
	"syscall"

	"github.com/originward/originward/internal/sock"
)

// rawSource reads from a TCP connection so that no buffer is held while waiting: it
// takes one from the pool each time the kernel may have data, and gives it back when it has none.
type rawSource struct {
	conn syscall.RawConn
	try  func(fd uintptr) bool // bound once, so that a read allocates nothing
	look func(fd uintptr)

	r    *Reader
	size int
	err  error
}

// newRawSource returns a source for src, reusing old's memory, or nil when src is not a TCP connection.
func newRawSource(old *rawSource, src io.Reader) *rawSource {
	tcp := tcpOf(src)
	if tcp == nil {
		return nil
	}
	conn, err := tcp.SyscallConn()
	if err != nil {
		return nil // not a usable connection: the plain read reports why
	}
	if old == nil {
		old = new(rawSource)
		old.try = old.attempt
		old.look = func(fd uintptr) { old.attempt(fd) }
	}
	old.conn = conn
	return old
}

// read reads into r's empty buffer, of the given size.
func (s *rawSource) read(r *Reader, size int) error {
	s.r, s.size, s.err = r, size, nil
	err := s.conn.Read(s.try)
	s.r = nil
	if err != nil {
		return err
	}
	return s.err
}

// poll reads what has arrived without waiting, whatever the deadline. Its error is that
// of the connection, io.EOF when the peer has closed it; nil when it is quiet.
func (s *rawSource) poll(r *Reader) error {
	s.r, s.size, s.err = r, smallBuffer, nil
	err := s.conn.Control(s.look)
	s.r = nil
	if err != nil {
		return err
	}
	return s.err
}

// attempt reads once; false when there is nothing to read yet.
func (s *rawSource) attempt(fd uintptr) bool {
	r := s.r
	if r.cur == nil {
		r.cur = getBuffer(s.size)
	}
	n, errn := sock.Read(fd, r.cur.b[r.wr:])
	switch {
	case errn == syscall.EAGAIN:
		if r.pin == 0 && r.wr == 0 {
			putBuffer(r.cur)
			r.cur = nil
		}
		return false
	case errn != 0:
		s.err = os.NewSyscallError("read", errn)
	case n == 0:
		s.err = io.EOF
	default:
		r.wr += n
		r.total += int64(n)
	}
	return true
}
