package replica

import (
	"encoding/binary"
	"slices"

	"github.com/originward/originward/internal/firewall/nfnl"
)

// Attributes of the messages that are replayed; those left out are the kernel's own (handles, use counts, positions,
// element counts) or cannot be set.
var (
	tableKeep  = []uint16{1, 6}
	chainKeep  = []uint16{1, 3, 4, 5, 7, 12}
	setKeep    = []uint16{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 17, 18}
	objectKeep = []uint16{1, 2, 3, 4, 8}
	ruleKeep   = []uint16{1, 2, 7}
)

// keepAttrs copies the attributes of the given types, unchanged.
func keepAttrs(b []byte, keep []uint16) (out nfnl.Builder) {
	it := nfnl.Attrs(b)
	for it.Next() {
		if slices.Contains(keep, it.Type) {
			out.Put(it.Type, it.Val)
		}
	}
	return out
}

// attr finds one attribute.
func attr(b []byte, typ uint16) []byte {
	it := nfnl.Attrs(b)
	for it.Next() {
		if it.Type == typ {
			return it.Val
		}
	}
	return nil
}

func attrU32(b []byte, typ uint16) uint32 {
	if v := attr(b, typ); len(v) == 4 {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func attrStr(b []byte, typ uint16) string {
	v := attr(b, typ)
	for i, c := range v {
		if c == 0 {
			return string(v[:i])
		}
	}
	return string(v)
}

// patcher rewrites a rule's expressions where a dump cannot be replayed as it is.
type patcher struct {
	// index maps the host's ipset indices to the replica's.
	index map[uint16]uint16
	// proto is the transport protocol the rule compares with, inverted when the comparison is.
	proto    uint32
	inverted bool
	xt       bool
	// cut is set when an expression that cannot be replayed ended the rule.
	cut string
	// register that holds the transport protocol, 0 for none.
	protoReg uint32
}

// expressions rewrites the list of a rule.
func (p *patcher) expressions(b []byte) []byte {
	var out nfnl.Builder
	it := nfnl.Attrs(b)
	for it.Next() && p.cut == "" {
		if e := p.expression(it.Val); e != nil {
			out.Put(it.Type|0x8000, e)
		}
	}
	return out.B
}

func (p *patcher) expression(b []byte) []byte {
	name := attrStr(b, 1)
	data := attr(b, 2)
	var out nfnl.Builder
	switch name {
	case "flow_offload":
		// Flow tables are not copied; a new connection never gets past this expression.
		p.cut = "flow table"
		return nil
	case "dynset":
		data = without(data, 6, isZero)
		data = p.dynset(data)
	case "osf":
		data = without(data, 3, isZero)
	case "match", "target":
		p.xt = true
		data = p.xtInfo(name, data)
	case "meta":
		if attrU32(data, 2) == 16 {
			p.protoReg = attrU32(data, 1)
		}
	case "payload":
		// ip protocol, the older way to ask
		if attrU32(data, 2) == 1 && attrU32(data, 3) == 9 && attrU32(data, 4) == 1 {
			p.protoReg = attrU32(data, 1)
		}
	case "cmp":
		if p.protoReg != 0 && attrU32(data, 1) == p.protoReg {
			if v := attr(attr(data, 3), 1); len(v) == 1 {
				p.proto, p.inverted = uint32(v[0]), attrU32(data, 2) == 1
			}
			p.protoReg = 0
		}
	}
	out.PutStr(1, name)
	if data != nil {
		out.Put(2|0x8000, data)
	}
	return out.B
}

// dynset keeps a dynset's own expressions in the nesting the kernel wants back.
func (p *patcher) dynset(b []byte) []byte {
	var out nfnl.Builder
	it := nfnl.Attrs(b)
	for it.Next() {
		typ := it.Type
		if typ == 7 || typ == 10 {
			typ |= 0x8000
		}
		out.Put(typ, it.Val)
	}
	return out.B
}

func isZero(v []byte) bool {
	for _, b := range v {
		if b != 0 {
			return false
		}
	}
	return true
}

// without leaves an attribute out when its value satisfies the condition.
func without(b []byte, typ uint16, drop func([]byte) bool) []byte {
	var out nfnl.Builder
	it := nfnl.Attrs(b)
	for it.Next() {
		if it.Type != typ || !drop(it.Val) {
			out.Put(it.Type, it.Val)
		}
	}
	return out.B
}

// xtInfo points set matches and targets at the replica's ipsets: they carry an index, which differs.
func (p *patcher) xtInfo(kind string, b []byte) []byte {
	name := attrStr(b, 1)
	if name != "set" && name != "SET" {
		return b
	}
	var out nfnl.Builder
	it := nfnl.Attrs(b)
	for it.Next() {
		v := it.Val
		if it.Type == 3 {
			v = slices.Clone(v)
			step, n := 4, 1 // struct xt_set_info
			if kind == "target" {
				n = 3
			}
			for k := 0; k < n && k*step+2 <= len(v); k++ {
				old := binary.NativeEndian.Uint16(v[k*step:])
				if now, ok := p.index[old]; ok {
					binary.NativeEndian.PutUint16(v[k*step:], now)
				}
			}
		}
		out.Put(it.Type, v)
	}
	return out.B
}

// replayRule builds the message for one rule. cut names what could not be replayed and where the rule therefore ends.
func replayRule(m nfnl.Message, index map[uint16]uint16) (out nfnl.Message, cut string) {
	p := &patcher{index: index}
	b := keepAttrs(m.Attrs, ruleKeep)
	b.Put(4|0x8000, p.expressions(attr(m.Attrs, 4)))
	if p.xt {
		// The protocol a match was checked against is never dumped: it is the one the rule itself compares with.
		b.Nest(5, func() {
			b.PutBE32(1, p.proto)
			flags := uint32(0)
			if p.inverted {
				flags = 2
			}
			b.PutBE32(2, flags)
		})
	}
	return nfnl.Message{Type: msgNewRule, Family: m.Family, Flags: flagCreate | flagAppend, Attrs: b.B}, p.cut
}

// elements copies an element list. The end of an interval is dumped with attributes that may not be given back.
func elements(b []byte) []byte {
	var out nfnl.Builder
	it := nfnl.Attrs(b)
	for it.Next() {
		v := it.Val
		if attrU32(v, 3)&1 != 0 {
			end := keepAttrs(v, []uint16{1, 3})
			v = end.B
		}
		out.Put(it.Type|0x8000, v)
	}
	return out.B
}
