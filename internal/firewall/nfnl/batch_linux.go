package nfnl

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// BatchError says which message of a batch the kernel refused.
type BatchError struct {
	// Index is the message's place in the batch; -1 for the batch as a whole.
	Index int
	Err   error
}

func (e *BatchError) Error() string {
	return fmt.Sprintf("batch message %d refused: %v", e.Index, e.Err)
}

// Unwrap returns the kernel's errno.
func (e *BatchError) Unwrap() error { return e.Err }

// Batch sends messages as one transaction of a subsystem: all of it happens or nothing. Every refusal is returned.
func (c *Conn) Batch(ctx context.Context, subsys uint8, msgs []Message) error {
	first := c.seq + 1
	b := AppendMessage(nil, Message{Type: batchBegin, ResID: uint16(subsys)}, first)
	for i, m := range msgs {
		if i == len(msgs)-1 {
			m.Flags |= flagAck // the commit is over when the last one is acknowledged
		}
		b = AppendMessage(b, m, first+1+uint32(i))
	}
	c.seq = first + 1 + uint32(len(msgs))
	b = AppendMessage(b, Message{Type: batchEnd, ResID: uint16(subsys)}, c.seq)
	c.SetBuffers(max(len(b)*2, 1<<20), 4<<20)
	if err := c.send(b); err != nil {
		return err
	}
	return c.collect(ctx, first, len(msgs))
}

// collect reads the answers of a batch: refusals come first, the acknowledgement of the last message only on success.
func (c *Conn) collect(ctx context.Context, first uint32, n int) error {
	var errs []error
	last := first + uint32(n)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		k, err := c.recvWait(len(errs) > 0)
		if errors.Is(err, unix.EAGAIN) {
			return errors.Join(errs...)
		}
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		acked, bad := batchAnswers(c.buf[:k], first, last)
		errs = append(errs, bad...)
		if acked && len(errs) == 0 {
			return nil
		}
	}
}

// recvWait reads a datagram; after a refusal only those already queued, since no acknowledgement will follow.
func (c *Conn) recvWait(nonblock bool) (int, error) {
	flags := unix.MSG_TRUNC
	if nonblock {
		flags |= unix.MSG_DONTWAIT
	}
	for {
		n, _, err := unix.Recvfrom(c.fd, c.buf, flags)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, err
		case n > len(c.buf):
			return 0, fmt.Errorf("%w: datagram of %d bytes", ErrMalformed, n)
		}
		return n, nil
	}
}

func batchAnswers(b []byte, first, last uint32) (acked bool, errs []error) {
	for len(b) >= 20 {
		n, typ, seq := header(b)
		if n < 20 || n > len(b) {
			return acked, append(errs, fmt.Errorf("%w: message length %d", ErrMalformed, n))
		}
		if typ == msgError && seq >= first {
			code := int32(nativeU32(b[16:]))
			switch {
			case code < 0:
				errs = append(errs, &BatchError{Index: int(seq-first) - 1, Err: unix.Errno(-code)})
			case seq == last:
				acked = true
			}
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return acked, errs
}

// Events reads one datagram of multicast messages and calls f for each. It returns os.ErrDeadlineExceeded-like EAGAIN
// when nothing came within wait, and ENOBUFS when the kernel had to drop some.
func (c *Conn) Events(wait time.Duration, f func(Message)) error {
	pfd := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(pfd, int(wait.Milliseconds()))
	if errors.Is(err, unix.EINTR) || err == nil && n == 0 {
		return unix.EAGAIN
	}
	if err != nil {
		return err
	}
	k, err := c.recvWait(true)
	if err != nil {
		return err
	}
	_, err = parse(c.buf[:k], func(_ uint32, m Message) error {
		f(m)
		return nil
	}, 0)
	return err
}

// header reads a netlink message header: length, type, sequence number.
func header(b []byte) (n int, typ uint16, seq uint32) {
	return int(nativeU32(b)), binary.NativeEndian.Uint16(b[4:]), nativeU32(b[8:])
}

func nativeU32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
