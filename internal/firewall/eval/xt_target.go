package eval

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

// xtTarget evaluates an xtables target. To add one: a case here.
func (e *engine) xtTarget(t *ruleset.Xt, c *cursor, r *ruleset.Rule) (did, []piece, verdict) {
	switch i := t.Info.(type) {
	case nil:
		return e.strange(c, Tag{TagUnknown, "target " + t.Name, t.Why})
	case xt.Continue:
		return didMatch, nil, verdict{}
	case xt.Reject:
		return didVerdict, nil, verdict{reject: rejectText(i.With)}
	case xt.NAT:
		return e.xtNAT(i, c, r)
	case xt.MarkSet:
		if c.env.mark.unk == 0 {
			c.env.mark.v = c.env.mark.v&^i.Mask ^ i.Mark
		} else if i.Mask == 0xffffffff {
			c.env.mark = val{v: i.Mark}
		}
		return didMatch, nil, verdict{}
	case xt.ConnmarkSet:
		e.xtConnmark(i, c)
		return didMatch, nil, verdict{}
	case xt.CT:
		switch {
		case i.NoTrack && c.env.ct == ctNone:
			c.env.ct = ctUntracked
		case i.Zone != 0:
			c.env.zoned = true
		}
		return didMatch, nil, verdict{}
	case xt.Queue:
		tag := Tag{TagExternal, "queue", fmt.Sprintf("queue %d to user space", i.Num)}
		if i.Bypass {
			tag.Text += ", accepted when nobody listens"
		}
		return didVerdict, nil, verdict{queue: &tag}
	case xt.SetTarget:
		if s := e.ipset(i.Index, i.Name); s != nil {
			c.env.touched |= e.dynBit(s)
		}
		if i.Map {
			sl := e.unknown(Tag{TagUnknown, "SET target", "marks from an ipset"}, 4, 0, 0xffffffff) + 1
			c.env.mark, c.env.prio = val{unk: sl}, val{unk: sl}
		}
		return didMatch, nil, verdict{}
	case xt.TProxy:
		c.env.tproxy = true
		return e.maybe(Tag{TagSocket, "tproxy", fmt.Sprintf("a transparent proxy on port %d", i.Port)})
	case xt.Synproxy:
		return didVerdict, nil, verdict{stolen: &Tag{TagExternal, "synproxy", "the kernel answers the handshake itself"}}
	}
	return e.strange(c, Tag{TagUnknown, "target " + t.Name, "not modelled"})
}

// rejectText spells iptables' reject kinds the way nft does, so that one vocabulary comes out.
func rejectText(with string) string {
	switch with {
	case "tcp-reset":
		return with
	case "icmp-proto-unreachable":
		return "icmp prot-unreachable"
	case "icmp6-adm-prohibited":
		return "icmpv6 admin-prohibited"
	case "icmp6-addr-unreachable":
		return "icmpv6 addr-unreachable"
	}
	if s, ok := strings.CutPrefix(with, "icmp6-"); ok {
		return "icmpv6 " + s
	}
	return "icmp " + strings.TrimPrefix(with, "icmp-")
}

func (e *engine) xtConnmark(t xt.ConnmarkSet, c *cursor) {
	if !tracked(c.env.ct) {
		return
	}
	v := &c.env
	shift := func(n uint32) uint32 {
		if t.ShiftRight {
			return n >> t.Shift
		}
		return n << t.Shift
	}
	switch {
	case t.Mode == 0 && v.ctmark.unk == 0:
		v.ctmark.v = shift(v.ctmark.v&^t.CtMask ^ t.CtMark)
	case t.Mode == 1 && v.ctmark.unk == 0 && v.mark.unk == 0:
		v.ctmark.v = v.ctmark.v&^t.CtMask ^ shift(v.mark.v&t.NfMask)
	case t.Mode == 1 && v.mark.unk != 0:
		v.ctmark = v.mark
	case t.Mode == 2 && v.ctmark.unk == 0 && v.mark.unk == 0:
		v.mark.v = v.mark.v&^t.NfMask ^ shift(v.ctmark.v&t.CtMask)
	case t.Mode == 2 && v.ctmark.unk != 0:
		v.mark = v.ctmark
	}
}

func (e *engine) xtNAT(t xt.NAT, c *cursor, r *ruleset.Rule) (did, []piece, verdict) {
	if !tracked(c.env.ct) {
		return e.maybe(Tag{TagUnknown, "nat", "without connection tracking"})
	}
	v := &c.env
	here := e.hk.hook == ruleset.Prerouting || e.hk.hook == ruleset.Output
	switch {
	case t.Name == "DNAT", t.Name == "REDIRECT", t.Name == "NETMAP" && here:
		ref := &natRef{rule: r, kind: "dnat"}
		if t.Name == "REDIRECT" {
			ref.kind = "redirect"
			e.redirectHere(v)
		} else if t.Flags&xt.NATMapIPs != 0 {
			hi := t.AddrMax
			if !hi.IsValid() {
				hi = t.AddrMin
			}
			flags := t.Flags & natNetmap
			if t.Name == "NETMAP" {
				flags = natNetmap
			}
			e.setDst(v, addrBytes(t.AddrMin, e.width), addrBytes(hi, e.width), true, flags)
		}
		if t.Flags&xt.NATPorts != 0 {
			e.setPort(v, t.PortMin, t.PortMax, t.Flags)
		}
		e.nated(v, ref)
	default:
		e.xtSourceNAT(t, v)
	}
	return didVerdict, nil, code(ruleset.VAccept)
}

func (e *engine) xtSourceNAT(t xt.NAT, v *env) {
	v.hasSnat = 2
	switch {
	case t.Name == "MASQUERADE":
		e.masquerade(v)
	case t.Name == "SNAT" && t.AddrMin.IsValid() && (t.AddrMax == t.AddrMin || t.AddrMax == netip.Addr{}):
		v.snat, v.hasSnat = number(addrBytes(t.AddrMin, e.width)), 1
	}
	v.status |= ipsSrcNat | ipsSrcNatDone
}
