package outside

import (
	"net/netip"
	"testing"
)

// TestPortOfAKnownAddress: an address that is looked at with its usual ports may
// be named once more with another one.
func TestPortOfAKnownAddress(t *testing.T) {
	r := &run{goals: map[goalKey]bool{}}
	at := netip.MustParseAddr("203.0.113.10")
	for _, c := range []struct {
		port uint16
		want bool
	}{{0, true}, {0, false}, {443, false}, {80, false}, {8443, true}, {8443, false}} {
		if got := r.first(goal{addr: at, port: c.port}); got != c.want {
			t.Errorf("port %d is looked at: %v", c.port, got)
		}
	}
}
