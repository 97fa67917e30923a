//lint:file-ignore SA1019 net/http's client connection, which replaces package http2's, hides the types of its errors

package exchange

import (
	"sync"
	"time"

	"golang.org/x/net/http2"

	"github.com/originward/originward"
)

// session2 is an HTTP/2 connection, shared by the streams of several exchanges.
// Package http2 reads it in a goroutine of its own, which ends with the connection.
type session2 struct {
	cc    *http2.ClientConn
	watch *watch2
	conn  *Conn // the connection it was made of; template for the streams' Conns
	max   int   // streams at once, by our profile

	mu sync.Mutex
	// mu guards the following.
	active int
	freeAt time.Time // when the last stream ended
	served int
	doomed bool // closes with its last stream
}

// headSlack is how much larger than the limit a header list may be so that we see
// it whole and name the fault ourselves: package http2's own refusal has no type.
const headSlack = 8

// startHTTP2 makes the connection an HTTP/2 session.
func (c *Conn) startHTTP2() *originward.Fault {
	c.stream = c.tls
	c.wire.forever()
	w := &watch2{Conn: c.tls}
	t := &http2.Transport{
		DisableCompression: true,
		MaxHeaderListSize:  uint32(headSlack * c.profile.Head),
	}
	cc, err := t.NewClientConn(w)
	if err != nil {
		return fault(StepWrite, originward.ConnectionTerminated, c.alert(err))
	}
	c.s2 = &session2{cc: cc, watch: w, conn: c, max: c.profile.MaxStreams, active: 1, freeAt: time.Now()}
	return nil
}

// place takes a place for one more stream when there is one.
func (s *session2) place() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.max
	st := s.cc.State()
	if st.Closed || st.Closing {
		return false
	}
	if st.MaxConcurrentStreams > 0 && int64(st.MaxConcurrentStreams) < int64(limit) {
		limit = int(st.MaxConcurrentStreams)
	}
	if s.active >= limit || !s.cc.CanTakeNewRequest() {
		return false
	}
	s.active++
	return true
}

// leave gives a stream's place back. last tells that nobody is left on a session
// that can take no more.
func (s *session2) leave(served bool) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	s.freeAt = time.Now()
	if served {
		s.served++
	}
	return s.active == 0 && (s.doomed || s.over())
}

// over tells that the session takes no more streams.
func (s *session2) over() bool {
	st := s.cc.State()
	return st.Closed || st.Closing
}

// idleSince is how long the session has carried no stream.
func (s *session2) idleSince(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active > 0 {
		return 0
	}
	return now.Sub(s.freeAt)
}

func (s *session2) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active == 0 && s.over()
}

func (s *session2) servedBefore() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}

// shut closes the connection under all streams.
func (s *session2) shut() {
	s.conn.wire.aborted.Store(true)
	_ = s.conn.wire.TCPConn.Close() // its reader ends with it
}

// addSession keeps a new session.
func (e *Endpoint) addSession(s *session2) {
	e.mu.Lock()
	e.sessions = append(e.sessions, s)
	e.speaks2 = true
	e.used = time.Now()
	e.mu.Unlock()
	e.settle()
}

// doom makes every session end with its last stream.
func (e *Endpoint) doom() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.sessions {
		s.mu.Lock()
		s.doomed = true
		s.mu.Unlock()
	}
}

// openStreamLocked takes a place on a session; nil when none has one. e.mu is held.
func (e *Endpoint) openStreamLocked() *Conn {
	for i := len(e.sessions) - 1; i >= 0; i-- {
		s := e.sessions[i]
		if !s.place() {
			continue
		}
		c := newConn(e.target, s.conn.wire, s.conn.profile)
		c.slot, c.s2 = e, s
		c.tls, c.state, c.seen, c.stream = s.conn.tls, s.conn.state, s.conn.seen, s.conn.stream
		c.served = s.servedBefore()
		return c
	}
	return nil
}

// dropSessionsLocked takes out the sessions that end says are of no use and that
// carry no stream. e.mu is held.
func (e *Endpoint) dropSessionsLocked(end func(*session2) bool) (over []*session2) {
	keep := e.sessions[:0]
	for _, s := range e.sessions {
		switch {
		case !end(s):
			keep = append(keep, s)
		case s.idleSince(time.Now()) > 0 || s.isOver():
			over = append(over, s)
		default:
			keep = append(keep, s)
		}
	}
	clear(e.sessions[len(keep):])
	e.sessions = keep
	return over
}
