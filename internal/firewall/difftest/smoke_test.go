//go:build linux

package difftest

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/internal/firewall/eval"
	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/nft"
	"github.com/originward/originward/internal/firewall/replica"
)

func TestSmoke(t *testing.T) {
	n := &fib.Net{
		Links: []fib.Link{{Index: 2, Name: "eth0", Type: 1, Up: true, MTU: 1500}},
		Addrs: []fib.Addr{{Prefix: netip.MustParsePrefix("203.0.113.10/24"), Index: 2}, {Prefix: netip.MustParsePrefix("2001:db8::10/64"), Index: 2}},
	}
	n.V4.Routes = []fib.Route{{Dst: netip.MustParsePrefix("0.0.0.0/0"), Table: 254, Type: 1, Oifs: []int{2}, Gws: []netip.Addr{netip.MustParseAddr("203.0.113.1")}}}
	n.V6.Routes = []fib.Route{{Dst: netip.MustParsePrefix("::/0"), Table: 254, Type: 1, Oifs: []int{2}, Gws: []netip.Addr{netip.MustParseAddr("2001:db8::1")}}}
	t0 := time.Now()
	w, err := replica.NewWorld(n)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	fmt.Println("world", time.Since(t0), w.Problems)
	w.Do(func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(`
table inet f { chain x { limit rate 10/second accept; }
set s { type ipv4_addr; flags interval,timeout; elements = { 173.245.48.0/20 timeout 1h, 1.2.3.4 } }
 chain i { type filter hook input priority 0; policy drop; ip saddr @s drop comment "hi"; ip saddr 104.16.0.0/13 reject with tcp reset; tcp dport {80,443} accept; ct state vmap { established : accept, new : jump x }; }
 }`)
		out, err := cmd.CombinedOutput()
		fmt.Println(string(out), err)
		return err
	})
	if err := w.EnableTrace(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	var h *eval.Host
	w.Do(func() error {
		t0 := time.Now()
		rs, err := nft.Read(context.Background(), nft.Options{MaxElements: 1e6, Now: time.Now})
		if err != nil {
			t.Error(err)
			return err
		}
		fmt.Println("read", time.Since(t0))
		fn, err := fib.Read("/proc")
		if err != nil {
			return err
		}
		h = &eval.Host{Rules: rs, Net: fn}
		return nil
	})
	if h == nil {
		t.Fatal("no host")
	}
	t0 = time.Now()
	r := h.Run(eval.Query{Width: 32, Dst: interval.FromAddr(netip.MustParseAddr("203.0.113.10")), Port: 80, In: h.Net.ByName("eth0")})
	segs := r.Segments()
	fmt.Println("eval", time.Since(t0))
	for _, s := range segs {
		p, n := s.Set.Prefixes(32, 4)
		fmt.Println(s, p, n)
		f, _ := s.Set.First()
		for _, st := range r.Path(s.Outcomes[0], f.Lo) {
			fmt.Printf("    %s %s %s %v\n", st.Hook, st.Chain.Name, st.Verdict, st.Rule != nil)
		}
	}
	done, err := w.Listen([]uint16{80})
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	t0 = time.Now()
	obs, err := w.Send([]replica.Probe{
		{In: 2, Flow: replica.Flow{Src: netip.MustParseAddr("173.245.48.1"), Dst: netip.MustParseAddr("203.0.113.10"), SrcPort: 2000, DstPort: 80}},
		{In: 2, Flow: replica.Flow{Src: netip.MustParseAddr("104.16.48.1"), Dst: netip.MustParseAddr("203.0.113.10"), SrcPort: 2001, DstPort: 80}},
		{In: 2, Flow: replica.Flow{Src: netip.MustParseAddr("8.8.8.8"), Dst: netip.MustParseAddr("203.0.113.10"), SrcPort: 2002, DstPort: 80}},
		{In: 2, Flow: replica.Flow{Src: netip.MustParseAddr("2606:4700::1"), Dst: netip.MustParseAddr("2001:db8::10"), SrcPort: 2002, DstPort: 80}},
	})
	fmt.Println(time.Since(t0), err)
	for _, o := range obs {
		fmt.Printf("%+v\n", o)
	}
}
