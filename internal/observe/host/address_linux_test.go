package host

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/netns/nstest"
)

// TestAddresses: an address that is here, one taken by a local route, one of
// another machine, and a host that may stand behind NAT.
func TestAddresses(t *testing.T) {
	n := nstest.New(t, "addr")
	sh(t, n, `
ip link set lo up
ip link add e0 type veth peer name e1
ip link set e0 mtu 1400
ip addr add 10.0.0.5/24 dev e0
ip link set e0 up; ip link set e1 up
ip link add d0 type bridge
ip addr add 192.168.7.1/24 dev d0
ip route add local 203.0.113.64/26 dev lo
ip -6 addr add 2001:db8::5/64 dev d0
sysctl -qw net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.e0.rp_filter=1`)
	ask := func(s ...string) (out []netip.Addr) {
		for _, a := range s {
			out = append(out, netip.MustParseAddr(a))
		}
		return out
	}
	b, _ := look(t, n, question{Origins: ask("10.0.0.5", "203.0.113.70", "198.51.100.9", "2001:db8::5", "2001:db8::99"), Ports: []uint16{80}}, nobody)
	a := only[fact.Addresses](t, b)
	want := map[string][2]fact.Tri{
		"10.0.0.5": {fact.Yes, ""}, "203.0.113.70": {fact.Yes, ""}, "198.51.100.9": {fact.No, fact.Yes},
		"2001:db8::5": {fact.Yes, ""}, "2001:db8::99": {fact.No, fact.No},
	}
	for _, q := range a.Asked {
		if w := want[q.Addr.String()]; q.Here != w[0] || q.NAT != w[1] {
			t.Errorf("%s: here %q, NAT %q, want %q", q.Addr, q.Here, q.NAT, w)
		}
	}
	for _, i := range a.Interfaces {
		switch i.Name {
		case "e0":
			if i.MTU != 1400 || i.Up != fact.Yes || i.Carrier != fact.Yes || i.Kind != "veth" || i.RPFilter != 2 || i.XDP != fact.No {
				t.Errorf("%+v", i)
			}
		case "d0":
			if i.Up != fact.No || i.Carrier != fact.Unknown || i.Kind != "bridge" || len(i.Addrs) != 2 {
				t.Errorf("%+v", i)
			}
		}
	}
	for _, e := range fact.All[fact.Addresses](b) {
		if !strings.Contains(e.Text, "198.51.100.9 is not on it, but it may stand behind NAT") || !strings.Contains(e.Text, "192.168.7.1/24 on d0 (down)") {
			t.Errorf("%s", e.Text)
		}
	}
}
