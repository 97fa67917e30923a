package render

import (
	"fmt"
	"strings"

	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

// iptables renders a rule that iptables-nft wrote, as iptables-save would.
func iptables(r *ruleset.Rule) Rule { return Iptables(r, nil) }

// Iptables renders a rule that iptables-nft wrote; ipsets gives names to set indices.
func Iptables(r *ruleset.Rule, ipsets map[uint16]string) Rule {
	p := &ipt{printer: printer{fam: r.Chain.Table.Family, l3: r.Chain.Table.Family, regs: map[uint8]operand{}, exact: true}, ipsets: ipsets}
	for i := range r.Exprs {
		p.expr(&r.Exprs[i])
	}
	args := append(p.head, p.matches...)
	if r.Comment != "" {
		args = append(args, "-m comment --comment "+quote(safe(r.Comment)))
	}
	if p.target != "" {
		args = append(args, p.target)
	}
	return Rule{Text: strings.Join(args, " "), Exact: p.exact}
}

// ipt collects the parts of an iptables rule in the order the tool prints them.
type ipt struct {
	printer
	ipsets  map[uint16]string
	head    []string
	matches []string
	target  string
	// tcpUsed are the options given since the last "-m tcp"; nil when another match came in between.
	tcpUsed map[string]bool
}

func (p *ipt) expr(e *ruleset.Expr) {
	switch e.Kind {
	case ruleset.KindPayload:
		p.regs[e.DReg] = p.payload(e)
	case ruleset.KindMeta:
		p.regs[e.DReg] = metaOperand(e.Op)
	case ruleset.KindCt:
		p.regs[e.DReg] = ctOperand(e)
	case ruleset.KindBitwise:
		o := p.regs[e.SReg]
		o.mask = e.X.Mask
		p.regs[e.DReg] = o
		p.exact = p.exact && e.Op == 0
	case ruleset.KindImmediate:
		p.regs[e.DReg] = operand{text: string(e.Value()), n: -1}
	case ruleset.KindCmp:
		p.cmp(e)
	case ruleset.KindRange:
		p.rangeOf(e)
	case ruleset.KindCounter:
	case ruleset.KindVerdict:
		p.verdict(e.Verdict())
	case ruleset.KindXtMatch:
		s, ok := xtArgs(e.X.Xt, p.ipsets)
		p.exact = p.exact && ok
		p.match("-m " + s)
	case ruleset.KindXtTarget:
		s, ok := xtArgs(e.X.Xt, p.ipsets)
		p.exact = p.exact && ok
		p.target = "-j " + s
	case ruleset.KindLimit:
		p.match("-m limit (" + e.X.Text + ")")
		p.exact = false
	default:
		q := printer{fam: p.fam, l3: p.l3, proto: p.proto, regs: p.regs, exact: p.exact}
		if e.Kind == ruleset.KindLookup {
			q.lookup(e)
		} else {
			q.action(e)
		}
		p.match("(" + strings.Join(q.out, " ") + ")")
		p.exact = false
	}
}

func (p *ipt) verdict(v ruleset.Verdict) {
	switch v.Code {
	case ruleset.VJump:
		p.target = "-j " + safe(v.Chain)
	case ruleset.VGoto:
		p.target = "-g " + safe(v.Chain)
	case ruleset.VContinue:
	default:
		p.target = "-j " + strings.ToUpper(v.Code.String())
	}
}

func (p *ipt) cmp(e *ruleset.Expr) {
	o, v := p.regs[e.SReg], e.Value()
	inv := not(e.Op == 1)
	if e.Op > 1 {
		p.odd(o, e)
		return
	}
	switch {
	case o.kind == kindAddr:
		p.addr(o, v, inv)
	case o.kind == kindName && (o.text == "iifname" || o.text == "oifname"):
		flag := map[string]string{"iifname": "-i ", "oifname": "-o "}[o.text]
		name := strings.ReplaceAll(strings.Trim(ifname(v), `"`), "*", "+")
		p.head = append(p.head, inv+flag+name)
	case o.kind == kindProto:
		if e.Op == 0 {
			p.proto = big(v)
		}
		p.head = append(p.head, inv+"-p "+value(kindProto, v))
	case o.kind == kindPort:
		p.transportArg(o, inv, value(kindPort, v))
	case o.kind == kindFlags && o.mask != nil:
		p.tcp("--tcp-flags")
		p.matches = append(p.matches, fmt.Sprintf("%s--tcp-flags %s %s", inv, tcpFlags(o.mask[0]), tcpFlags(v[0])))
	case o.kind == kindMark && len(v) == 4:
		mask := uint64(0xffffffff)
		if o.mask != nil {
			mask = host(o.mask)
		}
		name := map[bool]string{true: "connmark", false: "mark"}[strings.HasPrefix(o.text, "ct")]
		p.match(fmt.Sprintf("-m %s %s--mark %s", name, inv, masked(uint32(host(v)), uint32(mask))))
	case o.kind == kindState && o.mask != nil && host(v) == 0:
		p.match("-m conntrack " + not(e.Op == 0) + "--ctstate " + strings.ToUpper(value(kindState, o.mask)))
	default:
		p.odd(o, e)
	}
}

// odd is a comparison iptables has no words for.
func (p *ipt) odd(o operand, e *ruleset.Expr) {
	p.exact = false
	q := printer{fam: p.fam, l3: p.l3, proto: p.proto, regs: p.regs}
	q.cmp(e)
	q.flush()
	p.match("(" + strings.Join(q.out, " ") + ")")
}

func (p *ipt) addr(o operand, v []byte, inv string) {
	flag := "-s "
	if strings.HasSuffix(o.text, "daddr") {
		flag = "-d "
	}
	full, bits := make([]byte, o.n), len(v)*8
	copy(full, v)
	if o.mask != nil {
		n, ok := prefixLen(o.mask)
		bits = n
		p.exact = p.exact && ok
	}
	p.head = append(p.head, inv+flag+addrText(full, bits))
}

// tcp writes the -m that a port or flag option needs: once for all that follow each other, and anew for one given twice.
func (p *ipt) tcp(option string) {
	if p.tcpUsed == nil || p.tcpUsed[option] {
		if p.th() != "th" {
			p.matches = append(p.matches, "-m "+p.th())
		}
		p.tcpUsed = map[string]bool{}
	}
	p.tcpUsed[option] = true
}

// match writes another match.
func (p *ipt) match(s string) {
	p.matches = append(p.matches, s)
	p.tcpUsed = nil
}

func (p *ipt) transportArg(o operand, inv, v string) {
	flag := "--dport "
	if strings.HasSuffix(o.text, "sport") {
		flag = "--sport "
	}
	p.tcp(flag)
	p.matches = append(p.matches, inv+flag+v)
}

func (p *ipt) rangeOf(e *ruleset.Expr) {
	o := p.regs[e.SReg]
	inv := not(e.Inv)
	switch o.kind {
	case kindPort:
		p.transportArg(o, inv, ports([]xt.PortRange{{Lo: uint16(big(e.X.From)), Hi: uint16(big(e.X.To))}}, ""))
	case kindAddr:
		word := "--src-range"
		if strings.HasSuffix(o.text, "daddr") {
			word = "--dst-range"
		}
		p.match(fmt.Sprintf("-m iprange %s%s %s-%s", inv, word, value(kindAddr, e.X.From), value(kindAddr, e.X.To)))
	default:
		p.exact = false
		p.match(fmt.Sprintf("(%s %s)", o.text, rangeText(o.kind, e.X.From, e.X.To)))
	}
}
