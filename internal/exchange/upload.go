package exchange

import (
	"context"
	"errors"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/http1"
)

// expectWait is how long the origin's 100 (Continue) is waited for before the body
// is sent anyway (RFC 9110 section 10.1.1 leaves the time open; curl and Go use 1 s).
const expectWait = time.Second

// readyWait is how long bytes that have already arrived may take to be read.
const readyWait = 20 * time.Millisecond

// upload sends a request's body over HTTP/1.1. It keeps the origin's failure apart
// from the visitor's, and notices an origin that answers instead of taking it all.
type upload struct {
	c    *Conn
	req  *Request
	err  error               // of writing to the origin, or of its early answer
	head *http1.ResponseHead // final answer that came before the body was sent
	cut  bool                // not all was sent
}

// send sends the body. Its error is the origin's failure, or a *visitorError.
func (u *upload) send(ctx context.Context) error {
	if u.req.Expect {
		if err := u.expect(ctx); err != nil || u.head != nil {
			u.cut = true
			return err
		}
	}
	u.c.wire.early = u.c.tls == nil
	err := u.req.Body(u)
	u.c.wire.early = false
	switch {
	case u.head != nil:
		u.cut = true
		return nil
	case u.err != nil:
		return u.err
	case err != nil:
		return &visitorError{err}
	}
	return nil
}

// expect waits for the origin's 100 (Continue) or final answer.
func (u *upload) expect(ctx context.Context) error {
	u.c.wire.await(time.Now(), expectWait, waitWhole)
	if u.c.waitByte() != nil {
		u.c.wire.begin()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return nil // silent, or gone: the write that follows tells
	}
	return u.answer()
}

// answer reads the head that is arriving: an interim one is passed on, a final one kept.
func (u *upload) answer() error {
	u.c.wire.await(time.Now(), u.c.profile.Read, waitResponse)
	head, err := u.c.nextHead(u.req.Method)
	switch {
	case err != nil:
		return err
	case !head.Interim():
		u.head = head
	case u.req.Interim != nil:
		if err := u.req.Interim(head); err != nil {
			return &visitorError{err}
		}
	}
	return nil
}

// Write sends a piece of the body.
func (u *upload) Write(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	done := 0
	for {
		n, err := u.c.out.Write(p[done:])
		done += n
		if !errors.Is(err, errEarly) {
			u.err = err
			return done, err
		}
		// The origin takes nothing and has said something: an interim answer changes
		// nothing, a final one ends the upload.
		if u.err = u.answer(); u.err != nil {
			return done, u.err
		}
		if u.head != nil {
			u.err = errEarly
			return done, errEarly
		}
	}
}

// visitorError is a failure of the request body's source, or of the interim
// response's destination.
type visitorError struct{ err error }

func (e *visitorError) Error() string { return e.err.Error() }
func (e *visitorError) Unwrap() error { return e.err }

func visitorFault(err error) *originward.Fault {
	return &originward.Fault{Phase: originward.PhaseRequest, Type: originward.HTTPRequestError, Err: err}
}
