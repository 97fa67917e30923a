package eval_test

import (
	"net/netip"
	"testing"

	"github.com/originward/originward/internal/firewall/eval"
	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/nft"
	"github.com/originward/originward/internal/firewall/render"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// one is a host whose only rule has the given expressions, as the kernel would send them.
func one(t *testing.T, exprs []byte) *eval.Host {
	t.Helper()
	d := nft.NewDecoder()
	put := func(f func(nfnl.Message) error, build func(b *nfnl.Builder)) error {
		var b nfnl.Builder
		build(&b)
		return f(nfnl.Message{Family: uint8(ruleset.INET), Attrs: b.B})
	}
	err := put(d.Table, func(b *nfnl.Builder) { b.PutStr(1, "t") })
	chain := func(name string, hook bool) {
		if err == nil {
			err = put(d.Chain, func(b *nfnl.Builder) {
				b.PutStr(1, "t")
				b.PutStr(3, name)
				if hook {
					b.Nest(4, func() { b.PutBE32(1, 1); b.PutBE32(2, 0) })
					b.PutBE32(5, 1)
					b.PutStr(7, "filter")
				}
			})
		}
	}
	chain("i", true)
	chain("c", false)
	if err == nil {
		err = put(d.Set, func(b *nfnl.Builder) {
			b.PutStr(1, "t")
			b.PutStr(2, "s")
			b.PutBE32(3, 0)
			b.PutBE32(5, 4)
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if put(d.Rule, func(b *nfnl.Builder) { b.PutStr(1, "t"); b.PutStr(2, "i"); b.PutBE64(3, 7); b.Put(4, exprs) }) != nil {
		t.Skip("no rule")
	}
	p := netip.MustParsePrefix
	n := &fib.Net{Links: []fib.Link{{Index: 2, Name: "eth0", Type: 1, Up: true}}, Addrs: []fib.Addr{{Prefix: p("203.0.113.10/24"), Index: 2}}}
	n.V4.Routes = []fib.Route{{Dst: p("203.0.113.10/32"), Table: fib.TableLocal, Type: fib.Local, Oifs: []int{2}}, {Dst: p("0.0.0.0/0"), Table: fib.TableMain, Type: fib.Unicast, Oifs: []int{2}}}
	n.V4.Rules = []fib.Rule{{Table: fib.TableLocal, SuppressLen: -1}, {Table: fib.TableMain, SuppressLen: -1}}
	return &eval.Host{Rules: d.Ruleset(), Net: n}
}

// exprBytes builds expressions.
func exprBytes(build func(e func(name string, f func(b *nfnl.Builder)))) []byte {
	var b nfnl.Builder
	build(func(name string, f func(b *nfnl.Builder)) {
		b.Nest(1, func() {
			b.PutStr(1, name)
			b.Nest(2, func() { f(&b) })
		})
	})
	return b.B
}

func saddrDrop(mask []byte) []byte {
	return exprBytes(func(e func(string, func(*nfnl.Builder))) {
		e("payload", func(b *nfnl.Builder) { b.PutBE32(1, 1); b.PutBE32(2, 1); b.PutBE32(3, 12); b.PutBE32(4, 4) })
		if mask != nil {
			e("bitwise", func(b *nfnl.Builder) {
				b.PutBE32(1, 1)
				b.PutBE32(2, 1)
				b.PutBE32(3, 4)
				b.Nest(4, func() { b.Put(1, mask) })
				b.Nest(5, func() { b.Put(1, []byte{0, 0, 0, 0}) })
			})
		}
		e("cmp", func(b *nfnl.Builder) {
			b.PutBE32(1, 1)
			b.PutBE32(2, 0)
			b.Nest(3, func() { b.Put(1, []byte{104, 16, 0, 0}) })
		})
		e("immediate", func(b *nfnl.Builder) { b.PutBE32(1, 0); b.Nest(2, func() { b.Nest(2, func() { b.PutBE32(1, 0) }) }) })
	})
}

// FuzzRule evaluates and renders rules made of arbitrary bytes: nothing may panic, every source has to have an end, and
// an expression nobody knows must never leave a certain answer behind it.
func FuzzRule(f *testing.F) {
	f.Add(saddrDrop(nil))
	f.Add(saddrDrop([]byte{255, 248, 0, 0}))
	f.Add(saddrDrop([]byte{255, 0, 0, 255}))
	f.Add(exprBytes(func(e func(string, func(*nfnl.Builder))) {
		e("ct", func(b *nfnl.Builder) { b.PutBE32(1, 1); b.PutBE32(2, 0) })
		e("lookup", func(b *nfnl.Builder) { b.PutStr(1, "s"); b.PutBE32(2, 1) })
		e("limit", func(b *nfnl.Builder) { b.PutBE64(1, 5); b.PutBE64(2, 1) })
		e("brand new", func(b *nfnl.Builder) { b.PutBE32(1, 1) })
	}))
	f.Fuzz(func(t *testing.T, exprs []byte) {
		h := one(t, exprs)
		r := h.Run(eval.Query{Width: 32, Dst: interval.FromAddr(netip.MustParseAddr("203.0.113.10")), Port: 80, In: h.Net.ByName("eth0")})
		size := 0.0
		for _, s := range r.Segments() {
			size += s.Set.Size()
			for _, o := range s.Outcomes {
				r.Path(o, interval.FromUint(0x08080808))
			}
		}
		if size != 0x1p32 {
			t.Fatalf("the segments hold %v addresses", size)
		}
		for _, c := range h.Rules.Tables[0].Chains {
			for _, rule := range c.Rules {
				render.Text(rule)
				render.Iptables(rule, nil)
			}
		}
	})
}
