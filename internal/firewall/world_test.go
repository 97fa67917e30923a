//go:build linux

package firewall_test

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/originward/originward/internal/firewall"
	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/replica"
)

// host is a namespace that looks like an origin: one interface to the world, one container bridge.
type host struct {
	t *testing.T
	w *replica.World
}

var (
	host4 = netip.MustParseAddr("203.0.113.10")
	host6 = netip.MustParseAddr("2001:db8::10")
	box4  = netip.MustParseAddr("172.17.0.2")
	cdn   = []netip.Prefix{
		netip.MustParsePrefix("173.245.48.0/20"), netip.MustParsePrefix("104.16.0.0/13"), netip.MustParsePrefix("2606:4700::/32"),
	}
)

// newHost makes the namespace, and loads each input with its tool.
func newHost(t *testing.T, inputs ...[2]string) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	p, a := netip.MustParsePrefix, netip.MustParseAddr
	n := &fib.Net{
		Links: []fib.Link{
			{Index: 2, Name: "eth0", Type: 1, Up: true, MTU: 1500, MAC: []byte{2, 0, 0, 0, 0, 2}},
			{Index: 5, Name: "docker0", Type: 1, Up: true, MTU: 1500},
		},
		Addrs: []fib.Addr{{Prefix: p("203.0.113.10/24"), Index: 2}, {Prefix: p("2001:db8::10/64"), Index: 2}, {Prefix: p("172.17.0.1/16"), Index: 5}},
	}
	n.V4 = fib.Family{Forward: true, Routes: []fib.Route{{
		Dst: p("0.0.0.0/0"), Table: fib.TableMain, Type: fib.Unicast, Oifs: []int{2}, Gws: []netip.Addr{a("203.0.113.1")},
	}}}
	n.V6.Routes = []fib.Route{{
		Dst: p("::/0"), Table: fib.TableMain, Type: fib.Unicast, Oifs: []int{2}, Gws: []netip.Addr{a("2001:db8::1")}, Metric: 1024,
	}}
	w, err := replica.NewWorld(n)
	if err != nil {
		t.Fatalf("namespace: %v", err)
	}
	t.Cleanup(w.Close)
	h := &host{t, w}
	for _, in := range inputs {
		args := strings.Fields(in[0])
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Skipf("needs %s: %v", args[0], err)
		}
		if args[0] == "nft" {
			// nft wants every closing brace of a block on a line of its own.
			in[1] = strings.NewReplacer("; } }", ";\n}\n}\n", "; }", ";\n}\n", "} }", "}\n}\n").Replace(in[1]) + "\n"
		}
		h.run(in[1], args...)
	}
	return h
}

// run runs a program in the namespace.
func (h *host) run(input string, args ...string) string {
	h.t.Helper()
	var out []byte
	err := h.w.Do(func() error {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(input)
		var err error
		out, err = cmd.CombinedOutput()
		return err
	})
	if err != nil {
		h.t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out, input)
	}
	return string(out)
}

func (h *host) collect() *firewall.Snapshot {
	h.t.Helper()
	var s *firewall.Snapshot
	err := h.w.Do(func() error {
		var err error
		s, err = firewall.Collect(context.Background(), firewall.Options{})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// ask collects and answers.
func (h *host) ask(dst netip.Addr, port uint16) firewall.Answer {
	h.t.Helper()
	return h.collect().Ask(firewall.Question{Dst: dst, Port: port, Ranges: cdn})
}

// find returns the segment that holds an address.
func find(t *testing.T, side firewall.Side, src string) firewall.Segment {
	t.Helper()
	a := netip.MustParseAddr(src)
	for _, s := range side.Segments {
		for _, p := range s.Prefixes {
			if p.Contains(a) {
				return s
			}
		}
	}
	t.Fatalf("no segment holds %s", src)
	return firewall.Segment{}
}
