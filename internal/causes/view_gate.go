package causes

import (
	"math/big"
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Gate is what the host's packet filter does with new connections of a leg.
type Gate struct {
	Seen   bool
	By     []string
	Proof  string // kernel, model, disagreement
	CDN    Side
	Others Side
	Limits []string
}

// Side is one half of the sources: the CDN's, or everyone else.
type Side struct {
	Open    []fact.FirewallSegment // accepted
	Blocked []fact.FirewallSegment // dropped or rejected, certainly
	Unsure  []fact.FirewallSegment // depends on state, or not known
}

// Empty reports whether nothing is known of the side.
func (s Side) Empty() bool { return len(s.Open)+len(s.Blocked)+len(s.Unsure) == 0 }

// AllBlocked reports whether every source of the side is certainly blocked.
func (s Side) AllBlocked() bool { return len(s.Blocked) > 0 && len(s.Open)+len(s.Unsure) == 0 }

// Gate is the packet filter's answer for a leg.
func (v *View) Gate(l *Leg) Gate {
	g, ok := v.gates[l]
	if !ok {
		g = v.readGate(l)
		v.gates[l] = g
	}
	return g
}

func (v *View) readGate(l *Leg) Gate {
	var g Gate
	if !v.Here(l) {
		return g
	}
	for _, it := range v.firewall {
		for _, a := range v.answersFor(it.Fact.Answers, l) {
			g.Seen = true
			g.By = addIDs(g.By, []string{it.ID})
			g.Proof = it.Fact.Proof
			g.CDN.add(a.CDN)
			g.Others.add(a.Others)
		}
		g.Limits = append(g.Limits, it.Fact.Limits...)
	}
	return g
}

// answersFor picks the answers of the leg's port and address; behind NAT those
// of the host's own addresses of the family.
func (v *View) answersFor(all []fact.FirewallAnswer, l *Leg) []fact.FirewallAnswer {
	var exact, family []fact.FirewallAnswer
	for _, a := range all[:min(len(all), maxItems)] {
		if a.Port != l.Port {
			continue
		}
		switch {
		case !l.Addr().IsValid() || a.Dst.Unmap() == l.Addr():
			exact = append(exact, a)
		case originward.FamilyOf(a.Dst) == l.Origin.Family() && !a.Dst.IsLoopback():
			family = append(family, a)
		}
	}
	if len(exact) == 0 {
		exact = family
	}
	return v.arriving(exact, l)
}

// arriving keeps, of several answers for one destination, those of the
// interface that carries the address: a packet from the internet does not
// arrive on a bridge.
func (v *View) arriving(as []fact.FirewallAnswer, l *Leg) []fact.FirewallAnswer {
	if len(as) < 2 {
		return as
	}
	var out []fact.FirewallAnswer
	for _, a := range as {
		if v.carries(a.Iface, a.Dst) {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return as
	}
	return out
}

func (v *View) carries(iface string, a netip.Addr) bool {
	for _, it := range v.addresses {
		for _, i := range it.Fact.Interfaces {
			if i.Name == iface && slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return p.Addr() == a.Unmap() }) {
				return true
			}
		}
	}
	return false
}

func (s *Side) add(segs []fact.FirewallSegment) {
	for _, g := range segs[:min(len(segs), maxItems)] {
		switch g.Verdict {
		case fact.VerdictAccept:
			s.Open = append(s.Open, g)
		case fact.VerdictDrop, fact.VerdictReject:
			s.Blocked = append(s.Blocked, g)
		default:
			s.Unsure = append(s.Unsure, g)
		}
	}
}

// Public says what happens to an ordinary source of the internet: by the
// address of a direct probe where one is known, else by the largest share.
func (g Gate) Public(probe netip.Addr) (seg fact.FirewallSegment, ok bool) {
	all := slices.Concat(g.Others.Open, g.Others.Blocked, g.Others.Unsure)
	if probe.IsValid() && !private(probe) {
		for _, s := range all {
			if segHas(s, probe) {
				return s, true
			}
		}
	}
	var most *big.Int
	for _, s := range all {
		if n := segSize(s); most == nil || n.Cmp(most) > 0 {
			seg, most, ok = s, n, true
		}
	}
	return seg, ok
}

// segSize is how many addresses a segment holds: as told, else by its ranges.
func segSize(s fact.FirewallSegment) *big.Int {
	if n, ok := new(big.Int).SetString(s.Addresses, 10); ok && len(s.Addresses) < 64 {
		return n
	}
	sum := new(big.Int)
	for _, p := range s.Ranges {
		if p.IsValid() {
			bits := p.Addr().BitLen() - p.Bits()
			sum.Add(sum, new(big.Int).Lsh(big.NewInt(1), uint(bits))) //nolint:gosec // 0 to 128
		}
	}
	if s.All {
		sum.Add(sum, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	return sum
}

func segHas(s fact.FirewallSegment, a netip.Addr) bool {
	return slices.ContainsFunc(s.Ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}

// SourceSeg is the segment that holds a source address.
func (g Gate) SourceSeg(a netip.Addr) (fact.FirewallSegment, bool) {
	for _, side := range []Side{g.CDN, g.Others} {
		for _, s := range slices.Concat(side.Blocked, side.Open, side.Unsure) {
			if segHas(s, a) {
				return s, true
			}
		}
	}
	return fact.FirewallSegment{}, false
}

// Forwarded says whether the host hands the leg's connections on to another
// address (a container), so that no socket of its own is needed.
func (v *View) Forwarded(l *Leg) Ans {
	g := v.Gate(l)
	if !g.Seen {
		return v.noRules(l)
	}
	for _, s := range slices.Concat(g.CDN.Open, g.CDN.Blocked, g.CDN.Unsure) {
		if s.Redirect.IsValid() && s.Redirect != l.Target() {
			return Yes(l.String()+" is handed on to "+s.Redirect.String(), g.By...)
		}
	}
	return No(l.String()+" is not handed on", g.By...)
}

// noRules is the answer of a host whose packet filter holds no rules at all:
// it hands nothing on. Where it was not read, a port without a socket may be a
// container's.
func (v *View) noRules(l *Leg) Ans {
	for _, it := range v.firewall {
		if v.Here(l) && len(it.Fact.Engines) == 0 && len(it.Fact.Limits) == 0 {
			return No("the host's packet filter holds no rules", it.ID)
		}
	}
	return Unseen(lookFirewall)
}

// CodesOf are the codes that an edge may answer for a segment's verdict, the
// usual one first. The kernel sends one host only so many ICMP errors (one a
// second after a burst of six, net.ipv4.icmp_ratelimit), so that of many
// connections which a rule rejects by ICMP some time out instead. A reset is
// not held back.
func CodesOf(s fact.FirewallSegment) []int {
	switch {
	case s.Verdict == fact.VerdictDrop || s.Reply:
		return []int{522}
	case s.Verdict != fact.VerdictReject:
		return []int{521, 522, 523}
	case hasAny(s.With, "reset"):
		return []int{521}
	case hasAny(s.With, "port-unreach", "port unreach"):
		return []int{521, 522}
	case hasAny(s.With, "prohib", "host", "net", "route", "admin"):
		return []int{523, 521, 522} // IPv6 admin-prohibited surfaces as EACCES
	}
	return []int{521, 523, 522}
}

// blockedCodes are the codes of all blocked segments of a side.
func blockedCodes(segs []fact.FirewallSegment) []int {
	var out []int
	for _, s := range segs {
		for _, c := range CodesOf(s) {
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// segRanges are the ranges of several segments.
func segRanges(segs []fact.FirewallSegment) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range segs {
		for _, p := range s.Ranges {
			if len(out) < 64 && !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// ruleText is the deciding rule for a sentence.
func ruleText(s fact.FirewallSegment) string {
	r := s.Rule
	if r == nil {
		return "a default of the packet filter"
	}
	where := strings.TrimSpace(r.Family + " " + r.Table + " " + r.Chain)
	switch {
	case r.Policy:
		return "the policy of chain " + where
	case r.Handle != 0:
		where += " handle " + itoa(int(r.Handle)) //nolint:gosec // shown only
	case r.Line != 0:
		where += " rule " + itoa(r.Line)
	}
	if r.Text != "" {
		where += " (" + r.Text + ")"
	}
	return where
}

// sameRule reports whether two segments are decided at the same place.
func sameRule(a, b *fact.FirewallRule) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Engine == b.Engine && a.Family == b.Family && a.Table == b.Table && a.Chain == b.Chain &&
		a.Handle == b.Handle && a.Line == b.Line && a.Policy == b.Policy && a.Set == b.Set
}

// probeOf is the source address of a direct probe of the leg.
func probeOf(l *Leg) netip.Addr {
	for _, x := range l.Direct {
		if x.Fact.Source.IsValid() {
			return x.Fact.Source.Unmap()
		}
	}
	return netip.Addr{}
}
