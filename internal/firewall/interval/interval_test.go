package interval

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// model is a set over a small universe, the slow and obvious way.
type model [4096]bool

func (m *model) set(lo, hi int, v bool) {
	for i := lo; i <= hi; i++ {
		m[i] = v
	}
}

func check(t *testing.T, what string, s *Set, m *model) {
	t.Helper()
	prev := -2
	seen := 0
	s.Each(func(iv Iv) bool {
		lo, hi := int(iv.Lo.Lo), int(iv.Hi.Lo)
		if lo > hi || lo <= prev+1 && prev >= 0 {
			t.Fatalf("%s: range %d-%d after %d is unsorted, empty or not joined", what, lo, hi, prev)
		}
		for i := prev + 1; i < lo; i++ {
			if i >= 0 && m[i] {
				t.Fatalf("%s: %d is missing", what, i)
			}
		}
		for i := lo; i <= hi; i++ {
			if !m[i] {
				t.Fatalf("%s: %d is too much", what, i)
			}
			seen++
		}
		prev = hi
		return true
	})
	for i := prev + 1; i < len(m); i++ {
		if i >= 0 && m[i] {
			t.Fatalf("%s: %d is missing", what, i)
		}
	}
	if int(s.Size()) != seen {
		t.Fatalf("%s: Size %v, want %d", what, s.Size(), seen)
	}
}

func randomSet(r *rand.Rand, n int) (*Set, *model) {
	m := &model{}
	var ivs []Iv
	for range n {
		lo := r.IntN(4096)
		hi := min(4095, lo+r.IntN(8))
		m.set(lo, hi, true)
		ivs = append(ivs, Iv{FromUint(uint64(lo)), FromUint(uint64(hi))})
	}
	return Of(ivs...), m
}

// TestAgainstModel compares every operation with the slow model, with sets large enough to need several chunks.
func TestAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		s, m := randomSet(r, r.IntN(1500))
		u, um := randomSet(r, []int{1, 3, 40, 1200}[round%4])
		check(t, "of", s, m)
		clone, before := s.Clone(), *m

		for range 60 {
			lo := r.IntN(4096)
			hi := min(4095, lo+r.IntN(1+r.IntN(300)))
			rg := Iv{FromUint(uint64(lo)), FromUint(uint64(hi))}
			if r.IntN(2) == 0 {
				cm := &model{}
				for i := lo; i <= hi; i++ {
					cm[i] = m[i]
				}
				check(t, "carved", Of(s.Carve(rg, nil)...), cm)
				m.set(lo, hi, false)
			} else {
				s.AddRange(rg)
				m.set(lo, hi, true)
			}
			if got, want := s.Contains(FromUint(uint64(lo))), m[lo]; got != want {
				t.Fatalf("Contains(%d) = %v, want %v", lo, got, want)
			}
		}
		check(t, "carve/add", s, m)
		check(t, "clone", clone, &before)

		im, dm := &model{}, &model{}
		for i := range m {
			im[i] = m[i] && um[i]
			dm[i] = m[i] && !um[i]
		}
		check(t, "intersect", s.Intersect(u), im)
		check(t, "subtract", s.Subtract(u), dm)
		check(t, "after subtract", s, m)
		if got, want := s.SizeWithin(u), s.Intersect(u).Size(); got != want {
			t.Fatalf("SizeWithin %v, want %v", got, want)
		}
		wide := Of(Iv{FromUint(0), FromUint(4095)})
		check(t, "extracted from all", wide.Extract(u), um)
		left := &model{}
		for i := range um {
			left[i] = !um[i]
		}
		check(t, "left of all", wide, left)
		check(t, "extracted", s.Extract(u), im)
		check(t, "left by extract", s, dm)
		check(t, "argument of extract", u, um)
		s.Add(u)
		for i := range m {
			dm[i] = dm[i] || um[i]
		}
		check(t, "add", s, dm)
	}
}

func TestPrefixes(t *testing.T) {
	iv := Iv{FromAddr(netip.MustParseAddr("10.0.0.1")), FromAddr(netip.MustParseAddr("10.0.0.6"))}
	got, n := Prefixes(iv, 32, 0)
	want := []string{"10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"}
	if n != len(want) {
		t.Fatalf("%d prefixes, want %d", n, len(want))
	}
	for i, p := range got {
		if p.String() != want[i] {
			t.Errorf("prefix %d is %s, want %s", i, p, want[i])
		}
	}
	if p, n := Prefixes(Iv{Hi: Max(128)}, 128, 1); n != 1 || p[0].String() != "::/0" {
		t.Errorf("whole space: %v, %d", p, n)
	}
	if p, n := Prefixes(Iv{FromUint(1), Max(128)}, 128, 3); n != 128 || len(p) != 3 {
		t.Errorf("all but zero: %d listed of %d, want 3 of 128", len(p), n)
	}
}

func TestCountPrefixes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		width := []int{32, 128}[r.IntN(2)]
		v := func() U128 {
			return U128{r.Uint64(), r.Uint64()}.And(Max(width)).And(U128{^uint64(0) << r.IntN(64), ^uint64(0) << r.IntN(64)})
		}
		lo, hi := v(), v()
		if hi.Less(lo) {
			lo, hi = hi, lo
		}
		if r.IntN(4) == 0 {
			hi = Max(width)
		}
		_, want := Prefixes(Iv{lo, hi}, width, 1)
		if got := countPrefixes(Iv{lo, hi}, width); got != want {
			t.Fatalf("%v-%v width %d: %d prefixes, want %d", lo, hi, width, got, want)
		}
	}
}

func TestMasked(t *testing.T) {
	for _, c := range []struct {
		mask, value uint64
		want        int
		ok          bool
	}{
		{0xffffff00, 0x0a000000, 1, true},
		{0xff0000ff, 0x0a000001, 0, false},
		{0xffff0fff, 0x0a000001, 16, true},
		{0xffffff00, 0x0a000001, 0, true},
		{0xffffffff, 5, 1, true},
		{0, 0, 1, true},
	} {
		ivs, ok := Masked(FromUint(c.mask), FromUint(c.value), 32, 4096)
		if ok != c.ok || len(ivs) != c.want {
			t.Errorf("mask %x value %x: %d ranges, %v; want %d, %v", c.mask, c.value, len(ivs), ok, c.want, c.ok)
		}
		for _, iv := range ivs {
			if iv.Lo.Lo&c.mask != c.value || iv.Hi.Lo&c.mask != c.value {
				t.Errorf("mask %x: %v does not match", c.mask, iv)
			}
		}
	}
}

// BenchmarkCarve50k carves fifty thousand single addresses out of the IPv4 space, in random order.
func BenchmarkCarve50k(b *testing.B) {
	order := rand.New(rand.NewPCG(3, 4)).Perm(50_000)
	b.ReportAllocs()
	for b.Loop() {
		s := Of(Iv{Hi: Max(32)})
		var out []Iv
		for _, n := range order {
			v := FromUint(uint64(n)*7919 + 12345)
			out = s.Carve(Iv{v, v}, out[:0])
		}
		if s.Len() != 50_001 {
			b.Fatalf("%d ranges", s.Len())
		}
	}
}
