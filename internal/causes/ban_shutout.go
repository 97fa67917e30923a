package causes

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// dialling are what became of the connections that one address of the edge
// opened to a leg, oldest first.
type dialling struct {
	addr  netip.Addr
	bad   int // failed
	fine  int // were served, while none had failed yet
	after int // were served after one had failed
	by    string
}

// shut reports whether the address was turned away and never served again.
func (d dialling) shut() bool { return d.bad > 0 && d.after == 0 }

// shutOut answers whether the leg turns single addresses of the edge away,
// once and for all, while it serves others at the same time. That is how a
// count per connecting address acts: what is broken for everybody, or at
// random, leaves another trace.
func (v *View) shutOut(l *Leg) Ans {
	var shut []dialling
	bad, served := 0, 0
	for _, d := range v.diallings(l) {
		switch {
		case d.shut():
			shut = append(shut, d)
			bad += d.bad
		case d.bad > 0:
			return No("connections from "+d.addr.String()+" are served and turned away by turns", d.by)
		default:
			served += d.fine
		}
	}
	if bad < 2 {
		return Unseen(lookRecord)
	}
	d := shut[0]
	if served > 0 {
		return Yes("every new connection from "+d.addr.String()+" is turned away, while other addresses of the edge are served", d.by)
	}
	before := slices.ContainsFunc(shut, func(d dialling) bool { return d.fine > 0 })
	if direct := directIs(l, "answers a source that is no edge", OutOK); before && direct.IsYes() {
		return Yes("connections from "+d.addr.String()+" were served at first and are turned away since, while a source that is no edge is served", append([]string{d.by}, direct.By...)...)
	}
	return Unseen(lookRecord)
}

// diallings are the edge's connections to a leg by address, from the minutes
// before the look.
func (v *View) diallings(l *Leg) []dialling {
	type opened struct {
		fact.EdgeExchange
		by string
	}
	var xs []opened
	for _, r := range v.records {
		for _, x := range recorded(r.Fact) {
			recent := v.At.IsZero() || !x.At.Before(v.At.Add(-beforeElse))
			if recent && !x.Reused && x.Egress.IsValid() && unmap(x.Origin) == l.Target() && x.Rule == "" && (x.Fault != originward.ProxyInternalError || abandoned(x)) {
				xs = append(xs, opened{x, r.ID})
			}
		}
	}
	slices.SortStableFunc(xs, func(a, b opened) int { return a.At.Compare(b.At) })
	var out []dialling
	for _, x := range xs {
		i := slices.IndexFunc(out, func(d dialling) bool { return d.addr == x.Egress.Unmap() })
		if i < 0 {
			i = len(out)
			out = append(out, dialling{addr: x.Egress.Unmap(), by: x.by})
		}
		switch failed := (x.Fault != "" || abandoned(x.EdgeExchange)) && x.Phase != originward.PhaseBody; {
		case failed:
			out[i].bad++
		case out[i].bad > 0:
			out[i].after++
		default:
			out[i].fine++
		}
	}
	return out
}

// limitHit answers whether a limit of the web server refused the edge: by its
// log, or where it refuses without a line, by what the edge met.
func (v *View) limitHit(x limited) Ans {
	logged := v.limitHits()
	if logged.Known() || x.item.Fact.Server != "haproxy" || x.limit.Kind != "connections" {
		return logged
	}
	// `tcp-request connection reject` writes no line.
	a := v.shutOut(x.leg)
	if !a.IsYes() || !v.admitted(x.leg) {
		return logged
	}
	return a
}

// admitted reports whether the packet filter is known to let the edge's
// connections in, all of them.
func (v *View) admitted(l *Leg) bool {
	g := v.Gate(l)
	return g.Seen && len(g.CDN.Open) > 0 && len(g.CDN.Blocked)+len(g.CDN.Unsure) == 0
}

// inAndOut answers whether new connections of the edge to the leg are turned
// away at connect, and others of them served.
func (v *View) inAndOut(l *Leg) Ans {
	bad, served := 0, 0
	var by []string
	for _, d := range v.diallings(l) {
		bad, served = bad+d.bad, served+d.fine+d.after
		by = addIDs(by, []string{d.by})
	}
	if bad == 0 || served == 0 {
		return Unseen(lookRecord)
	}
	return Yes("of the edge's new connections "+itoa(bad)+" are turned away and "+itoa(served)+" served", by...)
}

// ruleCounts answers whether a rule's own counter shows that it has acted.
func ruleCounts(r *fact.FirewallRule, by []string) Ans {
	if r == nil || r.Packets == 0 {
		return Unseen(Look{originward.Host, fact.QFirewall, "read the rule's counter before and after a failure (`nft list ruleset`, `iptables -L -v -x`)"})
	}
	return Yes("the rule has turned "+strconv.FormatUint(r.Packets, 10)+" packets away", by...)
}
