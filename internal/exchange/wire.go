package exchange

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/originward/originward/internal/sock"
)

// wire is a TCP connection with the exchange's timers. Deadlines are set lazily:
// one that fires too early, because it was set for an earlier request or because
// bytes have come since, is moved on instead of being reported. So an exchange on a
// reused connection costs no timer at all.
//
// The TCP_USER_TIMEOUT option could keep the time for acknowledgments, but on Linux
// it also replaces the keepalive count (tcp_keepalive_timer), so that a dead idle
// peer would be noticed after 90 s instead of 60. The kernel is asked for
// unacknowledged segments when the time is up instead.
type wire struct {
	*net.TCPConn
	sock    *sock.Conn // the same, for reading and writing
	query   sockQuery
	profile *Profile

	readBy, writeBy time.Time // deadlines that are set; zero = none

	since    time.Time     // when the current wait for the peer began
	limit    time.Duration // of the wait, from since or from the last bytes
	absolute bool          // limit counts from since even when bytes come
	acks     bool          // the wait is for a response: acknowledgments are due, too
	body     bool          // the wait is for more of a body, between which the caller may pause
	early    bool          // a write stops when there is something to read

	waited  time.Duration // how long the wait had lasted when it was given up
	unacked int           // segments unacknowledged then
	unsent  int           // bytes then waiting for room at the peer
	ours    bool          // given up by a timer of ours

	abortFunc func()      // abort, bound once
	aborted   atomic.Bool // the caller's context ended: deadlines are final
}

func newWire(c *net.TCPConn, p *Profile) (*wire, error) {
	s, err := sock.New(c)
	if err != nil {
		return nil, err
	}
	w := &wire{TCPConn: c, sock: s, profile: p}
	w.abortFunc = w.abort
	if err := w.query.init(c); err != nil {
		return nil, err
	}
	return w, nil
}

// pastDeadline is any time before now.
var pastDeadline = time.Unix(1, 0)

// abort makes every read and write fail now and from now on.
func (w *wire) abort() {
	w.aborted.Store(true)
	_ = w.TCPConn.SetDeadline(pastDeadline) // only a closed connection refuses, and that is aborted too
}

// waitKind is what is waited for.
type waitKind uint8

const (
	waitWhole    waitKind = iota // limit counts from the beginning, whatever comes
	waitResponse                 // acknowledgments are due, too
	waitBody                     // the caller may pause between reads
)

// begin forgets how the last exchange on the connection went.
func (w *wire) begin() {
	w.ours, w.waited, w.unacked, w.unsent = false, 0, 0, 0
}

// await begins a wait for the peer of at most limit.
func (w *wire) await(now time.Time, limit time.Duration, k waitKind) {
	w.since, w.limit = now, limit
	w.absolute, w.acks, w.body = k == waitWhole, k == waitResponse, k == waitBody
	first := limit
	if w.acks {
		first = min(first, w.profile.Ack)
	}
	// A deadline that is already set may fire early, which costs a look at the kernel's
	// state; it must not be past already, and must not fire late.
	if w.readBy.After(now) && w.readBy.Before(now.Add(first)) {
		return
	}
	w.setRead(now.Add(first))
}

// forever waits without a limit of its own.
func (w *wire) forever() {
	w.limit = 0
	w.setRead(time.Time{})
}

func (w *wire) setRead(t time.Time) {
	w.readBy = t
	_ = w.SetReadDeadline(t) // a closed connection says so on the read that follows
	if w.aborted.Load() {
		_ = w.SetReadDeadline(pastDeadline)
	}
}

// again tells, after a read failed, that its deadline was premature and has been
// moved on: read again. Otherwise the failure stands.
func (w *wire) again(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	now := time.Now()
	quiet := now.Sub(w.since)
	st := w.query.tcp()
	if !w.absolute && st.known && st.lastData < quiet {
		quiet = st.lastData
	}
	if w.aborted.Load() {
		return w.giveUp(now, quiet, st)
	}
	if w.limit == 0 {
		w.setRead(time.Time{})
		return true
	}
	if w.body && (st.pending > 0 || now.Sub(w.readBy) > lateRead) {
		// It was we who did not read: bytes lie ready, or the deadline had run out before
		// this read began, because the visitor took nothing meanwhile.
		w.since = now
		w.setRead(now.Add(w.limit))
		return true
	}
	if quiet+timerSlack >= w.limit {
		return w.giveUp(now, quiet, st)
	}
	next := w.limit - quiet
	if w.acks && st.unacked > 0 {
		if quiet+timerSlack >= w.profile.Ack && w.silent(now, st) {
			return w.giveUp(now, quiet, st)
		}
		if quiet < w.profile.Ack {
			next = min(next, w.profile.Ack-quiet)
		}
	}
	w.setRead(now.Add(next))
	return true
}

// timerSlack is how much too early a timer may be taken as run out; the kernel
// counts milliseconds.
const timerSlack = 5 * time.Millisecond

// lateRead is how long after its deadline a read must fail to have begun after it;
// well above what a busy machine delays a wake-up.
const lateRead = time.Second

// silent tells that the peer has acknowledged nothing since the wait began.
func (w *wire) silent(now time.Time, st tcpState) bool {
	return st.lastAck+timerSlack >= now.Sub(w.since)
}

// minSilence is how long segments must have been unacknowledged to be called so:
// by then they have been sent again (the first retransmission comes after a
// round trip and at least 200 ms), and a delayed acknowledgment (40 ms) has come.
const minSilence = time.Second

func (w *wire) giveUp(now time.Time, quiet time.Duration, st tcpState) bool {
	w.ours, w.waited, w.unacked, w.unsent = true, quiet, 0, st.unsent
	if st.unacked > 0 && now.Sub(w.since) >= min(minSilence, w.profile.Ack) && w.silent(now, st) {
		w.unacked = st.unacked
	}
	return false
}

// Read reads under the timers; crypto/tls reads through it.
func (w *wire) Read(p []byte) (int, error) {
	for {
		n, err := w.sock.Read(p)
		if n > 0 || err == nil || !w.again(err) {
			return n, err
		}
	}
}

// errEarly stops the sending of a body because the peer has already answered.
var errEarly = errors.New("the origin answered before the whole request was sent")

// earlyLook is how often a write that blocks looks whether the peer has answered.
const earlyLook = time.Second

// Write writes under the write timer: the peer's kernel must take something within
// it. crypto/tls writes through it.
func (w *wire) Write(p []byte) (int, error) {
	start := time.Now()
	step := w.profile.Write
	if w.early {
		step = min(step, earlyLook)
	}
	if !w.writeBy.After(start) || w.writeBy.After(start.Add(step)) {
		w.setWrite(start.Add(step))
	}
	done := 0
	for {
		n, err := w.sock.Write(p[done:])
		done += n
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return done, err
		}
		now := time.Now()
		if n > 0 {
			start = now
		}
		if w.early && w.query.readable() {
			return done, errEarly
		}
		quiet := now.Sub(start)
		if w.aborted.Load() || quiet+timerSlack >= w.profile.Write {
			w.ours, w.waited = true, quiet
			return done, err
		}
		w.setWrite(now.Add(min(step, w.profile.Write-quiet)))
	}
}

func (w *wire) setWrite(t time.Time) {
	w.writeBy = t
	_ = w.SetWriteDeadline(t) // a closed connection says so on the write that follows
	if w.aborted.Load() {
		_ = w.SetWriteDeadline(pastDeadline)
	}
}
