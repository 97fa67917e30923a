package diagnose

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/dnsask"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/observe/cdn"
	"github.com/originward/originward/internal/observe/outside"
)

// gathered collects what the observers bring, from any goroutine.
type gathered struct {
	mu sync.Mutex
	b  originward.Bundle // guarded by mu
}

func newGathered(a *Ask) *gathered {
	return &gathered{b: originward.Bundle{
		Schema: originward.EvidenceSchema, Host: a.Site.Host, AskedAt: a.now(),
		Evidence: []originward.Evidence{}, NotObserved: []originward.NotObserved{},
	}}
}

func (g *gathered) add(seen []originward.Evidence, missing []originward.NotObserved) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.b.Evidence = append(g.b.Evidence, seen...)
	g.b.NotObserved = append(g.b.NotObserved, missing...)
}

func (g *gathered) miss(n originward.NotObserved) { g.add(nil, []originward.NotObserved{n}) }

// Observe looks from every place that is at hand, all at once. What the CDN's
// API knows comes first: it tells which origin addresses there are to look at.
func Observe(ctx context.Context, a Ask) *originward.Bundle {
	g := newGathered(&a)
	if len(a.Probes) > 0 {
		g.miss(originward.NotObserved{
			Vantage: originward.Outside, Why: "no fleet is joined, so its probes cannot be asked",
			How: "run the same command on another machine and compare",
		})
	}
	a.say("reading the CDN's configuration")
	known := a.observeCDN(ctx, g)
	var wg sync.WaitGroup
	for _, look := range []func(){
		func() { a.observeOutside(ctx, g, known) },
		func() { a.observeEdge(ctx, g) },
		func() { a.observeHost(ctx, g, known) },
	} {
		wg.Go(look)
	}
	a.say("looking from outside, through the edge and at the host")
	wg.Wait()
	a.observeRays(ctx, g)
	if a.Watch > 0 {
		a.watch(ctx, g, known)
	}
	return &g.b
}

// ObserveOutside looks straight at the origin and nowhere else.
func ObserveOutside(ctx context.Context, a Ask) *originward.Bundle {
	g := newGathered(&a)
	a.observeOutside(ctx, g, known{origins: a.origins()})
	return &g.b
}

// known is what the observers after the CDN's API start from.
type known struct {
	origins []outside.Origin // named by the user, and those that the CDN contacts
	edges   []netip.Addr
}

// origins are those that the user named; their text was checked before.
func (a *Ask) origins() []outside.Origin {
	var out []outside.Origin
	for _, s := range a.Origins {
		if o, err := outside.ParseOrigin(s); err == nil {
			out = append(out, o)
		}
	}
	return out
}

// observeCDN reads the CDN's configuration, or takes the user's word for the
// SSL mode, and says which origins follow from it.
func (a *Ask) observeCDN(ctx context.Context, g *gathered) known {
	k := known{origins: a.origins()}
	if a.Edge.IsValid() {
		k.edges = append(k.edges, a.Edge.Addr())
	}
	if a.SSL != "" {
		g.add([]originward.Evidence{{
			Vantage: originward.CDN, Question: fact.QCDNSettings, At: a.now(), Subject: originward.Subject{Host: a.Site.Host},
			Fact: fact.CDNSettings{SSL: a.SSL, Source: "flag"}, Text: "the user says that the CDN's SSL mode is " + string(a.SSL),
		}}, nil)
	}
	if a.CDNAPI == "" {
		return k
	}
	seen, missing, err := cdn.Observe(ctx, a.cdnAsk())
	if err != nil { // the URL was checked with the command line
		missing = append(missing, originward.NotObserved{Vantage: originward.CDN, Why: err.Error()})
	}
	g.add(seen, missing)
	k.origins = joinOrigins(k.origins, originsOf(seen))
	return k
}

func (a *Ask) cdnAsk() cdn.Ask {
	return cdn.Ask{
		CDN: a.CDN, Base: a.CDNAPI, Token: a.CDNToken, Host: a.Site.Host, Path: a.Site.Path,
		HTTPS: a.Site.Scheme != "http", Port: a.Site.Port, Now: a.Now,
	}
}

// maxRays bounds for how many refused visits the CDN is asked by their rays: a few
// visits are made, and all are refused by the same rule mostly.
const maxRays = 10

// observeRays asks the CDN which rule refused our visits, and the request of which
// the user gave the ray.
func (a *Ask) observeRays(ctx context.Context, g *gathered) {
	if a.CDNAPI == "" {
		return
	}
	var rays []string
	add := func(ray string) {
		ray, _, _ = strings.Cut(ray, "-") // without the place
		if ray != "" && len(rays) < maxRays && !slices.Contains(rays, ray) {
			rays = append(rays, ray)
		}
	}
	add(a.Ray)
	for _, v := range fact.All[fact.EdgeAnswer](&g.b) {
		if s := v.Fact.Status; s >= http.StatusBadRequest && s < http.StatusInternalServerError && v.Fact.EdgeMade != fact.No {
			add(v.Fact.Ray)
		}
	}
	g.add(cdn.Rays(ctx, a.cdnAsk(), rays), nil)
}

// joinOrigins adds the origins that the CDN contacts to those that the user named:
// where they differ, both have to be looked at.
func joinOrigins(named, recorded []outside.Origin) []outside.Origin {
	for _, o := range recorded {
		same := func(n outside.Origin) bool {
			return n.Addr == o.Addr && n.Name == o.Name && (o.Port == 0 || o.Port == n.Port)
		}
		if !slices.ContainsFunc(named, same) {
			named = append(named, o)
		}
	}
	return named
}

// originsOf takes the addresses and targets of the site's proxied records, or those
// of the load balancer that takes the name before them.
func originsOf(seen []originward.Evidence) []outside.Origin {
	var out []outside.Origin
	for _, e := range seen {
		if f, ok := e.Fact.(fact.CDNBalancer); ok {
			return pooled(f)
		}
	}
	for _, e := range seen {
		f, ok := e.Fact.(fact.CDNRecords)
		if !ok || f.Covered == fact.Yes && strings.HasPrefix(f.CoveredBy, "load balancer") { // whose pools could not be read
			continue
		}
		for _, r := range f.Records {
			if r.Proxied == fact.No {
				continue
			}
			if o, err := outside.ParseOrigin(r.Content); err == nil {
				out = append(out, o)
			}
		}
	}
	return out
}

// pooled takes the origins of a load balancer that are in use.
func pooled(b fact.CDNBalancer) []outside.Origin {
	var out []outside.Origin
	for _, p := range b.Pools {
		for _, m := range p.Origins {
			if p.Enabled == fact.No || m.Enabled == fact.No {
				continue
			}
			if o, err := outside.ParseOrigin(m.Address); err == nil {
				o.Port = uint16(m.Port) //nolint:gosec // read as a port
				out = append(out, o)
			}
		}
	}
	return out
}

func (a *Ask) trust() *exchange.Trust {
	return &exchange.Trust{OriginCA: a.Roots, Now: a.Now}
}

func (a *Ask) servers() []dnsask.Server {
	var out []dnsask.Server
	for _, r := range a.Resolvers {
		out = append(out, dnsask.At(r))
	}
	return out
}

func (a *Ask) observeOutside(ctx context.Context, g *gathered, k known) {
	g.add(outside.Observe(ctx, a.outsideAsk(k)))
}

func (a *Ask) outsideAsk(k known) outside.Ask {
	return outside.Ask{
		Host: a.Site.Host, Path: a.Site.Path, Scheme: a.Site.Scheme, Port: a.Site.Port,
		Origins: k.origins, Servers: a.servers(), Edges: k.edges, Trust: a.trust(), Patient: a.Patient, Now: a.Now,
	}
}
