package edge

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/originward/originward/internal/http1"
)

// withHead is the most bytes of a request's body that are sent in one write with
// its head. What is larger is streamed.
const withHead = 16 << 10

// upload passes a request's body on.
type upload struct {
	v       *visit
	any     bool  // the request has a body
	all     bool  // all of it stands behind the head
	begun   bool  // more was taken from the visitor than stands behind the head
	read    int64 // content bytes taken from the visitor
	chunked bool
	chunks  http1.ChunkWriter
}

// begin looks at the body; a small one that has arrived is put behind the head.
func (u *upload) begin(v *visit) {
	f := v.body.Framing()
	u.v, u.all, u.begun, u.read = v, false, false, 0
	u.chunked = f.Kind == http1.ChunkedBody
	u.any = u.chunked || f.Kind == http1.LengthBody && f.Length > 0
	b, ok := v.body.(*http1.Body)
	if !u.any || u.chunked || !ok || v.expect {
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
func (u *upload) untouched() bool { return !u.begun }

// sendTo writes what follows the head.
func (u *upload) sendTo(w io.Writer) error {
	u.begun = true
	v := u.v
	if v.expect {
		v.expect = false
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
		if u.v.patience == nil || !u.v.patience.again(n > 0) {
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
