package viaedge

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
	"github.com/originward/originward/internal/dnsask"
	"github.com/originward/originward/internal/escape"
)

// resolve gives the addresses that visitors reach, from the first server that
// knows any; none, when nothing could be found out, which it then says.
func (r *run) resolve(ctx context.Context) []netip.Addr {
	if a, err := netip.ParseAddr(r.ask.Host); err == nil {
		return []netip.Addr{a.Unmap()}
	}
	servers := r.ask.Servers
	if len(servers) == 0 {
		if s, err := dnsask.System(); err == nil {
			servers = []dnsask.Server{s}
		}
	}
	found := make(chan fact.DNS, len(servers))
	for _, s := range servers {
		go func() { found <- dnsask.Ask(ctx, s, r.ask.Host, "site", dnsask.Options{}) }()
	}
	why := "no DNS server is known"
	var addrs []netip.Addr
	for range servers {
		d := <-found
		for _, a := range d.Addrs() {
			if !slices.Contains(addrs, a) && !cdn.Placeholder(a) {
				addrs = append(addrs, a)
			}
		}
		switch {
		case d.Failure != "":
			why = "DNS gives no answer: " + d.Failure
		case d.RCode != "NOERROR":
			why = "DNS answers " + d.RCode
		default:
			why = "DNS gives no address that can be visited"
		}
	}
	if d, ok := dnsask.Hosts(r.ask.Host, "site"); ok && len(addrs) == 0 {
		addrs = d.Addrs()
	}
	if len(addrs) == 0 {
		r.lack(originward.NotObserved{
			Question: fact.QEdgeAnswer, Subject: originward.Subject{Host: r.ask.Host},
			Why: fmt.Sprintf("%s was not visited: %s", r.ask.Host, why), How: "name the edge with --edge ADDR, or a DNS server with --resolver ADDR",
		})
	}
	return addrs
}

func (r *run) noRoute(a netip.Addr, err error) {
	r.lack(originward.NotObserved{
		Question: fact.QEdgeAnswer, Subject: originward.Subject{Host: r.ask.Host, Addr: a, Family: originward.FamilyOf(a)},
		Why: fmt.Sprintf("this machine cannot send to the edge's address %s: %s", a, escape.Line(err.Error(), 120)),
		How: "run from a machine that can, or name another address with --edge ADDR",
	})
}

// grey says that an address of the site is no edge's.
func (r *run) grey(a netip.Addr) {
	r.lack(originward.NotObserved{
		Question: fact.QEdgeAnswer, Subject: originward.Subject{Host: r.ask.Host, Addr: a, Family: originward.FamilyOf(a)},
		Why: fmt.Sprintf("DNS leads visitors of %s to %s, which no CDN was recognised at: they pass no edge", r.ask.Host, a),
		How: "name the edge with --edge ADDR if there is one",
	})
}
