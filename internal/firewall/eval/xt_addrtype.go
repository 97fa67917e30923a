package eval

import (
	"encoding/binary"

	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/xt"
)

// xtRPFilter follows rpfilter_mt: is there a route back to the source by the interface it came in on?
func (e *engine) xtRPFilter(m xt.RPFilter, c *cursor) (did, []piece) {
	if e.overLoop(e.hk.iif) {
		return yes(!m.Inv), nil
	}
	q := fib.Query{Width: e.width, Iif: "lo", Src: e.otherEnd(false, &c.env)}
	if m.ValidMark && c.env.mark.unk == 0 {
		q.Mark = c.env.mark.v
	}
	if e.width == 128 && e.hk.iif != nil {
		q.Link = e.hk.iif.Index
	}
	symbolic, a, ok := e.subject(false, &c.env)
	parts, err := e.partition(q)
	if err != nil || !ok || e.hk.iif == nil {
		return didSplit, e.one(piece{tags: []Tag{{TagRoute, "rpfilter", "the route back is not known"}}})
	}
	good := func(p fib.Part) bool {
		if p.Type != fib.Unicast && !(p.Type == fib.Local && m.AcceptLocal) {
			return false
		}
		return m.Loose || p.Uses(e.hk.iif.Index)
	}
	if !symbolic {
		p, _ := fib.Lookup(parts, a)
		return yes(good(p) != m.Inv), nil
	}
	set := &interval.Set{}
	for _, p := range parts {
		if good(p) != m.Inv {
			set.Add(p.Set)
		}
	}
	if set.Empty() {
		return didBreak, nil
	}
	return didSplit, e.one(piece{f: &filter{set: set}})
}

// xtAddrType follows addrtype_mt_v1: bits of the mask are 1 << RTN_*.
func (e *engine) xtAddrType(m xt.AddrType, c *cursor) (did, []piece) {
	var dev *fib.Link
	if m.LimitIn {
		dev = e.hk.iif
	} else if m.LimitOut {
		dev = e.hk.oif
	}
	d, p := didMatch, []piece(nil)
	for _, t := range []struct {
		mask     uint16
		inv, dst bool
	}{{m.Src, m.InvSrc, false}, {m.Dst, m.InvDst, true}} {
		if t.mask == 0 || d == didBreak {
			continue
		}
		d2, p2 := e.addrType(t.mask, t.inv, t.dst, dev, c)
		d, p = e.both(d, p, d2, append([]piece(nil), p2...))
	}
	return d, p
}

func (e *engine) addrType(mask uint16, inv, dst bool, dev *fib.Link, c *cursor) (did, []piece) {
	parts, classify, err := e.typePlan(dev)
	symbolic, a, ok := e.subject(dst, &c.env)
	if err != nil || !ok {
		return didSplit, e.one(piece{tags: []Tag{{TagRoute, "addrtype", "routing is not known"}}})
	}
	hit := func(p fib.Part, a interval.U128) bool {
		if e.width == 128 {
			return addrType6(mask, p, a, dev) != inv
		}
		t := uint16(1) << classify(p, a)[typeAt].val
		return (mask&t != 0) != inv
	}
	if !symbolic {
		p, _ := fib.Lookup(parts, a)
		return yes(hit(p, a)), nil
	}
	set := &interval.Set{}
	for _, p := range parts {
		if first, ok := p.Set.First(); ok && hit(p, first.Lo) {
			set.Add(p.Set)
		}
	}
	if set.Empty() {
		return didBreak, nil
	}
	return didSplit, e.one(piece{f: &filter{set: set}})
}

// addrType6 follows match_type6, where the mask's bits are all asked for instead of any.
func addrType6(mask uint16, p fib.Part, a interval.U128, dev *fib.Link) bool {
	multi, none := a.Hi>>56 == 0xff, a.IsZero()
	const unspec, unicast, multicast = 1 << fib.Unspec, 1 << fib.Unicast, 1 << fib.Multicast
	const routed = 1<<fib.Local | 1<<fib.Anycast | 1<<fib.Unreachable
	switch {
	case mask&multicast != 0 && !multi, mask&unicast != 0 && (multi || none), mask&unspec != 0 && !none:
		return false
	case mask&routed == 0:
		return true
	case p.Type >= fib.Blackhole:
		return mask&(1<<fib.Unreachable) != 0
	case p.Type == fib.Local && (dev == nil || p.Uses(dev.Index)):
		return mask&(1<<fib.Local) != 0
	case p.Type == fib.Anycast:
		return mask&(1<<fib.Anycast) != 0
	}
	return false
}

// typeAt is where the low byte of a 32-bit number sits in the host's order.
var typeAt = func() int {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], 1)
	if b[0] == 1 {
		return 0
	}
	return 3
}()
