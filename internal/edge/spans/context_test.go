package spans

import (
	"fmt"
	"testing"
)

func TestParse(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for s, want := range map[string]bool{
		good:                   true,
		good[:53] + "00":       true,
		good[:53] + "ff":       true,
		"01" + good[2:]:        true,
		"01" + good[2:] + "-x": true,
		"01" + good[2:] + "x":  false,
		good + "-x":            false,
		"ff" + good[2:]:        false,
		"":                     false,
		good[:54]:              false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01": false,
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01": false,
		"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": false,
	} {
		if _, _, _, ok := parse([]byte(s)); ok != want {
			t.Errorf("%q is taken: %v, want %v", s, ok, want)
		}
	}
	c := begin([]byte(good), 0)
	if got := string(c.AppendParent(nil)); got != fmt.Sprintf("00-%s-%s-01", c.Trace, c.Span) || got[:36] != good[:36] || c.Parent.String() != good[36:52] {
		t.Errorf("goes on as %s", got)
	}
}

// The share of requests that is sampled is the one asked for, and the id alone decides.
func TestShare(t *testing.T) {
	for _, share := range []float64{0, 0.25, 1} {
		const n = 20000
		hits := 0
		for range n {
			if begin(nil, bound(share)).Sampled {
				hits++
			}
		}
		if got := float64(hits) / n; got < share-0.02 || got > share+0.02 {
			t.Errorf("of %v %v are sampled", share, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
	f.Add([]byte("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what"))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, parent, sampled, ok := parse(b)
		if !ok {
			return
		}
		c := Context{Trace: id, Span: parent, Sampled: sampled}
		again, p2, s2, ok := parse(c.AppendParent(nil))
		if !ok || again != id || p2 != parent || s2 != sampled {
			t.Errorf("%q is not read again as it was", b)
		}
	})
}

// What a request costs that is not sampled.
func BenchmarkBegin(b *testing.B) {
	b.ReportAllocs()
	var buf [64]byte
	for b.Loop() {
		c := begin(nil, 0)
		c.AppendParent(buf[:0])
	}
}
