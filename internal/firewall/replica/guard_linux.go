package replica

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// The guards' table and chains. Probes are told from everything else by their sequence number.
const (
	guardTable   = "originward_live"
	guardForward = "forward"
)

// lastButOne is the highest priority before conntrack makes a connection lasting (NF_IP_PRI_CONNTRACK_CONFIRM).
const lastButOne = uint32(1<<31 - 2)

// Expressions' numbers (linux/netfilter/nf_tables.h).
const (
	reg1          = 1
	metaL4Proto   = 16
	metaNFTrace   = 12
	baseTransport = 2
	tableOwner    = 2 // NFT_TABLE_F_OWNER: gone with the socket, and nobody else's to change
)

// guards are the messages for the table: tracing before all other rules, and the three guards.
func guards(magic uint32) []nfnl.Message {
	seq, ack := word(magic), word(magic+1)
	syn := func(b *nfnl.Builder) {
		proto(b, unix.IPPROTO_TCP)
		payload(b, 4, seq)
		payload(b, 13, []byte{flagSYN})
	}
	var t nfnl.Builder
	t.PutStr(1, guardTable)
	t.PutBE32(2, tableOwner)
	msgs := []nfnl.Message{{Type: msgNewTable, Family: uint8(ruleset.INET), Flags: flagCreate, Attrs: t.B}}
	for _, c := range []struct {
		name  string
		hook  uint32
		prio  uint32
		rules []func(*nfnl.Builder)
	}{
		{"trace", 0, first, []func(*nfnl.Builder){func(b *nfnl.Builder) { syn(b); trace(b) }}},
		{"input", 1, lastButOne, []func(*nfnl.Builder){func(b *nfnl.Builder) { syn(b); drop(b) }}},
		{guardForward, 2, lastButOne, []func(*nfnl.Builder){func(b *nfnl.Builder) { syn(b); drop(b) }}},
		{"output", 3, first, []func(*nfnl.Builder){
			func(b *nfnl.Builder) { proto(b, unix.IPPROTO_TCP); payload(b, 8, ack); drop(b) },
			// The refused packet's own header follows the ICMP header of eight bytes and an IP header.
			func(b *nfnl.Builder) { proto(b, unix.IPPROTO_ICMP); payload(b, 8+20+4, seq); drop(b) },
			func(b *nfnl.Builder) { proto(b, unix.IPPROTO_ICMPV6); payload(b, 8+40+4, seq); drop(b) },
		}},
	} {
		msgs = append(msgs, guardChain(c.name, c.hook, c.prio))
		for _, rule := range c.rules {
			msgs = append(msgs, guardRule(c.name, rule))
		}
	}
	return msgs
}

func word(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func guardChain(name string, hook, prio uint32) nfnl.Message {
	var c nfnl.Builder
	c.PutStr(1, guardTable)
	c.PutStr(3, name)
	c.Nest(4, func() {
		c.PutBE32(1, hook)
		c.PutBE32(2, prio)
	})
	c.PutBE32(5, 1) // accept
	c.PutStr(7, "filter")
	return nfnl.Message{Type: msgNewChain, Family: uint8(ruleset.INET), Flags: flagCreate, Attrs: c.B}
}

func guardRule(chain string, exprs func(*nfnl.Builder)) nfnl.Message {
	var r nfnl.Builder
	r.PutStr(1, guardTable)
	r.PutStr(2, chain)
	r.Nest(4, func() { exprs(&r) })
	return nfnl.Message{Type: msgNewRule, Family: uint8(ruleset.INET), Flags: flagCreate | flagAppend, Attrs: r.B}
}

// expr adds one expression.
func expr(b *nfnl.Builder, name string, attrs func()) {
	b.Nest(1, func() {
		b.PutStr(1, name)
		b.Nest(2, attrs)
	})
}

// equal compares the register that was loaded last.
func equal(b *nfnl.Builder, want []byte) {
	expr(b, "cmp", func() {
		b.PutBE32(1, reg1)
		b.PutBE32(2, 0)
		b.Nest(3, func() { b.Put(1, want) })
	})
}

// proto matches the transport protocol.
func proto(b *nfnl.Builder, p uint8) {
	expr(b, "meta", func() {
		b.PutBE32(1, reg1)
		b.PutBE32(2, metaL4Proto)
	})
	equal(b, []byte{p})
}

// payload matches bytes of the transport header.
func payload(b *nfnl.Builder, at uint32, want []byte) {
	expr(b, "payload", func() {
		b.PutBE32(1, reg1)
		b.PutBE32(2, baseTransport)
		b.PutBE32(3, at)
		b.PutBE32(4, uint32(len(want)))
	})
	equal(b, want)
}

func drop(b *nfnl.Builder) {
	expr(b, "immediate", func() {
		b.PutBE32(1, 0)
		b.Nest(2, func() { b.Nest(2, func() { b.PutBE32(1, 0) }) })
	})
}

func trace(b *nfnl.Builder) {
	expr(b, "immediate", func() {
		b.PutBE32(1, reg1)
		b.Nest(2, func() { b.Put(1, []byte{1}) })
	})
	expr(b, "meta", func() {
		b.PutBE32(2, metaNFTrace)
		b.PutBE32(3, reg1)
	})
}
