package names

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/originward/originward/internal/observe/host/hosttest"
)

func TestLookup(t *testing.T) {
	fs := hosttest.Tree(t, "/", "-- /etc/hosts --\n127.0.0.1 localhost\n# comment\n192.0.2.7 Shop.example www # x\n::1 shop.example\nbad line here\n")
	var asked atomic.Int32
	b := New(fs, func(_ context.Context, name string) ([]netip.Addr, error) {
		asked.Add(1)
		switch name {
		case "api.internal":
			return []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("10.0.0.1")}, nil
		case "slow":
			return nil, &net.DNSError{IsTimeout: true}
		case "odd":
			return nil, errors.New("odd")
		}
		return nil, &net.DNSError{IsNotFound: true}
	})
	for name, want := range map[string]Answer{
		"shop.example.": {Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.IPv6Loopback()}, From: "/etc/hosts", Line: 3},
		"[::1]":         {Addrs: []netip.Addr{netip.IPv6Loopback()}, From: "address"},
		"API.internal":  {Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, From: "resolver"},
		"none.example":  {Failure: "nxdomain", From: "resolver"},
		"slow":          {Failure: "timeout", From: "resolver"},
		"odd":           {Failure: "failed", From: "resolver"},
	} {
		got := b.Lookup(t.Context(), name)
		if len(got.Addrs) != len(want.Addrs) || got.Failure != want.Failure || got.From != want.From || got.Line != want.Line {
			t.Errorf("%s: %+v, want %+v", name, got, want)
			continue
		}
		for i := range want.Addrs {
			if got.Addrs[i] != want.Addrs[i] {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
	}
	before := asked.Load()
	b.Lookup(t.Context(), "api.internal")
	if asked.Load() != before {
		t.Error("a name was asked twice")
	}
}

func FuzzHosts(f *testing.F) {
	f.Add([]byte("127.0.0.1 localhost\n::1 a b # c\n"))
	f.Add([]byte("\x00 \xff\n1.2.3.4"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, h := range parseHosts(b) {
			if len(h.names) == 0 || !h.addr.IsValid() {
				t.Errorf("%+v", h)
			}
		}
	})
}
