package firewall

import (
	"net/netip"
	"slices"

	"github.com/originward/originward/internal/firewall/eval"
	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/interval"
)

// Ask answers one question. It does no I/O and may be called from several goroutines.
func (s *Snapshot) Ask(q Question) Answer {
	q.Dst = q.Dst.Unmap()
	a := Answer{Question: q, Generation: s.Generation, Limits: slices.Clone(s.Unread)}
	if !q.Dst.IsValid() || s.host == nil {
		a.Limits = append(a.Limits, Limit{What: "question", Why: "no destination address, or an empty snapshot", Hides: true})
		return a
	}
	width := q.Dst.BitLen()
	cdn := rangeSet(q.Ranges, width)
	a.In = s.ingress(q, width)
	if len(a.In) == 0 {
		a.Limits = append(a.Limits, Limit{What: "interfaces", Why: "no interface a packet could arrive on", Hides: true})
		return a
	}
	b := newBuilder(s, width, cdn, len(a.In))
	for _, in := range a.In {
		r := s.host.Run(eval.Query{Width: width, Dst: interval.FromAddr(q.Dst), Port: q.Port, In: s.net.Link(in.Index)})
		a.Delivery = Delivery(r.Delivery)
		for _, l := range r.Limits {
			a.Limits = append(a.Limits, Limit{What: l.What, Why: l.Why, Hides: l.Hides})
		}
		b.add(in.Name, r)
	}
	a.CDN, a.Others = b.sides()
	return a
}

// rangeSet is the union of the ranges of one family.
func rangeSet(ps []netip.Prefix, width int) *interval.Set {
	var ivs []interval.Iv
	for _, p := range ps {
		if p.IsValid() && p.Addr().Unmap().BitLen() == width {
			ivs = append(ivs, interval.FromPrefix(p))
		}
	}
	return interval.Of(ivs...)
}

// ingress chooses the interfaces a question is answered for; see Question.Interface.
func (s *Snapshot) ingress(q Question, width int) []Ingress {
	if q.Interface != "" {
		if l := s.net.ByName(q.Interface); l != nil {
			return []Ingress{{l.Name, l.Index, "asked"}}
		}
		return nil
	}
	if q.Dst.IsLoopback() {
		return s.loopback("loopback")
	}
	if in := s.byRoute(q, width); len(in) > 0 {
		return in
	}
	var owner, up []Ingress
	for _, l := range s.net.Links {
		if l.Loopback {
			continue
		}
		for _, a := range s.net.Addrs {
			if a.Index == l.Index && a.Prefix.Addr().Unmap() == q.Dst && len(owner) == 0 {
				owner = append(owner, Ingress{l.Name, l.Index, "carries-dst"})
			}
		}
		if l.Up {
			up = append(up, Ingress{l.Name, l.Index, "up"})
		}
	}
	switch {
	case len(owner) > 0:
		return owner
	case len(up) > 0:
		return up
	}
	return s.loopback("only")
}

// loopback is the interface of connections a host makes to itself.
func (s *Snapshot) loopback(why string) []Ingress {
	for _, l := range s.net.Links {
		if l.Loopback && l.Up {
			return []Ingress{{l.Name, l.Index, why}}
		}
	}
	return nil
}

// byRoute are the interfaces the host would answer the CDN by: a default route's, or one that covers a range.
func (s *Snapshot) byRoute(q Question, width int) []Ingress {
	parts, err := s.net.Partition(fib.Query{Width: width, Iif: "lo", Src: q.Dst})
	if err != nil {
		return nil
	}
	var out []Ingress
	seen := map[int]bool{}
	add := func(p fib.Part, why string) {
		if p.Type != fib.Unicast {
			return
		}
		for _, index := range p.Oifs {
			if l := s.net.Link(index); l != nil && !l.Loopback && !seen[index] {
				seen[index] = true
				out = append(out, Ingress{l.Name, index, why})
			}
		}
	}
	// An address far from everything local stands for "the internet": documentation ranges are routed nowhere else.
	far := netip.MustParseAddr("192.0.2.1")
	if width == 128 {
		far = netip.MustParseAddr("2001:db8:ffff:ffff::1")
	}
	if len(q.Ranges) == 0 {
		if p, ok := fib.Lookup(parts, interval.FromAddr(far)); ok {
			add(p, "default-route")
		}
	}
	cdn := rangeSet(q.Ranges, width)
	for _, p := range parts {
		if !p.Set.Intersect(cdn).Empty() {
			why := "range-route"
			if d, ok := fib.Lookup(parts, interval.FromAddr(far)); ok && slices.Equal(d.Oifs, p.Oifs) {
				why = "default-route"
			}
			add(p, why)
		}
	}
	slices.SortFunc(out, func(a, b Ingress) int { return a.Index - b.Index })
	return out
}
