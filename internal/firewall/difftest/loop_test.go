//go:build linux

package difftest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/originward/originward/internal/firewall/eval"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/replica"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// own are addresses of the host that it may call itself from.
var own = []netip.Addr{
	host4, netip.MustParseAddr("172.17.0.1"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.9.8.7"),
	host6, netip.MustParseAddr("fd00:17::1"), netip.MustParseAddr("::1"),
}

var loopQuestions = []question{
	{host4, 80}, {netip.MustParseAddr("127.0.0.1"), 443}, {netip.MustParseAddr("172.17.0.1"), 8080},
	{host6, 443}, {netip.IPv6Loopback(), 80},
}

// compareLoop asks about connections of the host to itself, and makes them.
func compareLoop(w *replica.World, h *eval.Host) (tally, error) {
	y := tally{rulesets: 1}
	if err := w.EnableTrace(context.Background(), false); err != nil {
		return y, err
	}
	done, err := w.Listen(listenPorts)
	if err != nil {
		return y, err
	}
	defer done()
	lo := h.Net.ByName("lo")
	if lo == nil || !lo.Loopback {
		return y, fmt.Errorf("the loopback interface was not read: %+v", lo)
	}
	var probes []probe
	var flows []replica.Flow
	ports := clients{next: 20000, used: map[netip.AddrPort]bool{}, once: remembers(h.Rules)}
	for _, q := range loopQuestions {
		res := h.Run(eval.Query{Width: q.dst.BitLen(), Dst: interval.FromAddr(q.dst), Port: q.port, In: lo})
		segs := res.Segments()
		if err := covers(segs, q.dst.BitLen()); err != nil {
			return y, err
		}
		for _, s := range segs {
			for _, a := range own {
				if a.BitLen() != q.dst.BitLen() || !s.Set.Contains(interval.FromAddr(a)) {
					continue
				}
				for _, p := range ports.portsFor(s, a) {
					if slices.Contains(listenPorts, p) {
						continue // taken by the listener
					}
					f := replica.Flow{Src: a, Dst: q.dst, SrcPort: p, DstPort: q.port}
					probes, flows = append(probes, probe{s, res, f}), append(flows, f)
				}
			}
		}
	}
	obs, err := w.Call(flows)
	if err != nil {
		return y, err
	}
	for i := range probes {
		y.judge(&probes[i], &obs[i])
	}
	return y, nil
}

// TestLoopback compares the model of connections a host makes to itself with the kernel, over the random grammar.
func TestLoopback(t *testing.T) {
	needRoot(t, "nft", "iptables-nft-restore", "ipset")
	loop(t, "loopback", func(seed uint64) (tally, string) {
		r := rand.New(rand.NewPCG(seed, 0x6c6f))
		w := newWorld(t)
		defer w.Close()
		var rules string
		var err error
		if seed%2 == 0 {
			rules = (&gen{r: r}).ruleset()
			_, err = run(w, rules, "nft", "-f", "-")
		} else {
			g := &ipt{gen: gen{r: r}}
			g.fam = "ip"
			sets := g.ipsets()
			if _, err = run(w, sets, "ipset", "restore"); err == nil {
				rules = g.restore()
				_, err = run(w, rules, "iptables-nft-restore")
			}
			rules = sets + rules
		}
		if err != nil {
			return tally{refused: 1}, rules + err.Error()
		}
		h, err := readAll(w)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, rules)
		}
		if ingress(h.Rules) {
			return tally{refused: 1}, rules + "device chains are traced on the other side only"
		}
		y, err := compareLoop(w, h)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, rules)
		}
		return y, rules
	})
}

func ingress(rs *ruleset.Ruleset) bool {
	for _, t := range rs.Tables {
		for _, c := range t.Chains {
			if c.Base != nil && (c.Base.Hook == ruleset.Ingress || c.Base.Hook == ruleset.Egress) {
				return true
			}
		}
	}
	return false
}
