package h2

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/originward/originward/internal/http1"
)

// Stream is one request and its response. The request's parts are slices of the
// stream's own memory and hold until the handler returns. It is a context that ends
// when the visitor gives the request up.
type Stream struct {
	Method, Scheme, Path []byte
	Authority            []byte // or Host, which must be the same; nil = none
	Fields               []http1.Field
	Length               int64 // declared; -1 = not
	// NoBody tells that the request ended with its fields.
	NoBody bool
	// TooLarge tells that the fields are larger than the limit, and Fields are not all.
	TooLarge bool

	c       *Conn
	id      uint32
	mem     []byte
	host    []byte
	cookies int
	late    []http1.Field // trailers

	// The connection's mutex guards the following.
	wake    sync.Cond // something of it has changed
	in      []byte    // content that has come
	inSpare []byte
	inEnd   bool // the visitor has sent everything
	got     int64
	recv    int64 // what the visitor may still send
	owed    int64 // consumed, and not yet given back
	window  int64 // what the visitor takes
	err     error // the stream has ended early
	stopped bool  // reading was interrupted
	ended   bool  // everything has been sent
	over    bool  // the handler has ended, and the visitor's end is waited for
	started bool  // the final head has been sent
	timer   *time.Timer
	fired   bool // the timer has
	pinned  bool // others still know the stream: its memory is not reused
	done    chan struct{}
	hooks   []hook
	hookID  int
}

// hook is called when the stream ends early.
type hook struct {
	id int
	f  func()
}

var streams = sync.Pool{New: func() any { return new(Stream) }}

// Bounds of memory that a stream keeps for the next one.
const (
	keepMem = 16 << 10
	keepIn  = 64 << 10
)

func newStream(c *Conn, id uint32) *Stream {
	s, ok := streams.Get().(*Stream)
	if !ok {
		s = new(Stream)
	}
	*s = Stream{
		c: c, id: id, Length: -1, recv: streamWindow,
		mem: s.mem[:0], Fields: s.Fields[:0], in: s.in[:0], inSpare: s.inSpare[:0], hooks: s.hooks[:0],
	}
	s.wake.L = &c.mu
	return s
}

// free gives the stream's memory to the next one; nobody uses it any more.
func (s *Stream) free() {
	if cap(s.mem) > keepMem || cap(s.in) > keepIn || cap(s.inSpare) > keepIn {
		return
	}
	if s.timer != nil {
		s.timer.Stop() // it may be about to wake this stream all the same
		return
	}
	if s.pinned {
		return
	}
	clear(s.Fields)
	streams.Put(s)
}

// keep copies text into the stream's memory.
func (s *Stream) keep(text string) []byte {
	at := len(s.mem)
	s.mem = append(s.mem, text...)
	return s.mem[at:len(s.mem):len(s.mem)]
}

// serve runs the handler.
func (s *Stream) serve() {
	c := s.c
	c.cfg.Handler(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveBackLocked(int64(len(s.in)))
	s.in = s.in[:0]
	switch {
	case s.err != nil:
	case !s.ended:
		c.resetLocked(s.id, InternalError)
	case !s.inEnd && c.unfinished < c.cfg.MaxStreams:
		s.awaitEndLocked()
	case !s.inEnd:
		c.resetLocked(s.id, NoError)
	default:
		c.resets = max(0, c.resets-1)
	}
	if c.streams[s.id] == s && !s.over {
		delete(c.streams, s.id)
	}
	c.active--
	c.seen = time.Now()
	c.flushLocked()
	c.restLocked()
	if c.away && c.active == 0 {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // wakes the reader, which ends the connection
	}
	s.free()
}

// endWait is how long a visitor that has its answer may take to end its request.
const endWait = time.Second

// awaitEndLocked lets the visitor end a request that has been answered. What it still
// sends is dropped; a visitor that does not come to an end is told that the rest is
// not wanted (section 8.1).
func (s *Stream) awaitEndLocked() {
	c := s.c
	s.over, s.pinned = true, true
	c.unfinished++
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = time.AfterFunc(endWait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.streams[s.id] == s && c.dead == nil {
			c.resetLocked(s.id, NoError)
			s.forgetLocked()
			c.flushLocked()
		}
	})
}

// forgetLocked drops a stream that was only waited for to end.
func (s *Stream) forgetLocked() {
	if !s.over {
		return
	}
	s.over = false
	s.timer.Stop()
	s.c.unfinished--
	delete(s.c.streams, s.id)
}

// failLocked ends the stream early.
func (s *Stream) failLocked(err error) {
	if s.err != nil {
		return
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	s.err = err
	s.forgetLocked()
	if s.done != nil {
		close(s.done)
	}
	if len(s.hooks) > 0 {
		s.pinned = true // what runs now may ask the stream why, whenever it gets to it
	}
	for _, h := range s.hooks {
		go h.f()
	}
	s.hooks = nil
	s.wake.Broadcast()
}

// refuseLocked resets the stream for what the visitor sent on it.
func (s *Stream) refuseLocked(code Code) {
	if s.err != nil {
		return
	}
	s.c.resetLocked(s.id, code)
	delete(s.c.streams, s.id)
	s.failLocked(&ResetError{code})
}

// takeLocked takes content that has come.
func (s *Stream) takeLocked(p []byte, end bool) {
	s.got += int64(len(p))
	if s.Length >= 0 && (s.got > s.Length || end && s.got < s.Length) {
		s.c.giveBackLocked(int64(len(p)))
		s.refuseLocked(ProtocolError)
		return
	}
	s.inEnd = end
	if s.over {
		s.c.giveBackLocked(int64(len(p)))
		switch {
		case end:
			s.forgetLocked()
		case s.recv < streamWindow/2: // much more is coming
			s.c.resetLocked(s.id, NoError)
			s.forgetLocked()
		}
		return
	}
	s.in = append(s.in, p...)
	s.wake.Broadcast()
}

// trailerLocked ends the request with trailers.
func (s *Stream) trailerLocked(b *block) {
	if b.bad || !b.end || s.Length >= 0 && s.got < s.Length {
		s.refuseLocked(ProtocolError)
		return
	}
	s.inEnd = true
	s.forgetLocked()
	s.wake.Broadcast()
}

// waitLocked waits for a change, at most until the timer for slow visitors fires;
// false when it has.
func (s *Stream) waitLocked() bool {
	s.fired = false
	if s.timer == nil {
		s.timer = time.AfterFunc(s.c.cfg.Slow, func() {
			s.c.mu.Lock()
			s.fired = true
			s.wake.Broadcast()
			s.c.mu.Unlock()
		})
	} else {
		s.timer.Reset(s.c.cfg.Slow)
	}
	s.wake.Wait()
	s.timer.Stop()
	return !s.fired
}

// Ended tells that the visitor has sent all of the request.
func (s *Stream) Ended() bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.inEnd && len(s.in) == 0
}

// Interrupt makes reading the request's body fail.
func (s *Stream) Interrupt() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.stopped = true
	s.wake.Broadcast()
}

var errInterrupted = errors.New("reading the request was interrupted")

// WriteTo copies the request's content. An error of w is an *http1.WriteError;
// os.ErrDeadlineExceeded says that the visitor sent nothing for too long.
func (s *Stream) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		p, err := s.next()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(p)
		total += int64(n)
		s.consumed(p)
		if err != nil {
			return total, &http1.WriteError{Written: total, Err: err}
		}
	}
}

// next waits for content and takes all that has come.
func (s *Stream) next() ([]byte, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for len(s.in) == 0 {
		switch {
		case s.inEnd:
			return nil, io.EOF
		case s.err != nil:
			return nil, s.err
		case s.stopped:
			return nil, errInterrupted
		}
		s.c.flushLocked()
		if len(s.in) == 0 && !s.inEnd && s.err == nil && !s.stopped && !s.waitLocked() {
			return nil, os.ErrDeadlineExceeded
		}
	}
	p := s.in
	s.in, s.inSpare = s.inSpare[:0], nil
	return p, nil
}

// consumed gives the windows back, and the memory.
func (s *Stream) consumed(p []byte) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s.inSpare = p[:0]
	c.giveBackLocked(int64(len(p)))
	if s.owed += int64(len(p)); s.owed >= streamWindow/4 && !s.inEnd && s.err == nil {
		c.out = appendWord(c.out, frameWindowUpdate, s.id, uint32(s.owed))
		s.recv += s.owed
		s.owed = 0
	}
	c.flushLocked()
}

// Trailers are the request's, once its content has ended.
func (s *Stream) Trailers() []http1.Field { return s.late }

// Deadline, Done, Err and Value make the stream a context.

// Deadline is none.
func (s *Stream) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done is closed when the visitor gives the request up.
func (s *Stream) Done() <-chan struct{} {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.err != nil {
			close(s.done)
		}
	}
	return s.done
}

// Err is context.Canceled once the visitor has given the request up.
func (s *Stream) Err() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.err != nil {
		return context.Canceled
	}
	return nil
}

// Value is always nil.
func (s *Stream) Value(any) any { return nil }

// AfterFunc calls f in a goroutine of its own when the visitor gives the request up;
// package context uses it. stop tells whether f will not be called.
func (s *Stream) AfterFunc(f func()) (stop func() bool) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.err != nil {
		s.pinned = true
		go f()
		return func() bool { return false }
	}
	s.hookID++
	id, c := s.hookID, s.c
	s.hooks = append(s.hooks, hook{id, f})
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, h := range s.hooks {
			if h.id == id {
				s.hooks = append(s.hooks[:i], s.hooks[i+1:]...)
				return true
			}
		}
		return false
	}
}
