package causes

import (
	"net/netip"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// block is a part of the edge's addresses that the host's packet filter turns
// away from one leg by one rule.
type block struct {
	leg    *Leg
	gate   Gate
	segs   []fact.FirewallSegment // by the same rule
	hit    []netip.Addr           // source addresses of the edge known to be among them
	missed bool                   // the edge's addresses are known, and none is among them
	all    bool                   // every CDN range is turned away
	public fact.FirewallSegment   // what becomes of an ordinary source
	pubOK  bool                   // public is known
	cause  originward.CauseID     // whose rule it is
}

// seg is the block's first segment: rule and verdict are the same for all.
func (b block) seg() fact.FirewallSegment { return b.segs[0] }

// publicBlocked reports whether ordinary sources are turned away too.
func (b block) publicBlocked() bool {
	return b.pubOK && (b.public.Verdict == fact.VerdictDrop || b.public.Verdict == fact.VerdictReject)
}

// publicOpen reports whether ordinary sources are let in.
func (b block) publicOpen() bool { return b.pubOK && b.public.Verdict == fact.VerdictAccept }

// codes are the codes that an edge may answer for the block.
func (b block) codes() []int { return blockedCodes(b.segs) }

// ranges are the turned-away ranges.
func (b block) ranges() []netip.Prefix { return segRanges(b.segs) }

// subject is the block as a subject: family, port and ranges.
func (b block) subject() originward.Subject {
	s := originward.Subject{Family: b.leg.Origin.Family(), Port: b.leg.Port, Addr: b.leg.Addr()}
	if !b.all {
		s.Ranges = some(b.ranges())
	}
	if r := b.seg().Rule; r != nil {
		s.Name = firstOf(r.Jail, r.Set)
	}
	return s
}

// readBlocks lists what the packet filter of the host turns away, rule by
// rule.
func (v *View) readBlocks() []block {
	var out []block
	for _, l := range v.Legs {
		if l.Used == fact.No {
			continue
		}
		g := v.Gate(l)
		if !g.Seen {
			continue
		}
		blocked := slices.Clone(g.CDN.Blocked)
		for _, a := range v.Egress {
			if s, ok := othersSeg(g, a); ok && a.Is4() == l.Addr().Is4() && !slices.ContainsFunc(blocked, func(x fact.FirewallSegment) bool { return sameRule(x.Rule, s.Rule) && segHas(x, a) }) {
				blocked = append(blocked, s)
			}
		}
		out = append(out, v.group(l, g, blocked)...)
	}
	return out
}

// othersSeg is the blocked segment outside the known CDN ranges that holds an
// address of the edge.
func othersSeg(g Gate, a netip.Addr) (fact.FirewallSegment, bool) {
	if slices.ContainsFunc(slices.Concat(g.CDN.Open, g.CDN.Unsure), func(s fact.FirewallSegment) bool { return segHas(s, a) }) {
		return fact.FirewallSegment{}, false
	}
	for _, s := range g.Others.Blocked {
		if segHas(s, a) {
			return s, true
		}
	}
	return fact.FirewallSegment{}, false
}

// group puts blocked segments of the same rule, set and verdict together.
func (v *View) group(l *Leg, g Gate, segs []fact.FirewallSegment) []block {
	var out []block
	probe := netip.Addr{}
	if len(l.Direct) > 0 {
		probe = l.Direct[0].Fact.Source.Unmap()
	}
	pub, pubOK := g.Public(probe)
	for _, s := range segs {
		i := slices.IndexFunc(out, func(b block) bool {
			x := b.seg()
			return sameRule(x.Rule, s.Rule) && x.Verdict == s.Verdict && x.With == s.With && x.Hook == s.Hook && x.Reply == s.Reply ||
				sameSource(x, s) && !sameRule(x.Rule, pub.Rule) && !sameRule(s.Rule, pub.Rule)
		})
		if i < 0 {
			out = append(out, block{leg: l, gate: g, public: pub, pubOK: pubOK, all: g.CDN.AllBlocked()})
			i = len(out) - 1
		}
		out[i].segs = append(out[i].segs, s)
	}
	for i := range out {
		v.markHit(&out[i])
	}
	return out
}

// sameSource reports whether two segments are the work of the same jail or
// set, which writes one rule per address.
func sameSource(a, b fact.FirewallSegment) bool {
	if a.Rule == nil || b.Rule == nil || a.Verdict != b.Verdict || a.With != b.With {
		return false
	}
	if a.Rule.Jail != "" && a.Rule.Jail == b.Rule.Jail || a.Rule.Set != "" && a.Rule.Set == b.Rule.Set && a.Rule.Table == b.Rule.Table {
		return true
	}
	return !a.Rule.Policy && !b.Rule.Policy && a.Rule.Table == b.Rule.Table && a.Rule.Chain == b.Rule.Chain && a.Rule.Family == b.Rule.Family
}

// markHit finds which of the edge's known addresses are turned away.
func (v *View) markHit(b *block) {
	known := 0
	for _, a := range v.Egress {
		if b.leg.Addr().IsValid() && a.Is4() != b.leg.Addr().Is4() {
			continue
		}
		known++
		if slices.ContainsFunc(b.segs, func(s fact.FirewallSegment) bool { return s.All && v.inCDN(a) || segHas(s, a) }) {
			b.hit = append(b.hit, a)
		}
	}
	b.missed = known > 0 && len(b.hit) == 0
}

func (v *View) inCDN(a netip.Addr) bool {
	return v.IsEdge(a) && !slices.Contains(v.Egress, a) || cdnOf(a) != ""
}

// affects answers whether the edge's own addresses are among those turned
// away.
func (v *View) affects(b block) Ans {
	switch {
	case len(b.hit) > 0:
		return Yes("the edge connects from "+b.hit[0].String()+", which is among them", v.egressBy()...)
	case b.missed:
		return No("the edge's known addresses are not among them", v.egressBy()...)
	case b.all:
		return Yes("every range of the CDN is turned away", b.gate.By...)
	}
	seen, by := v.seenSources()
	for _, a := range seen {
		if slices.ContainsFunc(b.segs, func(s fact.FirewallSegment) bool { return segHas(s, a) }) {
			return Yes("the host has seen the edge as "+a.String()+", which is among them", by...)
		}
	}
	return Unseen(lookRecord)
}

func (v *View) egressBy() []string {
	var by []string
	for _, r := range v.records {
		by = append(by, r.ID)
	}
	for _, s := range v.settings {
		if len(s.Fact.Egress) > 0 {
			by = append(by, s.ID)
		}
	}
	return by
}

// blockedFails is the observed failure that a block explains: the leg fails
// with one of its codes. Where the edge names its own address per exchange,
// only those of the block's addresses count.
func (v *View) blockedFails(b block) (Ans, []string) {
	codes := b.codes()
	// A rule that also meets packets of connections that stood before makes
	// those go silent, whatever it answers to new ones: the edge waits, and then
	// gives up on the unacknowledged request (522 of the write phase).
	if bads := b.leg.Bad(522); slices.ContainsFunc(bads, func(x Bad) bool { return x.Code == 0 || x.Phase == originward.PhaseWrite }) {
		codes = append(codes, 522)
	}
	a, keys := v.Fails(b.leg, codes...)
	if !a.IsYes() {
		return a, nil
	}
	for _, bad := range b.leg.Bad(codes...) {
		if len(bad.Egress) > 0 && len(b.hit) > 0 && !slices.ContainsFunc(bad.Egress, func(e netip.Addr) bool { return slices.Contains(b.hit, e) }) {
			return No("the exchanges that fail come from other addresses of the edge", bad.By...), nil
		}
	}
	return a, keys
}

// blockCase opens the case that all block causes share.
func (v *View) blockCase(id originward.CauseID, b block) *Case {
	fails, keys := v.blockedFails(b)
	c := newCase(id, b.subject()).Explains(keys...)
	worst := originward.Likely
	if fails.IsNo() && v.EdgeGood().IsYes() {
		worst = originward.Possible // latent
		if old := v.onOldConnections(b); old.IsYes() {
			worst, fails = originward.Likely, old.Not()
			c.Explains("reuse|" + b.leg.Target().String())
		}
	}
	c.Ask("Does the edge fail as this verdict would make it fail?", fails, worst, originward.Likely)
	c.Must("Does the packet filter turn these sources away?", Yes(blockText(b), b.gate.By...))
	c.Ask("Do the edge's own addresses lie among them?", v.affects(b), originward.Possible, originward.Likely)
	v.citesDrop(c, b.leg, dropFilter)
	if b.gate.Proof == "disagreement" {
		c.AtMost(originward.Likely, "the kernel's own trace disagrees with the model of the ruleset")
	}
	return c
}

// onOldConnections answers whether the addresses of the edge that a block turns
// away are served only over connections that had stood before it: no new one
// was seen to get through.
func (v *View) onOldConnections(b block) Ans {
	a := Ans{}
	for _, h := range b.leg.Exact {
		if !slices.Contains(b.hit, h.Egress) || !h.Good() {
			continue
		}
		if !h.Reused {
			return No(h.Egress.String()+" gets through", h.By...)
		}
		a = Yes("the edge's exchanges from "+h.Egress.String()+" all went over connections that had stood before", h.By...)
	}
	return a
}

func blockText(b block) string {
	s := b.seg()
	verb := "drops"
	if s.Verdict == fact.VerdictReject {
		verb = "rejects"
		if s.With != "" {
			verb += " (" + s.With + ")"
		}
	}
	what := "connections from " + rangesText(b.ranges())
	if b.all {
		what = "connections from every range of the CDN"
	}
	if s.Reply {
		what = "the replies to " + rangesText(b.ranges())
	}
	return ruleText(s) + " " + verb + " " + what + " to port " + itoa(int(b.leg.Port))
}
