package eval

import (
	"encoding/binary"
	"fmt"

	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/nft"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// dynset adds, updates or deletes an element of a set for this packet. Later look-ups in that set are then stateful.
func (e *engine) dynset(ex *ruleset.Expr, c *cursor) (did, []piece, verdict) {
	s := ex.X.Set
	if s == nil {
		return e.maybe(Tag{TagUnknown, "set " + ex.X.Name, "it is not in the dump"})
	}
	c.env.touched |= e.dynBit(s)
	const opDelete = 2
	if ex.Op == opDelete {
		return didMatch, nil, verdict{}
	}
	if ex.Inv {
		return didBreak, nil, verdict{}
	}
	var text string
	for i := range ex.X.Inner {
		in := &ex.X.Inner[i]
		switch in.Kind {
		case ruleset.KindCounter, ruleset.KindLast:
		case ruleset.KindLimit, ruleset.KindQuota, ruleset.KindConnlimit:
			text = in.X.Text
		default:
			return e.maybe(Tag{TagUnknown, "set " + s.Name, "an expression on its elements: " + name(in)})
		}
	}
	if text == "" {
		text = s.Stateful
	}
	switch {
	case text != "":
		return e.maybe(Tag{TagStateful, "meter " + s.Name, text})
	case s.Size > 0 && s.Count >= s.Size:
		return e.maybe(Tag{TagStateful, "set " + s.Name, "it is full"})
	}
	return didMatch, nil, verdict{}
}

// dynBit gives every changed set a bit; the sixty-fourth is shared.
func (e *engine) dynBit(s any) uint64 {
	if b := e.dynsets[s]; b != 0 {
		return b
	}
	b := uint64(1) << min(len(e.dynsets), 63)
	e.dynsets[s] = b
	return b
}

// object runs a named object.
func (e *engine) object(k ruleset.ObjectKey) (did, []piece, verdict) {
	switch k.Type {
	case ruleset.ObjectCounter, ruleset.ObjectCtHelper, ruleset.ObjectCtTimeout, ruleset.ObjectSecmark, ruleset.ObjectCtExpect, ruleset.ObjectTunnel:
		return didMatch, nil, verdict{}
	case ruleset.ObjectQuota:
		return e.maybe(Tag{TagStateful, "quota", k.Name})
	case ruleset.ObjectLimit:
		return e.maybe(Tag{TagStateful, "limit", k.Name})
	case ruleset.ObjectConnlimit:
		return e.maybe(Tag{TagStateful, "connlimit", k.Name})
	case ruleset.ObjectSynproxy:
		return didVerdict, nil, verdict{stolen: &Tag{TagExternal, "synproxy", k.Name}}
	}
	return e.maybe(Tag{TagUnknown, fmt.Sprintf("object type %d", k.Type), k.Name})
}

// objectMap runs the objects a map selected; one that may refuse makes its piece only possible.
func (e *engine) objectMap(d did, ps []piece) (did, []piece, verdict) {
	for i := range ps {
		if ps[i].object == "" || ps[i].from == nil {
			continue
		}
		k := ruleset.ObjectKey{Type: ps[i].from.set.ObjType, Name: ps[i].object}
		switch od, op, _ := e.object(k); od {
		case didSplit:
			ps[i].tags = addTags(ps[i].tags, op[0].tags)
		case didVerdict:
			ps[i].tags = addTag(ps[i].tags, Tag{TagExternal, "synproxy", k.Name})
		}
	}
	return d, ps, verdict{}
}

func (e *engine) queueTag(ex *ruleset.Expr) Tag {
	text := fmt.Sprintf("queue %d to user space", ex.X.Number)
	if ex.Flags&1 != 0 {
		text += ", accepted when nobody listens"
	}
	return Tag{TagExternal, "queue", text}
}

// rejectKind names what a reject answers.
func (e *engine) rejectKind(ex *ruleset.Expr) string {
	switch ex.Op {
	case 1:
		return "tcp-reset"
	case 2:
		names := []string{"no-route", "port-unreachable", "host-unreachable", "admin-prohibited"}
		if int(ex.Base) < len(names) {
			return "icmpx " + names[ex.Base]
		}
		return fmt.Sprintf("icmpx code %d", ex.Base)
	}
	if e.width == 32 {
		return "icmp " + icmpCode(icmp4, ex.Base)
	}
	return "icmpv6 " + icmpCode(icmp6, ex.Base)
}

var (
	icmp4 = map[uint8]string{
		0: "net-unreachable", 1: "host-unreachable", 2: "prot-unreachable", 3: "port-unreachable", 9: "net-prohibited",
		10: "host-prohibited", 13: "admin-prohibited",
	}
	icmp6 = map[uint8]string{
		0: "no-route", 1: "admin-prohibited", 3: "addr-unreachable", 4: "port-unreachable", 5: "policy-fail", 6: "reject-route",
	}
)

func icmpCode(names map[uint8]string, c uint8) string {
	if s, ok := names[c]; ok {
		return s
	}
	return fmt.Sprintf("code %d", c)
}

// natExpr rewrites the packet. In a nat chain it is also the chain's verdict.
func (e *engine) natExpr(ex *ruleset.Expr, c *cursor, r *ruleset.Rule) (did, []piece, verdict) {
	if !tracked(c.env.ct) {
		// Without a connection nat expressions are not reached by the kernel; staying here is only careful.
		return e.maybe(Tag{TagUnknown, "nat", "without connection tracking"})
	}
	dst := ex.Kind == ruleset.KindRedir || ex.Kind == ruleset.KindNat && ex.Op == nft.NatDest
	if !dst {
		e.sourceNat(ex, c)
		return didVerdict, nil, code(ruleset.VAccept)
	}
	ref := &natRef{rule: r, kind: "dnat"}
	v := &c.env
	x := ex.X
	if ex.Kind == ruleset.KindRedir {
		ref.kind = "redirect"
		e.redirectHere(v)
	} else if x.Regs.AddrMin >= 0 {
		e.rewriteAddr(c, x.Regs.AddrMin, x.Regs.AddrMax, ex.Flags)
	}
	if x.Regs.PortMin >= 0 {
		e.rewritePort(c, x.Regs.PortMin, x.Regs.PortMax, ex.Flags)
	}
	e.nated(v, ref)
	return didVerdict, nil, code(ruleset.VAccept)
}

// nated notes a destination rewrite on the connection.
func (e *engine) nated(v *env, ref *natRef) {
	v.status |= ipsDstNatDone // also when nothing changed: later nat chains are not asked any more
	if v.dst != v.origDst || v.dport != v.origPort || v.unkDst != 0 || v.unkPort != 0 {
		v.status |= ipsDstNat
		ref.to, ref.port, ref.unkAddr, ref.unkPort = v.dst, v.dport, v.unkDst != 0, v.unkPort != 0
		v.nat = e.sameNat(ref)
	}
}

// sameNat returns one reference per distinct rewrite, so that states stay comparable.
func (e *engine) sameNat(ref *natRef) *natRef {
	for _, have := range e.nats {
		if *have == *ref {
			return have
		}
	}
	e.nats = append(e.nats, ref)
	return ref
}

// nat range flags (NF_NAT_RANGE_*).
const (
	natNetmap = 1 << 6
	natOffset = 1 << 5
)

func (e *engine) rewriteAddr(c *cursor, min, max int8, flags uint32) {
	n := e.width / 8
	var lo, hi [16]byte
	a, ok := constants(load(c, uint8(min), n), lo[:])
	b, ok2 := a, ok
	if max >= 0 && max != min {
		b, ok2 = constants(load(c, uint8(max), n), hi[:])
	}
	e.setDst(&c.env, a, b, ok && ok2, flags)
}

// setDst puts a new destination in place; a choice of several is unknown.
func (e *engine) setDst(v *env, lo, hi []byte, known bool, flags uint32) {
	switch {
	case known && flags&natNetmap != 0:
		from, to := number(lo), number(hi)
		mask := from.Xor(to).Not()
		v.dst = from.And(mask).Or(v.dst.And(mask.Not())).And(interval.Max(e.width))
	case known && string(lo) == string(hi):
		v.dst = number(lo)
	default:
		v.unkDst = e.unknown(Tag{TagStateful, "dnat", "one of several addresses"}, uint8(min(e.width/8, 8)), 0, ^uint64(0)) + 1
	}
}

func (e *engine) rewritePort(c *cursor, min, max int8, flags uint32) {
	var lo, hi [2]byte
	a, ok := constants(load(c, uint8(min), 2), lo[:])
	b, ok2 := a, ok
	if max >= 0 && max != min {
		b, ok2 = constants(load(c, uint8(max), 2), hi[:])
	}
	if !ok || !ok2 {
		e.setPort(&c.env, 0, 1, flags)
		return
	}
	e.setPort(&c.env, binary.BigEndian.Uint16(a), binary.BigEndian.Uint16(b), flags)
}

// setPort puts a new port in place. A range that holds the present one keeps it; otherwise one is chosen at random.
func (e *engine) setPort(v *env, lo, hi uint16, flags uint32) {
	switch {
	case lo == hi:
		v.dport = lo
	case v.dport >= lo && v.dport <= hi && flags&(natOffset|1<<2|1<<4) == 0:
	default:
		v.unkPort = e.unknown(Tag{TagStateful, "dnat", "one of several ports"}, 2, uint64(lo), uint64(hi)) + 1
	}
}

// redirectHere sends the packet to this host: to the first address of the interface it came in by, or to loopback for
// what is made here.
func (e *engine) redirectHere(v *env) {
	if e.hk.hook == ruleset.Output {
		v.dst = interval.FromUint(0x7f000001)
		if e.width == 128 {
			v.dst = interval.FromUint(1)
		}
		return
	}
	var found interval.U128
	if e.hk.iif != nil {
		for _, a := range e.h.Net.Addrs {
			ip := a.Prefix.Addr()
			if a.Index != e.hk.iif.Index || ip.BitLen() != e.width {
				continue
			}
			if e.width == 128 && ip.IsLinkLocalUnicast() && !e.addr(v.dst).IsLinkLocalUnicast() {
				continue
			}
			found = interval.FromAddr(ip) // the kernel lists and takes the same one first
			break
		}
	}
	if found.IsZero() {
		v.unkDst = e.unknown(Tag{TagUnknown, "redirect", "the interface has no address"}, 8, 0, ^uint64(0)) + 1
		return
	}
	v.dst = found
}

// sourceNat changes the client's address as later chains and the answer's path see it.
func (e *engine) sourceNat(ex *ruleset.Expr, c *cursor) {
	v := &c.env
	v.hasSnat = 2
	if ex.Kind == ruleset.KindNat && ex.X.Regs.AddrMin >= 0 && ex.Flags&natNetmap == 0 {
		var lo, hi [16]byte
		n := e.width / 8
		a, ok := constants(load(c, uint8(ex.X.Regs.AddrMin), n), lo[:])
		b, ok2 := a, ok
		if m := ex.X.Regs.AddrMax; m >= 0 {
			b, ok2 = constants(load(c, uint8(m), n), hi[:])
		}
		if ok && ok2 && string(a) == string(b) {
			v.snat, v.hasSnat = number(a), 1
		}
	}
	if ex.Kind == ruleset.KindMasq {
		e.masquerade(v)
	}
	v.status |= ipsSrcNat | ipsSrcNatDone
}

// masquerade takes the outgoing interface's address, when it has just one.
func (e *engine) masquerade(v *env) {
	var got []interval.U128
	if e.hk.oif != nil {
		for _, a := range e.h.Net.Addrs {
			if a.Index == e.hk.oif.Index && a.Prefix.Addr().BitLen() == e.width && !a.Prefix.Addr().IsLinkLocalUnicast() {
				got = append(got, interval.FromAddr(a.Prefix.Addr()))
			}
		}
	}
	v.hasSnat = 2
	if len(got) == 1 {
		v.snat, v.hasSnat = got[0], 1
	}
}

// tproxy hands the packet to a local socket when there is one.
func (e *engine) tproxy(ex *ruleset.Expr, c *cursor) (did, []piece, verdict) {
	c.env.tproxy = true
	text := "a transparent proxy"
	if p := ex.X.Regs.PortMin; p >= 0 {
		var b [2]byte
		if v, ok := constants(load(c, uint8(p), 2), b[:]); ok {
			text = fmt.Sprintf("a transparent proxy on port %d", binary.BigEndian.Uint16(v))
		}
	}
	return e.maybe(Tag{TagSocket, "tproxy", text})
}

// deliverable reports whether an address is delivered on this host.
func (e *engine) deliverable(a interval.U128) bool {
	parts, err := e.partition(fib.Query{Width: e.width, Iif: "lo"})
	if err != nil {
		return e.h.Net.IsLocal(e.addr(a))
	}
	p, ok := fib.Lookup(parts, a)
	return ok && (p.Type == fib.Local || p.Type == fib.Broadcast)
}
