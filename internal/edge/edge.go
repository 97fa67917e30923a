package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/acme"
	"github.com/originward/originward/internal/edge/cache"
	"github.com/originward/originward/internal/edge/monitor"
	"github.com/originward/originward/internal/edge/pool"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/edge/spans"
	"github.com/originward/originward/internal/edge/traffic"
	"github.com/originward/originward/internal/handover"
)

// Options are what an edge is given beside its configuration. The zero Options work.
type Options struct {
	// Logger takes what concerns the edge itself; nil = nothing is said.
	Logger *slog.Logger
	// AccessLog takes one JSON line per request; nil = none is written.
	AccessLog io.Writer
	// Version is the program's, for traces.
	Version string
	// Now is the clock for certificates and DNS answers; nil = time.Now.
	Now func() time.Time
}

// Edge is a running edge. Its methods are safe for concurrent use.
type Edge struct {
	log      *slog.Logger
	now      func() time.Time
	state    atomic.Pointer[state]
	limiter  *rules.Limiter
	records  *records
	traffic  traffic.Counter
	flights  *flights
	measures measures
	tracer   *spans.Tracer // nil = no spans are made
	onBurst  atomic.Pointer[func(Burst)]
	guard    *guard
	access   accessLog
	cache    *cache.Store
	date     dateLine
	tls      visitorTLS
	proofs   proofs
	loopID   []byte // this edge's entry in CDN-Loop
	turn     atomic.Uint32
	health   healthEvents
	// registry keeps the health of origins and sessions over configurations.
	registry *pool.Registry
	watch    *monitor.Watch // from Start on; guarded by apply
	own      atomic.Pointer[ownAddrs]

	serving  atomic.Bool // Start is through
	leaving  atomic.Bool // a successor serves: connections end with their next response
	draining atomic.Bool
	stop     chan struct{} // closed when the edge ends
	work     sync.WaitGroup
	shaken   chan *visitor // to a goroutine that is done with a handshake
	spare    atomic.Int32  // those that wait for the next one

	apply      sync.Mutex             // one change of configuration at a time
	file       *config.Config         // as loaded, without stored zones; guarded by apply
	stored     Stored                 // beside the file; guarded by apply
	watchers   []func(*config.Config) // guarded by apply
	asked      *acme.Manager          // for certificates; guarded by apply
	listeners3 map[string]*listener3  // for HTTP/3, by configured address; guarded by apply
	mu         sync.Mutex
	listeners  map[listenKey]*listener // guarded by mu
	visitors   map[*visitor]struct{}   // guarded by mu
	visitors3  int                     // connections of HTTP/3; guarded by mu
	crowd      crowd                   // guarded by mu
}

// New makes an edge; it does not listen yet.
func New(cfg *config.Config, o Options) (*Edge, error) {
	e := &Edge{
		log: o.Logger, now: o.Now, limiter: rules.NewLimiter(), records: newRecords(), flights: &flights{},
		// The id only has to differ between edges that pass requests to each other.
		loopID:     fmt.Appendf(nil, "%s; edge=%08x", cdnToken, rand.Uint32()),
		stop:       make(chan struct{}),
		shaken:     make(chan *visitor),
		listeners:  map[listenKey]*listener{},
		visitors:   map[*visitor]struct{}{},
		listeners3: map[string]*listener3{},
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.now == nil {
		e.now = time.Now
	}
	e.tls = e.newVisitorTLS()
	secret, err := sessionSecret(cfg.Data)
	if err != nil {
		return nil, fmt.Errorf("key of sessions: %w", err)
	}
	e.registry = pool.NewRegistry(secret)
	e.proofs.tell = e.tellLater
	st, err := e.newState(cfg, nil)
	if err != nil {
		return nil, err
	}
	if e.guard, err = newGuard(cfg, o.AccessLog); err != nil {
		return nil, err
	}
	if e.cache, err = openCache(cfg, e.now, e.log); err != nil {
		return nil, err
	}
	if err := e.openLogs(cfg); err != nil {
		return nil, err
	}
	o.Logger = e.log
	if e.tracer, err = openTracer(cfg, o); err != nil {
		return nil, err
	}
	e.state.Store(st)
	e.file = cfg
	e.measures.loaded.Store(time.Now().UnixNano())
	e.own.Store(&ownAddrs{})
	e.useTickets(cfg.TLS)
	return e, nil
}

// Config is the configuration in force.
func (e *Edge) Config() *config.Config { return e.state.Load().cfg }

// Start listens and serves until Shutdown.
func (e *Edge) Start() error {
	e.apply.Lock()
	defer e.apply.Unlock()
	cfg := e.Config()
	e.serving.Store(true)
	e.askForCertificates() // what is kept is there before the first visitor
	e.startWatch()
	if err := e.relistenAll(cfg); err != nil {
		e.watch.Close()
		return err
	}
	e.work.Go(e.flushLog)
	e.work.Go(e.watchVisitors)
	e.work.Go(e.lookAfterTLS)
	for _, w := range cfg.Warnings {
		e.log.Warn("configuration", "problem", w.Error())
	}
	return nil
}

// Apply puts another configuration in force. Requests under way keep theirs. When
// it cannot be put in force, the running one stays and the error says why.
func (e *Edge) Apply(cfg *config.Config) error {
	e.apply.Lock()
	defer e.apply.Unlock()
	if e.draining.Load() || e.leaving.Load() {
		return errors.New("the edge is shutting down")
	}
	old := e.state.Load()
	st, err := e.newState(withStored(cfg, e.stored), old)
	if err != nil {
		return err
	}
	if err := e.openLogs(cfg); err != nil {
		return err
	}
	if err := e.relistenAll(cfg); err != nil {
		return err
	}
	e.file = cfg
	e.state.Store(st)
	e.measures.loaded.Store(time.Now().UnixNano())
	e.useTickets(cfg.TLS)
	old.retire(st)
	e.poolsInForce(st)
	e.tell()
	e.askForCertificates()
	for _, w := range cfg.Warnings {
		e.log.Warn("configuration", "problem", w.Error())
	}
	if a, b := cfg.Listen, old.cfg.Listen; a.API != b.API || a.Dashboard != b.Dashboard || a.Metrics != b.Metrics {
		e.log.Warn("the addresses of API, dashboard and metrics change with a restart only", "api", a.API, "dashboard", a.Dashboard, "metrics", a.Metrics)
	}
	if traceChanged(cfg, old.cfg) {
		e.log.Warn("traces change with a restart only")
	}
	if cfg.Cache != old.cfg.Cache {
		e.log.Warn("the cache changes its size with a restart only")
	}
	e.log.Info("configuration in force", "file", cfg.File, "zones", len(cfg.Zones))
	return nil
}

// Shutdown stops listening, lets requests under way finish, and closes the rest
// when ctx ends; its error is then ctx's.
func (e *Edge) Shutdown(ctx context.Context) error {
	if e.draining.Swap(true) {
		return nil
	}
	e.closeListeners()
	e.state.Load().acme.Close()
	e.mu.Lock()
	for c := range e.visitors {
		c.drain()
	}
	e.mu.Unlock()
	close(e.stop)
	e.endWatch()
	e.work.Go(func() { e.end3(ctx) })
	done := make(chan struct{})
	go func() {
		e.work.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		e.closeVisitors()
	}
	e.state.Load().retire(nil)
	return errors.Join(err, e.access.flush(), e.guard.close(), e.cache.Close(), e.closeTracer())
}

// Leave ends the edge when a successor serves on the same sockets: nothing more is
// accepted, every connection ends with its next response, and what is still there
// after the given time is shut down.
func (e *Edge) Leave(ctx context.Context, wait time.Duration) error {
	e.leaving.Store(true)
	e.closeListeners()
	e.state.Load().acme.Close() // the successor goes on with what is kept
	e.work.Go(func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime3)
		defer cancel()
		e.end3(end)
		handover.Process().Release()
	})
	e.mu.Lock()
	for c := range e.visitors {
		if conn := c.conn2.Load(); conn != nil {
			conn.Drain()
		}
	}
	e.mu.Unlock()
	t := time.NewTicker(leaveLook)
	defer t.Stop()
	for end := time.Now().Add(wait); time.Now().Before(end) && e.visiting() > 0; {
		select {
		case <-t.C:
		case <-ctx.Done():
			end = time.Time{}
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	return e.Shutdown(last)
}

// ending tells that connections are to end with what is under way on them.
func (e *Edge) ending() bool { return e.draining.Load() || e.leaving.Load() }

// leaveLook is how often an edge that leaves looks whether the last visitor has gone.
const leaveLook = 50 * time.Millisecond

// visiting is the number of visitors' connections.
func (e *Edge) visiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.visitors) + e.visitors3
}

func (e *Edge) closeVisitors() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.visitors {
		_ = c.tcp.Close() // the end of the connection is all that matters
	}
}

func (e *Edge) flushLog() {
	t := time.NewTicker(logEvery)
	defer t.Stop()
	full := e.access.lines.Full()
	for {
		select {
		case <-e.stop:
			return
		case <-full:
			e.access.lines.Write() // the next tick tells of a failure
			continue
		case <-t.C:
		}
		if err := e.access.flush(); err != nil {
			e.log.Error("access log", "error", err)
		}
		if err := e.guard.events.Flush(); err != nil {
			e.log.Error("security events", "error", err)
		}
	}
}

// finish records and logs a visit.
func (e *Edge) finish(v *visit) {
	e.records.add(v)
	took := time.Since(v.began)
	v.measure(took)
	e.count(v)
	v.watchBurst()
	if v.span.Sampled {
		v.tellSpan(took)
	}
	if e.access.on() && v.st.access.Takes(v.ray) {
		e.access.write(v, took)
	}
}

// count keeps the numbers of which answers are made.
func (e *Edge) count(v *visit) {
	if v.zone == nil || v.site == nil {
		return // no site's
	}
	cached := v.cache.status
	if cached == "" && v.originStatus != 0 {
		cached = "DYNAMIC"
	}
	e.traffic.Add(v.began, traffic.Kind{
		Zone: v.zone.Name, Host: v.siteName(), Edge: v.status, Origin: v.originStatus, Country: v.country(), Cache: cached,
	}, v.sent)
}

// Traffic gives how a zone's requests were answered, by minute, over a day at most.
func (e *Edge) Traffic(zoneName string, from, until time.Time) []traffic.Row {
	return e.traffic.Rows(zoneName, from, until)
}

// Records gives recent exchanges, newest first, and the egress addresses in use.
func (e *Edge) Records(f Filter) fact.EdgeRecord {
	// Looked at before the record: what ends meanwhile is in both rather than in neither.
	waiting := e.flights.find(f, time.Now())
	r := fact.EdgeRecord{Egress: slices.Clone(e.Config().Egress), Items: e.records.find(f)}
	r.Waiting = unended(waiting, r.Items)
	if len(r.Egress) == 0 {
		r.Egress = e.records.egressSeen()
	}
	return r
}

// Rules are a zone's rules as they run; ok is false when there is no such zone.
func (e *Edge) Rules(zoneName string) (set rules.Set, ok bool) {
	z := e.state.Load().routes.zones[zoneName]
	if z == nil {
		return rules.Set{}, false
	}
	return z.rules, true
}

// ownAddrs are the addresses on which the edge itself listens.
type ownAddrs struct {
	exact map[netip.AddrPort]struct{}
	ports map[uint16]struct{} // of listeners on every address
	local map[netip.Addr]struct{}
}

func (e *Edge) listensOn(a netip.Addr, port uint16) bool {
	o := e.own.Load()
	if _, ok := o.exact[netip.AddrPortFrom(a, port)]; ok {
		return true
	}
	if _, ok := o.ports[port]; !ok {
		return false
	}
	_, ok := o.local[a]
	return ok || a.IsLoopback()
}
