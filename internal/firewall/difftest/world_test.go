//go:build linux

package difftest

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/internal/firewall/eval"
	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/replica"
)

// The host all rulesets are loaded on: an internet-facing interface and a container bridge behind it.
const (
	wan = 2
	lan = 5
)

var (
	host4 = netip.MustParseAddr("203.0.113.10")
	host6 = netip.MustParseAddr("2001:db8::10")
	box4  = netip.MustParseAddr("172.17.0.2")
	box6  = netip.MustParseAddr("fd00:17::2")
)

func hostNet() *fib.Net {
	p, a := netip.MustParsePrefix, netip.MustParseAddr
	n := &fib.Net{
		Links: []fib.Link{
			{Index: wan, Name: "eth0", Type: 1, Up: true, MTU: 1500, MAC: []byte{2, 0, 0, 0, 0, 2}},
			{Index: lan, Name: "docker0", Type: 1, Up: true, MTU: 1500, MAC: []byte{2, 0, 0, 0, 0, 5}, Group: 7},
		},
		Addrs: []fib.Addr{
			{Prefix: p("203.0.113.10/24"), Index: wan}, {Prefix: p("2001:db8::10/64"), Index: wan},
			{Prefix: p("172.17.0.1/16"), Index: lan}, {Prefix: p("fd00:17::1/64"), Index: lan},
		},
	}
	n.V4 = fib.Family{Forward: true, Routes: []fib.Route{
		{Dst: p("0.0.0.0/0"), Table: fib.TableMain, Type: fib.Unicast, Oifs: []int{wan}, Gws: []netip.Addr{a("203.0.113.1")}},
	}}
	n.V6 = fib.Family{Forward: true, Routes: []fib.Route{
		{Dst: p("::/0"), Table: fib.TableMain, Type: fib.Unicast, Oifs: []int{wan}, Gws: []netip.Addr{a("2001:db8::1")}, Metric: 1024},
	}}
	return n
}

// needRoot skips where the kernel cannot be asked.
func needRoot(t testing.TB, tools ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces and packet injection")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s: %v", tool, err)
		}
	}
}

// newWorld builds the host in a namespace.
func newWorld(t testing.TB) *replica.World {
	t.Helper()
	w, err := replica.NewWorld(hostNet())
	if err != nil {
		t.Fatalf("build namespace: %v", err)
	}
	if len(w.Problems) > 0 {
		w.Close()
		t.Fatalf("namespace is not as asked: %v", w.Problems)
	}
	return w
}

// run runs a program inside the namespace, with input.
func run(w *replica.World, input, name string, args ...string) (string, error) {
	var out []byte
	err := w.Do(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Stdin = strings.NewReader(input)
		var err error
		out, err = cmd.CombinedOutput()
		return err
	})
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// listenPorts are the ports something answers on; rewrites lead nowhere else.
var listenPorts = []uint16{22, 80, 443, 8080, 8443}

// place names a deciding rule the way trace events do.
func place(o *eval.Outcome) string {
	switch {
	case o.Chain == nil:
		return "none"
	case o.Rule == nil:
		return fmt.Sprintf("%s %s %s policy", o.Chain.Table.Family, o.Chain.Table.Name, o.Chain.Name)
	}
	c := o.Rule.Chain
	return fmt.Sprintf("%s %s %s handle %d", c.Table.Family, c.Table.Name, c.Name, o.Rule.Handle)
}

func eventPlace(e replica.Event) string {
	if e.Type == "policy" {
		return fmt.Sprintf("%s %s %s policy", e.Family, e.Table, e.Chain)
	}
	return fmt.Sprintf("%s %s %s handle %d", e.Family, e.Table, e.Chain, e.Handle)
}
