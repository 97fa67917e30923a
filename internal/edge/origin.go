package edge

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/edge/pool"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/http1"
)

var (
	errNoRecord = errors.New("the zone has no A, AAAA or CNAME record of this name")
	errNoEnd    = errors.New("the CNAME leads to no address")
	errNoTunnel = errors.New("the CNAME leads to a tunnel, and no connector is registered here")
)

// tunnelDomain ends the names of tunnels: such a name has no address for
// anyone, and where no connector is registered the answer is 1033
// (cloudflare tunnel, 2026-07-23).
const tunnelDomain = ".cfargotunnel.com"

// fromOrigin asks the origin and passes its response on, or answers its fault.
func (v *visit) fromOrigin() {
	if b := v.balancer(); b != nil {
		v.fromPool(b)
		return
	}
	plan, f := v.planned(v.routing)
	if f != nil {
		v.fail(f)
		return
	}
	v.plan = plan
	v.trace.Reset()
	ctx := v.ctx
	addrs, altHost, f := v.addresses(ctx)
	if f != nil {
		v.fail(f)
		return
	}
	v.prepare()
	v.awaited()
	// Whoever takes turns among addresses as well must not keep step with them:
	// every source address is to meet every origin address.
	turn := v.edge.turn.Add(1) / uint32(len(addrs))
	tried := v.site.turn(len(addrs))
	c, h, f := v.attempt(ctx, addrs[tried], altHost, turn)
	if f != nil && v.again(f) {
		if next, ok := exchange.RetryAddr(addrs, tried, f); ok {
			v.edge.records.addTried(v, f)
			v.measureTried(f)
			v.retried = true
			v.trace.Reset()
			c, h, f = v.attempt(ctx, next, altHost, turn)
		}
	}
	v.concluded(c, h, f)
}

// balancer is the load balancer whose pools answer for the site; nil = none. An
// origin rule that names another host leads to that one's.
func (v *visit) balancer() *pool.Balancer {
	if !v.st.routes.balanced {
		return nil
	}
	s := v.site
	if v.routing.Host != "" {
		s = &site{target: v.routing.Host}
	}
	return v.st.routes.balancer(s)
}

// planned decides how the origin is spoken with.
func (v *visit) planned(r rules.Routing) (exchange.Plan, *originward.Fault) {
	plan, ok := exchange.PlanFor(v.sslMode(), v.conn.scheme(), v.conn.local.Port(), v.siteName(),
		exchange.Overrides{Port: r.Port, Host: r.HostHeader, SNI: r.SNI})
	if !ok {
		return plan, &originward.Fault{Phase: originward.PhaseRequest, Type: originward.ProxyConfigurationError, Err: errors.New("the zone has no SSL mode")}
	}
	return plan, nil
}

// awaited notes that the visitor waits from now on, when nothing more is read from it.
func (v *visit) awaited() {
	if v.presence != nil && (!v.upload.any || v.upload.all) {
		v.presence.asked.Store(v.began.UnixNano())
	}
}

// concluded passes the response of the last exchange on, or answers its fault.
func (v *visit) concluded(c *exchange.Conn, h *http1.ResponseHead, f *originward.Fault) {
	if f != nil {
		v.upload.drop(v.interrupt)
		v.upload.settle()
		v.fail(f)
		return
	}
	v.respond(c, h)
	v.upload.settle()
}

// allowed tells why an address must not be contacted.
func (v *visit) allowed(port uint16) func(netip.Addr) error {
	return func(a netip.Addr) error {
		if p := v.edge.prohibited(a, port); p != nil {
			return p
		}
		return nil
	}
}

// again tells that the request can be sent to another address: nothing of it has
// been sent, or sending it twice does no harm.
func (v *visit) again(f *originward.Fault) bool {
	return v.upload.untouched() && (v.req.Replayable || f.Phase == originward.PhaseConnect || f.Phase == originward.PhaseTLS)
}

// siteName is the host name as a string; for a site of one name it is the site's own.
func (v *visit) siteName() string {
	if v.site.name == string(v.host) {
		return v.site.name
	}
	return string(v.host)
}

// addresses are the origin's, from the records or from DNS, and the name that a
// certificate may bear beside the requested one.
func (v *visit) addresses(ctx context.Context) (addrs []netip.Addr, altHost string, f *originward.Fault) {
	s := v.site
	if v.routing.Host != "" { // the address of another name is used
		s = &site{target: v.routing.Host}
	}
	addrs, name, target := v.st.routes.origin(s)
	v.name = name
	if target == "" && v.routing.HostHeader != "" {
		target = v.routing.HostHeader // the name that the origin is asked for
	}
	if strings.HasSuffix(name, tunnelDomain) {
		return nil, "", &originward.Fault{Phase: originward.PhaseResolve, Type: originward.DestinationUnavailable, Err: errNoTunnel}
	}
	if name == "" {
		if len(addrs) == 0 {
			return nil, "", &originward.Fault{Phase: originward.PhaseResolve, Type: originward.DNSError, Err: errNoEnd}
		}
		for _, a := range addrs {
			if p := v.edge.prohibited(a, v.plan.Port); p != nil {
				v.origin = netip.AddrPortFrom(a, v.plan.Port)
				return nil, "", &originward.Fault{Phase: originward.PhaseResolve, Type: originward.DestinationIPProhibited, Err: p}
			}
		}
		return addrs, target, nil
	}
	check := v.allowed(v.plan.Port)
	v.edge.flights.enter(v)
	defer v.edge.flights.leave(v)
	addrs, f = exchange.Resolve(ctx, v.st.resolver, exchange.Profile{Resolve: v.st.cfg.Timers.Resolve}, name, check, &v.trace)
	return addrs, target, f
}

// prepare writes the request.
func (v *visit) prepare() {
	v.buf = v.requestHead()
	v.headEnd = len(v.buf)
	v.upload.begin(v)
	v.req = exchange.Request{
		Method:     v.method,
		Expect:     v.expect,
		Replayable: exchange.Replayable(v.method, v.upload.any && !v.upload.all),
		Interim:    v.bound.interim,
	}
	v.req.Head = v.buf // with what the upload put behind it
	if v.upload.any {
		v.req.Body = v.bound.sendTo
		if v.upload.all {
			v.req.Body = nil
		}
	}
}

// attempt does one exchange with one address.
func (v *visit) attempt(ctx context.Context, addr netip.Addr, altHost string, turn uint32) (*exchange.Conn, *http1.ResponseHead, *originward.Fault) {
	t := exchange.Target{
		Addr:   netip.AddrPortFrom(addr, v.plan.Port),
		Source: v.st.egress(turn, addr),
	}
	if v.plan.Scheme == "https" {
		t.TLS = v.zone.origins.policy(v.host, policyKey{v.plan.Validate, v.upgrade != nil || v.zone.OriginHTTP1})
		t.SNI, t.Host, t.AltHost = v.plan.SNI, v.siteName(), altHost
	}
	v.origin, v.egress = t.Addr, t.Source
	v.edge.flights.enter(v)
	c, h, f := v.zone.client.Endpoint(t).Do(ctx, &v.req, &v.trace)
	v.edge.flights.leave(v)
	if c != nil {
		v.reused = c.Served() > 0
		if !t.Source.IsValid() {
			v.egress = c.Local().Addr()
		}
	}
	if f != nil {
		v.faultAs = nil
		var read int64
		if c != nil {
			read = c.BytesRead()
		}
		v.faultAs = exchange.FactOf(f, v.trace.Elapsed(), read)
	}
	return c, h, f
}

// respond passes the origin's response on.
func (v *visit) respond(c *exchange.Conn, h *http1.ResponseHead) {
	v.status, v.originStatus = h.Status, h.Status
	v.answered(h.Status, &h.Head, 0)
	if v.cache.old != nil && v.standsIn(c, h) || v.replaced(c, h) {
		return
	}
	if h.Status == 101 {
		v.switchProtocols(c, h)
		return
	}
	v.changed(h)
	if v.cache.leads && v.keep(c, h) {
		return
	}
	err := v.decoded(c, h)
	v.cache.passed(v.edge.cache, err)
	v.upload.drop(v.interrupt)
	if err == nil {
		c.Release()
		return
	}
	v.broken(c, err)
}

// broken ends a response that could not be passed on whole.
func (v *visit) broken(c *exchange.Conn, err error) {
	_ = c.Close() // what failed is known
	var f *originward.Fault
	if errors.As(err, &f) {
		switch {
		case f.Phase != originward.PhaseBody:
			v.fail(f)
			return
		case v.ctx.Err() != nil:
			v.left = f.Phase // the exchange ended because the visitor did
		default:
			v.fault = f
		}
	}
	// The head has gone out, so the response can only be cut off.
	v.cut = true
}
