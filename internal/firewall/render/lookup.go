package render

import (
	"strings"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// maxListed bounds how many elements of an anonymous set are written out.
const maxListed = 24

// key describes the registers a look-up reads: the fields of a concatenation, or one operand.
func (p *printer) key(word uint8, s *ruleset.Set) (text string, fields []operand) {
	first := p.regs[word]
	switch first.kind {
	case kindAddrPair:
		a, b := operand{text: p.ip() + " saddr", kind: kindAddr, n: first.n, payload: true, base: 1}, operand{text: p.ip() + " daddr", kind: kindAddr, n: first.n}
		return a.text + " . " + b.text, []operand{a, b}
	case kindPortPair:
		a, b := operand{text: p.th() + " sport", kind: kindPort, n: 2, payload: true, base: 2}, operand{text: p.th() + " dport", kind: kindPort, n: 2}
		return a.text + " . " + b.text, []operand{a, b}
	}
	if s == nil {
		return first.text, []operand{first}
	}
	var parts []string
	for w, end := int(word), int(word)+(s.KeyLen+3)/4; w < end; {
		o, ok := p.regs[uint8(w)]
		if !ok || o.text == "" {
			break
		}
		parts = append(parts, o.text)
		fields = append(fields, o)
		w += (o.bytes() + 3) / 4
	}
	if len(fields) == 0 {
		return first.text, []operand{first}
	}
	return strings.Join(parts, " . "), fields
}

// bytes is how much of the register file an operand takes.
func (o operand) bytes() int {
	if o.n > 0 {
		return o.n
	}
	return sizeOf(o.kind)
}

func (p *printer) lookup(e *ruleset.Expr) {
	s := e.X.Set
	text, fields := p.key(e.SReg, s)
	o := operand{text: text, payload: len(fields) > 0 && fields[0].payload}
	if len(fields) > 0 {
		o.base = fields[0].base
	}
	content, exact := p.content(e.X.Name, s, fields)
	p.exact = p.exact && exact
	switch {
	case e.Base == 1 && e.DReg == 0:
		p.clause(o, "vmap "+content)
	case e.Base == 1:
		if o.base == 1 && o.payload {
			p.needL3 = ""
		} else if o.payload {
			p.needL4 = ""
		}
		p.regs[e.DReg] = operand{text: text + " map " + content, kind: kindHex, n: -2}
	case e.Inv:
		p.clause(o, "!= "+content)
	default:
		p.clause(o, content)
	}
}

// content writes a named set by name, an anonymous one by its elements.
func (p *printer) content(name string, s *ruleset.Set, fields []operand) (string, bool) {
	if s == nil {
		return "@" + safe(name), false
	}
	if s.Flags&ruleset.SetAnonymous == 0 {
		return "@" + safe(s.Name), true
	}
	if s.Unread != "" {
		return "{ … }", false
	}
	var out []string
	exact := true
	add := func(key string, info *ruleset.ElemInfo) {
		if len(out) >= maxListed {
			exact = false
			return
		}
		out = append(out, key+p.elemValue(s, info))
	}
	for i := range s.Keys {
		if len(out) >= maxListed {
			exact = false
			break
		}
		lo, hi := s.Keys[i].Lo.Bytes16(), s.Keys[i].Hi.Bytes16()
		add(keyText(fields, s, lo[16-s.KeyLen:], hi[16-s.KeyLen:]), s.Extra(s.KeyInfo(i)))
	}
	for i := range s.Wide {
		add(keyText(fields, s, s.Wide[i].Key, s.Wide[i].End), s.Extra(s.Wide[i].Info))
	}
	if s.CatchAll != nil {
		add("*", s.CatchAll)
	}
	if !exact {
		out = append(out, "…")
	}
	return "{ " + strings.Join(out, ", ") + " }", exact
}

func (p *printer) elemValue(s *ruleset.Set, info *ruleset.ElemInfo) string {
	if !s.IsMap() || info == nil {
		return ""
	}
	switch {
	case info.Object != "":
		return " : " + quote(info.Object)
	case info.Data != nil:
		return " : " + dataText(s.DataType, info.Data)
	case info.Verdict.Chain != "":
		return " : " + info.Verdict.Code.String() + " " + safe(info.Verdict.Chain)
	}
	return " : " + info.Verdict.Code.String()
}

// dataText writes a map's value by the map's data type, or, where that is not known, by its length.
func dataText(typ uint32, b []byte) string {
	if d, ok := datatypes[typ]; ok && d.n == len(b) {
		return value(d.kind, b)
	}
	switch len(b) {
	case 4, 16:
		return value(kindAddr, b)
	case 2:
		return value(kindPort, b)
	}
	return value(kindHex, b)
}

// keyText writes one element's key, field by field.
func keyText(fields []operand, s *ruleset.Set, lo, hi []byte) string {
	if len(fields) == 1 {
		return rangeText(fields[0].kind, lo, hi)
	}
	var parts []string
	at := 0
	for _, f := range fields {
		n := f.bytes()
		if at+n > len(lo) {
			break
		}
		parts = append(parts, rangeText(f.kind, lo[at:at+n], hi[at:at+n]))
		at += (n + 3) &^ 3
	}
	return strings.Join(parts, " . ")
}

func sizeOf(k kind) int {
	switch k {
	case kindName:
		return 16
	case kindPort, kindEther:
		return 2
	case kindProto, kindFamily, kindFlags, kindPktType, kindDirection:
		return 1
	}
	return 4
}

// Key writes an element's key of a named set, as `nft list set` does. The set's key type says how.
func Key(s *ruleset.Set, iv interval.Iv) string {
	lo, hi := iv.Lo.Bytes16(), iv.Hi.Bytes16()
	fields := keyFields(s)
	return keyText(fields, s, lo[16-s.KeyLen:], hi[16-s.KeyLen:])
}

// WideKey writes the key of an element with several fields.
func WideKey(s *ruleset.Set, e *ruleset.WideElem) string {
	return keyText(keyFields(s), s, e.Key, e.End)
}

// nft's datatypes by number (libnftables' enum datatypes), as far as set keys use them.
var datatypes = map[uint32]struct {
	kind kind
	n    int
}{
	2: {kindProto, 1}, 3: {kindHost, 4}, 4: {kindHost, 4}, 7: {kindAddr, 4}, 8: {kindAddr, 16}, 9: {kindMAC, 6},
	10: {kindEther, 2}, 12: {kindProto, 1}, 13: {kindPort, 2}, 14: {kindNumber, 1}, 15: {kindFlags, 1}, 19: {kindMark, 4},
	20: {kindIndex, 4}, 26: {kindState, 4}, 27: {kindDirection, 1}, 28: {kindStatus, 4}, 36: {kindPktType, 1}, 41: {kindName, 16},
	47: {kindName, 16},
}

// keyFields reads a set's key type: one datatype, or up to six bits each of several.
func keyFields(s *ruleset.Set) []operand {
	var types []uint32
	for t := s.KeyType; t != 0; t >>= 6 {
		types = append([]uint32{t & 63}, types...)
	}
	if len(types) == 0 {
		types = []uint32{0}
	}
	var out []operand
	for i, t := range types {
		d, ok := datatypes[t]
		if !ok {
			d.kind, d.n = kindHex, s.KeyLen
			if len(types) > 1 && i < len(s.Fields) {
				d.n = s.Fields[i]
			}
		}
		out = append(out, operand{kind: d.kind, n: d.n})
	}
	if len(types) == 1 {
		out[0].n = s.KeyLen
	}
	return out
}
