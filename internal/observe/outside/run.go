package outside

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/dnsask"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/observe/path"
)

// Observe looks at everything at once, under one budget (fast: 3.2 s). It gives
// what it saw, in no particular order and without ids, and what it could not
// look at. It never fails: that nothing could be seen is an observation.
func Observe(ctx context.Context, ask Ask) ([]originward.Evidence, []originward.NotObserved) {
	ask = ask.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, ask.budget())
	defer cancel()
	r := &run{ask: ask, profile: ask.profile(), probe: exchange.Probe, route: exchange.RouteSource, system: dnsask.System, mtu: path.MTU}
	r.deadline, _ = ctx.Deadline()
	r.all(ctx)
	return r.evidence, r.missing
}

// run is one run's state.
type run struct {
	ask      Ask
	profile  exchange.Profile
	deadline time.Time
	// What the run reaches out with; tests of the flow replace it.
	probe  func(context.Context, exchange.ProbeSpec) fact.Exchange
	route  func(netip.AddrPort) (netip.Addr, error)
	system func() (dnsask.Server, error) // the system's resolver
	mtu    func(context.Context, netip.Addr) fact.MTU

	wg sync.WaitGroup // look-ups, and what they lead to

	mu       sync.Mutex // guards the following
	evidence []originward.Evidence
	missing  []originward.NotObserved
	goals    map[goalKey]bool
	routes   map[netip.Addr]routed
	edges    []netip.Addr // addresses of the site's name that an edge answered from
	site     []painted    // the site's DNS answers, painted when all is known
}

type goalKey struct {
	addr netip.Addr
	port uint16
}

func (r *run) all(ctx context.Context) {
	begun := time.Now()
	r.goals, r.routes = map[goalKey]bool{}, map[netip.Addr]routed{}
	var given sync.WaitGroup
	for _, o := range r.ask.Origins {
		if o.Addr.IsValid() {
			r.aim(ctx, goal{addr: o.Addr, port: o.Port}, &given)
		}
	}
	lookups, giveUp := context.WithCancel(ctx)
	defer giveUp()
	r.names(ctx, lookups)
	named := make(chan struct{})
	go func() { r.wg.Wait(); close(named) }()
	given.Wait()
	if r.dnsIsExtra() {
		select {
		case <-named:
		case <-time.After(time.Until(begun.Add(dnsGrace))):
			giveUp()
		}
	}
	<-named
	r.paintSite()
	r.ownNetwork()
	r.noOrigin()
}

// dnsGrace is how long an answer of the system's resolver is awaited when all
// else is known: a resolver that has the answer gives it in a few ms, and the
// verdict on an origin that refuses has to stand by 150 ms.
const dnsGrace = 80 * time.Millisecond

// dnsIsExtra reports that the user said where edge and origin are and named no
// resolver: what DNS says adds to the picture, and nothing waits for it.
func (r *run) dnsIsExtra() bool {
	if len(r.ask.Servers) > 0 || len(r.ask.Edges) == 0 || len(r.ask.Origins) == 0 {
		return false
	}
	return !slices.ContainsFunc(r.ask.Origins, func(o Origin) bool { return !o.Addr.IsValid() })
}

// aim looks at an origin address, once, unless our own network cannot reach it.
func (r *run) aim(ctx context.Context, g goal, wg *sync.WaitGroup) {
	if !r.first(g) {
		return
	}
	src, ok := r.reach(g)
	if !ok {
		return
	}
	g.source = src
	for _, d := range doors(g.port, r.ask) {
		wg.Go(func() { r.door(ctx, g, d) })
	}
}

func (r *run) first(g goal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := goalKey{g.addr, g.port}
	seen := r.goals[k] || r.goals[goalKey{g.addr, 0}] && slices.ContainsFunc(doors(0, r.ask), func(d door) bool { return d.port == g.port })
	r.goals[k] = true
	return !seen
}

// patience is how long the first exchange may take before second looks are
// begun beside it: longer than a healthy handshake across the world (three
// round trips of 200 ms), and early enough for them to end within the budget.
const patience = 700 * time.Millisecond

// leastSilence is how long, in ms, an address must have been silent to be called
// so: long enough for a second SYN, sent after 1 s, to have been lost too.
const leastSilence = 1100

// enough is the least time in which a second look can tell anything.
const enough = 200 * time.Millisecond

// door does the plain exchange with one port and what should follow it.
func (r *run) door(ctx context.Context, g goal, d door) {
	first := make(chan fact.Exchange, 1)
	d, failed := r.settle(ctx, g, d)
	if failed != nil {
		first <- *failed
	} else {
		go func() { first <- r.probe(ctx, r.spec(g, d, fact.VariantPlain)) }()
	}
	second := looks{run: r, ctx: ctx, goal: g, door: d}
	var x fact.Exchange
	var mtu chan fact.MTU
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case x = <-first:
	case <-timer.C:
		if !r.ask.Patient {
			second.begin(ahead(d.scheme))
		}
		mtu = make(chan fact.MTU, 1)
		go func() { mtu <- r.mtu(ctx, g.addr) }()
		x = <-first
	}
	wanted := secondLooks(x, known{
		cookie: r.ask.Cookie != "", clientCert: r.ask.ClientCert != nil, edgeHeader: !g.site,
	})
	if g.site && r.isEdge(x, g.addr) {
		return // visitors reach an edge there: that is the edge's vantage, not an origin's
	}
	if ctx.Err() != nil && x.Fault != nil && silence(*x.Fault) && x.Fault.AfterMS < leastSilence {
		r.noTime(g, d) // it had no chance to answer
		return
	}
	r.add(r.item(x, g, d))
	second.begin(wanted)
	seconds := second.wait(wanted)
	if lostLarge(seconds) && !slices.Contains(wanted, fact.VariantSmallHello) {
		// The ordinary hello went first: only one that still completes afterwards
		// shows that size is what parts the two, and not their order.
		after := []string{fact.VariantSmallHello}
		second.begin(after)
		seconds = append(seconds, second.wait(after)...)
	}
	for _, y := range seconds {
		r.add(r.item(y, g, d))
	}
	if mtu != nil && x.Fault != nil && x.Connected() && silence(*x.Fault) {
		r.addMTU(<-mtu, x, g, d)
	}
}

// lostLarge reports whether the large ClientHello met no whole handshake.
func lostLarge(xs []fact.Exchange) bool {
	return slices.ContainsFunc(xs, func(x fact.Exchange) bool { return x.Variant == fact.VariantLargeHello && x.Fault != nil })
}

// addMTU adds what is known of the sizes that pass, for a door that connects and
// then falls silent: large packets may be lost where small ones pass.
func (r *run) addMTU(m fact.MTU, x fact.Exchange, g goal, d door) {
	if m == (fact.MTU{}) {
		return
	}
	p := fact.Path{Target: x.Target, Method: "icmp", Hops: []fact.Hop{}, MTU: m}
	size := fmt.Sprint(max(m.SmallestLost, 1280) - 28)
	r.add(originward.Evidence{
		Vantage: originward.Outside, Question: fact.QPath, At: r.now(),
		Subject: originward.Subject{Host: r.ask.Host, Addr: g.addr, Port: d.port, Family: originward.FamilyOf(g.addr), Scheme: d.scheme},
		Fact:    p, Text: path.Text(p), Reproduce: escape.Shell("ping", "-M", "do", "-c", "3", "-s", size, g.addr.String()),
	})
}

// settle ends a guess about a scheme. failed is the handshake that failed for
// another reason than that the port speaks plain HTTP: it is the exchange then.
func (r *run) settle(ctx context.Context, g goal, d door) (settled door, failed *fact.Exchange) {
	if !d.guess {
		return d, nil
	}
	x := r.probe(ctx, r.handshake(g, d))
	switch {
	case x.Fault == nil:
		return d, nil
	case x.Fault.NotTLS:
		d.scheme = "http"
		return d, nil
	}
	return d, &x
}

// looks are the second looks at one door.
type looks struct {
	run  *run
	ctx  context.Context
	goal goal
	door door

	wg    sync.WaitGroup
	begun []string
	mu    sync.Mutex // guards done
	done  map[string]fact.Exchange
}

func (l *looks) begin(variants []string) {
	for _, v := range variants {
		if slices.Contains(l.begun, v) {
			continue
		}
		if time.Until(l.run.deadline) < enough {
			l.run.noTime(l.goal, l.door)
			return
		}
		l.begun = append(l.begun, v)
		l.wg.Go(func() {
			x := l.run.probe(l.ctx, l.run.spec(l.goal, l.door, v))
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.done == nil {
				l.done = map[string]fact.Exchange{}
			}
			l.done[v] = x
		})
	}
}

// wait gives the looks that were wanted; those that were begun ahead and turned
// out to teach nothing are dropped. A look that ran into the end of the whole
// run instead of its own timers would pass for silence: it is dropped too.
func (l *looks) wait(wanted []string) []fact.Exchange {
	l.wg.Wait()
	var out []fact.Exchange
	for _, v := range wanted {
		x, ok := l.done[v]
		if !ok {
			continue
		}
		if l.ctx.Err() != nil && x.Fault != nil && silence(*x.Fault) {
			l.run.noTime(l.goal, l.door)
			continue
		}
		out = append(out, x)
	}
	return out
}

func (r *run) item(x fact.Exchange, g goal, d door) originward.Evidence {
	return originward.Evidence{
		Vantage: originward.Outside, Question: fact.QExchange, At: r.now(),
		Subject: originward.Subject{Host: r.ask.Host, Addr: g.addr, Port: d.port, Family: originward.FamilyOf(g.addr), Scheme: d.scheme},
		Fact:    x, Text: Text(x), Reproduce: Reproduce(x),
	}
}

func (r *run) now() time.Time { return r.ask.Now().UTC() }

func (r *run) add(e originward.Evidence) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.evidence = append(r.evidence, e)
}

// lack notes what was not looked at, once.
func (r *run) lack(n originward.NotObserved) {
	n.Vantage = originward.Outside
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.ContainsFunc(r.missing, func(m originward.NotObserved) bool { return same(m, n) }) {
		r.missing = append(r.missing, n)
	}
}

func same(a, b originward.NotObserved) bool {
	return a.Question == b.Question && a.Why == b.Why && a.Subject.Addr == b.Subject.Addr &&
		a.Subject.Port == b.Subject.Port && a.Subject.Name == b.Subject.Name && a.Subject.Family == b.Subject.Family
}

func (r *run) noTime(g goal, d door) {
	r.lack(originward.NotObserved{
		Question: fact.QExchange,
		Subject:  originward.Subject{Host: r.ask.Host, Addr: g.addr, Port: d.port, Family: originward.FamilyOf(g.addr), Scheme: d.scheme},
		Why:      "there was no time left for the looks that part the causes of what was seen",
		How:      "run again with --patient",
	})
}

// noOrigin says so when no address of an origin was known.
func (r *run) noOrigin() {
	if len(r.goals) > 0 {
		return
	}
	why := "the origin's address is not known"
	if len(r.ask.Origins) > 0 {
		why = "the origin's names gave no address"
	} else if len(r.site) > 0 && r.site[0].fact.Colour == dnsask.Orange {
		why = "DNS gives the edge's addresses only: the origin's address is not known"
	}
	r.lack(originward.NotObserved{
		Question: fact.QExchange, Subject: originward.Subject{Host: r.ask.Host}, Why: why,
		How: "give it with --origin ADDR, or let the CDN tell it with --cdn-token-file",
	})
}

// sortAddrs orders addresses, IPv4 first.
func sortAddrs(as []netip.Addr) []netip.Addr {
	slices.SortFunc(as, func(a, b netip.Addr) int {
		return cmp.Or(cmp.Compare(a.BitLen(), b.BitLen()), a.Compare(b))
	})
	return slices.Compact(as)
}
