package path

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/netns"
	"github.com/originward/originward/internal/netns/nstest"
)

// insideEnv makes the test binary trace inside a namespace: sockets of other
// goroutines would otherwise be opened outside of it.
const insideEnv = "ORIGINWARD_TEST_TRACE"

func TestInside(t *testing.T) {
	target := os.Getenv(insideEnv)
	if target == "" {
		t.Skip("runs inside a namespace only, started by the other tests")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p, err := Trace(ctx, netip.MustParseAddrPort(target))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(p)
	fmt.Printf("PATH %s\n", b)
}

func trace(t *testing.T, n *netns.NS, target string) fact.Path {
	t.Helper()
	out := nstest.Run(t, n, "env", insideEnv+"="+target, os.Args[0], "-test.run=^TestInside$")
	for _, l := range strings.Split(out, "\n") {
		if raw, ok := strings.CutPrefix(l, "PATH "); ok {
			var p fact.Path
			if err := json.Unmarshal([]byte(raw), &p); err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	t.Fatalf("no path in %s", out)
	return fact.Path{}
}

// chain is client, two routers and a server; the link between the routers
// carries 1400 bytes.
type chain struct{ client, r1, r2, server *netns.NS }

func build(t *testing.T) chain {
	t.Helper()
	c := chain{nstest.New(t, "client"), nstest.New(t, "r1"), nstest.New(t, "r2"), nstest.New(t, "server")}
	link := func(a, b *netns.NS, name string, n, mtu int) {
		end := func(host int) netns.End {
			return netns.End{Link: fmt.Sprintf("%s%d", name, host), MTU: mtu, Addrs: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("10.9.%d.%d/24", n, host)), netip.MustParsePrefix(fmt.Sprintf("fd09:%d::%d/64", n, host)),
			}}
		}
		must(t, netns.Connect(a, end(1), b, end(2)))
	}
	link(c.client, c.r1, "a", 1, 0)
	link(c.r1, c.r2, "b", 2, 1400)
	link(c.r2, c.server, "c", 3, 0)
	for _, r := range []*netns.NS{c.r1, c.r2} {
		must(t, r.Sysctl("net.ipv4.ip_forward", "1"))
		must(t, r.Sysctl("net.ipv6.conf.all.forwarding", "1"))
		must(t, r.Sysctl("net.ipv4.icmp_ratelimit", "0"))
		must(t, r.Sysctl("net.ipv6.icmp.ratelimit", "0"))
	}
	for _, r := range []struct {
		n        *netns.NS
		dst, via string
	}{
		{c.client, "0.0.0.0/0", "10.9.1.2"}, {c.client, "::/0", "fd09:1::2"},
		{c.r1, "10.9.3.0/24", "10.9.2.2"}, {c.r1, "fd09:3::/64", "fd09:2::2"},
		{c.r2, "10.9.1.0/24", "10.9.2.1"}, {c.r2, "fd09:1::/64", "fd09:2::1"},
		{c.server, "0.0.0.0/0", "10.9.3.1"}, {c.server, "::/0", "fd09:3::1"},
	} {
		must(t, r.n.AddRoute(netns.Route{Dst: netip.MustParsePrefix(r.dst), Via: netip.MustParseAddr(r.via)}))
	}
	for _, addr := range []string{"10.9.3.2:8080", "[fd09:3::2]:8080"} {
		l, err := c.server.Listen("tcp", addr)
		must(t, err)
		t.Cleanup(func() { l.Close() })
		go accept(l)
	}
	return c
}

func accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c.Close()
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func hops(p fact.Path) string {
	var out []string
	for _, h := range p.Hops {
		s := h.Addr.String()
		if !h.Addr.IsValid() {
			s = "*"
		}
		if h.ICMP != "" {
			s += "!" + h.ICMP
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestTrace(t *testing.T) {
	t.Parallel()
	c := build(t)
	for target, want := range map[string]string{
		"10.9.3.2:8080":     "10.9.1.2 10.9.2.2 10.9.3.2",
		"[fd09:3::2]:8080":  "fd09:1::2 fd09:2::2 fd09:3::2",
		"10.9.3.2:81":       "10.9.1.2 10.9.2.2 10.9.3.2", // refused, and reached
		"10.9.3.77:8080":    "10.9.1.2 10.9.2.2 10.9.2.2!host-unreachable",
		"[fd09:99::1]:8080": "fd09:1::2!no-route",
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			p := trace(t, c.client, target)
			if got := hops(p); got != want {
				t.Errorf("%s, want %s (%s)", got, want, Text(p))
			}
			if reached := !strings.Contains(want, "!"); (p.Reached == fact.Yes) != reached {
				t.Errorf("reached %q", p.Reached)
			}
			if Text(p) == "" || p.Method != "tcp" {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestSilentTarget(t *testing.T) {
	t.Parallel()
	c := build(t)
	nstest.Run(t, c.server, "nft", "add table inet t")
	nstest.Run(t, c.server, "nft", "add chain inet t in { type filter hook input priority 0; policy drop; }")
	p := trace(t, c.client, "10.9.3.2:8080")
	if got := hops(p); !strings.HasPrefix(got, "10.9.1.2 10.9.2.2 *") || p.Reached != fact.No || len(p.Hops) != 3 {
		t.Errorf("%s, reached %q", got, p.Reached)
	}
	if p.MTU != (fact.MTU{FragNeededMTU: 1400}) { // the router speaks, the host does not
		t.Errorf("sizes of a silent host: %+v", p.MTU)
	}
}

// A router that names its size, and the same router when it may not.
func TestMTU(t *testing.T) {
	t.Parallel()
	c := build(t)
	for _, group := range []string{"0 2147483647", "1 0"} { // with unprivileged echoes, and with raw ones
		must(t, c.client.Sysctl("net.ipv4.ping_group_range", group))
		mtu(t, c)
	}
}

func mtu(t *testing.T, c chain) {
	t.Helper()
	for _, target := range []string{"10.9.3.2:8080", "[fd09:3::2]:8080"} {
		if p := trace(t, c.client, target); p.MTU.LargestOK != 1400 || p.MTU.SmallestLost != 1420 || p.MTU.FragNeededMTU != 1400 {
			t.Errorf("%s: %+v", target, p.MTU)
		}
	}
	nstest.Run(t, c.r1, "nft", "flush ruleset")
	nstest.Run(t, c.r1, "nft", "add table inet t")
	nstest.Run(t, c.r1, "nft", "add chain inet t out { type filter hook output priority 0; }")
	nstest.Run(t, c.r1, "nft", "add rule inet t out icmp type destination-unreachable drop")
	nstest.Run(t, c.r1, "nft", "add rule inet t out icmpv6 type packet-too-big drop")
	for _, target := range []string{"10.9.3.2:8080", "[fd09:3::2]:8080"} {
		p := trace(t, c.client, target)
		if p.MTU != (fact.MTU{LargestOK: 1400, SmallestLost: 1420}) {
			t.Errorf("%s, black hole: %+v", target, p.MTU)
		}
		if !strings.Contains(Text(p), "vanish") {
			t.Errorf("%s", Text(p))
		}
	}
	nstest.Run(t, c.r1, "nft", "flush ruleset")
}

func TestObserveNeedsNoRoot(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	go accept(l)
	es, ms := Observe(t.Context(), Ask{Host: "shop.example", Targets: []netip.AddrPort{netip.MustParseAddrPort(l.Addr().String())}})
	if len(es) != 1 || len(ms) != 0 || es[0].Fact.(fact.Path).Reached != fact.Yes || es[0].Reproduce == "" {
		t.Errorf("%+v, %+v", es, ms)
	}
}

func FuzzParseError(f *testing.F) {
	f.Add([]byte{113, 0, 0, 0, 2, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 10, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, ok := parseError(b); ok && e.name() == "" {
			t.Errorf("no name: %+v", e)
		}
	})
}
