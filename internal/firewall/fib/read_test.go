//go:build linux

package fib

import (
	"net/netip"
	"testing"

	"github.com/originward/originward/internal/firewall/interval"
)

// TestReadLoopback reads the real namespace: the loopback interface and its local route exist everywhere.
func TestReadLoopback(t *testing.T) {
	n, err := Read("/proc")
	if err != nil {
		t.Fatal(err)
	}
	lo := n.ByName("lo")
	if lo == nil || !lo.Loopback {
		t.Fatalf("no loopback interface among %+v", n.Links)
	}
	if !lo.Up {
		t.Skip("loopback is down here")
	}
	if !n.IsLocal(netip.MustParseAddr("127.0.0.1")) {
		t.Error("127.0.0.1 is not local")
	}
	parts, err := n.Partition(Query{Width: 32, OnlyLocal: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := AddrType4(parts, interval.FromAddr(netip.MustParseAddr("127.0.0.1"))); got != Local {
		t.Errorf("127.0.0.1 has type %d, want %d; rules %+v", got, Local, n.V4.Rules)
	}
	whole := 0.0
	for _, p := range parts {
		whole += p.Set.Size()
	}
	if whole != 0x1p32 {
		t.Errorf("the parts hold %v addresses, want all 2^32", whole)
	}
}
