package remedy

import "testing"

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		n    int
	}{{"", "abc", 3}, {"kitten", "sitting", 3}, {"sever_name", "server_name", 1}, {"a", "a", 0}, {"ab", "ba", 2}} {
		if n := distance(tt.a, tt.b); n != tt.n {
			t.Errorf("%s %s: %d, want %d", tt.a, tt.b, n, tt.n)
		}
	}
	for word, want := range map[string]string{"sever_name": "server_name", "lisen": "listen", "frobnicate": "", "rot": "root", "st": ""} {
		if got := closest(word, nginxWords); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
