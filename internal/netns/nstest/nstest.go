// Package nstest gives tests network namespaces that are removed when the test
// ends, and skips with a reason where none can be made.
package nstest

import (
	"context"
	"net/netip"
	"sync"
	"testing"

	"github.com/originward/originward/internal/netns"
)

var sweep sync.Once

// New makes a namespace for the test.
func New(t testing.TB, hint string) *netns.NS {
	t.Helper()
	if err := netns.Supported(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	sweep.Do(func() { // what a test binary that was killed has left behind
		if gone, err := netns.Sweep(); err != nil {
			t.Logf("left-over namespaces: removed %v: %v", gone, err)
		}
	})
	n, err := netns.Create(hint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("remove namespace: %v", err)
		}
	})
	return n
}

// Pair makes two connected namespaces. The first (the edge's side, say) has
// a4 and a6, the second (the origin's side) b4 and b6: prefixes such as
// "192.0.2.1/24", where empty means none. Links are named "veth0" in both.
func Pair(t testing.TB, a4, a6, b4, b6 string) (a, b *netns.NS) {
	t.Helper()
	a, b = New(t, "a"), New(t, "b")
	err := netns.Connect(a, netns.End{Link: "veth0", Addrs: prefixes(t, a4, a6)},
		b, netns.End{Link: "veth0", Addrs: prefixes(t, b4, b6)})
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func prefixes(t testing.TB, ss ...string) []netip.Prefix {
	t.Helper()
	var out []netip.Prefix
	for _, s := range ss {
		if s == "" {
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// Run runs a command in the namespace and fails the test when it fails.
func Run(t testing.TB, n *netns.NS, name string, args ...string) string {
	t.Helper()
	out, err := n.Run(context.Background(), name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
