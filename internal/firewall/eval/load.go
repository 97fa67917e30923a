package eval

import (
	"encoding/binary"
	"fmt"

	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// Payload bases (NFT_PAYLOAD_*).
const (
	baseLink      = 0
	baseNetwork   = 1
	baseTransport = 2
	baseInner     = 3
)

func (e *engine) payload(ex *ruleset.Expr, c *cursor) (did, []piece, verdict) {
	off, n := int(ex.Off), int(ex.Len)
	h := e.headersOf(&c.env)
	var all [14 + 60]sym
	var have int
	switch ex.Base {
	case baseLink:
		ok, known := e.linkHeader(all[:14], c)
		if !known {
			return e.loadUnknown(ex, c, field("link-layer header"))
		}
		if !ok {
			return didBreak, nil, verdict{}
		}
		have = 14 + copy(all[14:], h.net[:h.nlen])
		have += copy(all[have:], h.tcp[:])
	case baseNetwork:
		have = copy(all[:], h.net[:h.nlen])
		have += copy(all[have:], h.tcp[:])
	case baseTransport:
		have = copy(all[:], h.tcp[:])
	case baseInner:
		return didBreak, nil, verdict{} // a SYN carries no data
	default:
		return e.loadUnknown(ex, c, Tag{TagUnknown, "payload base", ""})
	}
	if off+n > have {
		// TCP options, if the packet is long enough to have them.
		return e.loadUnknown(ex, c, field("TCP options"))
	}
	store(c, ex.DReg, all[off:off+n])
	return didMatch, nil, verdict{}
}

// loadUnknown stores an unknown, on packets that have the field at all.
func (e *engine) loadUnknown(ex *ruleset.Expr, c *cursor, t Tag) (did, []piece, verdict) {
	n := max(int(ex.Len), 1)
	data := make([]sym, min(n, 64))
	symBE(data, e.unknown(t, uint8(min(n, 64)), 0, ^uint64(0)))
	store(c, ex.DReg, data)
	return e.maybe(t)
}

// linkHeader writes the Ethernet header. ok is false when the packet has none here, known when it cannot be told.
func (e *engine) linkHeader(dst []sym, c *cursor) (ok, known bool) {
	l := e.hk.iif
	if l == nil {
		return false, true // made on this host: the header is not there yet
	}
	switch l.Type {
	case 1:
	case 65534, 512, 768, 769, 776, 778:
		return false, true // no link-layer header on tunnels
	default:
		return false, false
	}
	symBE(dst[0:6], e.unknown(field("destination MAC"), 6, 0, ^uint64(0)))
	if len(l.MAC) == 6 {
		putConst(dst[0:6], l.MAC)
	}
	symBE(dst[6:12], e.unknown(field("source MAC"), 6, 0, ^uint64(0)))
	putConst(dst[12:14], binary.BigEndian.AppendUint16(nil, e.ethertype()))
	return true, true
}

func (e *engine) ethertype() uint16 {
	if e.width == 32 {
		return 0x0800
	}
	return 0x86dd
}

// Meta keys (NFT_META_*).
const (
	metaLen = iota
	metaProtocol
	metaPriority
	metaMark
	metaIif
	metaOif
	metaIifname
	metaOifname
	metaIiftype
	metaOiftype
	metaSkuid
	metaSkgid
	metaNftrace
	metaRtclassid
	metaSecmark
	metaNfproto
	metaL4proto
	metaBriIif
	metaBriOif
	metaPkttype
	metaCPU
	metaIifgroup
	metaOifgroup
	metaCgroup
	metaPrandom
	metaSecpath
	metaIifkind
	metaOifkind
	metaBriPvid
	metaBriVproto
	metaTimeNs
	metaTimeDay
	metaTimeHour
	metaSdif
	metaSdifname
)

func (e *engine) meta(ex *ruleset.Expr, c *cursor) (did, []piece, verdict) {
	var b [16]sym
	n := 4
	switch ex.Op {
	case metaLen:
		lo, hi := uint64(40), uint64(80)
		if e.width == 128 {
			lo, hi = 60, 100
		}
		if c.env.refusal.icmp() {
			hi = 1280
		}
		symNative(b[:4], e.unknown(field("packet length"), 4, lo, hi))
	case metaProtocol:
		n = 2
		putConst(b[:2], binary.BigEndian.AppendUint16(nil, e.ethertype()))
	case metaNfproto:
		n = 1
		b[0] = konst(uint8(e.hk.pf))
	case metaL4proto:
		n = 1
		b[0] = konst(e.l4proto(&c.env))
	case metaPriority:
		putVal(b[:4], c.env.prio)
	case metaMark:
		putVal(b[:4], c.env.mark)
	case metaPkttype:
		n = 1
		b[0] = konst(c.env.pkttype)
	case metaSecpath:
		n = 1
		b[0] = konst(0) // a CDN does not come through IPsec
	case metaIif, metaOif, metaIifname, metaOifname, metaIiftype, metaOiftype, metaIifgroup, metaOifgroup, metaIifkind, metaOifkind:
		var ok bool
		if n, ok = e.metaDevice(ex.Op, b[:]); !ok {
			return didBreak, nil, verdict{}
		}
	default:
		return e.metaRare(ex, c)
	}
	store(c, ex.DReg, b[:n])
	return didMatch, nil, verdict{}
}

// metaDevice writes a property of the incoming or outgoing interface; ok is false when the load fails.
func (e *engine) metaDevice(key uint8, b []sym) (n int, ok bool) {
	l := e.hk.iif
	switch key {
	case metaOif, metaOifname, metaOiftype, metaOifgroup, metaOifkind:
		l = e.hk.oif
	}
	switch key {
	case metaIif, metaOif:
		index := uint32(0)
		if l != nil {
			index = uint32(l.Index)
		}
		putU32(b[:4], index)
		return 4, true
	case metaIifname, metaOifname:
		putName(b[:16], l)
		return 16, true
	}
	if l == nil {
		return 0, false
	}
	switch key {
	case metaIiftype, metaOiftype:
		putU16(b[:2], l.Type)
		return 2, true
	case metaIifgroup, metaOifgroup:
		putU32(b[:4], l.Group)
		return 4, true
	}
	if l.Kind == "" {
		return 0, false
	}
	var buf [16]byte
	copy(buf[:15], l.Kind)
	putConst(b[:16], buf[:])
	return 16, true
}

func putName(dst []sym, l *fib.Link) {
	var buf [16]byte
	if l != nil {
		copy(buf[:15], l.Name)
	}
	putConst(dst, buf[:])
}

func (e *engine) metaRare(ex *ruleset.Expr, c *cursor) (did, []piece, verdict) {
	put := func(n int, t Tag) (did, []piece, verdict) {
		var b [16]sym
		symNative(b[:n], e.unknown(t, uint8(n), 0, ^uint64(0)))
		store(c, ex.DReg, b[:n])
		return didMatch, nil, verdict{}
	}
	switch ex.Op {
	case metaTimeNs:
		return put(8, Tag{TagTime, "time", "meta time"})
	case metaTimeDay:
		return put(1, Tag{TagTime, "time", "meta day"})
	case metaTimeHour:
		return put(4, Tag{TagTime, "time", "meta hour"})
	case metaPrandom:
		return put(4, Tag{TagStateful, "random", "meta random"})
	case metaCPU:
		return put(4, field("CPU"))
	case metaSkuid, metaSkgid, metaCgroup:
		if !c.env.reply {
			return didBreak, nil, verdict{} // no socket is attached to a SYN yet
		}
		t := Tag{TagSocket, "socket owner", ""}
		var b [4]sym
		symNative(b[:], e.unknown(t, 4, 0, 0xffffffff))
		store(c, ex.DReg, b[:])
		return e.maybe(t)
	case metaRtclassid:
		if e.hk.hook == ruleset.Prerouting || e.hk.hook == ruleset.Ingress {
			return didBreak, nil, verdict{}
		}
		return put(4, Tag{TagRoute, "route realm", ""})
	case metaSdif:
		var b [4]sym
		putU32(b[:], 0)
		store(c, ex.DReg, b[:])
		return didMatch, nil, verdict{}
	case metaSdifname:
		var b [16]sym
		store(c, ex.DReg, b[:])
		return didMatch, nil, verdict{}
	case metaSecmark:
		return put(4, Tag{TagExternal, "security mark", ""})
	}
	return e.strange(c, Tag{TagUnknown, "meta key", metaName(ex.Op)})
}

func metaName(k uint8) string { return "meta " + string(rune('0'+k/10)) + string(rune('0'+k%10)) }

func (e *engine) exthdr(ex *ruleset.Expr, c *cursor) (did, []piece, verdict) {
	present := ex.Flags&1 != 0
	const tcpOption = 1
	if ex.Op != tcpOption {
		// A plain SYN has no IPv4 options and no IPv6 extension headers, and is no SCTP or DCCP.
		if present {
			store(c, ex.DReg, []sym{konst(0), konst(0), konst(0), konst(0)})
			return didMatch, nil, verdict{}
		}
		return didBreak, nil, verdict{}
	}
	if c.env.refusal != (refusal{}) {
		return didBreak, nil, verdict{} // neither a RST nor an ICMP error has options
	}
	const optMSS = 2
	if ex.Base == optMSS {
		switch {
		case present:
			store(c, ex.DReg, []sym{konst(1), konst(0), konst(0), konst(0)})
			return didMatch, nil, verdict{}
		case ex.Off == 2 && ex.Len == 2:
			var b [2]sym
			symBE(b[:], e.unknown(field("MSS"), 2, minMSS, 65495))
			store(c, ex.DReg, b[:])
			return didMatch, nil, verdict{}
		}
	}
	return e.loadUnknown(ex, c, field("TCP options"))
}

// minMSS is the smallest MSS a client on today's internet announces (RFC 9293's default for IPv4).
const minMSS = 536

func (e *engine) loadRare(ex *ruleset.Expr, c *cursor) (did, []piece, verdict) {
	put := func(n int, t Tag, lo, hi uint64) (did, []piece, verdict) {
		var b [16]sym
		symNative(b[:n], e.unknown(t, uint8(n), lo, hi))
		store(c, ex.DReg, b[:n])
		return didMatch, nil, verdict{}
	}
	switch ex.Kind {
	case ruleset.KindNumgen:
		return put(4, Tag{TagStateful, "numgen", fmt.Sprintf("numgen %s mod %d", [...]string{"inc", "random"}[min(ex.Op, 1)], ex.X.Number)}, ex.X.Number2, ex.X.Number2+max(ex.X.Number, 1)-1)
	case ruleset.KindHash:
		return put(4, Tag{TagStateful, "hash", "a hash of the packet"}, ex.X.Number2, ex.X.Number2+max(ex.X.Number, 1)-1)
	case ruleset.KindXfrm:
		return didBreak, nil, verdict{} // nothing was decrypted
	case ruleset.KindTunnel:
		if ex.Op == 0 {
			store(c, ex.DReg, []sym{konst(0)})
			return didMatch, nil, verdict{}
		}
		return didBreak, nil, verdict{}
	case ruleset.KindSocket:
		t := Tag{TagSocket, "socket", "a socket for this connection"}
		put(16, t, 0, ^uint64(0))
		return e.maybe(t)
	case ruleset.KindOsf:
		put(16, field("operating system fingerprint"), 0, ^uint64(0))
		return didMatch, nil, verdict{}
	}
	const rtXfrm = 4
	if ex.Op == rtXfrm {
		store(c, ex.DReg, []sym{konst(0)})
		return didMatch, nil, verdict{}
	}
	if e.hk.hook == ruleset.Prerouting || e.hk.hook == ruleset.Ingress {
		return didBreak, nil, verdict{} // not routed yet
	}
	t := Tag{TagRoute, "rt", "a property of the route"}
	put(16, t, 0, ^uint64(0))
	return e.maybe(t)
}
