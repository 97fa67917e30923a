package exchange

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// synWhole is how long the documented SYN schedule lasts at most: the kernel gave up
// after 19.36 s. A connect timer beyond it is left to the kernel's own schedule.
const synWhole = 20 * time.Second

// control prepares a socket before it connects: the SYN schedule, and no early
// choice of a local port, so that one egress address carries more than one
// address's worth of ports.
func control(p Profile, t Target) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		ctlErr := c.Control(func(fd uintptr) {
			if p.SynCount > 0 && p.Connect <= synWhole {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_SYNCNT, p.SynCount)
			}
			if err == nil && t.Source.IsValid() {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
			}
		})
		if ctlErr != nil {
			return ctlErr
		}
		return err
	}
}

// tcpState is what the kernel knows about a connection.
type tcpState struct {
	known    bool
	unacked  int           // segments sent and not acknowledged
	unsent   int           // bytes not yet sent (the peer's window is shut)
	lastData time.Duration // since the last data segment arrived
	lastAck  time.Duration // since the last acknowledgment arrived
	pending  int           // bytes that have arrived and not been read
	resent   bool          // the oldest unacknowledged segment was sent again
}

// sockQuery asks the kernel about a socket and allocates nothing: its functions are
// bound once.
type sockQuery struct {
	raw   syscall.RawConn
	state func(fd uintptr)
	peek  func(fd uintptr)

	st      tcpState
	peekErr syscall.Errno
	one     [1]byte
}

func (q *sockQuery) init(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	q.raw = raw
	q.state = q.queryState
	q.peek = q.queryPeek
	return nil
}

func (q *sockQuery) queryState(fd uintptr) {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return
	}
	q.st = tcpState{
		known:    true,
		unacked:  int(info.Unacked),
		unsent:   int(info.Notsent_bytes),
		lastData: time.Duration(info.Last_data_recv) * time.Millisecond,
		lastAck:  time.Duration(info.Last_ack_recv) * time.Millisecond,
		resent:   info.Retransmits > 0,
	}
	if n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ); err == nil {
		q.st.pending = n
	}
}

func (q *sockQuery) queryPeek(fd uintptr) {
	// The call of package unix would allocate an address. It does not block, so the
	// scheduler need not know.
	for {
		_, _, q.peekErr = unix.RawSyscall6(unix.SYS_RECVFROM, fd,
			uintptr(unsafe.Pointer(&q.one[0])), 1, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
		if q.peekErr != unix.EINTR {
			return
		}
	}
}

// tcp asks the kernel for the connection's state.
func (q *sockQuery) tcp() tcpState {
	q.st = tcpState{}
	if q.raw != nil {
		_ = q.raw.Control(q.state) // a closed connection has no state: not known
	}
	return q.st
}

// idle tells whether the connection is open with nothing to read.
func (q *sockQuery) idle() bool {
	if q.raw == nil || q.raw.Control(q.peek) != nil {
		return false
	}
	return q.peekErr == unix.EAGAIN
}

// readable tells whether there is something to read: data, an end or an error.
func (q *sockQuery) readable() bool {
	return q.raw != nil && q.raw.Control(q.peek) == nil && q.peekErr != unix.EAGAIN
}
