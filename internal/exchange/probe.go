package exchange

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/http1"
)

// Probe does one whole exchange and returns it as evidence. It never fails: what
// goes wrong is the evidence. It dials in the calling goroutine.
func Probe(ctx context.Context, s ProbeSpec) fact.Exchange {
	s = s.prepare()
	if s.Budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Budget)
		defer cancel()
	}
	p := probe{spec: s, out: fact.Exchange{
		Variant: s.Variant,
		Target:  s.Target.Addr,
		Name:    s.Name,
		Scheme:  s.Target.Scheme(),
		SNI:     escape.Line(s.Target.SNI, maxName),
		Timers:  s.Profile.Name,
	}}
	p.trace.Reset()
	p.run(ctx)
	p.out.Phases = p.trace.Phases()
	return p.out
}

// probe is one probing exchange under way.
type probe struct {
	spec  ProbeSpec
	out   fact.Exchange
	trace Trace
	conn  *Conn
}

func (p *probe) run(ctx context.Context) {
	var head []byte
	if !p.spec.NoRequest {
		var err error
		if head, err = p.spec.head(); err != nil {
			p.fault(visitorFault(err))
			return
		}
		p.out.Host, p.out.Path = escape.Line(p.spec.Host, maxName), escape.Line(p.spec.Path, maxDetail)
	}
	target := p.spec.Target
	if p.spec.Variant == fact.VariantTCP {
		target.TLS = nil
	}
	conn, f := NewDialer(p.spec.Profile).Dial(ctx, target, &p.trace)
	if conn != nil {
		p.conn = conn
		p.out.Source = conn.Local().Addr()
		defer func() { _ = conn.Close() }()
		p.out.TLS = conn.TLS()
	}
	if f != nil {
		p.fault(f)
		return
	}
	if p.spec.NoRequest {
		return
	}
	req := &Request{Method: p.spec.Method, Head: head}
	p.exchange(ctx, req)
	if p.spec.Variant == fact.VariantReuse && p.again(ctx) {
		p.out.Reused = true
		p.out.Response = nil
		p.trace.Reset()
		p.exchange(ctx, req)
	}
}

// again makes the connection ready for a second request, and tells whether it can
// carry one: an origin may close it, as a pool would notice.
func (p *probe) again(ctx context.Context) bool {
	if p.out.Fault != nil || !p.conn.renew() {
		return false
	}
	if p.spec.IdleBefore > 0 {
		t := time.NewTimer(p.spec.IdleBefore)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return false
		}
	}
	return p.conn.s2 != nil || p.conn.alive()
}

// exchange sends the request and reads the response.
func (p *probe) exchange(ctx context.Context, req *Request) {
	head, f := p.conn.RoundTrip(ctx, req, &p.trace)
	if f != nil {
		p.fault(f)
		return
	}
	r := responseFact(head, p.conn.Proto())
	p.out.Response = r
	body, err := p.readBody()
	r.BodyBytes = p.conn.Body().Consumed()
	if isText(head) {
		r.Body = escape.Text(string(body), maxBodyText)
		r.Title = title(body)
	}
	var fault *originward.Fault
	if err != nil && errors.As(err, &fault) && !p.stillComing(fault) {
		p.fault(fault)
	}
}

// readBody reads the body up to the limit and returns its beginning.
func (p *probe) readBody() ([]byte, error) {
	var begin []byte
	for body := p.conn.Body(); body.Consumed() < p.spec.MaxBody; {
		piece, err := body.Next()
		if err == io.EOF {
			return begin, nil
		}
		if err != nil {
			return begin, err
		}
		begin = append(begin, piece[:min(len(piece), maxBodyText-len(begin))]...)
	}
	p.trace.End(StepBody) // enough was read: nothing is known against the rest
	return begin, nil
}

// stillComing tells a body that was cut short by the probe's budget while bytes
// were coming from one that stalled: an edge would go on reading the first.
func (p *probe) stillComing(f *originward.Fault) bool {
	var t *TimeoutError
	return f.Type == originward.ConnectionReadTimeout && errors.As(f, &t) && t.Waited+timerSlack < p.spec.Profile.Read &&
		t.Waited < stallAfter
}

// stallAfter is the silence in a body that is called a stall in any profile: a path
// that loses one packet has sent it again twice by then.
const stallAfter = time.Second

func (p *probe) fault(f *originward.Fault) {
	var read int64
	if p.conn != nil {
		read = p.conn.BytesRead()
	}
	p.out.Fault = FactOf(f, p.trace.Elapsed(), read)
}

// renew makes a connection ready for another exchange without giving it back.
func (c *Conn) renew() bool {
	if c.s2 != nil {
		s := c.h2.Swap(nil)
		if s == nil || !s.done() {
			return false
		}
		s.close()
		c.served++
		return !c.s2.over()
	}
	c.body.unwatch()
	if !c.clean() {
		return false
	}
	c.reader.Release()
	c.served++
	c.reused = true
	return true
}

// textTypes are the beginnings of content types whose body is shown.
var textTypes = []string{"text/", "application/json", "application/problem+json", "application/xml", "application/xhtml"}

// isText tells whether a body can be shown: text that is not compressed.
func isText(h *http1.ResponseHead) bool {
	if e := h.Get("Content-Encoding"); len(e) > 0 && string(e) != "identity" {
		return false
	}
	kind := h.Get("Content-Type")
	if len(kind) == 0 {
		return true
	}
	for _, t := range textTypes {
		if len(kind) >= len(t) && equalASCII(string(kind[:len(t)]), t) {
			return true
		}
	}
	return false
}
