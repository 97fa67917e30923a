package collect

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

func TestDefaults(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	edge := netip.MustParsePrefix("173.245.48.0/20")
	e := NewEnv(Ask{Now: func() time.Time { return now }, Ranges: []netip.Prefix{edge, netip.MustParsePrefix("2400:cb00::/32")}}, Sources{})
	if e.Root != "/" || e.Proc != "/proc" || len(e.Ports) != 2 || e.Ports[0] != 80 || e.Ports[1] != 443 || !e.To.Equal(now) || e.To.Sub(e.From) != DefaultWindow {
		t.Errorf("%+v", e.Ask)
	}
	if name, in, ok := e.CDN(netip.MustParseAddr("::ffff:173.245.48.7")); name != "edge" || in != edge || !ok {
		t.Errorf("%q %v %v", name, in, ok)
	}
	if _, _, ok := e.CDN(netip.MustParseAddr("8.8.8.8")); ok {
		t.Error("8.8.8.8 is no edge")
	}
	if v6 := e.RangesOf(originward.IP6); len(v6) != 1 || !v6[0].Addr().Is6() {
		t.Errorf("%v", v6)
	}
	rooted := NewEnv(Ask{Root: "/fixture"}, Sources{})
	if rooted.File("/etc/hosts") != "/fixture/etc/hosts" || rooted.Proc != "/fixture/proc" || e.File("/etc/hosts") != "/etc/hosts" {
		t.Errorf("%s %s", rooted.File("/etc/hosts"), rooted.Proc)
	}
	if t2 := e.Processes(t.Context()); t2.Complete != fact.Unknown {
		t.Errorf("no source, and yet known: %+v", t2)
	}
}

func TestLocals(t *testing.T) {
	iface := func(name, kind string, ps ...string) fact.Interface {
		i := fact.Interface{Name: name, Kind: kind}
		for _, p := range ps {
			i.Addrs = append(i.Addrs, netip.MustParsePrefix(p))
		}
		return i
	}
	private := []fact.Interface{iface("lo", "loopback", "127.0.0.1/8"), iface("eth0", "", "10.0.0.5/24", "fe80::1/64"), iface("docker0", "bridge", "172.17.0.1/16")}
	public := netip.MustParseAddr("203.0.113.10")
	for _, tt := range []struct {
		name string
		a    fact.Addresses
		want string
	}{
		{"asked", fact.Addresses{Interfaces: private, Public: []netip.Addr{public}, Asked: []fact.AskedAddr{{Addr: netip.MustParseAddr("203.0.113.11"), Here: fact.Yes}}}, "203.0.113.11"},
		{"asked, not here", fact.Addresses{Interfaces: private, Public: []netip.Addr{public}, Asked: []fact.AskedAddr{{Addr: netip.MustParseAddr("198.51.100.1"), Here: fact.No}}}, "203.0.113.10"},
		{"behind NAT", fact.Addresses{Interfaces: private}, "10.0.0.5"},
		{"nothing", fact.Addresses{}, ""},
	} {
		e := NewEnv(Ask{}, Sources{Addresses: func(context.Context, *Env) fact.Addresses { return tt.a }})
		got := ""
		if l := e.Locals(t.Context(), originward.IP4); len(l) > 0 {
			got = l[0].String()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if l := e.Locals(t.Context(), originward.IP6); len(l) != 0 {
			t.Errorf("%s: IPv6 %v", tt.name, l)
		}
	}
}
