package eval

import (
	"encoding/binary"

	"github.com/originward/originward/internal/firewall/interval"
)

// headers are a packet's headers as symbolic bytes.
type headers struct {
	net  [40]sym
	nlen int
	tcp  [20]sym
}

// packet tag for a header field that clients choose.
func field(name string) Tag { return Tag{Kind: TagPacket, Name: name} }

// headersOf builds the headers of the packet an env describes. The last one is kept: rules ask for them one after
// another.
func (e *engine) headersOf(v *env) *headers {
	key := hdrKey{v.reply, v.refusal, v.dst, v.dport, v.unkDst, v.unkPort, v.snat, v.hasSnat, v.rewritten}
	if e.hdr != nil && e.hdrKey == key {
		return e.hdr
	}
	h := &headers{}
	if e.width == 32 {
		e.ipv4(h, v)
	} else {
		e.ipv6(h, v)
	}
	e.tcpHeader(h, v)
	if v.refusal.icmp() {
		e.icmpHeader(h, v)
	}
	if v.rewritten != 0 {
		// Something wrote into the headers: whatever is not part of the connection's identity is open.
		for i := range h.net[:h.nlen] {
			if h.net[i].kind == symUnk {
				h.net[i].idx = v.rewritten - 1
			}
		}
	}
	e.hdr, e.hdrKey = h, key
	return h
}

type hdrKey struct {
	reply           bool
	refusal         refusal
	dst             interval.U128
	dport           uint16
	unkDst, unkPort uint8
	snat            interval.U128
	hasSnat         uint8
	rewritten       uint8
}

// ends writes the symbolic and the concrete address where the direction wants them.
func (e *engine) ends(src, dst []sym, v *env) {
	client, server := src, dst
	if v.reply {
		client, server = dst, src
	}
	switch v.hasSnat {
	case 0:
		symAddr(client)
	case 1:
		putConst(client, v.snat.Bytes(len(client)))
	default:
		symBE(client, e.unknown(Tag{TagPacket, "source after NAT", ""}, uint8(min(len(client), 8)), 0, ^uint64(0)))
	}
	if v.unkDst != 0 {
		symBE(server, v.unkDst-1)
	} else {
		putConst(server, v.dst.Bytes(len(server)))
	}
}

func (e *engine) ipv4(h *headers, v *env) {
	h.nlen = 20
	n := h.net[:20]
	n[0] = konst(0x45)
	symBE(n[1:2], e.unknown(field("DSCP"), 1, 0, 255))
	symBE(n[2:4], e.unknown(field("length"), 2, 40, 80))
	symBE(n[4:6], e.unknown(field("IP id"), 2, 0, 65535))
	// Not a fragment; whether the don't-fragment bit is set is the client's choice.
	symBE(n[6:7], e.unknown(field("DF bit"), 1, 0, 255))
	n[6] = n[6].and(0x40)
	n[7] = konst(0)
	symBE(n[8:9], e.unknown(field("TTL"), 1, 1, 255))
	n[9] = konst(e.l4proto(v))
	symBE(n[10:12], e.unknown(field("IP checksum"), 2, 0, 65535))
	e.ends(n[12:16], n[16:20], v)
}

func (e *engine) ipv6(h *headers, v *env) {
	h.nlen = 40
	n := h.net[:40]
	tc := e.unknown(field("traffic class and flow label"), 4, 0, 0xffffffff)
	symBE(n[0:4], tc)
	n[0] = n[0].and(0x0f).xor(0x60)
	symBE(n[4:6], e.unknown(field("payload length"), 2, 20, 60))
	n[6] = konst(e.l4proto(v))
	symBE(n[7:8], e.unknown(field("hop limit"), 1, 1, 255))
	e.ends(n[8:24], n[24:40], v)
}

func (e *engine) tcpHeader(h *headers, v *env) {
	t := h.tcp[:]
	client, server := t[0:2], t[2:4]
	if v.reply {
		client, server = server, client
	}
	if v.hasSnat != 0 {
		// Source NAT keeps the port when it can, but need not.
		symBE(client, e.unknown(field("source port after NAT"), 2, 1, 65535))
	} else {
		for i := range client {
			client[i] = sym{kind: symPort, idx: uint8(i), mask: 0xff}
		}
	}
	if v.unkPort != 0 {
		symBE(server, v.unkPort-1)
	} else {
		putConst(server, binary.BigEndian.AppendUint16(nil, v.dport))
	}
	symBE(t[4:8], e.unknown(field("sequence number"), 4, 0, 0xffffffff))
	flags := uint8(0x02)
	if v.refusal.rst {
		flags = 0x14
	} else if v.reply {
		flags = 0x12
	}
	if v.reply {
		symBE(t[8:12], e.unknown(field("acknowledgement number"), 4, 0, 0xffffffff))
	} else {
		putConst(t[8:12], []byte{0, 0, 0, 0})
	}
	symBE(t[12:13], e.unknown(field("TCP header length"), 1, 0x50, 0xf0))
	t[12] = t[12].and(0xf0)
	t[13] = konst(flags)
	symBE(t[14:16], e.unknown(field("window"), 2, 0, 65535))
	symBE(t[16:18], e.unknown(field("TCP checksum"), 2, 0, 65535))
	putConst(t[18:20], []byte{0, 0})
}

// l4proto is the packet's transport protocol.
func (e *engine) l4proto(v *env) uint8 {
	switch {
	case !v.refusal.icmp():
		return 6
	case e.width == 32:
		return 1
	}
	return 58
}

// icmpHeader puts an ICMP error in the place of the TCP header; what it quotes is left open.
func (e *engine) icmpHeader(h *headers, v *env) {
	symBE(h.tcp[:], e.unknown(field("ICMP error"), 20, 0, ^uint64(0)))
	h.tcp[0], h.tcp[1] = konst(v.refusal.typ), konst(v.refusal.code)
}
