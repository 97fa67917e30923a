package routes

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

func prefixes(s string) (out []netip.Prefix) {
	for _, f := range strings.Fields(s) {
		out = append(out, netip.MustParsePrefix(f))
	}
	return out
}

func text(ps []netip.Prefix) string {
	var out []string
	for _, p := range ps {
		out = append(out, p.String())
	}
	return strings.Join(out, " ")
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		r, cuts, want string
	}{
		{"10.0.0.0/8", "", "10.0.0.0/8"},
		{"10.0.0.0/8", "10.0.0.0/8 0.0.0.0/1 11.0.0.0/9", "10.0.0.0/8"},
		{"10.0.0.0/8", "10.128.0.0/9", "10.0.0.0/9 10.128.0.0/9"},
		{"10.0.0.0/8", "10.0.0.0/10", "10.0.0.0/10 10.64.0.0/10 10.128.0.0/9"},
		{"2400:cb00::/32", "2400:cb00:8000::/33", "2400:cb00::/33 2400:cb00:8000::/33"},
		{"192.0.2.0/30", "192.0.2.1/32", "192.0.2.0/32 192.0.2.1/32 192.0.2.2/31"},
	} {
		got, whole := split(netip.MustParsePrefix(tt.r), prefixes(tt.cuts), 100)
		if !whole || text(got) != tt.want {
			t.Errorf("%s by %s: %s (%v), want %s", tt.r, tt.cuts, text(got), whole, tt.want)
		}
	}
	if got, whole := split(netip.MustParsePrefix("10.0.0.0/8"), prefixes("10.1.2.3/32"), 5); whole || len(got) > 5 {
		t.Errorf("bound: %d pieces, whole %v", len(got), whole)
	}
}

// TestSplitAndJoin: the pieces cover the range exactly, no cut begins or ends
// inside one, and joined they are the range again.
func TestSplitAndJoin(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		r := netip.PrefixFrom(netip.AddrFrom4([4]byte{104, 16, 0, 0}), 13)
		var cuts []netip.Prefix
		for range rnd.IntN(12) {
			a := netip.AddrFrom4([4]byte{104, byte(16 + rnd.IntN(8)), byte(rnd.IntN(256)), byte(rnd.IntN(256))})
			p, _ := a.Prefix(8 + rnd.IntN(25))
			cuts = append(cuts, p)
		}
		pieces, whole := split(r, cuts, 1000)
		if !whole {
			t.Fatalf("%d pieces", len(pieces))
		}
		size := 0
		for _, p := range pieces {
			size += 1 << (32 - p.Bits())
			for _, c := range cuts {
				if p.Overlaps(c) && c.Bits() > p.Bits() {
					t.Fatalf("%s begins inside %s", c, p)
				}
			}
		}
		if size != 1<<19 {
			t.Fatalf("pieces hold %d addresses", size)
		}
		rnd.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		if got := text(join(pieces)); got != r.String() {
			t.Fatalf("joined: %s", got)
		}
	}
	if got := text(join(prefixes("10.0.1.0/24 10.0.0.0/24 10.0.2.0/24 10.0.2.0/25"))); got != "10.0.0.0/23 10.0.2.0/24" {
		t.Errorf("joined: %s", got)
	}
}

func TestLast(t *testing.T) {
	for in, want := range map[string]string{"104.16.0.0/13": "104.23.255.255", "192.0.2.1/32": "192.0.2.1", "2400:cb00::/32": "2400:cb00:ffff:ffff:ffff:ffff:ffff:ffff"} {
		if got := last(netip.MustParsePrefix(in)).String(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
