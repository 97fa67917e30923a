//go:build linux

package difftest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/originward/originward/internal/firewall/eval"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/replica"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// tally is what one run of a grammar came to.
type tally struct {
	rulesets, refused, packets, unknown, depends int
	disagree                                     []string
	why                                          []string // some unknown segments
}

func (y *tally) add(o tally) {
	y.rulesets += o.rulesets
	y.refused += o.refused
	y.packets += o.packets
	y.unknown += o.unknown
	y.depends += o.depends
	y.disagree = append(y.disagree, o.disagree...)
	y.why = append(y.why, o.why...)
}

func (y *tally) row(name string) string {
	share := func(n int) float64 { return 100 * float64(n) / float64(max(y.packets, 1)) }
	return fmt.Sprintf("%-14s rulesets %4d (refused %3d)  packets %6d  disagreements %d  unknown %.2f %%  depends %.1f %%",
		name, y.rulesets, y.refused, y.packets, len(y.disagree), share(y.unknown), share(y.depends))
}

// probe is one packet with what the model says about it.
type probe struct {
	seg  eval.Segment
	res  *eval.Result
	flow replica.Flow
}

// question is a destination to ask about.
type question struct {
	dst  netip.Addr
	port uint16
}

var questions = []question{{host4, 80}, {host4, 443}, {host6, 80}, {host6, 443}}

// compare asks the model about every question, injects boundary packets, and checks the kernel against it. The ruleset
// must be loaded, and tracing not yet switched on.
func compare(w *replica.World, h *eval.Host, r *rand.Rand, qs []question, perSegment int) (tally, error) {
	y := tally{rulesets: 1}
	ingress := false
	for _, t := range h.Rules.Tables {
		for _, c := range t.Chains {
			ingress = ingress || c.Base != nil && c.Base.Hook == ruleset.Ingress
		}
	}
	if err := w.EnableTrace(context.Background(), ingress); err != nil {
		return y, err
	}
	done, err := w.Listen(listenPorts)
	if err != nil {
		return y, err
	}
	defer done()
	var probes []probe
	ports := clients{next: 20000 + r.IntN(1000), used: map[netip.AddrPort]bool{}, once: remembers(h.Rules)}
	for _, q := range qs {
		res := h.Run(eval.Query{Width: q.dst.BitLen(), Dst: interval.FromAddr(q.dst), Port: q.port, In: h.Net.Link(wan)})
		segs := res.Segments()
		if err := covers(segs, q.dst.BitLen()); err != nil {
			return y, err
		}
		for _, s := range segs {
			for _, a := range samples(r, s.Set, q.dst.BitLen(), perSegment) {
				for _, p := range ports.portsFor(s, a) {
					probes = append(probes, probe{s, res, replica.Flow{Src: a, Dst: q.dst, SrcPort: p, DstPort: q.port}})
				}
			}
		}
	}
	var ps []replica.Probe
	for _, p := range probes {
		ps = append(ps, replica.Probe{In: wan, Flow: p.flow})
	}
	obs, err := w.Send(ps)
	if err != nil {
		return y, err
	}
	for i := range probes {
		y.judge(&probes[i], &obs[i])
	}
	return y, nil
}

// remembers reports rules that put sources into sets.
func remembers(rs *ruleset.Ruleset) bool {
	for _, t := range rs.Tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				for i := range r.Exprs {
					e := &r.Exprs[i]
					if e.Kind == ruleset.KindDynset || e.Kind == ruleset.KindXtTarget && e.X.Xt.Name == "SET" {
						return true
					}
				}
			}
		}
	}
	return false
}

// covers checks that the segments are a partition of the whole space.
func covers(segs []eval.Segment, width int) error {
	all := &interval.Set{}
	for _, s := range segs {
		if !all.Intersect(s.Set).Empty() {
			return fmt.Errorf("segments overlap at %v", all.Intersect(s.Set).Ranges()[0])
		}
		all.Add(s.Set)
	}
	if !all.Equal(interval.Of(interval.Iv{Hi: interval.Max(width)})) {
		return fmt.Errorf("segments leave out %v", interval.Of(interval.Iv{Hi: interval.Max(width)}).Subtract(all).Ranges()[0])
	}
	return nil
}

// samples are addresses of a segment: both ends of some of its ranges, and random ones within.
func samples(r *rand.Rand, s *interval.Set, width, n int) []netip.Addr {
	ivs := s.Ranges()
	seen := map[netip.Addr]bool{}
	var out []netip.Addr
	add := func(v interval.U128) {
		a := v.Addr(width)
		if !seen[a] && sendable(a) {
			seen[a] = true
			out = append(out, a)
		}
	}
	for k := 0; k < 8*n && len(out) < n; k++ {
		iv := ivs[r.IntN(len(ivs))]
		switch k % 3 {
		case 0:
			add(iv.Lo)
		case 1:
			add(iv.Hi)
		default:
			add(within(r, iv))
		}
	}
	return out
}

func within(r *rand.Rand, iv interval.Iv) interval.U128 {
	d := iv.Hi.Sub(iv.Lo)
	off := interval.U128{Hi: r.Uint64(), Lo: r.Uint64()}
	n := d.Len()
	off = off.And(interval.Max(n))
	if d.Less(off) {
		off = d
	}
	return iv.Lo.Add(off)
}

// unsendable are sources the routing code refuses before or after any rule (martians), so that rules show nothing.
var unsendable = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("172.17.0.0/16"),
	netip.MustParsePrefix("::/8"), netip.MustParsePrefix("fe80::/9"), netip.MustParsePrefix("ff00::/8"),
	netip.MustParsePrefix("2001:db8::/64"), netip.MustParsePrefix("fd00:17::/64"),
}

func sendable(a netip.Addr) bool {
	for _, p := range unsendable {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// clients hands out source ports no probe has used with the same address: a second SYN of one flow is a retransmission.
type clients struct {
	next int
	used map[netip.AddrPort]bool
	// once lets every address be used a single time, for rules that remember sources.
	once bool
}

func (c *clients) fresh(a netip.Addr, p uint16) bool {
	k := netip.AddrPortFrom(a, p)
	if c.once {
		k = netip.AddrPortFrom(a, 0)
	}
	if c.used[k] {
		return false
	}
	c.used[k] = true
	return true
}

// portsFor gives fresh source ports for every combination of ports the segment's outcomes tell apart.
func (c *clients) portsFor(s eval.Segment, a netip.Addr) []uint16 {
	split := map[string]*interval.Set{}
	for _, o := range s.Outcomes {
		if o.Ports != nil {
			split[fmt.Sprint(o.Ports.Ranges())] = o.Ports
		}
	}
	if c.next++; c.next > 60000 {
		c.next = 20000
	}
	if len(split) == 0 && c.fresh(a, uint16(c.next)) {
		return []uint16{uint16(c.next)}
	}
	var out []uint16
	for _, p := range split {
		iv := p.Ranges()[0]
		for _, n := range []uint64{iv.Lo.Lo, iv.Hi.Lo, iv.Lo.Lo + 1, iv.Hi.Lo - 1} {
			if n >= iv.Lo.Lo && n <= iv.Hi.Lo && c.fresh(a, uint16(n)) {
				out = append(out, uint16(n))
			}
		}
	}
	return out
}

// possible are the outcomes of a probe's segment that its source port allows.
func (p *probe) possible() []*eval.Outcome {
	var out []*eval.Outcome
	for _, o := range p.seg.Outcomes {
		if o.Ports == nil || o.Ports.Contains(interval.FromUint(uint64(p.flow.SrcPort))) {
			out = append(out, o)
		}
	}
	return out
}

// judge compares one observation with the model.
func (y *tally) judge(p *probe, o *replica.Observation) {
	y.packets++
	switch p.seg.Verdict {
	case eval.VerdictUnknown:
		y.unknown++
		if len(y.why) < 3 {
			y.why = append(y.why, p.seg.String())
		}
		return
	case eval.VerdictDepends:
		y.depends++
	}
	var why []string
	for _, want := range p.possible() {
		bad := mismatch(want, o)
		if bad == "" {
			return
		}
		why = append(why, bad)
	}
	y.disagree = append(y.disagree, describe(p, o, why))
}

// mismatch says how an observation contradicts an outcome; empty when it does not.
func mismatch(want *eval.Outcome, o *replica.Observation) string {
	e, reply, dropped := o.Dropped()
	switch want.End {
	case eval.EndAccept:
		if !o.Answered {
			return "model: accept"
		}
		if dropped {
			return "model: accept, kernel traced a drop"
		}
		if _, _, to, port, known, portKnown := want.Redirect(); o.Forwarded && known && portKnown {
			if got := interval.FromAddr(o.Onward.Dst); got != to || o.Onward.DstPort != port {
				return fmt.Sprintf("model: redirected to %v port %d", to, port)
			}
		}
		return ""
	case eval.EndDrop:
		if o.Answered || o.Reset || o.ICMP {
			return "model: drop by " + place(want)
		}
	case eval.EndReject:
		if !o.Reset && !o.ICMP {
			return "model: reject by " + place(want)
		}
		if bad := wrongReject(want.With, o); bad != "" {
			return bad
		}
	default:
		return ""
	}
	if want.Chain != nil && want.Chain.Table.Legacy {
		if dropped {
			return "model: legacy rule, kernel traced an nf_tables drop"
		}
		return ""
	}
	if !dropped {
		return "model: drop by " + place(want) + ", kernel traced none"
	}
	if got := eventPlace(e); got != place(want) || reply != want.Reply {
		return fmt.Sprintf("model: %s reply=%v", place(want), want.Reply)
	}
	return ""
}

// wrongReject compares a reject's answer with what came back.
func wrongReject(with string, o *replica.Observation) string {
	if with == "tcp-reset" {
		if !o.Reset {
			return "model: reject with tcp-reset"
		}
		return ""
	}
	want, ok := icmpOf[with]
	if !ok {
		return "no number known for " + with
	}
	if !o.ICMP || [2]uint8{o.ICMPType, o.ICMPCode} != want[0] && [2]uint8{o.ICMPType, o.ICMPCode} != want[1] {
		return "model: reject with " + with
	}
	return ""
}

// icmpOf are the type and code of each reject, for IPv4 and IPv6.
var icmpOf = map[string][2][2]uint8{
	"icmp net-unreachable": {{3, 0}}, "icmp host-unreachable": {{3, 1}}, "icmp prot-unreachable": {{3, 2}},
	"icmp port-unreachable": {{3, 3}}, "icmp net-prohibited": {{3, 9}}, "icmp host-prohibited": {{3, 10}},
	"icmp admin-prohibited": {{3, 13}},
	"icmpx no-route":        {{3, 0}, {1, 0}}, "icmpx port-unreachable": {{3, 3}, {1, 4}},
	"icmpx host-unreachable": {{3, 1}, {1, 3}}, "icmpx admin-prohibited": {{3, 13}, {1, 1}},
	"icmpv6 no-route": {{1, 0}}, "icmpv6 admin-prohibited": {{1, 1}}, "icmpv6 addr-unreachable": {{1, 3}},
	"icmpv6 port-unreachable": {{1, 4}},
}

func describe(p *probe, o *replica.Observation, why []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d -> %s:%d\n  %s\n  segment %s\n", p.flow.Src, p.flow.SrcPort, p.flow.Dst, p.flow.DstPort, strings.Join(why, "\n  "), p.seg)
	fmt.Fprintf(&b, "  kernel: answered=%v reset=%v icmp=%v %d/%d forwarded=%v %v\n", o.Answered, o.Reset, o.ICMP, o.ICMPType, o.ICMPCode, o.Forwarded, o.Onward)
	for _, e := range o.Request {
		fmt.Fprintf(&b, "    %s\n", e)
	}
	for _, e := range o.Reply {
		fmt.Fprintf(&b, "    reply %s\n", e)
	}
	for _, st := range p.res.Path(p.seg.Outcomes[0], interval.FromAddr(p.flow.Src)) {
		h := uint64(0)
		if st.Rule != nil {
			h = st.Rule.Handle
		}
		fmt.Fprintf(&b, "    model %s %s handle %d %s\n", st.Hook, st.Chain.Name, h, st.Verdict)
	}
	return b.String()
}

// verdictOf asks the model about one source and the host's port 80.
func verdictOf(h *eval.Host, src string) eval.Verdict {
	a := netip.MustParseAddr(src)
	dst := host4
	if a.Is6() {
		dst = host6
	}
	res := h.Run(eval.Query{Width: dst.BitLen(), Dst: interval.FromAddr(dst), Port: 80, In: h.Net.Link(wan)})
	for _, s := range res.Segments() {
		if s.Set.Contains(interval.FromAddr(a)) {
			return s.Verdict
		}
	}
	return ""
}
