package edge

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/originward/originward/internal/http1"
)

// respond3 answers a visitor over HTTP/3.
type respond3 struct {
	v       *visit
	w       http.ResponseWriter
	control *http.ResponseController
	slow    time.Duration // for a visitor that takes nothing
	until   time.Time     // the deadline in force
	lines   []byte        // field lines of the head on its way out

	mu    sync.Mutex // a 100 may be asked for beside an exchange that has just been answered
	began bool       // the final response has begun; guarded by mu
}

// fields sets the header from field lines.
func (r *respond3) fields(lines []byte) {
	h := r.w.Header()
	clear(h)
	for len(lines) > 0 {
		line, rest, _ := bytes.Cut(lines, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(": "))
		h.Add(string(name), string(value))
		lines = rest
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // or one would be guessed
	}
}

// interim passes a 1xx response on; an origin's 100 is for the edge only.
func (r *respond3) interim(h *http1.ResponseHead) error {
	if h.Status == 100 && h != proceed {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began {
		return errAnswered
	}
	r.patient()
	r.fields(http1.AppendFields(nil, h.Fields))
	r.w.WriteHeader(h.Status)
	clear(r.w.Header())
	return nil
}

// head begins the final response.
func (r *respond3) head(status int, lines []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began = true
	r.patient()
	r.fields(lines)
	r.w.WriteHeader(status)
}

// patient has a write wait for the visitor, and not forever.
func (r *respond3) patient() {
	if now := time.Now(); r.until.Before(now.Add(r.slow / 2)) {
		r.until = now.Add(r.slow)
		_ = r.control.SetWriteDeadline(r.until) // a stream that is gone says so when written
	}
}

// forward sends the origin's response.
func (r *respond3) forward(h *http1.ResponseHead, c *content) error {
	v := r.v
	r.lines = v.passedLines(r.lines[:0], h, c)
	r.head(h.Status, r.lines)
	if v.bodiless(c.framing()) {
		return r.control.Flush()
	}
	for {
		if len(c.ready()) == 0 {
			if err := r.control.Flush(); err != nil { // the next piece has to be waited for
				return err
			}
		}
		p, err := c.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		r.patient()
		if _, err := r.w.Write(p); err != nil {
			return err
		}
		v.sent += int64(len(p))
	}
	for _, t := range c.trailers() {
		r.w.Header().Add(http.TrailerPrefix+string(t.Name), string(t.Value))
	}
	return nil
}

// own sends an answer of the edge's own.
func (r *respond3) own(a *answerHead, body []byte) error {
	v := r.v
	r.lines = v.ownLines(r.lines[:0], a, len(body))
	r.head(a.status, r.lines)
	if v.method == "HEAD" || len(body) == 0 {
		return r.control.Flush()
	}
	n, err := r.w.Write(body)
	v.sent += int64(n)
	return err
}

var (
	_ responder = (*respond3)(nil)
	_ source    = (*body3)(nil)
)
