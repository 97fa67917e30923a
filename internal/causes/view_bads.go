package causes

import (
	"net/netip"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// legCode reports whether a failing answer comes out of an exchange with an
// origin address, and not of the edge's rules, names or cache.
func legCode(h Hit) bool {
	switch {
	case h.Pending:
		return true
	case h.Cached, h.Loop:
		return false
	case h.Code >= 520 && h.Code <= 526:
		return true
	case h.Code >= 1000, h.Code == 530:
		return false
	case h.Code >= 500:
		return true // 502 and 504 of the edge too: they follow an exchange
	}
	return h.Made != fact.Yes
}

// badKey is the identity of a leg's failure with a code; code 0 is a visit for
// which the edge was still waiting.
func badKey(l *Leg, code int) string {
	if code == 0 {
		return "leg|" + l.Target().String() + "|wait"
	}
	return "leg|" + l.Target().String() + "|" + itoa(code)
}

// cutShort is the code of a response whose head was good and whose body ends
// before its end.
const cutShort = 200

// waitCodes are the codes to which a wait of the edge can lead.
var waitCodes = []int{522, 524, 504}

// badsOf lists the failures of a leg: the edge's own first, then those that a
// direct exchange shows where it speaks for the edge.
func (v *View) badsOf(l *Leg) []Bad {
	var out []Bad
	put := func(b Bad) {
		b.Key, b.Leg = badKey(l, b.Code), l
		for i := range out {
			if out[i].Code == b.Code {
				out[i].By = addIDs(out[i].By, b.By)
				out[i].Egress = append(out[i].Egress, b.Egress...)
				out[i].Edge = out[i].Edge || b.Edge
				out[i].meet(b)
				return
			}
		}
		out = append(out, b)
	}
	for _, h := range l.Exact {
		if !h.Good() && legCode(h) {
			put(badOfHit(h))
		}
	}
	for _, h := range l.Mapped {
		if !h.Good() && legCode(h) && v.attributed(h, l) {
			put(badOfHit(h))
		}
	}
	for _, x := range l.FromCDN {
		if code := directCode(v, x); code != 0 && !x.Fact.Connected() && l.Used != fact.No {
			put(Bad{Code: code, By: []string{x.ID}, Fault: faultType(x), Phase: faultPhase(x)})
		}
	}
	counts := v.directCounts(l)
	for _, x := range l.Direct {
		code := directCode(v, x)
		if code == 0 {
			continue
		}
		same := slices.ContainsFunc(out, func(b Bad) bool { return b.Code == code })
		if counts || same {
			put(Bad{Code: code, By: []string{x.ID}, Fault: faultType(x), Phase: faultPhase(x)})
		}
	}
	return out
}

func badOfHit(h Hit) Bad {
	b := Bad{Code: h.Code, By: h.By, Edge: true, Fault: h.Fault, Phase: h.Phase}
	if h.Egress.IsValid() {
		b.Egress = []netip.Addr{h.Egress}
	}
	return b
}

func faultType(x fact.Item[fact.Exchange]) originward.FaultType {
	if x.Fact.Fault == nil {
		return ""
	}
	return x.Fact.Fault.Type
}

func faultPhase(x fact.Item[fact.Exchange]) originward.Phase {
	if x.Fact.Fault == nil {
		return ""
	}
	return x.Fact.Fault.Phase
}

// directCode is the failing code that a visitor would see for this direct
// exchange; 0 = it is a good answer, or says nothing.
func directCode(v *View, x fact.Item[fact.Exchange]) int {
	if c := codeOf(x.Fact); c != 0 {
		return c
	}
	if t := x.Fact.TLS; t != nil && len(t.Reasons) > 0 && v.Mode.Validate.IsYes() {
		return 526
	}
	if r := x.Fact.Response; r != nil && !(Hit{Status: r.Status, Code: r.Status}).Good() {
		return r.Status
	}
	return 0
}

// attributed reports whether a failing answer that names no origin is this
// leg's: the legs whose direct exchange fails the same way first, then those
// that fail at all, then all that may have carried it.
func (v *View) attributed(h Hit, l *Leg) bool {
	same, failing := false, false
	for _, o := range v.Legs {
		if o.Used == fact.No || !v.leads(h, o) {
			continue
		}
		for _, x := range o.Direct {
			c := directCode(v, x)
			same = same || c == h.Code || h.Pending && slices.Contains(waitCodes, c)
			failing = failing || c != 0
		}
	}
	switch {
	case same:
		return slices.ContainsFunc(l.Direct, func(x fact.Item[fact.Exchange]) bool {
			c := directCode(v, x)
			return c == h.Code || h.Pending && slices.Contains(waitCodes, c)
		})
	case failing && (h.Pending || h.Code >= 520 && h.Code <= 526):
		return slices.ContainsFunc(l.Direct, func(x fact.Item[fact.Exchange]) bool { return directCode(v, x) != 0 })
	}
	return l.Used == fact.Yes || l.Scheme == "https" || !v.sibling(l)
}

// sibling reports whether the leg's origin has an https leg that the edge may
// use instead.
func (v *View) sibling(l *Leg) bool {
	return slices.ContainsFunc(v.Legs, func(o *Leg) bool {
		return o != l && o.Origin == l.Origin && o.Scheme == "https" && o.Used != fact.No
	})
}

// directCounts reports whether a failure seen directly speaks for the edge. It
// does not where the edge itself gets through: to admit only the CDN is what
// an origin should do.
func (v *View) directCounts(l *Leg) bool {
	if l.Used == fact.No {
		return false
	}
	if len(l.Exact) > 0 {
		// The edge's own word on this very leg is enough, unless all that it did
		// was to use connections that had stood before.
		used := !slices.ContainsFunc(l.Exact, func(h Hit) bool { return !h.Reused || !h.Good() })
		return used && v.closedBehind(l)
	}
	good, fresh, bad := false, false, false
	for _, h := range l.Mapped {
		good = good || h.Good() && h.Contact()
		fresh = fresh || h.Good() && h.Contact() && !h.Reused
		bad = bad || !h.Good() && legCode(h)
	}
	switch {
	case good && !bad:
		return v.othersWork(l) || !fresh && v.closedBehind(l)
	case bad:
		return true
	case len(v.Hits) > 0 && !l.Main:
		return false
	}
	if v.onlyCDN(l) {
		return false
	}
	if l.Used == fact.Yes {
		return l.Main
	}
	// Neither mode nor edge is known: https on 443 is the leg to judge by, and
	// plain http only where nothing else works.
	return l.Scheme == "https" || !v.sibling(l)
}

// onlyCDN reports whether the host's packet filter admits every source of the
// CDN and turns strangers away: that a stranger fails to connect says nothing
// then.
func (v *View) onlyCDN(l *Leg) bool {
	g := v.Gate(l)
	if !g.Seen || len(g.CDN.Open) == 0 || len(g.CDN.Blocked)+len(g.CDN.Unsure) > 0 {
		return false
	}
	s, ok := g.Public(probeOf(l))
	return ok && s.Verdict != fact.VerdictAccept && !slices.ContainsFunc(l.Direct, func(x fact.Item[fact.Exchange]) bool { return x.Fact.Connected() })
}

// closedBehind reports whether the host shows that new connections of the edge
// would not be served either: its packet filter turns all of them away, or its
// own requests fail as well.
func (v *View) closedBehind(l *Leg) bool {
	if g := v.Gate(l); g.Seen && g.CDN.AllBlocked() {
		return true
	}
	for _, x := range l.Direct {
		if x.Fact.Fault != nil && originward.PhaseConnect.Before(x.Fact.Fault.Phase) && OutcomeOf(x.Fact) != "" {
			return true // who keeps strangers out does it at connect
		}
	}
	failed := false
	for _, x := range l.Local {
		switch OutcomeOf(x.Fact) {
		case "", OutTimeout, OutUnreachable:
			// A packet filter that keeps strangers out keeps the host's own
			// requests out as well, where nobody excepted loopback.
		case OutOK:
			return false
		default:
			failed = true
		}
	}
	return failed
}

// othersWork reports whether another published address of the same port
// answers directly, so that a good answer of the edge may be that one's.
func (v *View) othersWork(l *Leg) bool {
	for _, o := range v.Legs {
		if o == l || o.Port != l.Port || o.Used == fact.No || o.Origin == l.Origin {
			continue
		}
		for _, x := range o.Direct {
			if v.fine(x) {
				return true
			}
		}
	}
	return false
}

// readBads collects the failing answers that no leg carries.
func (v *View) readBads() {
	carried := map[string]bool{}
	for _, l := range v.Legs {
		for _, b := range l.Bads {
			for _, id := range b.By {
				carried[id+"|"+itoa(b.Code)] = true
			}
		}
	}
	for _, h := range v.Hits {
		if h.Good() && !v.outlived(h) || carried[h.By[0]+"|"+itoa(h.Code)] {
			continue
		}
		key := "edge|" + itoa(h.Code)
		switch {
		case h.Loop:
			key = "edge|loop"
		case h.Cached:
			key = "edge|cached|" + itoa(h.Code)
		}
		v.putBad(Bad{Key: key, Code: h.Code, By: h.By, Edge: true, Fault: h.Fault, Phase: h.Phase})
	}
}

// outlived reports whether an answer of the edge's cache says that there is
// nothing, while the origin itself serves the same URL: it was kept for longer
// than it was true.
func (v *View) outlived(h Hit) bool {
	if !h.Cached || h.Status < 400 || h.Status >= 500 {
		return false
	}
	for _, a := range v.answers {
		if !slices.Contains(h.By, a.ID) {
			continue
		}
		if slices.ContainsFunc(v.exchanges, func(x fact.Item[fact.Exchange]) bool {
			r := x.Fact.Response
			return x.Fact.Variant == fact.VariantPlain && r != nil && r.Status == 200 && x.Fact.Path == a.Fact.Path
		}) {
			return true
		}
	}
	return false
}

func (v *View) putBad(b Bad) {
	for i := range v.Bads {
		if v.Bads[i].Key == b.Key {
			v.Bads[i].By = addIDs(v.Bads[i].By, b.By)
			return
		}
	}
	v.Bads = append(v.Bads, b)
}

// Bad gives the leg's failures of some codes; without codes, all.
func (l *Leg) Bad(codes ...int) []Bad {
	var out []Bad
	for _, b := range l.Bads {
		wait := b.Code == 0 && slices.ContainsFunc(b.comesTo(), func(c int) bool { return slices.Contains(codes, c) })
		if len(codes) == 0 || wait || slices.Contains(codes, b.Code) {
			out = append(out, b)
		}
	}
	return out
}

// codeText is a code for a sentence.
func codeText(code int) string {
	if code == 0 {
		return "the edge waits in vain"
	}
	return itoa(code)
}

// AllBads lists every failure observed, legs first.
func (v *View) AllBads() []Bad {
	var out []Bad
	for _, l := range v.Legs {
		out = append(out, l.Bads...)
	}
	return append(out, v.Bads...)
}

// Fails is the observed failure as an answer, with the keys of what it
// explains: the leg fails with one of the codes.
func (v *View) Fails(l *Leg, codes ...int) (Ans, []string) {
	bads := l.Bad(codes...)
	if len(bads) == 0 {
		if len(l.Bads) > 0 {
			return No(l.String()+" fails otherwise: "+codeText(l.Bads[0].Code), l.Bads[0].By...), nil
		}
		return v.noFailure(l), nil
	}
	a := Ans{Is: fact.Yes}
	var keys []string
	for _, b := range bads {
		a.By = addIDs(a.By, b.By)
		keys = append(keys, b.Key)
		if a.Says == "" {
			a.Says = "the edge answers " + itoa(b.Code) + " for " + l.String()
			if b.Code == 0 {
				a.Says = "the edge waits for " + l.String() + " in vain"
			} else if !b.Edge {
				a.Says = l.String() + " fails directly; an edge would answer " + itoa(b.Code)
			}
		}
	}
	return a, keys
}

// noFailure says whether the leg is known to work for the edge, or was not
// seen by it.
func (v *View) noFailure(l *Leg) Ans {
	for h := range l.hits() {
		if h.Good() && h.Contact() {
			return No("the edge gets through to "+l.String(), h.By...)
		}
	}
	return Unseen(lookEdge)
}
