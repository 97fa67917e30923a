package firewall

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/originward/originward/internal/firewall/eval"
	"github.com/originward/originward/internal/firewall/interval"
)

// builder turns evaluations into an answer's two sides.
type builder struct {
	s             *Snapshot
	width         int
	cdn, public   *interval.Set
	parts         []part
	sizeC, sizeO  float64
	publicC, pubO float64
	runs          int
	// several interfaces may be asked, whose like segments are joined by what they say.
	several bool
	byKey   map[string][]int
}

// part is a segment of one side. Its description is written only when it is kept: fifty thousand bans are fifty
// thousand parts.
type part struct {
	set    *interval.Set
	eval   eval.Segment
	run    *eval.Result
	ifaces []string
	cdn    bool
	size   float64
	pub    float64
}

// public4 and public6 are the unicast space an internet client can come from (RFC 6890 and IANA's registries, 2026-07).
var (
	notPublic4 = []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	}
	public6    = "2000::/3"
	notPublic6 = []string{"2001:db8::/32", "3fff::/20"}
)

// publicSet is the publicly routable part of a family.
func publicSet(width int) *interval.Set {
	out, without := interval.Of(interval.Iv{Hi: interval.Max(32)}), notPublic4
	if width == 128 {
		out, without = interval.Of(interval.FromPrefix(netip.MustParsePrefix(public6))), notPublic6
	}
	for _, p := range without {
		out.Carve(interval.FromPrefix(netip.MustParsePrefix(p)), nil)
	}
	return out
}

func newBuilder(s *Snapshot, width int, cdn *interval.Set, ifaces int) *builder {
	b := &builder{s: s, width: width, cdn: cdn, public: publicSet(width), several: ifaces > 1, byKey: map[string][]int{}}
	b.sizeC = cdn.Size()
	b.sizeO = interval.Iv{Hi: interval.Max(width)}.Size() - b.sizeC
	b.publicC = cdn.SizeWithin(b.public)
	b.pubO = b.public.Size() - b.publicC
	return b
}

// add files the segments of one interface, joining those another interface had alike.
func (b *builder) add(iface string, r *eval.Result) {
	b.runs++
	segs := r.Segments()
	b.parts = slices.Grow(b.parts, len(segs)+8)
	for _, seg := range segs {
		in, rest := b.halves(seg.Set)
		for _, half := range []struct {
			set *interval.Set
			cdn bool
		}{{in, true}, {rest, false}} {
			if half.set.Empty() {
				continue
			}
			b.file(iface, r, seg, half.set, half.cdn)
		}
	}
}

// halves splits a set into its part within the CDN's ranges and the rest.
func (b *builder) halves(set *interval.Set) (in, rest *interval.Set) {
	if iv, ok := set.First(); ok && set.Len() == 1 {
		switch {
		case !b.cdn.Overlaps(iv):
			return &interval.Set{}, set
		case b.cdn.Covers(iv):
			return set, &interval.Set{}
		}
	}
	rest = set.Clone()
	in = rest.Extract(b.cdn)
	return in, rest
}

func (b *builder) file(iface string, r *eval.Result, seg eval.Segment, set *interval.Set, cdn bool) {
	p := part{set: set, eval: seg, run: r, ifaces: []string{iface}, cdn: cdn, size: set.Size(), pub: set.SizeWithin(b.public)}
	if b.several {
		key := fmt.Sprint(cdn, p.size, seg.Verdict, seg.Key())
		for _, i := range b.byKey[key] {
			if o := &b.parts[i]; o.set.Equal(set) {
				o.ifaces = append(o.ifaces, iface)
				return
			}
		}
		b.byKey[key] = append(b.byKey[key], len(b.parts))
	}
	b.parts = append(b.parts, p)
}

// segment fills a public segment from an evaluated one.
func (b *builder) segment(r *eval.Result, seg eval.Segment, set *interval.Set) Segment {
	out := Segment{Verdict: Verdict(seg.Verdict)}
	out.Prefixes, out.PrefixCount = set.Prefixes(b.width, MaxPrefixes)
	first, _ := set.First()
	const most = 8 // alternatives beyond this explain nothing
	for i, o := range seg.Outcomes[:min(len(seg.Outcomes), most)] {
		c := b.s.outcome(r, o, set, first.Lo)
		if i == 0 {
			out.Outcome = c
		} else {
			out.Alternatives = append(out.Alternatives, c)
		}
	}
	return out
}

// rank orders segments: what is blocked first, then what is uncertain.
var rank = map[Verdict]int{Drop: 0, Reject: 0, Unknown: 1, Depends: 2, Accept: 3}

// sides sums up and cuts to size.
func (b *builder) sides() (cdn, others Side) {
	slices.SortStableFunc(b.parts, func(x, y part) int {
		if d := rank[Verdict(x.eval.Verdict)] - rank[Verdict(y.eval.Verdict)]; d != 0 {
			return d
		}
		switch {
		case x.size > y.size:
			return -1
		case x.size < y.size:
			return 1
		}
		return 0
	})
	for i := range b.parts {
		p := &b.parts[i]
		side, size, pub := &others, b.sizeO, b.pubO
		if p.cdn {
			side, size, pub = &cdn, b.sizeC, b.publicC
		}
		weight, verdict := float64(len(p.ifaces))/float64(b.runs), Verdict(p.eval.Verdict)
		side.Shares.add(verdict, weight*ratio(p.size, size))
		side.Public.add(verdict, weight*ratio(p.pub, pub))
		if len(side.Segments) < MaxSegments {
			seg := b.segment(p.run, p.eval, p.set)
			seg.Interfaces = p.ifaces
			side.Segments = append(side.Segments, seg)
		} else {
			side.Omitted++
		}
	}
	return cdn, others
}

func ratio(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

func (s *Shares) add(v Verdict, share float64) {
	switch v {
	case Accept:
		s.Accept += share
	case Drop:
		s.Drop += share
	case Reject:
		s.Reject += share
	case Depends:
		s.Depends += share
	default:
		s.Unknown += share
	}
}
