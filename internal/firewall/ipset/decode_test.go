package ipset

import (
	"testing"
	"time"

	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// listing builds a message the kernel would send.
func listing(name, typ string, entries ...func(b *nfnl.Builder)) nfnl.Message {
	var b nfnl.Builder
	b.PutU8(1, 7)
	b.PutStr(2, name)
	b.PutBE16(11, 3)
	b.PutStr(3, typ)
	b.PutU8(5, 2)
	b.PutU8(4, 7)
	b.Nest(7, func() { b.PutBE32(6, 600) })
	b.Nest(8, func() {
		for _, e := range entries {
			b.Nest(7, func() { e(&b) })
		}
	})
	return nfnl.Message{Attrs: b.B}
}

func ip(b *nfnl.Builder, a ...byte) { b.Nest(1, func() { b.Put(1, a) }) }

func TestDecode(t *testing.T) {
	d := NewDecoder(100)
	err := d.Message(listing("black", "hash:net",
		func(b *nfnl.Builder) { ip(b, 198, 51, 100, 0); b.PutU8(3, 24); b.PutBE32(6, 30); b.PutStr(26, "why") },
		func(b *nfnl.Builder) { ip(b, 104, 16, 0, 0); b.PutU8(3, 13) },
		func(b *nfnl.Builder) { ip(b, 104, 17, 0, 0); b.PutU8(3, 16); b.PutBE32(8, flagNoMatch) },
	))
	if err != nil {
		t.Fatal(err)
	}
	d.Finish()
	s := d.Sets["black"]
	if s == nil || s.Unread != "" || len(s.Keys) != 3 || d.ByIndex[3] != "black" || s.Timeout != 10*time.Minute {
		t.Fatalf("%+v", s)
	}
	for i := 1; i < len(s.Keys); i++ {
		if s.Keys[i].Lo.Less(s.Keys[i-1].Lo) {
			t.Errorf("keys are not sorted: %v", s.Keys)
		}
	}
	if s.Except[0] || !s.Except[1] || s.Except[2] {
		t.Errorf("exceptions %v", s.Except)
	}
	if s.Life[2] != 30*time.Second || s.Comments[2] != "why" {
		t.Errorf("life %v, comments %v: they belong to the last key", s.Life, s.Comments)
	}
}

func TestDecodePorts(t *testing.T) {
	d := NewDecoder(100)
	if err := d.Message(listing("web", "hash:ip,port", func(b *nfnl.Builder) { ip(b, 1, 2, 3, 4); b.PutBE16(4, 80); b.PutU8(7, 6) })); err != nil {
		t.Fatal(err)
	}
	if e := d.Sets["web"].Entries; len(e) != 1 || e[0].Port != 80 || e[0].Proto != 6 {
		t.Errorf("%+v", e)
	}
}

// TestUnknown: an attribute nobody knows makes the set unread, with the reason.
func TestUnknown(t *testing.T) {
	d := NewDecoder(100)
	if err := d.Message(listing("new", "hash:net", func(b *nfnl.Builder) { ip(b, 1, 2, 3, 4); b.PutBE32(77, 1) })); err != nil {
		t.Fatal(err)
	}
	if s := d.Sets["new"]; s.Unread == "" {
		t.Errorf("%+v", s)
	}
	d = NewDecoder(1)
	two := func(b *nfnl.Builder) { ip(b, 1, 2, 3, 4) }
	if err := d.Message(listing("big", "hash:ip", two, two)); err != nil {
		t.Fatal(err)
	}
	if s := d.Sets["big"]; s.Unread == "" || s.Keys != nil {
		t.Errorf("more entries than the limit: %+v", s)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(listing("black", "hash:net", func(b *nfnl.Builder) { ip(b, 1, 2, 3, 4); b.PutU8(3, 24) }).Attrs)
	f.Add(listing("l", "list:set", func(b *nfnl.Builder) { b.PutStr(18, "x") }).Attrs)
	f.Fuzz(func(t *testing.T, b []byte) {
		d := NewDecoder(1000)
		if d.Message(nfnl.Message{Attrs: b, Family: uint8(ruleset.IP)}) == nil {
			d.Finish()
		}
	})
}
