package render

import (
	"fmt"
	"strings"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// operand is what a register holds, in words.
type operand struct {
	text string
	kind kind
	n    int
	mask []byte
	// base and off locate a payload load, for values that span fields.
	payload   bool
	base, off uint8
}

// printer walks a rule's expressions.
type printer struct {
	fam   ruleset.Family
	proto uint64 // transport protocol known so far
	l3    ruleset.Family
	regs  map[uint8]operand
	out   []string
	exact bool
	// needL3 and needL4 are protocol clauses that a later one may imply: `ip saddr` says ip, `tcp dport` says tcp.
	needL3, needL4 string
	// lower is the lower bound of a range the next comparison may close, and where its clause stands.
	lower lowerBound
}

// lowerBound is a ">=" clause: nft compiles a range into it and a "<=" on the same register.
type lowerBound struct {
	reg   uint8
	value []byte
	place int // in out, plus one; 0 for none
}

// set notes what a register holds, and forgets what it held before.
func (p *printer) set(word uint8, o operand) {
	for w := int(word); w < int(word)+(o.bytes()+3)/4; w++ {
		delete(p.regs, uint8(w))
	}
	p.regs[word] = o
	p.lower = lowerBound{}
}

func native(r *ruleset.Rule) Rule {
	p := &printer{fam: r.Chain.Table.Family, regs: map[uint8]operand{}, exact: true}
	if p.fam == ruleset.IP || p.fam == ruleset.IP6 {
		p.l3 = p.fam
	}
	for i := range r.Exprs {
		p.expr(&r.Exprs[i])
	}
	p.flush()
	text := strings.Join(p.out, " ")
	if r.Comment != "" {
		text += " comment " + quote(safe(r.Comment))
	}
	return Rule{Text: text, Exact: p.exact}
}

func (p *printer) add(s string) {
	p.flush()
	p.out = append(p.out, s)
}

// flush writes the protocol clauses nothing has implied.
func (p *printer) flush() {
	for _, s := range []*string{&p.needL3, &p.needL4} {
		if *s != "" {
			p.out = append(p.out, *s)
			*s = ""
		}
	}
}

func (p *printer) vague(s string) {
	p.exact = false
	p.add(s)
}

func (p *printer) expr(e *ruleset.Expr) {
	switch e.Kind {
	case ruleset.KindPayload:
		p.set(e.DReg, p.payload(e))
	case ruleset.KindMeta:
		p.set(e.DReg, metaOperand(e.Op))
	case ruleset.KindCt:
		p.set(e.DReg, ctOperand(e))
	case ruleset.KindFib:
		p.set(e.DReg, fibOperand(e))
	case ruleset.KindBitwise:
		o := p.regs[e.SReg]
		if e.Op == 0 {
			o.mask = e.X.Mask
		} else {
			p.exact = false
		}
		for _, b := range xorOf(e) {
			if b != 0 {
				o.text = fmt.Sprintf("%s ^ %#x", o.text, e.X.Xor)
				p.exact = false
				break
			}
		}
		p.regs[e.DReg] = o
	case ruleset.KindByteorder:
		o := p.regs[e.SReg]
		if o.kind == kindHost || o.kind == kindMark {
			o.kind = kindNumber
		}
		p.regs[e.DReg] = o
	case ruleset.KindImmediate:
		p.set(e.DReg, operand{text: string(e.Value()), kind: kindHex, n: -1})
	case ruleset.KindCmp:
		p.cmp(e)
	case ruleset.KindRange:
		o := p.regs[e.SReg]
		op := ""
		if e.Inv {
			op = "!= "
		}
		p.clause(o, op+rangeText(o.kind, e.X.From, e.X.To))
	case ruleset.KindLookup:
		p.lookup(e)
	case ruleset.KindVerdict:
		v := e.Verdict()
		if v.Chain != "" {
			p.add(v.Code.String() + " " + safe(v.Chain))
		} else {
			p.add(v.Code.String())
		}
	default:
		p.action(e)
	}
}

func xorOf(e *ruleset.Expr) []byte {
	if e.Op == 0 {
		return e.X.Xor
	}
	return nil
}

// clause writes a condition on an operand. One on a header field implies its protocol, and leaves the other layer's
// clause for later.
func (p *printer) clause(o operand, cond string) {
	switch {
	case o.payload && o.base == 1:
		p.needL3 = ""
	case o.payload && o.base == 2:
		p.needL4 = ""
	default:
		p.flush()
	}
	p.out = append(p.out, o.text+" "+cond)
}

func (p *printer) cmp(e *ruleset.Expr) {
	o := p.regs[e.SReg]
	v := e.Value()
	if e.Op == 0 && o.kind == kindFamily && len(v) == 1 {
		p.l3 = ruleset.Family(v[0])
		p.needL3 = "meta nfproto " + value(kindFamily, v)
		return
	}
	if e.Op == 0 && o.kind == kindEther && o.text == "meta protocol" {
		p.l3 = map[uint64]ruleset.Family{0x0800: ruleset.IP, 0x86dd: ruleset.IP6}[big(v)]
		p.needL3 = "meta protocol " + value(kindEther, v)
		return
	}
	if e.Op == 0 && o.kind == kindEther {
		p.l3 = map[uint64]ruleset.Family{0x0800: ruleset.IP, 0x86dd: ruleset.IP6}[big(v)] // ether type
	}
	if e.Op == 0 && o.kind == kindProto {
		p.proto = big(v)
		if o.text == "meta l4proto" {
			p.needL4 = "meta l4proto " + value(kindProto, v)
			return
		}
	}
	if (o.kind == kindState || o.kind == kindStatus) && o.mask != nil && e.Op == 1 && host(v) == 0 {
		// `ct state new` is compiled to "masked with new is not zero".
		p.clause(o, value(o.kind, o.mask))
		return
	}
	if e.Op == 3 && p.lower.place == len(p.out) && p.lower.reg == e.SReg && len(p.out) > 0 {
		p.out[len(p.out)-1] = o.text + " " + rangeText(o.kind, p.lower.value, v)
		return
	}
	p.clause(o, p.condition(o, v, e.Op))
	if e.Op == 5 && o.mask == nil {
		p.lower = lowerBound{e.SReg, v, len(p.out)}
	}
}

var operators = [...]string{"", "!= ", "< ", "<= ", "> ", ">= "}

// condition writes an operator and a value, under a mask when there is one.
func (p *printer) condition(o operand, v []byte, op uint8) string {
	sign := operators[op]
	switch {
	case o.kind == kindAddrPair && len(v) == 2*o.n && op == 0:
		return fmt.Sprintf("%s %s daddr %s", value(kindAddr, v[:o.n]), p.ip(), value(kindAddr, v[o.n:]))
	case o.kind == kindPortPair && len(v) == 4 && op == 0:
		return fmt.Sprintf("%s %s dport %s", value(kindPort, v[:2]), p.th(), value(kindPort, v[2:]))
	case o.mask == nil && o.kind == kindAddr && o.n > 0 && o.n != len(v):
		return sign + shortPrefix(v, o.n)
	case o.mask == nil && o.kind == kindFlags && op == 0:
		return "== " + strings.ReplaceAll(value(o.kind, v), "|", " | ")
	case o.mask == nil || len(o.mask) != len(v):
		return sign + value(o.kind, v)
	}
	if n, ok := prefixLen(o.mask); ok && o.kind == kindAddr {
		return fmt.Sprintf("%s%s/%d", sign, value(o.kind, v), n)
	}
	if sign == "" {
		sign = "== "
	}
	if o.kind == kindFlags {
		return fmt.Sprintf("& (%s) %s%s", value(kindFlags, o.mask), sign, value(kindFlags, v))
	}
	return fmt.Sprintf("& %s %s%s", value(o.kind, o.mask), sign, value(o.kind, v))
}

// shortPrefix writes an address of which only the first bytes are compared.
func shortPrefix(v []byte, n int) string {
	full := make([]byte, n)
	if n != 4 && n != 16 {
		return value(kindHex, v)
	}
	copy(full, v)
	return fmt.Sprintf("%s/%d", value(kindAddr, full), len(v)*8)
}

func prefixLen(mask []byte) (n int, ok bool) {
	for i, b := range mask {
		for bit := 7; bit >= 0; bit-- {
			on := b>>bit&1 == 1
			if on && n != i*8+7-bit {
				return 0, false
			}
			if on {
				n++
			}
		}
	}
	return n, true
}
