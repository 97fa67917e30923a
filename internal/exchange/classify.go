package exchange

import (
	"context"
	"errors"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/http1"
)

// writeFault classifies a failed write. It is nil when the origin has answered all
// the same: then its answer is the result.
func (c *Conn) writeFault(ctx context.Context, err error) *originward.Fault {
	var v *visitorError
	if errors.As(err, &v) {
		return visitorFault(v.err)
	}
	var p *http1.ParseError
	if errors.As(err, &p) { // of an answer that came before the body was sent
		return c.readFault(ctx, StepHeaders, p)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fault(StepWrite, originward.ProxyInternalError, ctx.Err())
	}
	late, waited := c.wire.ours, c.wire.waited
	c.wire.begin()
	if c.answered() {
		return nil
	}
	if late {
		return c.writeTimeout(waited, err)
	}
	return fault(StepWrite, originward.ConnectionTerminated, c.alert(err))
}

// answered tells, after a write failed, whether a response lies ready.
func (c *Conn) answered() bool {
	c.wire.await(time.Now(), readyWait, waitWhole)
	return c.waitByte() == nil
}

// writeTimeout tells a request of which nothing was acknowledged from one that the
// origin does not take. Both fill the kernel's buffer.
func (c *Conn) writeTimeout(waited time.Duration, err error) *originward.Fault {
	t := &TimeoutError{Waited: waited, For: "room for the request", Err: err}
	if st := c.wire.query.tcp(); st.known && st.unacked > 0 && st.lastAck+timerSlack >= waited {
		t.Unacked = st.unacked
		if waited+timerSlack >= c.profile.Ack {
			t.For = "acknowledgment of the request"
			return fault(StepWrite, originward.ConnectionTimeout, t)
		}
	}
	return fault(StepWrite, originward.ConnectionWriteTimeout, t)
}

// readFault classifies a failure to read the response's head, in the step in which it came.
func (c *Conn) readFault(ctx context.Context, s Step, err error) *originward.Fault {
	var p *http1.ParseError
	if !errors.As(err, &p) {
		return fault(s, originward.ProxyInternalError, err)
	}
	if p.Err == nil {
		return fault(StepHeaders, parseFaultType(p.Kind), p)
	}
	if c.wire.ours {
		return c.readTimeout(ctx, s, p)
	}
	p.Err = c.alert(p.Err)
	if kind, _ := sysError(p.Err); s == StepHeaders && kind != sysTimeout {
		return fault(s, originward.HTTPResponseIncomplete, p)
	}
	// Nothing came, or the kernel gave up on a peer that answers no keepalive probe.
	return fault(s, originward.ConnectionTerminated, p)
}

// readTimeout names what did not come in time.
func (c *Conn) readTimeout(ctx context.Context, s Step, p *http1.ParseError) *originward.Fault {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fault(s, originward.ProxyInternalError, ctx.Err())
	}
	t := &TimeoutError{Waited: c.wire.waited, Unacked: c.wire.unacked, Err: p}
	switch {
	case s == StepFirstByte && c.wire.unacked > 0:
		t.For = "acknowledgment of the request"
		return fault(StepWrite, originward.ConnectionTimeout, t)
	case s == StepFirstByte && c.wire.unsent > 0:
		t.For = "room for the rest of the request"
		return fault(StepWrite, originward.ConnectionWriteTimeout, t)
	case s == StepFirstByte:
		t.For = "response"
		return fault(s, originward.HTTPResponseTimeout, t)
	}
	t.For = "end of the response head"
	return fault(s, originward.ConnectionReadTimeout, t)
}

// parseFaultType is the RFC 9209 type of a head that cannot be read.
func parseFaultType(k http1.Kind) originward.FaultType {
	switch k {
	case http1.HeadTooLarge, http1.TooManyFields:
		return originward.HTTPResponseHeaderSection
	case http1.BodyUnread:
		return originward.ProxyInternalError
	}
	return originward.HTTPProtocolError
}

// bodyFault classifies a failure of the response's body.
func (c *Conn) bodyFault(err error) *originward.Fault {
	var p *http1.ParseError
	switch {
	case !errors.As(err, &p):
		return fault(StepBody, originward.ProxyInternalError, err)
	case p.Err == nil:
		return fault(StepBody, originward.HTTPResponseTransfer, p)
	case c.wire.ours:
		return fault(StepBody, originward.ConnectionReadTimeout,
			&TimeoutError{Waited: c.wire.waited, For: "more of the response body", Err: p})
	}
	p.Err = c.alert(p.Err)
	return fault(StepBody, originward.HTTPResponseIncomplete, p)
}

// alert keeps a TLS alert that comes instead of data: under TLS 1.3 a server
// refuses a client certificate only after the handshake.
func (c *Conn) alert(err error) error {
	n, ok := alertIn(err)
	if !ok {
		return err
	}
	return &AlertError{Alert: n, ClientCert: c.askedForCert(), Err: err}
}

// askedForCert tells whether the peer asked for a client certificate; No only
// after a whole handshake without it.
func (c *Conn) askedForCert() fact.Tri {
	switch {
	case c.seen.clientCert:
		return fact.Yes
	case c.state.HandshakeComplete:
		return fact.No
	}
	return fact.Unknown
}
