package http1

import (
	"io"
	"net"
)

// spliceFrom is the least number of body bytes for which moving them in the kernel
// pays: below it, the two system calls of one copy are cheaper than those of a pipe.
const spliceFrom = 16 << 10

// WriteTo writes the remaining content to w and returns how many content bytes w
// took. From TCP to TCP it splices in the kernel where that is possible. A failure of
// the source is a *ParseError, one of w a *WriteError.
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if n, ok, err := b.splice(w); ok {
			total += n
			if err != nil || b.state == bodyDone {
				return total, err
			}
			continue
		}
		p, err := b.peek()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(p)
		b.Discard(n)
		total += int64(n)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, &WriteError{Written: total, Err: err}
		}
	}
}

// splice moves content from connection to connection in the kernel. ok is false
// when that is not possible or not worth it, or when bytes are buffered that go first.
func (b *Body) splice(w io.Writer) (n int64, ok bool, _ error) {
	r := b.r
	if b.state != bodyData || b.err != nil || r.rd != r.wr || r.pending != nil || r.raw == nil {
		return 0, false, nil
	}
	switch b.framing.Kind {
	case LengthBody, ChunkedBody:
		if b.left < spliceFrom {
			return 0, false, nil
		}
	case UntilCloseBody:
	default:
		return 0, false, nil // a tunnel carries small messages, and a pipe costs two descriptors
	}
	dst := tcpOf(w)
	if dst == nil {
		return 0, false, nil
	}
	n, ok, rerr, werr := r.raw.splice(dst, b.left)
	r.total += n
	r.base += n
	if n > 0 {
		b.took(n)
	}
	switch {
	case werr != nil:
		return n, ok, &WriteError{Written: n, Err: werr}
	case rerr == io.EOF && b.left < 0:
		b.state = bodyDone
		return n, ok, nil
	case rerr != nil:
		return n, ok, b.ended(rerr)
	}
	return n, ok, nil
}

// tcpOf is the TCP connection that c is, or that it says to be nothing more than; nil when there is none.
func tcpOf(c any) *net.TCPConn {
	switch c := c.(type) {
	case *net.TCPConn:
		return c
	case interface{ TCP() *net.TCPConn }:
		return c.TCP()
	}
	return nil
}
