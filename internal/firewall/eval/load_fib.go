package eval

import (
	"encoding/binary"
	"net/netip"

	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// fib flags and results (NFTA_FIB_F_*, NFT_FIB_RESULT_*).
const (
	fibSaddr   = 1
	fibDaddr   = 2
	fibMark    = 4
	fibIif     = 8
	fibOif     = 16
	fibPresent = 32

	fibResultOif     = 1
	fibResultOifname = 2
	fibResultType    = 3
)

// partition is Net.Partition with a memory.
func (e *engine) partition(q fib.Query) ([]fib.Part, error) {
	if p, ok := e.fibs[q]; ok {
		return p, nil
	}
	p, err := e.h.Net.Partition(q)
	if err != nil {
		return nil, err
	}
	e.fibs[q] = p
	return p, nil
}

// subject says which address a look-up is about: the symbolic one, or a constant.
func (e *engine) subject(daddr bool, v *env) (symbolic bool, a interval.U128, ok bool) {
	if daddr == v.reply {
		return v.hasSnat == 0, v.snat, v.hasSnat != 2 // the client's side
	}
	return false, v.dst, v.unkDst == 0
}

func (e *engine) addr(a interval.U128) netip.Addr { return a.Addr(e.width) }

func (e *engine) fib(ex *ruleset.Expr, c *cursor) (did, []piece, verdict) {
	daddr := ex.Flags&fibDaddr != 0
	symbolic, a, ok := e.subject(daddr, &c.env)
	var dev *fib.Link
	switch {
	case ex.Flags&fibIif != 0:
		dev = e.hk.iif
	case ex.Flags&fibOif != 0:
		dev = e.hk.oif
	}
	if ex.Op != fibResultType && e.overLoop(e.hk.iif) {
		store(c, ex.DReg, e.routeResult(ex, fib.Part{Type: fib.Unicast, Oifs: []int{e.hk.iif.Index}}, nil))
		return didMatch, nil, verdict{}
	}
	parts, classify, err := e.fibPlan(ex, c, daddr, dev)
	if !ok || err != nil {
		why := "the address is not known"
		if err != nil {
			why = err.Error()
		}
		return e.loadUnknown(&ruleset.Expr{DReg: ex.DReg, Len: 16}, c, Tag{TagRoute, "fib", why})
	}
	if !symbolic {
		p, found := fib.Lookup(parts, a)
		if !found {
			p = fib.Part{Type: fib.Unreachable}
		}
		store(c, ex.DReg, classify(p, a))
		return didMatch, nil, verdict{}
	}
	return didSplit, e.fibPieces(parts, classify), verdict{}
}

// classifier turns a part of the routing into the bytes the expression stores.
type classifier func(p fib.Part, a interval.U128) []sym

// fibPieces groups the parts by result.
func (e *engine) fibPieces(parts []fib.Part, classify classifier) []piece {
	type group struct {
		data []sym
		set  *interval.Set
	}
	var groups []group
next:
	for _, p := range parts {
		first, ok := p.Set.First()
		if !ok {
			continue
		}
		data := classify(p, first.Lo)
		for i := range groups {
			if equalSym(groups[i].data, data) {
				groups[i].set.Add(p.Set)
				continue next
			}
		}
		groups = append(groups, group{data, p.Set.Clone()})
	}
	out := make([]piece, 0, len(groups))
	for _, g := range groups {
		out = append(out, piece{f: &filter{set: g.set}, data: g.data})
	}
	return out
}

func equalSym(a, b []sym) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// fibPlan chooses the routing to look at and how to read it, following nft_fib_ipv4.c and nft_fib_ipv6.c.
func (e *engine) fibPlan(ex *ruleset.Expr, c *cursor, daddr bool, dev *fib.Link) ([]fib.Part, classifier, error) {
	if ex.Op == fibResultType {
		return e.typePlan(dev)
	}
	q := fib.Query{Width: e.width, Iif: "lo", Src: e.otherEnd(daddr, &c.env)}
	if ex.Flags&fibMark != 0 {
		if c.env.mark.unk != 0 {
			return nil, nil, errUnknownMark
		}
		q.Mark = c.env.mark.v
	}
	if e.width == 32 && !daddr && e.hk.hook == ruleset.Forward && ex.Flags&fibIif != 0 && e.hk.oif != nil {
		q.Iif = e.hk.oif.Name
	}
	if e.width == 128 {
		switch {
		case dev != nil:
			q.Link = dev.Index
		case e.hk.iif != nil:
			q.Link = e.hk.iif.Index
		}
	}
	parts, err := e.partition(q)
	return parts, func(p fib.Part, _ interval.U128) []sym { return e.routeResult(ex, p, dev) }, err
}

// otherEnd is the packet's other address, which policy rules may ask for; invalid when it is symbolic.
func (e *engine) otherEnd(daddr bool, v *env) netip.Addr {
	if symbolic, a, ok := e.subject(!daddr, v); !symbolic && ok {
		return e.addr(a)
	}
	return netip.Addr{}
}

// routeResult is what a look-up of the outgoing interface stores.
func (e *engine) routeResult(ex *ruleset.Expr, p fib.Part, dev *fib.Link) []sym {
	found := 0
	refused := p.Type == fib.Local || p.Type >= fib.Blackhole || e.width == 128 && p.Type == fib.Anycast
	switch {
	case refused || len(p.Oifs) == 0:
	case dev == nil:
		found = p.Oifs[0]
	case p.Uses(dev.Index):
		found = dev.Index
	}
	if ex.Flags&fibPresent != 0 {
		b := make([]sym, 4)
		if found != 0 {
			putU32(b, 1)
		} else {
			putU32(b, 0)
		}
		return b
	}
	if ex.Op == fibResultOifname {
		b := make([]sym, 16)
		if found != 0 {
			putName(b, e.h.Net.Link(found))
		}
		return b
	}
	b := make([]sym, 4)
	putU32(b, uint32(found))
	return b
}

// typePlan looks up the kind of an address, on one interface when dev is given.
func (e *engine) typePlan(dev *fib.Link) ([]fib.Part, classifier, error) {
	if e.width == 128 {
		parts, err := e.partition(fib.Query{Width: 128, Iif: "lo"})
		return e.splitSpecial(parts), func(p fib.Part, a interval.U128) []sym { return typeBytes(e.type6(p, a, dev)) }, err
	}
	parts, err := e.partition(fib.Query{Width: 32, OnlyLocal: true})
	return e.splitSpecial(parts), func(p fib.Part, a interval.U128) []sym { return typeBytes(type4(p, a, dev)) }, err
}

func typeBytes(t uint8) []sym {
	b := make([]sym, 4)
	var raw [4]byte
	binary.NativeEndian.PutUint32(raw[:], uint32(t))
	putConst(b, raw[:])
	return b
}

// special4 and special6 are the ranges whose type follows from the address alone.
var (
	special4 = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("255.255.255.255/32"),
	}
	special6 = []netip.Prefix{netip.MustParsePrefix("ff00::/8"), netip.MustParsePrefix("::/128")}
)

// splitSpecial cuts parts at the special ranges, so that one member speaks for all.
func (e *engine) splitSpecial(parts []fib.Part) []fib.Part {
	ranges := special4
	if e.width == 128 {
		ranges = special6
	}
	var out []fib.Part
	for _, p := range parts {
		rest := p.Set.Clone()
		for _, r := range ranges {
			if got := rest.Carve(interval.FromPrefix(r), nil); len(got) > 0 {
				out = append(out, fib.Part{Set: interval.FromSorted(got), Type: p.Type, Oifs: p.Oifs})
			}
		}
		if !rest.Empty() {
			out = append(out, fib.Part{Set: rest, Type: p.Type, Oifs: p.Oifs})
		}
	}
	return out
}

// type4 follows inet_dev_addr_type: the local table only, and nothing else than unicast on another interface.
func type4(p fib.Part, a interval.U128, dev *fib.Link) uint8 {
	switch v := uint32(a.Lo); {
	case v>>24 == 0, v == 0xffffffff:
		return fib.Broadcast
	case v>>28 == 0xe:
		return fib.Multicast
	case len(p.Oifs) == 0, dev != nil && !p.Uses(dev.Index):
		return fib.Unicast
	}
	return p.Type
}

// type6 follows nft_fib6_eval_type.
func (e *engine) type6(p fib.Part, a interval.U128, dev *fib.Link) uint8 {
	switch {
	case p.Type >= fib.Blackhole:
		return p.Type
	case p.Type == fib.Anycast:
		return fib.Anycast
	case p.Type == fib.Local && (dev == nil || p.Uses(dev.Index)):
		return fib.Local
	case a.Hi>>56 == 0xff:
		return fib.Multicast
	case a.IsZero():
		return fib.Unspec
	}
	return fib.Unicast
}
