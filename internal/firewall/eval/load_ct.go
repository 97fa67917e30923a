package eval

import (
	"encoding/binary"

	"github.com/originward/originward/internal/firewall/nft"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// ct keys (NFT_CT_*).
const (
	ctKeyState = iota
	ctKeyDirection
	ctKeyStatus
	ctKeyMark
	ctKeySecmark
	ctKeyExpiration
	ctKeyHelper
	ctKeyL3proto
	ctKeySrc
	ctKeyDst
	ctKeyProtocol
	ctKeyProtoSrc
	ctKeyProtoDst
	ctKeyLabels
	ctKeyPkts
	ctKeyBytes
	ctKeyAvgpkt
	ctKeyZone
	ctKeyEventmask
	ctKeySrcIP
	ctKeyDstIP
	ctKeySrcIP6
	ctKeyDstIP6
	ctKeyID
)

// Connection states as nf_tables stores them (NF_CT_STATE_BIT).
const (
	stateInvalid     = 1
	stateEstablished = 2
	stateRelated     = 4
	stateNew         = 8
	stateUntracked   = 64
)

// ctStateBit is the state a packet with this tracking shows.
func ctStateBit(s ctState) uint32 {
	switch s {
	case ctNew, ctTemplate:
		return stateNew
	case ctReply:
		return stateEstablished
	case ctRelated:
		return stateRelated
	case ctUntracked:
		return stateUntracked
	}
	return stateInvalid
}

// tracked reports whether a connection is attached, which all keys but the state need.
func tracked(s ctState) bool { return s == ctNew || s == ctReply || s == ctRelated }

func (e *engine) ct(ex *ruleset.Expr, c *cursor) (did, []piece, verdict) {
	if e.hk.atConntrack || c.env.ct == ctTemplate && ex.Op != ctKeyState {
		t := Tag{TagUnknown, "ct", "the order against connection tracking is not known"}
		return e.loadUnknown(&ruleset.Expr{DReg: ex.DReg, Len: 16}, c, t)
	}
	var b [16]sym
	n := 4
	if ex.Op == ctKeyState {
		putU32(b[:4], ctStateBit(c.env.ct))
		store(c, ex.DReg, b[:4])
		return didMatch, nil, verdict{}
	}
	if !tracked(c.env.ct) {
		return didBreak, nil, verdict{}
	}
	switch ex.Op {
	case ctKeyDirection:
		n = 1
		b[0] = konst(0)
		if c.env.reply {
			b[0] = konst(1)
		}
	case ctKeyStatus:
		putU32(b[:4], c.env.status)
	case ctKeyMark:
		putVal(b[:4], c.env.ctmark)
	case ctKeyHelper:
		return didBreak, nil, verdict{} // a CDN's connection belongs to no helper
	case ctKeyL3proto:
		n = 1
		b[0] = konst(uint8(e.fam))
	case ctKeyProtocol:
		n = 1
		b[0] = konst(6)
	case ctKeyLabels:
		n = 16
		if c.env.labelled {
			return e.loadUnknown(&ruleset.Expr{DReg: ex.DReg, Len: 16}, c, Tag{TagUnknown, "ct label", "set by a rule"})
		}
	case ctKeyZone:
		n = 2
		if c.env.zoned {
			return e.loadUnknown(&ruleset.Expr{DReg: ex.DReg, Len: 2}, c, Tag{TagUnknown, "ct zone", "set by a rule"})
		}
	case ctKeySrc, ctKeyDst, ctKeySrcIP, ctKeyDstIP, ctKeySrcIP6, ctKeyDstIP6, ctKeyProtoSrc, ctKeyProtoDst:
		var ok bool
		if n, ok = e.ctTuple(ex, c, b[:]); !ok {
			return didBreak, nil, verdict{}
		}
	case ctKeyPkts, ctKeyBytes, ctKeyAvgpkt, ctKeyExpiration, ctKeyID, ctKeySecmark, ctKeyEventmask:
		t := Tag{TagStateful, "ct", "a counter or timer of the connection"}
		return e.loadUnknown(&ruleset.Expr{DReg: ex.DReg, Len: 8}, c, t)
	default:
		return e.strange(c, Tag{TagUnknown, "ct key", metaName(ex.Op)})
	}
	store(c, ex.DReg, b[:n])
	return didMatch, nil, verdict{}
}

// ctTuple writes an end of the connection in one direction: as the client asked for it, or as the answer comes back.
func (e *engine) ctTuple(ex *ruleset.Expr, c *cursor, b []sym) (n int, ok bool) {
	n = e.width / 8
	src := ex.Op == ctKeySrc || ex.Op == ctKeySrcIP || ex.Op == ctKeySrcIP6
	switch ex.Op {
	case ctKeySrcIP, ctKeyDstIP:
		ok = e.width == 32
	case ctKeySrcIP6, ctKeyDstIP6:
		ok = e.width == 128
	default:
		ok = true
	}
	if !ok {
		return 0, false
	}
	original := ex.Base != 1 || ex.Base == nft.NoDirection
	v := c.env
	if original {
		// The client's view: before any rewrite.
		v.dst, v.dport, v.unkDst, v.unkPort, v.hasSnat = v.origDst, v.origPort, 0, 0, 0
	}
	v.reply = !original
	h := e.headersOf(&v)
	if ex.Op == ctKeyProtoSrc {
		return copy(b, h.tcp[0:2]), true
	}
	if ex.Op == ctKeyProtoDst {
		return copy(b, h.tcp[2:4]), true
	}
	at := 12
	if e.width == 128 {
		at = 8
	}
	if !src {
		at += n
	}
	return copy(b, h.net[at:at+n]), true
}

func (e *engine) metaSet(ex *ruleset.Expr, c *cursor) {
	s := load(c, ex.SReg, 4)
	switch ex.Op {
	case metaMark:
		c.env.mark = e.valOf(s, "mark")
	case metaPriority:
		c.env.prio = e.valOf(s, "priority")
	case metaPkttype:
		if s[0].kind == symConst {
			c.env.pkttype = s[0].val
		}
	}
}

// valOf reads a value a rule computed; one that cannot be followed becomes unknown.
func (e *engine) valOf(s []sym, what string) val {
	if v, ok := e.getVal(s); ok {
		return v
	}
	t := Tag{TagUnknown, what, "computed by a rule"}
	if tags := e.tagsOf(s); len(tags) > 0 {
		t = tags[0]
	}
	return val{unk: e.unknown(t, 4, 0, 0xffffffff) + 1}
}

func (e *engine) ctSet(ex *ruleset.Expr, c *cursor) {
	switch ex.Op {
	case ctKeyZone:
		if c.env.ct == ctNone {
			c.env.ct = ctTemplate
		}
		c.env.zoned = true
	case ctKeyMark:
		if tracked(c.env.ct) {
			c.env.ctmark = e.valOf(load(c, ex.SReg, 4), "ct mark")
		}
	case ctKeyLabels:
		c.env.labelled = true
	}
}

// payloadSet writes into the packet. A write to an address or port is a stateless rewrite, which is followed for the
// destination and unknown otherwise; any other write only makes later reads of the headers unknown.
func (e *engine) payloadSet(ex *ruleset.Expr, c *cursor) {
	off, n := int(ex.Off), int(ex.Len)
	srcAt, addr := 12, 4
	if e.width == 128 {
		srcAt, addr = 8, 16
	}
	s := load(c, ex.SReg, n)
	var buf [64]byte
	b, konstant := constants(s, buf[:])
	switch {
	case ex.Base == baseNetwork && off == srcAt+addr && n == addr && konstant && !c.env.reply:
		c.env.dst = number(b)
	case ex.Base == baseTransport && off == 2 && n == 2 && konstant && !c.env.reply:
		c.env.dport = binary.BigEndian.Uint16(b)
	case ex.Base == baseNetwork && off < srcAt+2*addr && off+n > srcAt, ex.Base == baseTransport && off < 4:
		sl := e.unknown(Tag{TagUnknown, "header rewrite", "a rule writes addresses or ports"}, 8, 0, ^uint64(0)) + 1
		c.env.unkDst, c.env.unkPort, c.env.hasSnat = sl, sl, 2
	default:
		c.env.rewritten = e.unknown(Tag{TagUnknown, "header rewrite", "a rule writes into the header"}, 1, 0, 255) + 1
	}
}
