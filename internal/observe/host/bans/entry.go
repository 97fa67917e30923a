package bans

import (
	"net/netip"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/collect"
)

// maxListed bounds the entries that are listed of one source; Total counts all.
const maxListed = 512

// survey is what the readers of ban lists need to know of the host.
type survey struct {
	env     *collect.Env
	bridges []netip.Prefix // networks of bridges: containers and their gateways
	own     []netip.Addr
	gateway []netip.Addr // default routers
}

func newSurvey(env *collect.Env, a fact.Addresses, routers []netip.Addr) *survey {
	s := &survey{env: env, gateway: routers}
	for _, i := range a.Interfaces {
		for _, p := range i.Addrs {
			s.own = append(s.own, p.Addr().Unmap())
			if i.Kind == "bridge" {
				s.bridges = append(s.bridges, p.Masked())
			}
		}
	}
	return s
}

// hop says whether a private address is an internal hop of this host: its own
// address towards containers, a container, or the router before it.
func (s *survey) hop(p netip.Prefix) fact.Tri {
	for _, a := range append(append([]netip.Addr{}, s.own...), s.gateway...) {
		if p.Contains(a) && !a.IsLoopback() {
			return fact.Yes
		}
	}
	for _, b := range s.bridges {
		if b.Overlaps(p) {
			return fact.Yes
		}
	}
	return fact.Unknown
}

// entry is one banned network as a source has it.
type entry struct {
	prefix  netip.Prefix
	since   time.Time
	until   time.Time
	reason  string
	place   fact.Place
	remove  string
	restore string
}

// add counts an entry and lists it when it concerns the edge or an internal
// hop.
func (s *survey) add(src *fact.BanSource, e entry) {
	src.Total++
	b := fact.Ban{
		Prefix: e.prefix, Since: stamp(e.since), Until: stamp(e.until), Reason: escape.Line(e.reason, 200),
		Place: e.place, Remove: e.remove, Restore: e.restore,
	}
	if name, in, ok := s.edge(e.prefix); ok {
		b.CDN, b.Range = name, in
		if len(src.CDN) < maxListed {
			src.CDN = append(src.CDN, b)
		}
		return
	}
	if cidr.Local(e.prefix.Addr()) && !e.prefix.Addr().IsUnspecified() && !e.prefix.Addr().IsLoopback() {
		b.Gateway = s.hop(e.prefix)
		if len(src.Private) < maxListed {
			src.Private = append(src.Private, b)
		}
	}
}

// edge finds the CDN's range that an entry touches. A network wider than any
// range is met through the edge's own ranges.
func (s *survey) edge(p netip.Prefix) (string, netip.Prefix, bool) {
	if name, in, ok := s.env.CDN(p.Addr()); ok {
		return name, in, true
	}
	if p.IsSingleIP() {
		return "", netip.Prefix{}, false
	}
	for _, r := range s.env.Ranges {
		if r.Overlaps(p) {
			name, _, _ := s.env.CDN(r.Addr())
			return name, r, true
		}
	}
	return "", netip.Prefix{}, false
}

// ignores says whether a list of exceptions holds every range of the edge.
func (s *survey) ignores(list []netip.Prefix) fact.Tri {
	if len(s.env.Ranges) == 0 {
		return fact.Unknown
	}
	return fact.TriOf(len(cidr.Uncovered(s.env.Ranges, list)) == 0)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
