package lab

import "testing"

// TestFixReasons: what is said about worlds is said about worlds that exist,
// and most worlds with a cause on the host are to be cured.
func TestFixReasons(t *testing.T) {
	for _, list := range []map[string]string{notHere, passing} {
		for name, why := range list {
			if _, err := Find(name); err != nil {
				t.Error(err)
			}
			if why == "" {
				t.Errorf("%s: no reason", name)
			}
		}
	}
	cure := 0
	for _, w := range Worlds() {
		if notCurable(w) == "" {
			cure++
		} else if _, ok := passing[w.Name]; ok {
			t.Errorf("%s is not cured, so nothing about its undo can be said", w.Name)
		}
	}
	if cure < 80 {
		t.Errorf("only %d worlds are to be cured", cure)
	}
}
