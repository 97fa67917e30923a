package firewall

import (
	"encoding/json"
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
}

// part is a segment of one side, before the interfaces are joined.
type part struct {
	set  *interval.Set
	seg  Segment
	key  string
	cdn  bool
	size float64
	pub  float64
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

func newBuilder(s *Snapshot, width int, cdn *interval.Set) *builder {
	b := &builder{s: s, width: width, cdn: cdn, public: publicSet(width)}
	b.sizeC = cdn.Size()
	b.sizeO = interval.Iv{Hi: interval.Max(width)}.Size() - b.sizeC
	b.publicC = cdn.Intersect(b.public).Size()
	b.pubO = b.public.Size() - b.publicC
	return b
}

// add files the segments of one interface, joining those another interface had alike.
func (b *builder) add(iface string, r *eval.Result) {
	b.runs++
	for _, seg := range r.Segments() {
		rest := seg.Set.Clone()
		in := rest.Extract(b.cdn)
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

func (b *builder) file(iface string, r *eval.Result, seg eval.Segment, set *interval.Set, cdn bool) {
	p := part{set: set, cdn: cdn, size: set.Size(), pub: set.Intersect(b.public).Size()}
	p.seg = b.segment(r, seg, set)
	p.seg.Interfaces = []string{iface}
	p.key = keyOf(p.seg)
	if b.runs > 1 {
		for i := range b.parts {
			o := &b.parts[i]
			if o.cdn == cdn && o.key == p.key && o.set.Equal(set) {
				o.seg.Interfaces = append(o.seg.Interfaces, iface)
				return
			}
		}
	}
	b.parts = append(b.parts, p)
}

// keyOf identifies what a segment says, apart from where.
func keyOf(s Segment) string {
	s.Interfaces, s.Prefixes = nil, nil
	j, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return string(j)
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
		if d := rank[x.seg.Verdict] - rank[y.seg.Verdict]; d != 0 {
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
		weight := float64(len(p.seg.Interfaces)) / float64(b.runs)
		side.Shares.add(p.seg.Verdict, weight*ratio(p.size, size))
		side.Public.add(p.seg.Verdict, weight*ratio(p.pub, pub))
		if len(side.Segments) < MaxSegments {
			side.Segments = append(side.Segments, p.seg)
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
