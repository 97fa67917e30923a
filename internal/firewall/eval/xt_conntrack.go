package eval

import (
	"net/netip"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/xt"
)

// conntrackBit is the state as the conntrack match counts it.
func conntrackBit(v *env) uint16 {
	var bit uint16
	switch v.ct {
	case ctNew, ctTemplate:
		bit = xt.StateNew
	case ctReply:
		bit = xt.StateEstablished
	case ctRelated:
		bit = xt.StateRelated
	case ctUntracked:
		return xt.StateUntracked
	default:
		return xt.StateInvalid
	}
	if v.status&ipsSrcNat != 0 {
		bit |= xt.StateSNAT
	}
	if v.status&ipsDstNat != 0 {
		bit |= xt.StateDNAT
	}
	return bit
}

// xtConntrack follows conntrack_mt.
func (e *engine) xtConntrack(m xt.Conntrack, c *cursor) (did, []piece) {
	if e.hk.atConntrack {
		return didSplit, e.one(piece{tags: []Tag{{TagUnknown, "conntrack", "the order against connection tracking is not known"}}})
	}
	v := &c.env
	inv := func(f uint16) bool { return m.Inv&f != 0 }
	if m.Flags&xt.CtState != 0 && (m.State&conntrackBit(v) != 0) == inv(xt.CtState) {
		return didBreak, nil
	}
	if !tracked(v.ct) {
		return yes(m.Flags&xt.CtState != 0), nil
	}
	if m.Flags&xt.CtDirection != 0 && !v.reply == inv(xt.CtDirection) {
		return didBreak, nil
	}
	if m.Flags&xt.CtProto != 0 && (m.Proto == 6) == inv(xt.CtProto) {
		return didBreak, nil
	}
	if m.Flags&xt.CtStatus != 0 && (uint32(m.Status)&v.status != 0) == inv(xt.CtStatus) {
		return didBreak, nil
	}
	d, p := didMatch, []piece(nil)
	if m.Flags&xt.CtExpires != 0 {
		d, p = didSplit, []piece{{tags: []Tag{{TagStateful, "ctexpire", "the connection's timer"}}}}
	}
	return e.conntrackTuples(m, c, d, p)
}

// conntrackTuples compares addresses and ports of both directions.
func (e *engine) conntrackTuples(m xt.Conntrack, c *cursor, d did, p []piece) (did, []piece) {
	for _, t := range []struct {
		flag  uint16
		reply bool
		dst   bool
		addr  xt.AddrMask
		port  *xt.PortRange
	}{
		{xt.CtOrigSrc, false, false, m.OrigSrc, nil}, {xt.CtOrigDst, false, true, m.OrigDst, nil},
		{xt.CtReplSrc, true, false, m.ReplSrc, nil}, {xt.CtReplDst, true, true, m.ReplDst, nil},
		{xt.CtOrigSrcPort, false, false, xt.AddrMask{}, &m.OrigSrcPort}, {xt.CtOrigDstPort, false, true, xt.AddrMask{}, &m.OrigDstPort},
		{xt.CtReplSrcPort, true, false, xt.AddrMask{}, &m.ReplSrcPort}, {xt.CtReplDstPort, true, true, xt.AddrMask{}, &m.ReplDstPort},
	} {
		if m.Flags&t.flag == 0 || d == didBreak {
			continue
		}
		v := c.env
		if !t.reply {
			v.dst, v.dport, v.unkDst, v.unkPort, v.hasSnat = v.origDst, v.origPort, 0, 0, 0
		}
		v.reply = t.reply
		h := e.headersOf(&v)
		var d2 did
		var p2 []piece
		if t.port != nil {
			at := 0
			if t.dst {
				at = 2
			}
			d2, p2 = e.portPiece(h.tcp[at:at+2], []xt.PortRange{*t.port}, m.Inv&t.flag != 0)
		} else {
			d2, p2 = e.maskedAddr(e.side(h, t.dst), t.addr, m.Inv&t.flag != 0)
		}
		d, p = e.both(d, p, d2, append([]piece(nil), p2...))
	}
	return d, p
}

// side returns the source or destination address bytes of headers.
func (e *engine) side(h *headers, dst bool) []sym {
	at, n := 12, 4
	if e.width == 128 {
		at, n = 8, 16
	}
	if dst {
		at += n
	}
	return h.net[at : at+n]
}

// maskedAddr compares address & mask with addr.
func (e *engine) maskedAddr(s []sym, m xt.AddrMask, inv bool) (did, []piece) {
	want, mask := addrBytes(m.Addr, e.width), addrBytes(m.Mask, e.width)
	cp := make([]sym, len(s))
	for i := range s {
		cp[i] = s[i].and(mask[i])
		want[i] &= mask[i]
	}
	d, p := e.equal(cp, want)
	if inv {
		return e.not(d, p)
	}
	return d, p
}

func addrBytes(a netip.Addr, width int) []byte {
	if !a.IsValid() {
		return make([]byte, width/8)
	}
	return interval.FromAddr(a).Bytes(width / 8)
}
