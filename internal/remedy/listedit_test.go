package remedy

import (
	"math/rand"
	"slices"
	"testing"
)

// apply carries operations out the way iptables does.
func apply(now []string, ops listOps) []string {
	out := slices.Clone(now)
	for _, i := range ops.Delete {
		out = slices.Delete(out, i, i+1)
	}
	for _, in := range ops.Insert {
		out = slices.Insert(out, in.At, in.Text)
	}
	return out
}

func TestListEdit(t *testing.T) {
	for _, tt := range []struct{ name, from, to, now, want string }{
		{"as planned", "abcd", "acd", "abcd", "acd"},
		{"insert in the middle", "abc", "abxc", "abc", "abxc"},
		{"insert first and last", "b", "abc", "b", "abc"},
		{"done already", "abc", "ac", "ac", "ac"},
		{"half done", "abcd", "ad", "acd", "ad"},
		{"another's rule stays", "abc", "ac", "aXbc", "aXc"},
		{"another's rule behind the anchor", "abc", "abyc", "abXc", "abyXc"},
		{"another took one away", "abc", "abyc", "ac", "ayc"},
		{"twice the same", "aab", "ab", "aab", "ab"},
		{"twice the same, one is there", "ab", "aab", "ab", "aab"},
		{"moved", "abc", "cab", "abc", "abc"}, // order alone is nobody's edit
		{"nothing there", "abc", "abcd", "", "d"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := listEdit{letters(tt.from), letters(tt.to)}
			got := apply(letters(tt.now), e.against(letters(tt.now)))
			if !slices.Equal(got, letters(tt.want)) {
				t.Errorf("got %v, want %s", got, tt.want)
			}
			if again := e.against(got); !again.none() {
				t.Errorf("not finished after one pass: %+v", again)
			}
		})
	}
}

func letters(s string) []string {
	out := []string{}
	for _, r := range s {
		out = append(out, string(r))
	}
	return out
}

// TestListEditBack: deletions and insertions of our own, done and taken back,
// leave the list as it was, whatever the list.
func TestListEditBack(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	for range 5000 {
		from := make([]string, rnd.Intn(8))
		for i := range from {
			from[i] = string(rune('a' + rnd.Intn(12)))
		}
		var to []string
		for _, r := range from {
			if rnd.Intn(4) > 0 {
				to = append(to, r)
			}
			if rnd.Intn(4) == 0 {
				to = append(to, string(rune('A'+rnd.Intn(26))))
			}
		}
		e := listEdit{from, to}
		fixed := apply(from, e.against(from))
		if dup(from) || dup(to) {
			continue // equal rules are interchangeable, and so are their places
		}
		if !slices.Equal(fixed, to) {
			t.Fatalf("%v to %v: got %v", from, to, fixed)
		}
		inv := e.inverse()
		if back := apply(fixed, inv.against(fixed)); !slices.Equal(back, from) {
			t.Fatalf("%v to %v and back: got %v", from, to, back)
		}
	}
}

func dup(list []string) bool {
	s := slices.Clone(list)
	slices.Sort(s)
	return len(slices.Compact(s)) != len(list)
}

func TestNFTListing(t *testing.T) {
	const listing = `table inet f {
	chain in { # handle 1
		comment "a chain # handle 9"
		type filter hook input priority filter; policy accept;
		ct state established accept # handle 4
		ip saddr { 10.0.0.0/8, 172.16.0.0/12,
			   192.168.0.0/16 } counter packets 12 bytes 3400 drop comment "x # handle 7" # handle 5
		tcp dport vmap { 80 : accept, 443 : drop } # handle 6
	}
}
`
	got := nftRules(listing)
	want := []nftRule{
		{"ct state established accept", "4"},
		{`ip saddr { 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 } counter drop comment "x # handle 7"`, "5"},
		{"tcp dport vmap { 80 : accept, 443 : drop }", "6"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestListedElements(t *testing.T) {
	got := listedElements("table ip f {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1 timeout 4h expires 3h59m comment \"a, b }\",\n\t\t\t     10.0.0.2 }\n\t}\n}\n")
	want := []string{`10.0.0.1 timeout 4h expires 3h59m comment "a, b }"`, "10.0.0.2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if k := elementKey(got[0]); k != "10.0.0.1" {
		t.Errorf("key %q", k)
	}
	if k := elementKey("162.158.0.0/15 : drop"); k != "162.158.0.0/15" {
		t.Errorf("key of a map's element: %q", k)
	}
}

func TestUnifiedDiff(t *testing.T) {
	got := unifiedDiff("/etc/x", "a\nb\nc\nd\ne\nf\ng\nh\n", "a\nb\nc\nD\ne\nf\ng\nh\n")
	want := []string{"--- a/etc/x", "+++ b/etc/x", "@@ -1,7 +1,7 @@", " a", " b", " c", "-d", "+D", " e", " f", " g"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if unifiedDiff("/x", "a\n", "a\n") != nil {
		t.Error("equal files differ")
	}
}

func FuzzNFTListing(f *testing.F) {
	f.Add("table inet f {\n\tchain in { # handle 1\n\t\ttype filter hook input priority filter; policy accept;\n\t\taccept # handle 2\n\t}\n}\n")
	f.Add("elements = { a, \"b }\" }")
	f.Add("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n")
	f.Fuzz(func(_ *testing.T, s string) {
		nftRules(s)
		listedElements(s)
		savedTable(s)
		parseSSH(s)
		parts(s)
	})
}
