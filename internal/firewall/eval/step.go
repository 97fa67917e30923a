package eval

import (
	"encoding/binary"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// step runs one expression on a cursor.
func (e *engine) step(ex *ruleset.Expr, c *cursor, r *ruleset.Rule) (did, []piece, verdict) {
	switch ex.Kind {
	case ruleset.KindPayload:
		return e.payload(ex, c)
	case ruleset.KindMeta:
		return e.meta(ex, c)
	case ruleset.KindCt:
		return e.ct(ex, c)
	case ruleset.KindCmp:
		d, p := e.cmp(ex, c)
		return d, p, verdict{}
	case ruleset.KindRange:
		d, p := e.rangeOf(ex, c)
		return d, p, verdict{}
	case ruleset.KindBitwise:
		return e.bitwise(ex, c)
	case ruleset.KindByteorder:
		return e.byteorder(ex, c)
	case ruleset.KindLookup:
		d, p := e.lookup(ex, c)
		return d, p, verdict{}
	case ruleset.KindImmediate:
		v := ex.Value()
		var buf [64]sym
		putConst(buf[:len(v)], v)
		store(c, ex.DReg, buf[:len(v)])
		return didMatch, nil, verdict{}
	case ruleset.KindVerdict:
		return didVerdict, nil, verdict{Verdict: ex.Verdict()}
	case ruleset.KindFib:
		return e.fib(ex, c)
	case ruleset.KindExthdr:
		return e.exthdr(ex, c)
	case ruleset.KindCounter, ruleset.KindLast, ruleset.KindLog, ruleset.KindDup, ruleset.KindExthdrSet:
		return didMatch, nil, verdict{}
	case ruleset.KindLimit, ruleset.KindQuota, ruleset.KindConnlimit:
		return e.maybe(Tag{TagStateful, statefulName[ex.Kind], ex.X.Text})
	}
	return e.stepRare(ex, c, r)
}

var statefulName = map[ruleset.Kind]string{
	ruleset.KindLimit: "limit", ruleset.KindQuota: "quota", ruleset.KindConnlimit: "connlimit",
}

// stepRare runs the expressions that few rules have.
func (e *engine) stepRare(ex *ruleset.Expr, c *cursor, r *ruleset.Rule) (did, []piece, verdict) {
	switch ex.Kind {
	case ruleset.KindMetaSet:
		e.metaSet(ex, c)
	case ruleset.KindCtSet:
		e.ctSet(ex, c)
	case ruleset.KindPayloadSet:
		e.payloadSet(ex, c)
	case ruleset.KindNotrack:
		if c.env.ct == ctNone {
			c.env.ct = ctUntracked
		}
	case ruleset.KindRt, ruleset.KindSocket, ruleset.KindXfrm, ruleset.KindTunnel, ruleset.KindOsf, ruleset.KindHash, ruleset.KindNumgen:
		return e.loadRare(ex, c)
	case ruleset.KindDynset:
		return e.dynset(ex, c)
	case ruleset.KindObjref:
		return e.object(ex.X.Object)
	case ruleset.KindObjrefMap:
		d, p := e.lookup(ex, c)
		return e.objectMap(d, p)
	case ruleset.KindNat, ruleset.KindMasq, ruleset.KindRedir:
		return e.natExpr(ex, c, r)
	case ruleset.KindReject:
		return didVerdict, nil, verdict{reject: e.rejectKind(ex)}
	case ruleset.KindQueue:
		t := e.queueTag(ex)
		return didVerdict, nil, verdict{queue: &t}
	case ruleset.KindTproxy:
		return e.tproxy(ex, c)
	case ruleset.KindSynproxy:
		return didVerdict, nil, verdict{stolen: &Tag{TagExternal, "synproxy", "the kernel answers the handshake itself"}}
	case ruleset.KindFwd:
		return didVerdict, nil, verdict{stolen: &Tag{TagExternal, "fwd", "forwarded to another interface"}}
	case ruleset.KindFlowOffload:
		return didBreak, nil, verdict{} // only established flows are offloaded
	case ruleset.KindXtMatch:
		d, p := e.xtMatch(ex.X.Xt, c)
		return d, p, verdict{}
	case ruleset.KindXtTarget:
		return e.xtTarget(ex.X.Xt, c, r)
	default:
		return e.strange(c, Tag{TagUnknown, "expression " + name(ex), ""})
	}
	return didMatch, nil, verdict{}
}

func name(ex *ruleset.Expr) string {
	if ex.X != nil {
		return ex.X.Name
	}
	return "?"
}

// maybe is a match that may or may not succeed.
func (e *engine) maybe(t Tag) (did, []piece, verdict) {
	return didSplit, e.one(piece{tags: []Tag{t}}), verdict{}
}

// strange is an expression nobody knows: it may match or not, end the packet, and leave anything in registers and marks.
func (e *engine) strange(c *cursor, t Tag) (did, []piece, verdict) {
	c.mayDrop = true
	c.tags = addTag(c.tags, t)
	sl := e.unknown(t, 4, 0, 0xffffffff)
	for i := range c.regs {
		c.regs[i] = sym{kind: symUnk, idx: sl, sub: uint8(i), mask: 0xff}
	}
	c.env.mark, c.env.ctmark = val{unk: sl + 1}, val{unk: sl + 1}
	return didMatch, nil, verdict{}
}

func (e *engine) cmp(ex *ruleset.Expr, c *cursor) (did, []piece) {
	want := ex.Value()
	s := load(c, ex.SReg, len(want))
	if s == nil {
		return didSplit, e.one(piece{tags: []Tag{{TagUnknown, "register", "out of bounds"}}})
	}
	var lo, hi [64]byte
	n := len(want)
	for i := range n {
		hi[i] = 0xff
	}
	switch ex.Op {
	case 0:
		return e.equal(s, want)
	case 1:
		return e.not(e.equal(s, want))
	case 2: // less: not (>= want)
		return e.not(e.ordered(s, want, hi[:n]))
	case 3:
		return e.ordered(s, lo[:n], want)
	case 4:
		return e.not(e.ordered(s, lo[:n], want))
	}
	return e.ordered(s, want, hi[:n])
}

func (e *engine) rangeOf(ex *ruleset.Expr, c *cursor) (did, []piece) {
	s := load(c, ex.SReg, len(ex.X.From))
	if s == nil {
		return didSplit, e.one(piece{tags: []Tag{{TagUnknown, "register", "out of bounds"}}})
	}
	d, p := e.ordered(s, ex.X.From, ex.X.To)
	if ex.Inv {
		return e.not(d, p)
	}
	return d, p
}

// Bitwise operators (NFT_BITWISE_*).
const (
	bitMaskXor = 0
	bitLshift  = 1
	bitRshift  = 2
	bitAnd     = 3
	bitOr      = 4
	bitXor     = 5
)

func (e *engine) bitwise(ex *ruleset.Expr, c *cursor) (did, []piece, verdict) {
	n := int(ex.Len)
	src := load(c, ex.SReg, n)
	if src == nil {
		return e.maybe(Tag{TagUnknown, "register", "out of bounds"})
	}
	var out [64]sym
	switch ex.Op {
	case bitMaskXor:
		for i := range n {
			out[i] = src[i].and(ex.X.Mask[i]).xor(ex.X.Xor[i])
		}
	case bitLshift, bitRshift:
		e.shift(out[:n], src, ex)
	default:
		e.combine(out[:n], src, ex, c)
	}
	store(c, ex.DReg, out[:n])
	return didMatch, nil, verdict{}
}

// shift moves words of the register file, in the host's number format, by less than 32 bits with carry across words.
func (e *engine) shift(out, src []sym, ex *ruleset.Expr) {
	var buf [64]byte
	b, ok := constants(src, buf[:])
	if !ok || len(ex.X.Data) != 4 || len(src)%4 != 0 {
		symBE(out, e.unknown(Tag{TagUnknown, "shift", "a shift of something that is not constant"}, uint8(len(out)), 0, ^uint64(0)))
		return
	}
	by := binary.NativeEndian.Uint32(ex.X.Data) & 31
	words := len(b) / 4
	res := make([]byte, len(b))
	for i := range words {
		w := binary.NativeEndian.Uint32(b[4*i:])
		var v uint32
		if ex.Op == bitLshift {
			v = w << by
			if i+1 < words && by > 0 {
				v |= binary.NativeEndian.Uint32(b[4*i+4:]) >> (32 - by)
			}
		} else {
			v = w >> by
			if i > 0 && by > 0 {
				v |= binary.NativeEndian.Uint32(b[4*i-4:]) << (32 - by)
			}
		}
		binary.NativeEndian.PutUint32(res[4*i:], v)
	}
	putConst(out, res)
}

// combine joins a register with a second one or a constant.
func (e *engine) combine(out, src []sym, ex *ruleset.Expr, c *cursor) {
	other := make([]sym, len(out))
	if ex.X.Regs.Second >= 0 {
		copy(other, load(c, uint8(ex.X.Regs.Second), len(out)))
	} else {
		putConst(other, ex.X.Data[:min(len(ex.X.Data), len(out))])
	}
	for i := range out {
		a, b := src[i], other[i]
		if a.kind == symConst {
			a, b = b, a
		}
		switch {
		case b.kind != symConst:
			symBE(out, e.unknown(Tag{TagUnknown, "bitwise", "two values that are not constant"}, uint8(len(out)), 0, ^uint64(0)))
			return
		case ex.Op == bitAnd:
			out[i] = a.and(b.val)
		case ex.Op == bitXor:
			out[i] = a.xor(b.val)
		default: // or: bits of b become one
			s := a.and(^b.val)
			s.val |= b.val
			out[i] = s
		}
	}
}

func (e *engine) byteorder(ex *ruleset.Expr, c *cursor) (did, []piece, verdict) {
	n, size := int(ex.Len), int(ex.Base)
	src := load(c, ex.SReg, n)
	if src == nil || size != 2 && size != 4 && size != 8 {
		return e.maybe(Tag{TagUnknown, "byteorder", ""})
	}
	var out [64]sym
	copy(out[:n], src)
	for i := 0; i+size <= n; i += size {
		nativeOrder(out[i : i+size])
	}
	store(c, ex.DReg, out[:n])
	return didMatch, nil, verdict{}
}
