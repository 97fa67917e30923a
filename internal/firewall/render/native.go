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
	// implied is a clause that the next one may make redundant.
	implied string
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

// flush writes a pending implied clause that turned out to be needed.
func (p *printer) flush() {
	if p.implied != "" {
		p.out = append(p.out, p.implied)
		p.implied = ""
	}
}

func (p *printer) vague(s string) {
	p.exact = false
	p.add(s)
}

func (p *printer) expr(e *ruleset.Expr) {
	switch e.Kind {
	case ruleset.KindPayload:
		p.regs[e.DReg] = p.payload(e)
	case ruleset.KindMeta:
		p.regs[e.DReg] = metaOperand(e.Op)
	case ruleset.KindCt:
		p.regs[e.DReg] = ctOperand(e)
	case ruleset.KindFib:
		p.regs[e.DReg] = fibOperand(e)
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
		p.regs[e.DReg] = operand{text: string(e.Value()), kind: kindHex, n: -1}
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

// clause writes a condition on an operand, dropping what it implies.
func (p *printer) clause(o operand, cond string) {
	if o.payload && (o.base == 1 || o.base == 2) {
		p.implied = "" // `ip saddr` implies the protocol, `tcp dport` the transport
	}
	p.add(o.text + " " + cond)
}

func (p *printer) cmp(e *ruleset.Expr) {
	o := p.regs[e.SReg]
	v := e.Value()
	if e.Op == 0 && o.kind == kindFamily && len(v) == 1 {
		p.l3 = ruleset.Family(v[0])
		p.flush()
		p.implied = "meta nfproto " + value(kindFamily, v)
		return
	}
	if e.Op == 0 && o.kind == kindEther && o.text == "meta protocol" {
		p.l3 = map[uint64]ruleset.Family{0x0800: ruleset.IP, 0x86dd: ruleset.IP6}[big(v)]
		p.flush()
		p.implied = "meta protocol " + value(kindEther, v)
		return
	}
	if e.Op == 0 && o.kind == kindProto {
		p.proto = big(v)
		if o.text == "meta l4proto" {
			p.flush()
			p.implied = "meta l4proto " + value(kindProto, v)
			return
		}
	}
	if (o.kind == kindState || o.kind == kindStatus) && o.mask != nil && e.Op == 1 && host(v) == 0 {
		// `ct state new` is compiled to "masked with new is not zero".
		p.clause(o, value(o.kind, o.mask))
		return
	}
	op := [...]string{"", "!= ", "< ", "<= ", "> ", ">= "}[e.Op]
	p.clause(o, op+p.masked(o, v))
}

// masked writes a value compared under a mask.
func (p *printer) masked(o operand, v []byte) string {
	switch {
	case o.kind == kindAddrPair && len(v) == 2*o.n:
		return fmt.Sprintf("%s %s daddr %s", value(kindAddr, v[:o.n]), p.ip(), value(kindAddr, v[o.n:]))
	case o.kind == kindPortPair && len(v) == 4:
		return fmt.Sprintf("%s %s dport %s", value(kindPort, v[:2]), p.th(), value(kindPort, v[2:]))
	}
	if o.mask == nil || len(o.mask) != len(v) {
		if o.kind == kindAddr && len(v) < 16 && len(v) != 4 || o.kind == kindAddr && o.n != len(v) && o.n > 0 {
			return shortPrefix(v, o.n)
		}
		if o.kind == kindFlags && len(v) == 1 {
			return "== " + strings.ReplaceAll(value(o.kind, v), "|", " | ")
		}
		return value(o.kind, v)
	}
	switch o.kind {
	case kindAddr:
		if n, ok := prefixLen(o.mask); ok {
			return fmt.Sprintf("%s/%d", value(o.kind, v), n)
		}
	case kindFlags:
		return fmt.Sprintf("& (%s) == %s", value(kindFlags, o.mask), value(kindFlags, v))
	}
	return fmt.Sprintf("& %s == %s", value(o.kind, o.mask), value(o.kind, v))
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
