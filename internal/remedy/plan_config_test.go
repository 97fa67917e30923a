package remedy

import "testing"

func TestClosest(t *testing.T) {
	for word, want := range map[string]string{"sever_name": "server_name", "lisen": "listen", "frobnicate": "", "rot": "root", "st": ""} {
		if got := closest(word, nginxWords); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
