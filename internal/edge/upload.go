package edge

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originward/originward/internal/http1"
)

// withHead is the most bytes of a request's body that are sent in one write with
// its head. What is larger is streamed.
const withHead = 16 << 10

// upload passes a request's body on. Towards an HTTP/2 origin it runs beside the
// goroutine of the visitor, and may still run when the response has come.
type upload struct {
	v       *visit
	any     bool // the request has a body
	all     bool // all of it stands behind the head
	chunked bool
	begun   atomic.Bool // more is taken from the visitor than stands behind the head
	over    atomic.Bool // and that has ended
	dropped atomic.Bool // nobody wants the rest

	mu     sync.Mutex // held while more is taken
	read   int64      // content bytes taken from the visitor; guarded by mu
	chunks http1.ChunkWriter
}

// reset makes the upload ready for the next request.
func (u *upload) reset() {
	u.v, u.any, u.all, u.chunked, u.read = nil, false, false, false, 0
	u.begun.Store(false)
	u.over.Store(false)
	u.dropped.Store(false)
}

// arrived is a body of which a part may be there without waiting.
type arrived interface {
	Buffered() []byte
	Discard(n int)
	Done() bool // all of it has been consumed
}

// begin looks at the body; a small one that has arrived is put behind the head.
func (u *upload) begin(v *visit) {
	f := v.body.Framing()
	u.v = v
	u.chunked = f.Kind == http1.ChunkedBody
	u.any = u.chunked || f.Kind == http1.LengthBody && f.Length > 0
	if !u.any || u.chunked || v.expect {
		return
	}
	b, ok := v.body.(arrived)
	if !ok {
		return
	}
	if p := b.Buffered(); len(p) > 0 && len(p) <= withHead {
		v.buf = append(v.buf, p...)
		u.read = int64(len(p))
		b.Discard(len(p))
		u.all = b.Done()
	}
}

// untouched tells that the request can be sent to another address as it is.
func (u *upload) untouched() bool { return !u.begun.Load() }

// settled tells that nothing more is taken from the visitor.
func (u *upload) settled() bool { return !u.begun.Load() || u.over.Load() }

// drop wakes an upload that still runs from waiting for the visitor: what it sends
// is wanted no more. It comes before the end of the exchange, which may wait for it.
func (u *upload) drop(interrupt func()) {
	if !u.settled() && interrupt != nil {
		u.dropped.Store(true)
		interrupt()
	}
}

// settle waits until nothing more is taken from the visitor; the exchange has
// ended, and the upload was dropped.
func (u *upload) settle() {
	u.mu.Lock()
	defer u.mu.Unlock()
}

// sendTo writes what follows the head.
func (u *upload) sendTo(w io.Writer) error {
	u.begun.Store(true)
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.over.Store(true)
	v := u.v
	if v.expect {
		if err := v.out.interim(proceed); err != nil {
			return err
		}
	}
	if !u.chunked {
		return u.copyTo(w)
	}
	u.chunks.Reset(w, nil)
	defer u.chunks.Abort()
	if err := u.copyTo(&u.chunks); err != nil {
		return err
	}
	return u.chunks.Close(v.body.Trailers())
}

// copyTo copies the body. A visitor may be slow, but not silent for longer than
// the timer for heads.
func (u *upload) copyTo(w io.Writer) error {
	for {
		n, err := u.v.body.WriteTo(w)
		u.read += n
		var dst *http1.WriteError
		if err == nil || errors.As(err, &dst) || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if u.v.patience == nil || !u.v.patience.again(n > 0) || u.dropped.Load() {
			return err
		}
	}
}

// patience bounds how long a visitor may send nothing in the middle of a message.
// The deadline in use is lazy: it fires up to half a window early.
type patience struct {
	set   func(time.Time)
	limit time.Duration
	quiet time.Time // since when nothing has come; zero = unknown
}

// again tells, after a deadline fired, whether to go on waiting.
func (p *patience) again(progress bool) bool {
	now := time.Now()
	if progress || p.quiet.IsZero() {
		p.quiet = now
	}
	left := p.limit - now.Sub(p.quiet)
	if left <= 0 {
		return false
	}
	p.set(now.Add(left))
	return true
}
