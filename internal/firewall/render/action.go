package render

import (
	"fmt"
	"strings"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// action writes the expressions that do something, or match by state.
func (p *printer) action(e *ruleset.Expr) {
	switch e.Kind {
	case ruleset.KindCounter:
		p.add("counter")
	case ruleset.KindLimit, ruleset.KindQuota, ruleset.KindConnlimit, ruleset.KindLog:
		p.add(e.X.Text)
	case ruleset.KindLast:
		p.add("last")
	case ruleset.KindNotrack:
		p.add("notrack")
	case ruleset.KindMetaSet:
		p.add(metaOperand(e.Op).text + " set " + p.reg(e.SReg, metaOperand(e.Op).kind, 4))
	case ruleset.KindCtSet:
		o := ctOperand(e)
		p.add(o.text + " set " + p.reg(e.SReg, o.kind, 4))
	case ruleset.KindReject:
		if e.Op == 1 && p.proto == 6 {
			p.needL4 = "" // `tcp reset` implies it
		}
		p.add("reject" + rejectWith(e, p.l3))
	case ruleset.KindNat, ruleset.KindMasq, ruleset.KindRedir, ruleset.KindTproxy:
		p.add(p.nat(e))
	case ruleset.KindQueue:
		p.add(queue(e))
	case ruleset.KindDynset:
		p.dynset(e)
	case ruleset.KindObjref:
		p.add(objectName(e.X.Object.Type) + " name " + quote(safe(e.X.Object.Name)))
	case ruleset.KindFlowOffload:
		p.add("flow add @" + safe(e.X.Name))
	case ruleset.KindXtMatch, ruleset.KindXtTarget:
		p.vague("xt " + Xt(e))
	default:
		p.other(e)
	}
}

// other names the rare expressions without all their parameters.
func (p *printer) other(e *ruleset.Expr) {
	names := map[ruleset.Kind]string{
		ruleset.KindRt: "rt", ruleset.KindSocket: "socket", ruleset.KindXfrm: "ipsec", ruleset.KindTunnel: "tunnel",
		ruleset.KindOsf: "osf name", ruleset.KindHash: "jhash", ruleset.KindNumgen: "numgen", ruleset.KindExthdr: "exthdr",
	}
	if n, ok := names[e.Kind]; ok {
		p.exact = false
		p.regs[e.DReg] = operand{text: n, kind: kindHex}
		if e.Kind == ruleset.KindNumgen {
			mode := [...]string{"inc", "random"}[min(e.Op, 1)]
			p.regs[e.DReg] = operand{text: fmt.Sprintf("numgen %s mod %d", mode, e.X.Number), kind: kindHost}
		}
		return
	}
	words := map[ruleset.Kind]string{
		ruleset.KindSynproxy: "synproxy", ruleset.KindDup: "dup", ruleset.KindFwd: "fwd", ruleset.KindExthdrSet: "set option",
		ruleset.KindPayloadSet: "set header field", ruleset.KindObjrefMap: "object map",
	}
	if n, ok := words[e.Kind]; ok {
		p.vague(n)
		return
	}
	name := "?"
	if e.X != nil {
		name = safe(e.X.Name)
	}
	p.vague("unknown expression " + name)
}

// reg writes what a register holds as a value of a kind.
func (p *printer) reg(word uint8, k kind, n int) string {
	o, ok := p.regs[word]
	switch {
	case !ok:
		p.exact = false
		return "?"
	case o.n == -1:
		b := []byte(o.text)
		return value(k, b[:min(len(b), max(n, len(b)))])
	}
	if o.mask != nil {
		return fmt.Sprintf("%s & %s", o.text, value(k, o.mask))
	}
	return o.text
}

func rejectWith(e *ruleset.Expr, l3 ruleset.Family) string {
	switch e.Op {
	case 1:
		return " with tcp reset"
	case 2:
		names := []string{"no-route", "port-unreachable", "host-unreachable", "admin-prohibited"}
		if int(e.Base) < len(names) {
			return " with icmpx " + names[e.Base]
		}
	case 0:
		names := map[uint8]string{
			0: "net-unreachable", 1: "host-unreachable", 2: "prot-unreachable", 3: "port-unreachable", 9: "net-prohibited",
			10: "host-prohibited", 13: "admin-prohibited",
		}
		word := " with icmp "
		if l3 == ruleset.IP6 {
			word = " with icmpv6 "
			names = map[uint8]string{0: "no-route", 1: "admin-prohibited", 3: "addr-unreachable", 4: "port-unreachable"}
		}
		if n, ok := names[e.Base]; ok {
			return word + n
		}
	}
	return fmt.Sprintf(" with type %d code %d", e.Op, e.Base)
}

func (p *printer) nat(e *ruleset.Expr) string {
	var verb string
	switch e.Kind {
	case ruleset.KindMasq:
		verb = "masquerade"
	case ruleset.KindRedir:
		verb = "redirect"
	case ruleset.KindTproxy:
		verb = "tproxy"
	default:
		verb = [...]string{"snat", "dnat"}[min(e.Op, 1)]
		if p.fam == ruleset.INET {
			verb += " " + ruleset.Family(e.Base).String()
		}
	}
	r := e.X.Regs
	addr, port := "", ""
	if r.AddrMin >= 0 {
		addr = p.reg(uint8(r.AddrMin), kindAddr, 16)
		if r.AddrMax >= 0 && r.AddrMax != r.AddrMin {
			addr += "-" + p.reg(uint8(r.AddrMax), kindAddr, 16)
		}
		if strings.Contains(addr, ":") && r.PortMin >= 0 {
			addr = "[" + addr + "]"
		}
	}
	if r.PortMin >= 0 {
		port = ":" + p.reg(uint8(r.PortMin), kindPort, 2)
		if r.PortMax >= 0 && r.PortMax != r.PortMin {
			port += "-" + p.reg(uint8(r.PortMax), kindPort, 2)
		}
	}
	if addr+port != "" {
		verb += " to " + addr + port
	}
	for i, n := range []string{"", "", "random", "persistent", "fully-random"} {
		if n != "" && e.Flags>>i&1 != 0 {
			verb += " " + n
		}
	}
	return verb
}

func queue(e *ruleset.Expr) string {
	var flags []string
	if e.Flags&1 != 0 {
		flags = append(flags, "bypass")
	}
	if e.Flags&2 != 0 {
		flags = append(flags, "fanout")
	}
	s := "queue"
	if len(flags) > 0 {
		s += " flags " + strings.Join(flags, ",")
	}
	if e.X.Number2 > 1 {
		return fmt.Sprintf("%s to %d-%d", s, e.X.Number, e.X.Number+e.X.Number2-1)
	}
	return fmt.Sprintf("%s to %d", s, e.X.Number)
}

func (p *printer) dynset(e *ruleset.Expr) {
	verb := [...]string{"add", "update", "delete"}[min(e.Op, 2)]
	text, _ := p.key(e.SReg, e.X.Set)
	if e.X.Number > 0 {
		text += " timeout " + Duration(msec(e.X.Number))
	}
	for i := range e.X.Inner {
		in := &e.X.Inner[i]
		if in.Kind == ruleset.KindCounter {
			text += " counter"
		} else if in.X != nil {
			text += " " + in.X.Text
		}
	}
	p.needL3 = "" // its key names the protocol
	p.add(fmt.Sprintf("%s @%s { %s }", verb, safe(e.X.Name), text))
}

func objectName(t uint32) string {
	names := map[uint32]string{
		ruleset.ObjectCounter: "counter", ruleset.ObjectQuota: "quota", ruleset.ObjectCtHelper: "ct helper",
		ruleset.ObjectLimit: "limit", ruleset.ObjectConnlimit: "ct count", ruleset.ObjectCtTimeout: "ct timeout",
		ruleset.ObjectSecmark: "secmark", ruleset.ObjectCtExpect: "ct expectation", ruleset.ObjectSynproxy: "synproxy",
	}
	if n, ok := names[t]; ok {
		return n
	}
	return fmt.Sprintf("object %d", t)
}
