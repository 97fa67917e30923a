package exchange

import (
	"context"
	"errors"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/http1"
)

// roundTrip1 is RoundTrip over HTTP/1.1.
func (c *Conn) roundTrip1(ctx context.Context, req *Request, tr *Trace) (*http1.ResponseHead, *originward.Fault) {
	c.before = c.reader.Received()
	c.keep = false
	c.wire.begin()
	tr.Begin(StepWrite)
	u := &c.up
	*u = upload{c: c, req: req}
	_, err := c.out.Write(req.Head)
	if err == nil && req.Body != nil {
		err = u.send(ctx)
	}
	if err != nil {
		if f := c.writeFault(ctx, err); f != nil {
			tr.Fail(stepOf(f, StepWrite))
			return nil, f
		}
		u.cut = true
	}
	tr.Next(StepWrite, StepFirstByte)
	head := u.head
	if head == nil {
		c.wire.await(time.Now(), c.profile.Read, waitResponse)
		if err := c.waitByte(); err != nil {
			f := c.readFault(ctx, StepFirstByte, err)
			tr.Fail(stepOf(f, StepFirstByte))
			return nil, f
		}
	}
	tr.Next(StepFirstByte, StepHeaders)
	if head == nil {
		var f *originward.Fault
		if head, f = c.finalHead(ctx, req); f != nil {
			tr.Fail(StepHeaders)
			return nil, f
		}
	}
	c.wire.await(time.Now(), c.profile.Read, waitBody)
	c.keep = !u.cut && head.KeepAlive
	c.body.begin(c.reader.Body(), head.Framing, tr)
	if f := c.body.brokenAtOnce(); f != nil {
		tr.Fail(StepHeaders)
		return nil, f
	}
	tr.Next(StepHeaders, StepBody)
	if c.reader.Body().Done() {
		c.body.end()
	}
	return head, nil
}

// waitByte waits for the first byte of the response under the current wait. Over
// TLS the wire's own Read moves premature deadlines on.
func (c *Conn) waitByte() error {
	for {
		err := c.reader.WaitResponse()
		if err == nil || c.tls != nil || !c.wire.again(err) {
			return err
		}
	}
}

// nextHead reads the next response head, interim or final.
func (c *Conn) nextHead(method string) (*http1.ResponseHead, error) {
	for {
		head, err := c.reader.ReadResponseHead(http1.Limits{Head: c.profile.Head}, method)
		if err == nil || c.tls != nil || !c.wire.again(err) {
			return head, err
		}
	}
}

// maxInterim bounds 1xx responses before the final one; an origin that tells its
// progress (102) every second stays below it for the whole read time.
const maxInterim = 200

var errInterim = errors.New("the origin sent more than 200 interim responses and no final one")

// finalHead reads the final response head, passing interim ones on.
func (c *Conn) finalHead(ctx context.Context, req *Request) (*http1.ResponseHead, *originward.Fault) {
	for range maxInterim {
		head, err := c.nextHead(req.Method)
		if err != nil {
			return nil, c.readFault(ctx, StepHeaders, err)
		}
		if !head.Interim() {
			return head, nil
		}
		if req.Interim != nil {
			if err := req.Interim(head); err != nil {
				return nil, visitorFault(err)
			}
		}
		c.wire.await(time.Now(), c.profile.Read, waitResponse)
	}
	return nil, fault(StepHeaders, originward.HTTPProtocolError, errInterim)
}

// stepOf is the step of a fault, def when its phase is none of the exchange's.
func stepOf(f *originward.Fault, def Step) Step {
	for s, p := range stepPhases {
		if p == f.Phase {
			return Step(s)
		}
	}
	return def
}
