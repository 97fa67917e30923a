package nfnl

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Message types and flags of netlink itself.
const (
	msgError = 2
	msgDone  = 3
	// batchBegin and batchEnd frame a transaction (NFNL_MSG_BATCH_BEGIN, _END).
	batchBegin = 0x10
	batchEnd   = 0x11

	flagRequest  = 0x1
	flagMulti    = 0x2
	flagAck      = 0x4
	flagDumpIntr = 0x10
	flagDump     = 0x300
)

// recvSize makes the kernel fill 32 KiB per read, its largest step in a dump.
const recvSize = 64 << 10

// quiet is how long the kernel may be silent within one answer before we give up; it answers synchronously, so only
// a lost message gets here.
const quiet = 10 * time.Second

// Conn is a netfilter netlink socket, bound to the network namespace of the thread that opened it. Not safe for
// concurrent use.
type Conn struct {
	fd  int
	seq uint32
	buf []byte
}

// Dial opens a socket.
func Dial() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open netfilter netlink socket: %w", err)
	}
	c := &Conn{fd: fd, seq: uint32(os.Getpid()) << 8, buf: make([]byte, recvSize)}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind netfilter netlink socket: %w", err)
	}
	tv := unix.NsecToTimeval(quiet.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set netlink receive timeout: %w", err)
	}
	return c, nil
}

// Close closes the socket.
func (c *Conn) Close() error { return unix.Close(c.fd) }

// SetBuffers enlarges the socket's buffers, for batches and traces.
func (c *Conn) SetBuffers(send, recv int) {
	for opt, n := range map[int]int{unix.SO_SNDBUFFORCE: send, unix.SO_RCVBUFFORCE: recv} {
		if n > 0 && unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, opt, n) != nil {
			// Without CAP_NET_ADMIN the plain option still goes up to the system's limit.
			plain := map[int]int{unix.SO_SNDBUFFORCE: unix.SO_SNDBUF, unix.SO_RCVBUFFORCE: unix.SO_RCVBUF}[opt]
			_ = unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, plain, n)
		}
	}
}

// Join subscribes to a multicast group.
func (c *Conn) Join(group int) error {
	if err := unix.SetsockoptInt(c.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group); err != nil {
		return fmt.Errorf("join netfilter group %d: %w", group, err)
	}
	return nil
}

// AppendMessage appends one framed message to b and returns it.
func AppendMessage(b []byte, m Message, seq uint32) []byte {
	at := len(b)
	b = append(b, make([]byte, 16)...)
	b = append(b, m.Family, 0, byte(m.ResID>>8), byte(m.ResID))
	b = append(b, m.Attrs...)
	binary.NativeEndian.PutUint32(b[at:], uint32(len(b)-at))
	binary.NativeEndian.PutUint16(b[at+4:], m.Type)
	binary.NativeEndian.PutUint16(b[at+6:], m.Flags|flagRequest)
	binary.NativeEndian.PutUint32(b[at+8:], seq)
	return b
}

func (c *Conn) send(b []byte) error {
	if err := unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("send netlink message: %w", err)
	}
	return nil
}

// Dump asks for all objects of a kind and calls f for each, in the kernel's order. interrupted means that the ruleset
// changed while it was read: the caller has to start over.
func (c *Conn) Dump(ctx context.Context, m Message, f func(Message) error) (interrupted bool, err error) {
	m.Flags |= flagDump
	return c.exchange(ctx, m, f)
}

// Get asks for one object.
func (c *Conn) Get(ctx context.Context, m Message, f func(Message) error) error {
	m.Flags |= flagAck
	_, err := c.exchange(ctx, m, f)
	return err
}

func (c *Conn) exchange(ctx context.Context, m Message, f func(Message) error) (interrupted bool, err error) {
	c.seq++
	seq := c.seq
	if err := c.send(AppendMessage(nil, m, seq)); err != nil {
		return false, err
	}
	var failed error // the callback's first error; the rest of the answer is read off all the same
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n, err := c.recv()
		if err != nil {
			return false, err
		}
		done, err := parse(c.buf[:n], func(hseq uint32, msg Message) error {
			if hseq != seq {
				return nil // the tail of an earlier answer that was given up
			}
			if msg.Flags&flagDumpIntr != 0 {
				interrupted = true
			}
			if failed == nil {
				failed = f(msg)
			}
			return nil
		}, seq)
		if err != nil {
			return interrupted, err
		}
		if done {
			return interrupted, failed
		}
	}
}

func (c *Conn) recv() (int, error) {
	for {
		n, _, err := unix.Recvfrom(c.fd, c.buf, unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, fmt.Errorf("receive netlink message: %w", err)
		case n > len(c.buf):
			return 0, fmt.Errorf("%w: datagram of %d bytes", ErrMalformed, n)
		}
		return n, nil
	}
}

// parse walks the messages of one datagram. done is true when the answer to seq is complete; an error answer to seq is
// returned as its errno.
func parse(b []byte, f func(seq uint32, m Message) error, seq uint32) (done bool, err error) {
	for len(b) >= 16 {
		n := int(binary.NativeEndian.Uint32(b))
		if n < 16 || n > len(b) {
			return false, fmt.Errorf("%w: message length %d in %d bytes", ErrMalformed, n, len(b))
		}
		typ, flags := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:])
		hseq, body := binary.NativeEndian.Uint32(b[8:]), b[16:n]
		switch {
		case typ == msgError || typ == msgDone:
			if hseq != seq {
				break
			}
			if len(body) >= 4 {
				if e := int32(binary.NativeEndian.Uint32(body)); e < 0 {
					return true, unix.Errno(-e)
				}
			}
			done = true
		case len(body) < 4:
			return false, fmt.Errorf("%w: %d bytes of netfilter header", ErrMalformed, len(body))
		default:
			m := Message{Type: typ, Flags: flags, Family: body[0], ResID: binary.BigEndian.Uint16(body[2:]), Attrs: body[4:]}
			if err := f(hseq, m); err != nil {
				return done, err
			}
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return done, nil
}
