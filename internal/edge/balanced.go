package edge

import (
	"context"
	"errors"
	"net/netip"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/edge/pool"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/http1"
)

var errNoPool = errors.New("no pool of the load balancer has an origin to give, nor has its fallback pool")

// member is the origin that a load balancer chose, as the visit reaches it.
type member struct {
	origin *pool.Origin
	addrs  []netip.Addr
	alt    string // other name that its certificate may bear
}

// fromPool asks an origin that the load balancer chooses, once more another one
// where that is documented, and passes the response on.
func (v *visit) fromPool(b *pool.Balancer) {
	v.trace.Reset()
	now := v.edge.now()
	given, session := v.routing, b.Session(v.head, now)
	ask := pool.Ask{Client: v.conn.addr}
	m, f := v.chosen(b, given, session, &ask)
	if f != nil {
		v.fail(f)
		return
	}
	m.origin.Begin()
	defer func() { m.origin.End() }()
	v.prepare()
	v.awaited()
	turn := v.edge.turn.Add(1)
	tried := int(turn) % len(m.addrs)
	turn /= uint32(len(m.addrs)) // every source address is to meet every origin address
	c, h, f := v.attempt(v.ctx, m.addrs[tried], m.alt, turn)
	moved := false
	if f != nil && v.again(f) && originward.RetryElsewhere(f.Code().Error) && (session.Origin == nil || b.Affinity.Failover != "none") {
		if next, ok := v.elsewhere(b, given, m, tried, f, &ask); ok {
			moved = next.origin != m.origin
			m.origin.End()
			m = next
			m.origin.Begin()
			c, h, f = v.attempt(v.ctx, m.addrs[0], m.alt, turn)
		}
	}
	if f == nil {
		v.bind(b, session, m.origin, moved)
	}
	v.concluded(c, h, f)
}

// chosen gives the origin of the visitor's session, or one that the balancer
// chooses. One whose name does not resolve is passed over: nothing was asked of it.
func (v *visit) chosen(b *pool.Balancer, given rules.Routing, s pool.Session, ask *pool.Ask) (member, *originward.Fault) {
	o := s.Origin
	var first *originward.Fault
	for {
		if o == nil {
			o = b.Choose(ask)
		}
		if o == nil {
			if first == nil {
				first = &originward.Fault{Phase: originward.PhaseResolve, Type: originward.DNSError, Err: errNoPool}
			}
			return member{}, first
		}
		m, f := v.aim(v.ctx, given, o)
		if f == nil {
			return m, nil
		}
		if first == nil {
			first = f
		}
		if f.Type != originward.DNSError && f.Type != originward.DNSTimeout || !ask.Without(o) {
			return member{}, f
		}
		o = nil
	}
}

// aim makes the plan towards an origin of a pool, and finds its addresses. What the
// origin says goes before origin rules (override-http-host-headers).
func (v *visit) aim(ctx context.Context, given rules.Routing, o *pool.Origin) (m member, f *originward.Fault) {
	r := given
	if o.Port != 0 {
		r.Port = o.Port
	}
	if o.Host != "" {
		r.HostHeader = o.Host
	}
	plan, f := v.planned(r)
	if f != nil {
		return m, f
	}
	m = member{origin: o, alt: o.Target}
	if r.HostHeader != "" {
		m.alt = r.HostHeader
	}
	v.routing, v.plan, v.name, v.pool = r, plan, o.Target, o.Pool.Name
	if !o.Addr.IsValid() {
		v.edge.flights.enter(v)
		defer v.edge.flights.leave(v)
		m.addrs, f = exchange.Resolve(ctx, v.st.resolver, exchange.Profile{Resolve: v.st.cfg.Timers.Resolve}, o.Target, v.allowed(plan.Port), &v.trace)
		return m, f
	}
	if p := v.edge.prohibited(o.Addr, plan.Port); p != nil {
		v.origin = netip.AddrPortFrom(o.Addr, plan.Port)
		return m, &originward.Fault{Phase: originward.PhaseResolve, Type: originward.DestinationIPProhibited, Err: p}
	}
	m.addrs = o.Addrs()
	return m, nil
}

// elsewhere gives where a request that failed is tried once more: another origin, or
// another address of the same. What was met so far is noted.
func (v *visit) elsewhere(b *pool.Balancer, given rules.Routing, m member, tried int, f *originward.Fault, ask *pool.Ask) (member, bool) {
	failed, was := v.trace, v.outcome
	routing := v.routing
	o := b.Other(m.origin, ask)
	next := m
	if o == nil {
		a, ok := exchange.RetryAddr(m.addrs, tried, f)
		if !ok {
			return m, false
		}
		next.addrs = []netip.Addr{a}
	}
	record := triedRecord(v, f)
	v.trace.Reset()
	if o != nil {
		x, lost := v.aim(v.ctx, given, o)
		if lost != nil { // the first fault stands
			v.trace, v.outcome, v.routing = failed, was, routing
			return m, false
		}
		next = x
		if v.routing.HostHeader != routing.HostHeader {
			v.rehead()
		}
	}
	v.edge.records.put(record, true)
	v.measureTried(f)
	v.retried = true
	return next, true
}

// rehead writes the request's head anew, for another Host; what of the body stands
// behind it stays.
func (v *visit) rehead() {
	tail := append([]byte(nil), v.buf[v.headEnd:]...)
	v.buf = append(v.requestHead(), tail...)
	v.req.Head = v.buf
}

// bind begins the visitor's session with the origin that answered, or lets the one
// there is stand.
func (v *visit) bind(b *pool.Balancer, s pool.Session, o *pool.Origin, moved bool) {
	if moved && s.Origin != nil && b.Affinity.Failover == "temporary" {
		return // the session's origin may come back
	}
	now := v.edge.now()
	b.Keep(s, o, now)
	if s.Origin != o {
		v.setCookie = b.SetCookie(o, v.zone.AlwaysUseHTTPS, now)
	}
}

// cookieLine is the Set-Cookie field of a session that begins.
func (v *visit) cookieLine(b []byte) []byte {
	if v.setCookie == "" {
		return b
	}
	return http1.AppendHeader(b, "Set-Cookie", v.setCookie)
}
