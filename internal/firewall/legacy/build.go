package legacy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

// builder turns a rule's arguments into expressions.
type builder struct {
	fam   ruleset.Family
	table *ruleset.Table
	rule  *ruleset.Rule
}

// option is one option with its arguments.
type option struct {
	name string
	inv  bool
	args []string
}

// arg returns an argument, or "".
func (o option) arg(i int) string {
	if i < len(o.args) {
		return o.args[i]
	}
	return ""
}

// options groups words into options: a word that starts with a dash begins one, "!" inverts the next.
func options(words []word) []option {
	var out []option
	inv := false
	for _, w := range words {
		switch {
		case w.text == "!" && !w.quoted:
			inv = true
		case strings.HasPrefix(w.text, "-") && len(w.text) > 1 && !w.quoted:
			out = append(out, option{name: w.text, inv: inv})
			inv = false
		case len(out) > 0:
			last := &out[len(out)-1]
			last.args = append(last.args, w.text)
			// An inverted argument is written after the option by old versions.
			last.inv = last.inv || inv
			inv = false
		}
	}
	return out
}

// spec builds the whole rule: general options, matches with their own, and the target.
func (b *builder) spec(words []word) {
	opts := options(words)
	for i := 0; i < len(opts); i++ {
		o := opts[i]
		switch o.name {
		case "-m", "--match", "-j", "--jump", "-g", "--goto":
			own := i + 1
			for own < len(opts) && strings.HasPrefix(opts[own].name, "--") && !general[opts[own].name] {
				own++
			}
			b.extension(o, opts[i+1:own])
			i = own - 1
		default:
			b.general(o)
		}
	}
}

// general are long options that belong to no match.
var general = map[string]bool{
	"--match": true, "--jump": true, "--goto": true, "--source": true, "--destination": true, "--in-interface": true,
	"--out-interface": true, "--protocol": true, "--fragment": true,
}

func (b *builder) general(o option) {
	switch o.name {
	case "-s", "--source":
		b.addr(o, false)
	case "-d", "--destination":
		b.addr(o, true)
	case "-i", "--in-interface":
		b.device(o, 6)
	case "-o", "--out-interface":
		b.device(o, 7)
	case "-p", "--protocol":
		b.protocol(o)
	case "-f", "--fragment":
		if !o.inv {
			b.match("fragment", xt.NeverTCP{Name: "fragment"}, nil)
		}
	default:
		b.match(o.name, nil, fmt.Errorf("option %s is not known", o.name))
	}
}

func (b *builder) add(e ruleset.Expr) { b.rule.Exprs = append(b.rule.Exprs, e) }

// match appends a match; one that could not be parsed keeps its reason and is unknown.
func (b *builder) match(name string, info any, err error) { b.xt(ruleset.KindXtMatch, name, info, err) }

func (b *builder) xt(kind ruleset.Kind, name string, info any, err error) {
	x := &ruleset.Xt{Name: name, Info: info}
	if err != nil {
		x.Info, x.Why = nil, err.Error()
	}
	b.add(ruleset.Expr{Kind: kind, X: &ruleset.Extra{Regs: ruleset.NoRegs, Xt: x}})
}

// reg is the register word general conditions use (NFT_REG_1).
const reg = 4

// addr compares a source or destination network.
func (b *builder) addr(o option, dst bool) {
	base, mask, err := network(o.arg(0), b.fam)
	if err != nil {
		b.match(o.name, nil, err)
		return
	}
	off, n := uint8(12), uint8(4)
	if b.fam == ruleset.IP6 {
		off, n = 8, 16
	}
	if dst {
		off += n
	}
	b.add(ruleset.Expr{Kind: ruleset.KindPayload, DReg: reg, Base: 1, Off: off, Len: n})
	b.add(ruleset.Expr{Kind: ruleset.KindBitwise, SReg: reg, DReg: reg, Len: n, X: &ruleset.Extra{
		Regs: ruleset.NoRegs, Mask: mask, Xor: make([]byte, n),
	}})
	b.cmp(o.inv, base)
}

func (b *builder) cmp(inv bool, v []byte) {
	e := ruleset.Expr{Kind: ruleset.KindCmp, SReg: reg}
	if inv {
		e.Op = 1
	}
	e.N = uint8(copy(e.Val[:], v))
	b.add(e)
}

// network reads ADDR, ADDR/LEN or ADDR/MASK.
func network(s string, fam ruleset.Family) (base, mask []byte, err error) {
	a, m, hasMask := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(a)
	if err != nil {
		return nil, nil, fmt.Errorf("address %q: %w", s, err)
	}
	if addr.Is6() != (fam == ruleset.IP6) {
		return nil, nil, fmt.Errorf("address %q is of the other family", s)
	}
	base = addr.AsSlice()
	mask = make([]byte, len(base))
	switch n, errNum := strconv.Atoi(m); {
	case !hasMask:
		n = len(base) * 8
		fillMask(mask, n)
	case errNum == nil && n >= 0 && n <= len(base)*8:
		fillMask(mask, n)
	default:
		ma, err := netip.ParseAddr(m)
		if err != nil || ma.BitLen() != addr.BitLen() {
			return nil, nil, fmt.Errorf("mask %q", m)
		}
		copy(mask, ma.AsSlice())
	}
	for i := range base {
		base[i] &= mask[i]
	}
	return base, mask, nil
}

func fillMask(mask []byte, n int) {
	for i := range n {
		mask[i/8] |= 0x80 >> (i % 8)
	}
}

// device compares an interface name; a trailing plus matches any that begins so.
func (b *builder) device(o option, key uint8) {
	name := o.arg(0)
	v := append([]byte(name), 0)
	if p, ok := strings.CutSuffix(name, "+"); ok {
		if p == "" && !o.inv {
			return
		}
		v = []byte(p)
	}
	if len(v) > 16 || len(v) == 0 {
		b.match(o.name, nil, fmt.Errorf("interface name %q", name))
		return
	}
	b.add(ruleset.Expr{Kind: ruleset.KindMeta, DReg: reg, Op: key})
	b.cmp(o.inv, v)
}

// protocols are the names iptables-save writes instead of numbers (/etc/protocols as shipped everywhere).
var protocols = map[string]uint8{
	"icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51,
	"ipv6-icmp": 58, "icmpv6": 58, "ospf": 89, "vrrp": 112, "sctp": 132, "udplite": 136, "ipv6-mh": 135,
}

func (b *builder) protocol(o option) {
	name := strings.ToLower(o.arg(0))
	if name == "all" || name == "0" {
		return
	}
	n, ok := protocols[name]
	if !ok {
		v, err := strconv.ParseUint(name, 10, 8)
		if err != nil {
			b.match(o.name, nil, fmt.Errorf("protocol %q is not known", name))
			return
		}
		n = uint8(v)
	}
	b.add(ruleset.Expr{Kind: ruleset.KindMeta, DReg: reg, Op: 16})
	b.cmp(o.inv, []byte{n})
}

// extension handles -m, -j and -g with the options that follow.
func (b *builder) extension(o option, own []option) {
	name := o.arg(0)
	if o.name == "-m" || o.name == "--match" {
		f, ok := matches[name]
		if !ok {
			b.match(name, nil, fmt.Errorf("match %s is not known", name))
			return
		}
		info, err := f(own, b.fam)
		b.match(name, info, err)
		return
	}
	code := ruleset.VJump
	if o.name == "-g" || o.name == "--goto" {
		code = ruleset.VGoto
	}
	verdicts := map[string]ruleset.VerdictCode{
		"ACCEPT": ruleset.VAccept, "DROP": ruleset.VDrop, "RETURN": ruleset.VReturn, "QUEUE": ruleset.VQueue,
	}
	if v, ok := verdicts[name]; ok && code == ruleset.VJump {
		b.add(ruleset.Expr{Kind: ruleset.KindVerdict, Flags: uint32(v)})
		return
	}
	if b.table.Chain(name) != nil {
		b.add(ruleset.Expr{Kind: ruleset.KindVerdict, Flags: uint32(code), X: &ruleset.Extra{
			Regs: ruleset.NoRegs, Verdict: ruleset.Verdict{Code: code, Chain: name},
		}})
		return
	}
	f, ok := targets[name]
	if !ok {
		b.xt(ruleset.KindXtTarget, name, nil, fmt.Errorf("target %s is not known", name))
		return
	}
	info, err := f(own, b.fam)
	b.xt(ruleset.KindXtTarget, name, info, err)
}
