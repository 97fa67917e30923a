package viaedge

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
	"github.com/originward/originward/internal/exchange"
)

// Observe visits the site through its edge, everything at once under one budget
// (fast: 3.2 s). It gives what it saw, in no particular order and without ids,
// and what it could not look at. It never fails.
func Observe(ctx context.Context, ask Ask) ([]originward.Evidence, []originward.NotObserved) {
	ask = ask.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, ask.budget())
	defer cancel()
	r := &run{ask: ask, profile: exchange.Fast(), trust: trustOf(ask)}
	if ask.Patient {
		r.profile = exchange.Patient()
	}
	r.profile.Name = "visitor"
	// A visitor waits as long as the edge does; here, as long as the budget.
	r.profile.Read, r.profile.Ack = ask.budget(), ask.budget()
	r.all(ctx)
	return r.evidence, r.missing
}

// run is one run's state.
type run struct {
	ask     Ask
	profile exchange.Profile
	trust   *exchange.Trust

	mu       sync.Mutex // guards the following
	evidence []originward.Evidence
	missing  []originward.NotObserved
	doors    []*edgeDoor
}

// edgeDoor is one address of the edge and one scheme, and what came of asking
// there.
type edgeDoor struct {
	edge   Edge
	scheme string
	port   uint16
	sure   bool // an edge for certain: by its range, or because the user says so
	guess  bool // the scheme is a guess: https until the port speaks plain HTTP
	times  int  // visits planned at first

	settled sync.Once // scheme and port are read after it only

	mu      sync.Mutex // guards answers
	answers []visited
}

// visited is an answer and when it was asked for.
type visited struct {
	at     time.Time
	answer fact.EdgeAnswer
}

func (r *run) all(ctx context.Context) {
	// The record is read once more after the visits: they must leave time for it.
	visits, cancel := context.WithTimeout(ctx, r.ask.budget()-forRecord)
	defer cancel()
	early := make(chan *fact.EdgeRecord, 1)
	go func() { early <- r.early(ctx) }()
	r.plan(visits)
	var before *fact.EdgeRecord
	var beside sync.WaitGroup
	beside.Go(func() {
		before = <-early
		r.more(visits, before)
	})
	r.each(func(d *edgeDoor) { r.first(visits, d) })
	beside.Wait()
	var rec *fact.EdgeRecord
	if r.ask.API != nil {
		rec = r.record(ctx, before)
	}
	r.report(rec)
}

// early is the edge's record before our visits; nil when there is none.
func (r *run) early(ctx context.Context) *fact.EdgeRecord {
	if r.ask.API == nil {
		return nil
	}
	rec, err := r.ask.API.exchanges(ctx, r.ask.Host)
	if err != nil {
		return nil // the reading after the visits says why
	}
	return rec
}

// forRecord is what of the budget is kept for the edge's record: an edge answers
// from memory.
const forRecord = 250 * time.Millisecond

// each does f for every door at once.
func (r *run) each(f func(*edgeDoor)) {
	var wg sync.WaitGroup
	for _, d := range r.doors {
		wg.Go(func() { f(d) })
	}
	wg.Wait()
}

// perFamily bounds how many addresses of one family are visited: an edge gives
// two for round robin, and all of them lead to the same place.
const perFamily = 2

// plan finds the edge's addresses and lays out the visits. The first address of
// a family is visited as often as planned, a second one once.
func (r *run) plan(ctx context.Context) {
	edges, sure := r.ask.Edges, true
	if len(edges) == 0 {
		sure = false
		for _, a := range r.resolve(ctx) {
			edges = append(edges, Edge{Addr: a})
		}
	}
	count := map[originward.Family]int{}
	for _, e := range edges {
		f := originward.FamilyOf(e.Addr)
		if _, err := exchange.RouteSource(netip.AddrPortFrom(e.Addr, 443)); err != nil {
			r.noRoute(e.Addr, err)
			continue
		}
		if count[f]++; count[f] > perFamily && len(r.ask.Edges) == 0 {
			continue
		}
		id, _ := cdn.Lookup(e.Addr)
		schemes, guess := r.ask.schemes(), false
		if e.Port != 0 && r.ask.Scheme == "" {
			schemes, guess = schemesAt(e.Port)
		}
		for _, scheme := range schemes {
			d := &edgeDoor{edge: e, scheme: scheme, port: r.ask.portOf(scheme), sure: sure || id != "", guess: guess, times: 1}
			if count[f] == 1 {
				d.times = r.ask.Visits
			}
			r.doors = append(r.doors, d)
		}
	}
}

// schemesAt is what is spoken on a port that the user named without a scheme.
func schemesAt(port uint16) (schemes []string, guess bool) {
	switch {
	case cdn.PortSupported(cdn.Cloudflare, "http", port) == fact.Yes:
		return []string{"http"}, false
	case cdn.PortSupported(cdn.Cloudflare, "https", port) == fact.Yes:
		return []string{"https"}, false
	}
	return []string{"https"}, true
}

// settle ends a guess: a port that answers a handshake with plain HTTP speaks
// that.
func (r *run) settle(ctx context.Context, d *edgeDoor) {
	d.settled.Do(func() {
		if !d.guess {
			return
		}
		a := r.visit(ctx, visitSpec{edge: d.edge, scheme: d.scheme, port: d.port, path: r.ask.Path})
		if a.Failure != nil && a.Failure.NotTLS {
			d.scheme, d.port = "http", r.ask.portOf("http")
		}
	})
}

// slow is when an edge that has not answered is asked for something that it
// answers without an origin: much longer than a healthy page takes to begin.
const slow = 900 * time.Millisecond

// first does the planned visits of a door at once, and what should follow them.
func (r *run) first(ctx context.Context, d *edgeDoor) {
	r.settle(ctx, d)
	var wg sync.WaitGroup
	answered := make(chan struct{})
	for i := range d.times {
		variant := fact.VariantPlain
		if i > 0 {
			variant = fact.VariantSecondVisit
		}
		wg.Go(func() { r.ask1(ctx, d, variant, r.ask.Path) })
	}
	go func() { wg.Wait(); close(answered) }()
	timer := time.NewTimer(slow)
	defer timer.Stop()
	var own fact.EdgeAnswer
	var trace sync.WaitGroup
	select {
	case <-answered:
	case <-timer.C:
		trace.Go(func() {
			own = r.visit(ctx, visitSpec{edge: d.edge, scheme: d.scheme, port: d.port, path: tracePath})
		})
		<-answered
	}
	for _, v := range followUps(d.list(), r.ask.Cookie != "") {
		path := r.ask.Path
		if v == fact.VariantBypass {
			path = bypassed(path)
		}
		wg.Go(func() { r.ask1(ctx, d, v, path) })
	}
	wg.Wait()
	if trace.Wait(); own.Status == 200 {
		d.alive(own)
	}
	d.byItsOwnPorts(ctx, r)
}

// byItsOwnPorts tells an edge that does not answer on the port of the URL, for it
// does not carry it, by how it answers for itself on those that every edge has.
func (d *edgeDoor) byItsOwnPorts(ctx context.Context, r *run) {
	if d.sure || d.port == ownPort(d.scheme) || slices.ContainsFunc(d.list(), func(a fact.EdgeAnswer) bool { return a.Response != nil }) {
		return
	}
	for _, scheme := range []string{"http", "https"} {
		own := r.visit(ctx, visitSpec{edge: Edge{Addr: d.edge.Addr}, scheme: scheme, port: ownPort(scheme), path: tracePath})
		if own.CDN != "" && own.EdgeMade == fact.Yes {
			d.sure = true
			return
		}
	}
}

// tracePath is answered by an edge without an origin (cdn-cgi-endpoint).
const tracePath = "/cdn-cgi/trace"

// alive notes on the visits that got no answer that the edge itself lives. The
// answer about the edge is no visit to the site, so it is no evidence of its own.
func (d *edgeDoor) alive(own fact.EdgeAnswer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.answers {
		a := &d.answers[i].answer
		if a.Failure == nil || a.Failure.Phase != originward.PhaseFirstByte {
			continue
		}
		a.Detail = "meanwhile the edge answered " + tracePath
		if own.CDN != "" {
			a.CDN = own.CDN
		}
	}
}

// enough is the least time in which a visit can tell anything: one that is cut
// short would pass for a silent edge.
const enough = 400 * time.Millisecond

func (r *run) ask1(ctx context.Context, d *edgeDoor, variant, path string) {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < enough {
		return
	}
	at := r.ask.Now().UTC()
	a := r.visit(ctx, visitSpec{edge: d.edge, scheme: d.scheme, port: d.port, variant: variant, path: path})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers = append(d.answers, visited{at, a})
}

func (d *edgeDoor) list() []fact.EdgeAnswer {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []fact.EdgeAnswer
	for _, v := range d.answers {
		out = append(out, v.answer)
	}
	return out
}

// followUps are the visits that would teach something after the first ones.
func followUps(as []fact.EdgeAnswer, cookie bool) []string {
	var out []string
	add := func(v string) {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	for _, a := range as {
		stored := a.Cache == "HIT" || a.Cache == "STALE" || a.Age != nil && *a.Age > 0
		if a.Status >= 500 && stored {
			add(fact.VariantBypass)
		}
		if cookie && (a.Status == 400 || a.Status == 413 || a.Status == 431 || a.Status == 494 || a.Status >= 500) {
			add(fact.VariantNoCookie)
		}
	}
	return out
}

// more visits the first door until every egress address that the edge named has
// likely been seen: it uses them in turn, and other visitors take turns too.
func (r *run) more(ctx context.Context, rec *fact.EdgeRecord) {
	if rec == nil || len(r.doors) == 0 || len(rec.Egress) < 2 {
		return
	}
	d := r.doors[0]
	r.settle(ctx, d)
	var wg sync.WaitGroup
	for range min(2*len(rec.Egress), maxVisits) - d.times {
		wg.Go(func() { r.ask1(ctx, d, fact.VariantSecondVisit, r.ask.Path) })
	}
	wg.Wait()
}

func (r *run) add(e originward.Evidence) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Vantage = originward.Edge
	r.evidence = append(r.evidence, e)
}

func (r *run) lack(n originward.NotObserved) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n.Vantage = originward.Edge
	r.missing = append(r.missing, n)
}
