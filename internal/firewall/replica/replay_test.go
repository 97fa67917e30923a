//go:build linux

package replica

import (
	"bytes"
	"testing"

	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// rule builds a dumped rule with the given expressions.
func rule(build func(e func(name string, f func(b *nfnl.Builder)))) []byte {
	var b nfnl.Builder
	b.PutStr(1, "t")
	b.PutStr(2, "c")
	b.PutBE64(3, 7)
	b.Nest(4, func() {
		build(func(name string, f func(b *nfnl.Builder)) {
			b.Nest(1, func() {
				b.PutStr(1, name)
				b.Nest(2, func() { f(&b) })
			})
		})
	})
	return b.B
}

// TestReplayRule: a rule goes back without its handle, with the number its ipset has in the copy.
func TestReplayRule(t *testing.T) {
	info := make([]byte, 40)
	info[0] = 3 // the set's index on the host
	attrs := rule(func(e func(string, func(*nfnl.Builder))) {
		e("match", func(b *nfnl.Builder) {
			b.PutStr(1, "set")
			b.PutBE32(2, 4)
			b.Put(3, info)
		})
	})
	out, cut := replayRule(nfnl.Message{Family: uint8(ruleset.IP), Attrs: attrs}, map[uint16]uint16{3: 9})
	if cut != "" {
		t.Fatalf("cut at %s", cut)
	}
	if attr(out.Attrs, 3) != nil {
		t.Error("the handle is sent back")
	}
	if attr(out.Attrs, 5) == nil {
		t.Error("a rule with an xt match says nothing about its protocol")
	}
	elem := attr(attr(out.Attrs, 4), 1)
	if got := attr(attr(elem, 2), 3); len(got) != len(info) || got[0] != 9 || !bytes.Equal(got[2:], info[2:]) {
		t.Errorf("match %x", got)
	}
}

// FuzzReplayRule: whatever a kernel dumps, what is sent back is well formed.
func FuzzReplayRule(f *testing.F) {
	f.Add(rule(func(e func(string, func(*nfnl.Builder))) {
		e("payload", func(b *nfnl.Builder) { b.PutBE32(1, 1); b.PutBE32(2, 1); b.PutBE32(3, 12); b.PutBE32(4, 4) })
		e("dynset", func(b *nfnl.Builder) { b.PutStr(1, "s"); b.PutBE32(3, 0); b.PutBE32(4, 1) })
		e("match", func(b *nfnl.Builder) { b.PutStr(1, "set"); b.PutBE32(2, 4); b.Put(3, make([]byte, 40)) })
	}))
	f.Fuzz(func(t *testing.T, attrs []byte) {
		out, _ := replayRule(nfnl.Message{Family: uint8(ruleset.IP), Attrs: attrs}, map[uint16]uint16{0: 1})
		it := nfnl.Attrs(out.Attrs)
		for it.Next() {
		}
		if it.Err != nil {
			t.Fatal(it.Err)
		}
	})
}

// FuzzEvent: a trace event of any bytes.
func FuzzEvent(f *testing.F) {
	var b nfnl.Builder
	b.PutStr(1, "t")
	b.PutStr(2, "c")
	b.PutBE64(3, 7)
	b.PutBE32(4, 3)
	b.Nest(5, func() { b.PutBE32(1, 0xfffffffd); b.PutStr(2, "next") })
	b.PutBE32(6, 1)
	ip := segment(flows()[0], flagSYN, 7, 0)
	b.Put(8, ip[:20])
	b.Put(9, ip[20:])
	f.Add(b.B)
	f.Fuzz(func(t *testing.T, attrs []byte) {
		e, ok := decodeEvent(nfnl.Message{Family: uint8(ruleset.IP), Attrs: attrs})
		if ok && e.HasFlow && !e.Flow.Src.IsValid() {
			t.Fatalf("%+v", e)
		}
		_ = e.String()
	})
}
