package sock

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Conn is a TCP connection. One goroutine may read while another writes; deadlines
// and Close are those of the embedded connection.
type Conn struct {
	*net.TCPConn
	rd, wr transfer
}

// New wraps a connection.
func New(c *net.TCPConn) (*Conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &Conn{TCPConn: c}
	s.rd.raw, s.wr.raw = raw, raw
	s.rd.try, s.wr.try = s.rd.read, s.wr.write
	return s, nil
}

// TCP is the connection underneath.
func (c *Conn) TCP() *net.TCPConn { return c.TCPConn }

// transfer is one direction. Its function is bound once, so that a call allocates nothing.
type transfer struct {
	raw  syscall.RawConn
	try  func(fd uintptr) bool
	p    []byte
	more []byte // goes out behind p in the same call
	n    int
	errn syscall.Errno
	// pool lends the buffer of a fresh read once there may be something to read.
	pool *Pool
	lent *[]byte
	now  bool // does not wait
}

// Read reads at least one byte; io.EOF is the orderly end. Errors of the kernel are
// *os.SyscallError.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	t := &c.rd
	t.p, t.n, t.errn = p, 0, 0
	err := t.raw.Read(t.try)
	t.p = nil
	switch {
	case err != nil:
		return 0, err
	case t.errn != 0:
		return 0, os.NewSyscallError("read", t.errn)
	case t.n == 0:
		return 0, io.EOF
	}
	return t.n, nil
}

// ReadFresh reads n bytes, at least one, into a buffer lent by the pool. While it
// waits it holds none. With an error there is no buffer.
func (c *Conn) ReadFresh(pool *Pool) (b *[]byte, n int, err error) { return c.fresh(pool, false) }

// ReadNow is ReadFresh that does not wait: without a buffer and an error nothing is there.
func (c *Conn) ReadNow(pool *Pool) (b *[]byte, n int, err error) { return c.fresh(pool, true) }

func (c *Conn) fresh(pool *Pool, now bool) (b *[]byte, n int, err error) {
	t := &c.rd
	t.pool, t.lent, t.now = pool, nil, now
	t.n, t.errn = 0, 0
	err = t.raw.Read(t.try)
	b, n, t.pool, t.lent, t.p, t.now = t.lent, t.n, nil, nil, nil, false
	switch {
	case err != nil:
	case now && t.errn == syscall.EAGAIN:
		return nil, 0, nil
	case t.errn != 0:
		err = os.NewSyscallError("read", t.errn)
	case n == 0:
		err = io.EOF
	}
	if err != nil && b != nil {
		pool.Put(b)
		b = nil
	}
	return b, n, err
}

func (t *transfer) read(fd uintptr) bool {
	if t.pool != nil {
		t.lent = t.pool.Get()
		t.p = *t.lent
	}
	n, errn := Read(fd, t.p)
	if errn == syscall.EAGAIN {
		if t.pool != nil {
			t.pool.Put(t.lent)
			t.p, t.lent = nil, nil
		}
		if !t.now {
			return false
		}
	}
	t.n, t.errn = n, errn
	return true
}

// Write writes all of p. Its error is the kernel's as *os.SyscallError, or that of
// the deadline.
func (c *Conn) Write(p []byte) (int, error) { return c.WriteBoth(p, nil) }

// WriteBoth writes all of p and then of more, in one call while the kernel takes them.
func (c *Conn) WriteBoth(p, more []byte) (int, error) {
	t := &c.wr
	t.p, t.more, t.n, t.errn = p, more, 0, 0
	err := t.raw.Write(t.try)
	t.p, t.more = nil, nil
	if err == nil && t.errn != 0 {
		err = os.NewSyscallError("write", t.errn)
	}
	return t.n, err
}

func (t *transfer) write(fd uintptr) bool {
	for t.n < len(t.p)+len(t.more) {
		n, errn := t.send(fd)
		if errn == syscall.EAGAIN {
			return false
		}
		if errn != 0 {
			t.errn = errn
			return true
		}
		t.n += n
	}
	return true
}

// send gives the kernel what is left.
func (t *transfer) send(fd uintptr) (int, syscall.Errno) {
	switch past := t.n - len(t.p); {
	case past >= 0:
		return write(fd, t.more[past:])
	case len(t.more) == 0:
		return write(fd, t.p[t.n:])
	}
	return writeBoth(fd, t.p[t.n:], t.more)
}

// Gone tells whether the peer has ended its direction of the connection, or the
// connection has failed, whatever still lies unread before that.
func (c *Conn) Gone() bool {
	gone := false
	err := c.rd.raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		gone = err == nil && info.State != tcpEstablished
	})
	return gone || err != nil
}

// tcpEstablished is TCP_ESTABLISHED of Linux's tcp_states.h.
const tcpEstablished = 1

// Read reads from a non-blocking descriptor into p, which must not be empty.
func Read(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errn := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		if errn == 0 {
			return int(n), 0
		}
		if errn != syscall.EINTR {
			return 0, errn
		}
	}
}

func write(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		// Like write, but a closed peer gives EPIPE and no signal.
		n, _, errn := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			syscall.MSG_NOSIGNAL, 0, 0)
		if errn == 0 {
			return int(n), 0
		}
		if errn != syscall.EINTR {
			return 0, errn
		}
	}
}

func writeBoth(fd uintptr, p, more []byte) (int, syscall.Errno) {
	vec := [2]unix.Iovec{{Base: unsafe.SliceData(p)}, {Base: unsafe.SliceData(more)}}
	vec[0].SetLen(len(p))
	vec[1].SetLen(len(more))
	msg := unix.Msghdr{Iov: &vec[0]}
	msg.SetIovlen(len(vec))
	for {
		// Not writev, whose EPIPE comes with a signal.
		n, _, errn := syscall.RawSyscall(syscall.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&msg)), syscall.MSG_NOSIGNAL)
		if errn == 0 {
			return int(n), 0
		}
		if errn != syscall.EINTR {
			return 0, errn
		}
	}
}
