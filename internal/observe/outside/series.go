package outside

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
	"github.com/originward/originward/internal/dnsask"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/observe/path"
)

// maxRuns bounds a series: ten hours at one look in 18 s, or half an hour at
// one a second.
const maxRuns = 2000

// idles are how long a connection is left alone before it is used again: beside
// the idle times that servers are set to by default (gunicorn 2 s, Apache and
// Node 5 s, many balancers 60 s, nginx 75 s), each a little longer, up to what
// an edge may wait (proxy idle 900 s).
var idles = []time.Duration{time.Second, 3 * time.Second, 7 * time.Second, 16 * time.Second, 31 * time.Second, 62 * time.Second, 80 * time.Second}

// Series looks at every door of the origin again and again, every so often
// until ctx ends, for causes that come and go: one series per door, and beside
// it how long the origin keeps an idle connection. Looks that have begun are
// finished.
func Series(ctx context.Context, ask Ask, every time.Duration) []originward.Evidence {
	ask = ask.withDefaults()
	r := &run{ask: ask, profile: ask.profile(), probe: exchange.Probe, route: exchange.RouteSource, system: dnsask.System, mtu: path.MTU}
	for _, g := range r.knownGoals(ctx) {
		src, err := r.route(netip.AddrPortFrom(g.addr, 443))
		if err != nil {
			continue // our own network: a series of it tells nothing about the origin
		}
		g.source = src
		for _, d := range doors(g.port, ask) {
			r.wg.Go(func() { r.sample(ctx, g, d, every) })
			r.wg.Go(func() { r.idling(ctx, g, d) })
		}
	}
	r.wg.Wait()
	return r.evidence
}

// knownGoals are the origin's addresses: as given, and as its names resolve.
func (r *run) knownGoals(ctx context.Context) []goal {
	var out []goal
	add := func(g goal) {
		if !slices.ContainsFunc(out, func(o goal) bool { return o.addr == g.addr && o.port == g.port }) {
			out = append(out, g)
		}
	}
	servers := r.ask.Servers
	if s, err := r.system(); len(servers) == 0 && err == nil {
		servers = []dnsask.Server{s}
	}
	resolve := func(name string, f func(netip.Addr)) {
		r.each(ctx, servers, name, roleOrigin, func(d fact.DNS) {
			for _, a := range d.Addrs() {
				f(a)
			}
		})
	}
	for _, o := range r.ask.Origins {
		if o.Addr.IsValid() {
			add(goal{addr: o.Addr, port: o.Port})
			continue
		}
		resolve(o.Name, func(a netip.Addr) { add(goal{addr: a, port: o.Port, name: o.Name}) })
	}
	if len(out) == 0 {
		resolve(r.ask.Host, func(a netip.Addr) {
			if !r.knownEdge(a) && !cdn.Placeholder(a) {
				add(goal{addr: a, name: r.ask.Host, site: true})
			}
		})
	}
	return out
}

// sample repeats the plain exchange with one door.
func (r *run) sample(ctx context.Context, g goal, d door, every time.Duration) {
	rep := fact.Repeat{Target: netip.AddrPortFrom(g.addr, d.port), Via: "direct"}
	began := r.now()
	tick := time.NewTicker(max(every, 100*time.Millisecond))
	defer tick.Stop()
	for len(rep.Runs) < maxRuns {
		at := r.now()
		x := r.probe(context.WithoutCancel(ctx), r.spec(g, d, fact.VariantPlain))
		rep.Runs = append(rep.Runs, runOf(x, at))
		select {
		case <-ctx.Done():
			r.addSeries(rep, g, d, began)
			return
		case <-tick.C:
		}
	}
	r.addSeries(rep, g, d, began)
}

func runOf(x fact.Exchange, at time.Time) fact.Run {
	run := fact.Run{At: at, Peer: x.Target.Addr(), Reused: x.Reused}
	for _, p := range x.Phases {
		run.MS += p.MS
	}
	if x.Response != nil {
		run.Status = x.Response.Status
	}
	if x.Fault != nil {
		run.Fault, run.Phase = x.Fault.Type, x.Fault.Phase
	}
	return run
}

func (r *run) addSeries(rep fact.Repeat, g goal, d door, began time.Time) {
	r.add(originward.Evidence{
		Vantage: originward.Outside, Question: fact.QRepeat, At: began,
		Subject: originward.Subject{Host: r.ask.Host, Addr: g.addr, Port: d.port, Family: originward.FamilyOf(g.addr), Scheme: d.scheme},
		Fact:    rep, Text: textSeries(rep),
		Reproduce: fmt.Sprintf("while sleep 2; do date -u; %s; done", Reproduce(fact.Exchange{Target: rep.Target, Scheme: d.scheme, Host: r.ask.Host, SNI: r.ask.Host, Path: r.ask.Path, Phases: []fact.PhaseTime{{Phase: originward.PhaseConnect, Done: true}}})),
	})
}

func textSeries(rep fact.Repeat) string {
	counts := map[string]int{}
	for _, x := range rep.Runs {
		k := string(x.Fault)
		if x.Fault == "" {
			k = fmt.Sprint(x.Status)
		}
		counts[k]++
	}
	var words []string
	for k, n := range counts {
		words = append(words, fmt.Sprintf("%d × %s", n, k))
	}
	slices.Sort(words)
	return escape.Line(fmt.Sprintf("%s, asked %d times: %s", rep.Target, len(rep.Runs), strings.Join(words, ", ")), maxText)
}

// idling finds out after how long the origin gives up an idle connection: all
// idle times at once, each on a connection of its own, those that end in time.
func (r *run) idling(ctx context.Context, g goal, d door) {
	end, ok := ctx.Deadline()
	var wg sync.WaitGroup
	for _, idle := range idles {
		if ok && time.Until(end) < idle+time.Second {
			break
		}
		wg.Go(func() {
			s := r.spec(g, d, fact.VariantReuse)
			s.IdleBefore = idle
			s.Budget = idle + exchange.FastWhole
			x := r.probe(ctx, s)
			if ctx.Err() != nil || x.Response == nil && !x.Reused {
				return // cut short, or no first answer: nothing is known of idling
			}
			x.IdleMS = float64(idle.Milliseconds())
			r.add(r.item(x, g, d))
		})
	}
	wg.Wait()
}
