//go:build linux

package difftest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/originward/originward/internal/firewall"
	"github.com/originward/originward/internal/firewall/replica"
)

// ranges are the CDN's ranges as questions state them.
func ranges() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range append(append([]string(nil), cdn4...), cdn6...) {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// prove collects, asks and proves inside a namespace.
func prove(w *replica.World, qs []question) (y tally, err error) {
	y.rulesets = 1
	err = w.Do(func() error {
		ctx := context.Background()
		s, err := firewall.Collect(ctx, firewall.Options{})
		if err != nil {
			return err
		}
		for _, l := range s.Unread {
			if l.Hides {
				return fmt.Errorf("not read: %+v", l)
			}
		}
		for _, q := range qs {
			a := s.Ask(firewall.Question{Dst: q.dst, Port: q.port, Interface: "eth0", Ranges: ranges()})
			p, err := s.Prove(ctx, a)
			if err != nil {
				return err
			}
			if !p.Done {
				return fmt.Errorf("no proof: %+v", p.Limits)
			}
			y.packets += p.Probes
			for _, d := range p.Disagree {
				j, _ := json.MarshalIndent(d, "", " ")
				y.disagree = append(y.disagree, string(j))
			}
			p.Apply(&a)
			if _, err := json.Marshal(a); err != nil {
				return err
			}
		}
		return nil
	})
	return y, err
}

// TestProve has the whole product at work: read, answer, copy the ruleset at bytecode level, and let the kernel confirm.
func TestProve(t *testing.T) {
	needRoot(t, "nft", "ipset", "iptables-nft-restore", "iptables-legacy-restore")
	loop(t, "prove", func(seed uint64) (tally, string) {
		r := rand.New(rand.NewPCG(seed, 0x70))
		w := newWorld(t)
		defer w.Close()
		var rules string
		var err error
		switch seed % 3 {
		case 0:
			rules = (&gen{r: r}).ruleset()
			_, err = run(w, rules, "nft", "-f", "-")
		default:
			g := &ipt{gen: gen{r: r}}
			g.fam = "ip"
			sets := g.ipsets()
			if _, err = run(w, sets, "ipset", "restore"); err == nil {
				rules = g.restore()
				_, err = run(w, rules, map[uint64]string{1: "iptables-nft-restore", 2: "iptables-legacy-restore"}[seed%3])
			}
			rules = sets + rules
		}
		if err != nil {
			return tally{refused: 1}, rules + err.Error()
		}
		y, err := prove(w, questions)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, rules)
		}
		return y, rules
	})
}
