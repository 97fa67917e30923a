package outside

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
	"github.com/originward/originward/internal/dnsask"
	"github.com/originward/originward/internal/escape"
)

// Roles of a name.
const (
	roleSite   = "site"
	roleOrigin = "origin"
)

// painted is a DNS answer that waits for its colour.
type painted struct {
	fact fact.DNS
	at   time.Time
}

// names asks every server for the site's name and for every origin's name. The
// questions end with lookups, and what follows from their answers with ctx.
func (r *run) names(ctx, lookups context.Context) {
	servers := r.ask.Servers
	if len(servers) == 0 {
		s, err := r.system()
		if err != nil {
			r.noServer(err)
		} else {
			servers = []dnsask.Server{s}
		}
	}
	// An answer that came first starts the probes; nobody waits for the slowest.
	if addr, err := netip.ParseAddr(r.ask.Host); err == nil {
		r.aim(ctx, goal{addr: addr.Unmap(), site: true}, &r.wg)
	} else {
		r.wg.Go(func() { r.siteName(ctx, lookups, servers) })
	}
	for _, o := range r.ask.Origins {
		if o.Name != "" {
			r.wg.Go(func() { r.originName(ctx, lookups, servers, o) })
		}
	}
}

func (r *run) noServer(err error) {
	why := "the DNS servers of this machine are not known: " + escape.Line(err.Error(), 160)
	if errors.Is(err, dnsask.ErrNoServer) {
		why = "this machine names no DNS server"
	}
	r.lack(originward.NotObserved{
		Question: fact.QDNS, Subject: originward.Subject{Host: r.ask.Host},
		Why: why, How: "give one with --resolver ADDR",
	})
}

func (r *run) options() dnsask.Options {
	if r.ask.Patient {
		return dnsask.Options{Timeout: 5 * time.Second} // resolv.conf(5): 5 s, two tries
	}
	return dnsask.Options{}
}

// each asks every server at once and hands over each answer as it comes.
func (r *run) each(ctx context.Context, servers []dnsask.Server, name, role string, got func(fact.DNS)) {
	done := make(chan fact.DNS)
	for _, s := range servers {
		go func() { done <- dnsask.Ask(ctx, s, name, role, r.options()) }()
	}
	known := false
	for range servers {
		d := <-done
		known = known || len(d.Addrs()) > 0
		got(d)
	}
	// The machine's own hosts file counts where DNS knows nothing: visitors do
	// not see it.
	if known {
		return
	}
	if d, ok := dnsask.Hosts(name, role); ok {
		got(d)
	}
}

func (r *run) siteName(ctx, lookups context.Context, servers []dnsask.Server) {
	r.each(lookups, servers, r.ask.Host, roleSite, func(d fact.DNS) {
		if d.Failure == dnsask.Cancelled {
			r.lack(originward.NotObserved{
				Question: fact.QDNS, Subject: originward.Subject{Host: r.ask.Host, Name: d.Name},
				Why: "the system's resolver had not answered when all else was known, and was not awaited", How: "name a resolver with --resolver ADDR",
			})
			return
		}
		r.mu.Lock()
		r.site = append(r.site, painted{d, r.now()})
		r.mu.Unlock()
		for _, a := range d.Addrs() {
			if !r.knownEdge(a) && !cdn.Placeholder(a) {
				r.aim(ctx, goal{addr: a, name: r.ask.Host, site: true}, &r.wg)
			}
		}
	})
}

// knownEdge reports addresses that are an edge's by range, or as the user says.
func (r *run) knownEdge(a netip.Addr) bool {
	if slices.Contains(r.ask.Edges, a) {
		return true
	}
	id, _ := cdn.Lookup(a)
	return id != ""
}

func (r *run) originName(ctx, lookups context.Context, servers []dnsask.Server, o Origin) {
	r.each(lookups, servers, o.Name, roleOrigin, func(d fact.DNS) {
		dnsask.Paint(&d, r.ask.Edges)
		r.add(r.dnsItem(d, r.now()))
		for _, a := range d.Addrs() {
			// A name that leads to the edge itself is a site of its own there: what answers is
			// no origin, and would count our visits.
			if !slices.Contains(r.ask.Edges, a) {
				r.aim(ctx, goal{addr: a, port: o.Port, name: o.Name}, &r.wg)
			}
		}
	})
}

// isEdge reports whether an edge answered from an address of the site's name
// that is in no published range: a self-hosted edge, or a CDN that publishes
// none. The address is remembered for the colour.
func (r *run) isEdge(x fact.Exchange, a netip.Addr) bool {
	if x.Response == nil || cdn.Recognise(cdn.ResponseOf(x.Response)).CDN == "" {
		return r.edgeAddr(a)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.edges = append(r.edges, a)
	return true
}

func (r *run) edgeAddr(a netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.edges, a)
}

// paintSite adds the site's answers, now that it is known which addresses are
// an edge's.
func (r *run) paintSite() {
	edges := slices.Concat(r.ask.Edges, r.edges)
	for i := range r.site {
		p := &r.site[i]
		dnsask.Paint(&p.fact, edges)
		r.add(r.dnsItem(p.fact, p.at))
	}
}

func (r *run) dnsItem(d fact.DNS, at time.Time) originward.Evidence {
	return originward.Evidence{
		Vantage: originward.Outside, Question: fact.QDNS, At: at,
		Subject: originward.Subject{Host: r.ask.Host, Name: d.Name},
		Fact:    d, Text: TextDNS(d), Reproduce: reproduceDNS(d),
	}
}

// TextDNS is one sentence about a DNS answer for a person.
func TextDNS(d fact.DNS) string {
	who := d.Resolver
	if who == "system" {
		who = "the system's resolver"
	}
	var what string
	switch {
	case d.Failure != "":
		what = fmt.Sprintf("gives no answer about %s: %s", d.Name, d.Failure)
	case d.RCode == "NXDOMAIN":
		what = fmt.Sprintf("says that %s does not exist (NXDOMAIN)", d.Name)
	case d.RCode != "NOERROR":
		what = fmt.Sprintf("fails to resolve %s (%s)", d.Name, d.RCode)
	case len(d.Addrs()) == 0:
		what = fmt.Sprintf("says that %s has no address", d.Name)
	default:
		what = fmt.Sprintf("says that %s is %s%s", d.Name, join(d.Addrs()), colourWords(d))
	}
	if len(d.CNAME) > 0 {
		what += ", by way of " + strings.Join(d.CNAME, " → ")
	}
	return escape.Line(who+" "+what, maxText)
}

func colourWords(d fact.DNS) string {
	switch d.Colour {
	case dnsask.Orange:
		return " (an edge of " + cdnNames(d) + ")"
	case dnsask.Grey:
		return " (no address of a known CDN)"
	case dnsask.Mixed:
		return " (in part addresses of " + cdnNames(d) + ")"
	}
	return ""
}

func cdnNames(d fact.DNS) string {
	var names []string
	for _, c := range d.InCDN {
		n := cdn.ID(c.CDN).Title()
		if c.CDN == dnsask.Edge {
			n = "the CDN"
		}
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}

func join(as []netip.Addr) string {
	var words []string
	for _, a := range as {
		words = append(words, a.String())
	}
	if len(words) > 4 {
		return fmt.Sprintf("%s and %d more", strings.Join(words[:4], ", "), len(words)-4)
	}
	return strings.Join(words, ", ")
}
