package eval

import (
	"encoding/binary"
	"net/netip"

	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

// xtMatch evaluates an xtables match. To add one: a case here.
func (e *engine) xtMatch(m *ruleset.Xt, c *cursor) (did, []piece) {
	switch i := m.Info.(type) {
	case nil:
		return didSplit, e.one(piece{tags: []Tag{{TagUnknown, "match " + m.Name, m.Why}}})
	case xt.Always:
		return didMatch, nil
	case xt.NeverTCP:
		return didBreak, nil
	case xt.TCP, xt.Multiport, xt.TCPMSS:
		if c.env.refusal.icmp() {
			return didBreak, nil
		}
		return e.xtTransport(m, c)
	case xt.Conntrack:
		return e.xtConntrack(i, c)
	case xt.AddrType:
		return e.xtAddrType(i, c)
	case xt.IPRange:
		return e.xtIPRange(i, c)
	case xt.MarkMatch:
		return e.xtMark(i, c)
	case xt.SetMatch:
		return e.xtSet(i, c)
	case xt.RPFilter:
		return e.xtRPFilter(i, c)
	case xt.RecentSet:
		return yes(!i.Inv), nil
	case xt.Stateful:
		return didSplit, e.one(piece{tags: []Tag{{TagStateful, i.Name, i.Text}}})
	case xt.Time:
		return didSplit, e.one(piece{tags: []Tag{{TagTime, "time", i.Text}}})
	case xt.Socket:
		return didSplit, e.one(piece{tags: []Tag{{TagSocket, i.Name, i.Text}}})
	case xt.External:
		return didSplit, e.one(piece{tags: []Tag{{TagExternal, i.Name, i.Text}}})
	}
	return e.xtField(m, c)
}

func (e *engine) xtTransport(m *ruleset.Xt, c *cursor) (did, []piece) {
	switch i := m.Info.(type) {
	case xt.TCP:
		return e.xtTCP(i, c)
	case xt.Multiport:
		return e.xtMultiport(i, c)
	}
	return e.xtField(m, c)
}

func yes(b bool) did {
	if b {
		return didMatch
	}
	return didBreak
}

// xtField evaluates matches on single fields of the packet.
func (e *engine) xtField(m *ruleset.Xt, c *cursor) (did, []piece) {
	switch i := m.Info.(type) {
	case xt.Packet:
		return didSplit, e.one(piece{tags: []Tag{{TagPacket, i.Name, i.Text}}})
	case xt.PktType:
		return yes((uint32(c.env.pkttype) == i.Type) != i.Inv), nil
	case xt.Length:
		return e.inRange("length", uint64(i.Min), uint64(i.Max), e.lengths(), i.Inv)
	case xt.TCPMSS:
		return e.inRange("MSS", uint64(i.Min), uint64(i.Max), [2]uint64{minMSS, 65495}, i.Inv)
	case xt.TTL:
		return e.xtTTL(i)
	case xt.DSCP:
		if i.Value&^i.Mask != 0 {
			return yes(i.Inv), nil
		}
		return didSplit, e.one(piece{tags: []Tag{field("DSCP")}})
	case xt.MAC:
		if e.hk.iif == nil || e.hk.iif.Type != 1 {
			return didBreak, nil // no Ethernet header: never matches, inverted or not
		}
		return didSplit, e.one(piece{tags: []Tag{field("source MAC")}})
	case xt.Policy:
		// No IPsec: policy none matches, any other does not.
		return yes(i.None), nil
	case xt.Helper:
		return yes(i.Inv), nil
	case xt.Owner:
		if !c.env.reply {
			return yes(i.Match&^i.Inv == 0 && i.Match != 0), nil // no socket is attached
		}
		return didSplit, e.one(piece{tags: []Tag{{TagSocket, "owner", i.Text}}})
	case xt.DevGroup:
		return e.xtDevGroup(i), nil
	case xt.PhysDev:
		return e.xtPhysDev(i)
	}
	return didSplit, e.one(piece{tags: []Tag{{TagUnknown, "match " + m.Name, "not modelled"}}})
}

// inRange compares a field that clients choose within known bounds.
func (e *engine) inRange(name string, lo, hi uint64, can [2]uint64, inv bool) (did, []piece) {
	switch {
	case lo <= can[0] && can[1] <= hi:
		return yes(!inv), nil
	case hi < can[0] || can[1] < lo:
		return yes(inv), nil
	}
	return didSplit, e.one(piece{tags: []Tag{field(name)}})
}

// lengths bounds a SYN's length as the length match counts it.
func (e *engine) lengths() [2]uint64 {
	if e.width == 32 {
		return [2]uint64{40, 80}
	}
	return [2]uint64{60, 100}
}

func (e *engine) xtTTL(m xt.TTL) (did, []piece) {
	lo, hi, inv := uint64(m.Value), uint64(m.Value), false
	switch m.Mode {
	case 1:
		inv = true
	case 2:
		if m.Value == 0 {
			return didBreak, nil
		}
		lo, hi = 0, uint64(m.Value)-1
	case 3:
		lo, hi = uint64(m.Value)+1, 255
		if lo > hi {
			return didBreak, nil
		}
	}
	return e.inRange("TTL", lo, hi, [2]uint64{1, 255}, inv)
}

// portPiece compares one port with ranges.
func (e *engine) portPiece(s []sym, ranges []xt.PortRange, inv bool) (did, []piece) {
	var buf [2]byte
	if b, ok := constants(s, buf[:]); ok {
		p := binary.BigEndian.Uint16(b)
		for _, r := range ranges {
			if r.Lo <= p && p <= r.Hi {
				return yes(!inv), nil
			}
		}
		return yes(inv), nil
	}
	if !fullPort(s) {
		return e.tagged(s)
	}
	set := &interval.Set{}
	for _, r := range ranges {
		if r.Lo <= r.Hi {
			set.AddRange(interval.Iv{Lo: interval.FromUint(uint64(r.Lo)), Hi: interval.FromUint(uint64(r.Hi))})
		}
	}
	if inv {
		set = interval.Of(allPorts).Subtract(set)
	}
	if set.Empty() {
		return didBreak, nil
	}
	return didSplit, e.one(piece{p: set})
}

// both joins two conditions; each may be one piece at most.
func (e *engine) both(d1 did, p1 []piece, d2 did, p2 []piece) (did, []piece) {
	switch {
	case d1 == didBreak || d2 == didBreak:
		return didBreak, nil
	case d1 == didMatch:
		return d2, p2
	case d2 == didMatch:
		return d1, p1
	}
	var out []piece
	for _, a := range p1 {
		for _, b := range p2 {
			p := a
			e.conjoin(&p, b)
			out = append(out, p)
		}
	}
	return didSplit, out
}

func (e *engine) xtTCP(m xt.TCP, c *cursor) (did, []piece) {
	h := e.headersOf(&c.env)
	d, p := e.portPiece(h.tcp[0:2], []xt.PortRange{m.Src}, m.Inv&xt.InvSrcPort != 0)
	p = append([]piece(nil), p...)
	d2, p2 := e.portPiece(h.tcp[2:4], []xt.PortRange{m.Dst}, m.Inv&xt.InvDstPort != 0)
	d, p = e.both(d, p, d2, append([]piece(nil), p2...))
	if d == didBreak {
		return didBreak, nil
	}
	flags := h.tcp[13].val
	if (flags&m.FlagMask == m.FlagComp) == (m.Inv&xt.InvFlags != 0) {
		return didBreak, nil
	}
	if m.Option != 0 {
		const mss = 2
		if m.Option == mss {
			return e.both(d, p, yes(m.Inv&xt.InvOption == 0), nil)
		}
		return e.both(d, p, didSplit, []piece{{tags: []Tag{field("TCP options")}}})
	}
	return d, p
}

func (e *engine) xtMultiport(m xt.Multiport, c *cursor) (did, []piece) {
	h := e.headersOf(&c.env)
	switch m.Mode {
	case 0:
		return e.portPiece(h.tcp[0:2], m.Ports, m.Inv)
	case 1:
		return e.portPiece(h.tcp[2:4], m.Ports, m.Inv)
	}
	// Either: the concrete port alone may decide.
	konst, open := h.tcp[2:4], h.tcp[0:2]
	if c.env.reply {
		konst, open = open, konst
	}
	if d, _ := e.portPiece(konst, m.Ports, false); d == didMatch {
		return yes(!m.Inv), nil
	}
	return e.portPiece(open, m.Ports, m.Inv)
}

func (e *engine) xtIPRange(m xt.IPRange, c *cursor) (did, []piece) {
	h := e.headersOf(&c.env)
	d, p := didMatch, []piece(nil)
	for _, t := range []struct {
		has, inv, dst bool
		lo, hi        netip.Addr
	}{{m.HasSrc, m.InvSrc, false, m.SrcMin, m.SrcMax}, {m.HasDst, m.InvDst, true, m.DstMin, m.DstMax}} {
		if !t.has || d == didBreak {
			continue
		}
		d2, p2 := e.ordered(e.side(h, t.dst), addrBytes(t.lo, e.width), addrBytes(t.hi, e.width))
		if t.inv {
			d2, p2 = e.not(d2, p2)
		}
		d, p = e.both(d, p, d2, append([]piece(nil), p2...))
	}
	return d, p
}

func (e *engine) xtMark(m xt.MarkMatch, c *cursor) (did, []piece) {
	v := c.env.mark
	if m.Conn {
		if !tracked(c.env.ct) {
			return didBreak, nil
		}
		v = c.env.ctmark
	}
	if v.unk != 0 {
		return didSplit, e.one(piece{tags: []Tag{e.slots[v.unk-1].tag}})
	}
	return yes((v.v&m.Mask == m.Mark) != m.Inv), nil
}

func (e *engine) xtDevGroup(m xt.DevGroup) did {
	check := func(match, inv uint32, l *fib.Link, group, mask uint32) bool {
		if m.Flags&match == 0 {
			return true
		}
		g := uint32(0)
		if l != nil {
			g = l.Group
		}
		return (g&mask == group) != (m.Flags&inv != 0)
	}
	return yes(check(1, 2, e.hk.iif, m.Src, m.SrcM) && check(4, 8, e.hk.oif, m.Dst, m.DstM))
}

// xtPhysDev matches bridge ports: never on packets that came by no bridge.
func (e *engine) xtPhysDev(m xt.PhysDev) (did, []piece) {
	if e.hk.iif == nil || e.hk.iif.Kind != "bridge" || !e.h.BridgeCalls {
		// Without a bridge every asked property is absent: matches only if all of them are inverted.
		return yes(m.Op != 0 && m.Op&^m.Inv == 0), nil
	}
	return didSplit, e.one(piece{tags: []Tag{{TagExternal, "physdev", "the bridge port it came by"}}})
}
