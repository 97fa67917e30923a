package nft

import (
	"testing"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// expression builds what the kernel sends for one.
func expression(name string, f func(b *nfnl.Builder)) []byte {
	var b nfnl.Builder
	b.PutStr(1, name)
	b.Nest(2, func() { f(&b) })
	return b.B
}

// TestUnknownExpression: whatever is not known in full is unknown, by name, and never something else.
func TestUnknownExpression(t *testing.T) {
	cmp := func(more func(b *nfnl.Builder)) []byte {
		return expression("cmp", func(b *nfnl.Builder) {
			b.PutBE32(1, 1)
			b.PutBE32(2, 0)
			b.Nest(3, func() { b.Put(1, []byte{0, 80}) })
			more(b)
		})
	}
	if e := decodeExpr(cmp(func(*nfnl.Builder) {}), ruleset.INET); e.Kind != ruleset.KindCmp || string(e.Value()) != "\x00\x50" {
		t.Errorf("cmp: %+v", e)
	}
	for name, b := range map[string][]byte{
		"a new expression":        expression("inner2", func(b *nfnl.Builder) { b.PutBE32(1, 1) }),
		"a new attribute":         cmp(func(b *nfnl.Builder) { b.PutBE32(9, 1) }),
		"a broken attribute list": expression("cmp", func(b *nfnl.Builder) { b.B = append(b.B, 200, 0, 1, 0) }),
		"no name":                 {},
		"a register too high": expression("payload", func(b *nfnl.Builder) {
			b.PutBE32(1, 99)
			b.PutBE32(2, 1)
			b.PutBE32(3, 12)
			b.PutBE32(4, 4)
		}),
	} {
		if e := decodeExpr(b, ruleset.INET); e.Kind != ruleset.KindUnknown || e.X == nil || e.X.Name == "" {
			t.Errorf("%s: kind %d, %+v", name, e.Kind, e.X)
		}
	}
}

// elem adds an element with a key.
func elem(b *nfnl.Builder, key []byte, flags uint32, more func()) {
	b.Nest(1, func() {
		if key != nil {
			b.Nest(1, func() { b.Put(1, key) })
		}
		if flags != 0 {
			b.PutBE32(3, flags)
		}
		if more != nil {
			more()
		}
	})
}

func readElems(s *ruleset.Set, list []byte) error {
	var b nfnl.Builder
	b.Put(3, list)
	r := newElemReader(s, 1000)
	if err := r.message(nfnl.Message{Attrs: b.B}); err != nil {
		return err
	}
	r.finish()
	return nil
}

func v4set(flags uint32) *ruleset.Set {
	return &ruleset.Set{Table: &ruleset.Table{Family: ruleset.IP}, Name: "s", KeyLen: 4, KeyType: 7, Flags: flags, Count: -1}
}

func TestIntervals(t *testing.T) {
	var b nfnl.Builder
	// As an interval set is dumped: from the end, each range as its start and the first address behind it.
	elem(&b, []byte{200, 0, 0, 0}, 0, nil) // open to the top
	elem(&b, []byte{104, 24, 0, 0}, elemEnd, nil)
	elem(&b, []byte{104, 16, 0, 0}, 0, func() { b.PutBE64(5, 5000); b.PutBE64(4, 60000) })
	elem(&b, []byte{104, 16, 0, 0}, elemEnd, nil) // the end of a range that touches
	elem(&b, []byte{104, 0, 0, 0}, 0, nil)
	elem(&b, []byte{0, 0, 0, 0}, elemEnd, nil)
	s := v4set(ruleset.SetInterval | ruleset.SetTimeout)
	if err := readElems(s, b.B); err != nil {
		t.Fatal(err)
	}
	n := interval.FromUint
	want := []interval.Iv{{Lo: n(0x68000000), Hi: n(0x680fffff)}, {Lo: n(0x68100000), Hi: n(0x6817ffff)}, {Lo: n(0xc8000000), Hi: n(0xffffffff)}}
	if len(s.Keys) != len(want) {
		t.Fatalf("%v", s.Keys)
	}
	for i, w := range want {
		if s.Keys[i] != w {
			t.Errorf("range %d: %v, want %v", i, s.Keys[i], w)
		}
	}
	if len(s.Life) != 3 || s.Life[0].Expires != 0 || s.Life[1].Expires.Seconds() != 5 || s.Life[1].Timeout.Seconds() != 60 {
		t.Errorf("lifetimes %v", s.Life)
	}
}

func TestElementsTwice(t *testing.T) {
	for _, flags := range []uint32{0, ruleset.SetInterval} {
		var b nfnl.Builder
		for range 2 {
			elem(&b, []byte{192, 0, 2, 1}, 0, nil)
			elem(&b, []byte{192, 0, 2, 2}, elemEnd*(flags/ruleset.SetInterval), nil)
		}
		s := v4set(flags)
		if err := readElems(s, b.B); err != nil {
			t.Fatal(err)
		}
		for i, k := range s.Keys {
			if k.Hi.Less(k.Lo) || i > 0 && !s.Keys[i-1].Hi.Less(k.Lo) {
				t.Errorf("flags %#x: %v", flags, s.Keys)
			}
		}
	}
}

// TestElementRefused: a set whose elements are not understood is not read, rather than read in part.
func TestElementRefused(t *testing.T) {
	key := []byte{192, 0, 2, 1}
	for name, build := range map[string]func(b *nfnl.Builder){
		"a new attribute": func(b *nfnl.Builder) { elem(b, key, 0, func() { b.PutBE32(99, 1) }) },
		"a new flag":      func(b *nfnl.Builder) { elem(b, key, 0x80, nil) },
		"a short key":     func(b *nfnl.Builder) { elem(b, key[:2], 0, nil) },
		"no key":          func(b *nfnl.Builder) { elem(b, nil, 0, nil) },
	} {
		var b nfnl.Builder
		build(&b)
		if err := readElems(v4set(0), b.B); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// FuzzElements reads arbitrary bytes as the elements of each kind of set: no panic, and keys that look-ups can rely on.
func FuzzElements(f *testing.F) {
	var b nfnl.Builder
	elem(&b, []byte{192, 0, 2, 1}, 0, func() { b.PutBE64(4, 1000) })
	elem(&b, []byte{192, 0, 2, 9}, elemEnd, nil)
	elem(&b, nil, elemCatchAll, nil)
	for kind := range uint8(4) {
		f.Add(kind, b.B)
	}
	f.Fuzz(func(t *testing.T, kind uint8, list []byte) {
		s := v4set([]uint32{0, ruleset.SetInterval, ruleset.SetInterval | ruleset.SetConcat, ruleset.SetMap}[kind%4])
		if kind%4 == 3 {
			s.DataType, s.DataLen = 0xffffff00, 16
		}
		if readElems(s, list) != nil {
			return
		}
		for i, k := range s.Keys {
			if k.Hi.Less(k.Lo) || i > 0 && !s.Keys[i-1].Hi.Less(k.Lo) {
				t.Fatalf("keys out of order: %v", s.Keys)
			}
		}
		if s.Info != nil && len(s.Info) != len(s.Keys) || s.Life != nil && len(s.Life) != len(s.Keys) {
			t.Fatalf("%d keys, %d extras, %d lifetimes", len(s.Keys), len(s.Info), len(s.Life))
		}
	})
}

// FuzzSetAndChain reads arbitrary bytes as the other objects of a table.
func FuzzSetAndChain(f *testing.F) {
	var b nfnl.Builder
	b.PutStr(1, "t")
	b.PutStr(3, "c")
	b.Nest(4, func() { b.PutBE32(1, 1); b.PutBE32(2, 0) })
	f.Add(b.B)
	f.Fuzz(func(t *testing.T, attrs []byte) {
		d := NewDecoder()
		var name nfnl.Builder
		name.PutStr(1, "t")
		if err := d.Table(nfnl.Message{Family: uint8(ruleset.INET), Attrs: name.B}); err != nil {
			t.Fatal(err)
		}
		m := nfnl.Message{Family: uint8(ruleset.INET), Attrs: attrs}
		for _, f := range []func(nfnl.Message) error{d.Table, d.Chain, d.Set, d.Object, d.Rule} {
			if err := f(m); err != nil && err.Error() == "" {
				t.Fatal("an error without words")
			}
		}
		for _, table := range d.Ruleset().Tables {
			for _, c := range table.Chains {
				if c.Table != table || c.Name == "" {
					t.Fatalf("chain %q hangs on no table", c.Name)
				}
			}
		}
	})
}
