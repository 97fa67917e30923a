// Package path follows the way to an origin's port hop by hop, and looks for a
// size above which packets vanish on it.
//
// A hop is found with a TCP connection attempt whose packets live for so many
// hops only: firewalls treat it like the traffic that matters, and no privilege
// is needed. Sizes are tried with ICMP echoes that must not be fragmented, which
// some hosts do not answer at all; then the size stays unknown. Nothing here
// speaks to the origin beyond the handshake.
package path

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// Ask is what to follow.
type Ask struct {
	Host    string           // the site, for the record
	Targets []netip.AddrPort // origin addresses with the port that matters
	Now     func() time.Time // nil = time.Now
}

// hopWait is how long an answer of a hop is awaited: beyond the second SYN, which
// leaves after 1 s. The answer to the first is lost where it comes at once, while
// the connecting call still owns the socket (measured on Linux 6.18).
const hopWait = 1500 * time.Millisecond

// maxHops is as far as a trace goes (traceroute's default).
const maxHops = 30

// batch is how many hops are asked at once. Those beyond the target reach it,
// so the target sees at most so many connection attempts.
const batch = 6

// Observe traces every target at once. It never fails.
func Observe(ctx context.Context, ask Ask) ([]originward.Evidence, []originward.NotObserved) {
	if ask.Now == nil {
		ask.Now = time.Now
	}
	var mu sync.Mutex // guards seen and missing
	var seen []originward.Evidence
	var missing []originward.NotObserved
	var wg sync.WaitGroup
	for _, t := range ask.Targets {
		wg.Go(func() {
			subject := originward.Subject{Host: ask.Host, Addr: t.Addr(), Port: t.Port(), Family: originward.FamilyOf(t.Addr())}
			at := ask.Now().UTC()
			p, err := Trace(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				missing = append(missing, originward.NotObserved{
					Vantage: originward.Outside, Question: fact.QPath, Subject: subject,
					Why: "the way to the origin could not be traced: " + escape.Line(err.Error(), 160), How: "run from a Linux machine",
				})
				return
			}
			seen = append(seen, originward.Evidence{
				Vantage: originward.Outside, Question: fact.QPath, At: at, Subject: subject, Fact: p, Text: Text(p),
				Reproduce: escape.Shell("traceroute", "-T", "-p", fmt.Sprint(t.Port()), t.Addr().String()),
			})
		})
	}
	wg.Wait()
	return seen, missing
}

// Trace follows the way to one target and tries sizes on it. Its error means
// that this machine cannot trace; a way that ends early is no error.
func Trace(ctx context.Context, target netip.AddrPort) (fact.Path, error) {
	p := fact.Path{Target: target, Method: "tcp", Hops: []fact.Hop{}}
	var tried sync.WaitGroup
	tried.Go(func() { p.MTU = MTU(ctx, target.Addr()) })
	defer tried.Wait()
	for from := 1; from <= maxHops && ctx.Err() == nil; from += batch {
		answers := make([]answer, batch)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = ask(ctx, target, from+i) })
		}
		wg.Wait()
		for _, a := range answers {
			if a.err != nil {
				tried.Wait()
				return p, a.err
			}
			p.Hops = append(p.Hops, a.hop)
			if a.end {
				p.Reached = fact.TriOf(a.reached)
				p.Hops = shorten(p.Hops)
				tried.Wait()
				return p, nil
			}
		}
	}
	if ctx.Err() == nil {
		p.Reached = fact.No
	}
	p.Hops = trim(p.Hops)
	tried.Wait()
	return p, nil
}

// answer is what one attempt gave.
type answer struct {
	hop     fact.Hop
	end     bool // nothing lies beyond
	reached bool // the target itself answered
	err     error
}

// trim cuts silence at the end: it tells the same at any length.
func trim(hops []fact.Hop) []fact.Hop {
	n := len(hops)
	for n > 0 && !hops[n-1].Addr.IsValid() {
		n--
	}
	return hops[:min(n+1, len(hops))]
}

// shorten removes silence between a router's first answer and its word that the
// way ends behind it: it needs seconds to find out that a neighbour is gone.
func shorten(hops []fact.Hop) []fact.Hop {
	end := hops[len(hops)-1]
	for i, h := range hops[:len(hops)-1] {
		if h.Addr == end.Addr && end.ICMP != "" {
			end.TTL = h.TTL + 1
			return append(hops[:i+1], end)
		}
	}
	return hops
}

// Text is one sentence about a path for a person.
func Text(p fact.Path) string {
	var b strings.Builder
	if len(p.Hops) == 0 {
		fmt.Fprintf(&b, "on the way to %s", p.Target.Addr())
		sizes(&b, p.MTU)
		return escape.Line(strings.Replace(b.String(), ";", "", 1), 300)
	}
	last := fact.Hop{}
	for _, h := range p.Hops {
		if h.Addr.IsValid() {
			last = h
		}
	}
	switch {
	case p.Reached == fact.Yes:
		fmt.Fprintf(&b, "%s is reached over %d hops", p.Target, len(p.Hops))
	case !last.Addr.IsValid():
		fmt.Fprintf(&b, "no hop on the way to %s answers", p.Target)
	case last.ICMP != "":
		fmt.Fprintf(&b, "the way to %s ends at hop %d, %s, which answers %s", p.Target, last.TTL, last.Addr, last.ICMP)
	default:
		fmt.Fprintf(&b, "the way to %s is silent behind hop %d, %s", p.Target, last.TTL, last.Addr)
	}
	sizes(&b, p.MTU)
	return escape.Line(b.String(), 300)
}

func sizes(b *strings.Builder, m fact.MTU) {
	switch {
	case m.FragNeededMTU > 0:
		fmt.Fprintf(b, "; a router says that packets may be %d bytes", m.FragNeededMTU)
	case m.SmallestLost > 0:
		fmt.Fprintf(b, "; packets of %d bytes pass and of %d bytes vanish without a word", m.LargestOK, m.SmallestLost)
	case m.LargestOK > 0:
		fmt.Fprintf(b, "; packets of %d bytes pass", m.LargestOK)
	}
}
