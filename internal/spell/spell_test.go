package spell

import (
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		n    int
	}{
		{"", "abc", 3}, {"kitten", "sitting", 3}, {"sever_name", "server_name", 1}, {"a", "a", 0}, {"ab", "ba", 2},
		{strings.Repeat("x", 65), "x", 65},
	} {
		if n := Distance(c.a, c.b); n != c.n {
			t.Errorf("%s %s: %d, want %d", c.a, c.b, n, c.n)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		wrong, near string
		sole        bool
	}{{"lisen", "listen", true}, {"zone", "zones", true}, {"frobnicate", "", false}, {"cat", "bat", false}} {
		if near, sole := Nearest(c.wrong, []string{"listen", "zones", "bat", "hat"}); near != c.near || sole != c.sole {
			t.Errorf("%s: %q, %t", c.wrong, near, sole)
		}
	}
}
