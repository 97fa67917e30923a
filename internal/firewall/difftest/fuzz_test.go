//go:build linux

package difftest

import (
	"context"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/internal/firewall/eval"
	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/nft"
	"github.com/originward/originward/internal/firewall/replica"
)

var (
	seconds     = flag.Duration("difftest.time", 2*time.Second, "how long each grammar runs")
	seed        = flag.Uint64("difftest.seed", 0, "run only this seed, verbosely; 0 for all")
	showRefused = flag.Bool("difftest.refused", false, "print rulesets the tools refuse")
	start       = flag.Uint64("difftest.start", 1, "first seed")
)

// readHost takes the model's view of the namespace.
func readHost(w *replica.World) (*eval.Host, error) {
	h := &eval.Host{}
	err := w.Do(func() error {
		rs, err := nft.Read(context.Background(), nft.Options{MaxElements: 1 << 20, Now: time.Now})
		if err != nil {
			return err
		}
		n, err := fib.Read("/proc")
		if err != nil {
			return err
		}
		h.Rules, h.Net = rs, n
		return nil
	})
	return h, err
}

// one runs one generated ruleset.
func one(t *testing.T, seed uint64, write func(*rand.Rand) string) (tally, string) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0x6f77))
	rules := write(r)
	w := newWorld(t)
	defer w.Close()
	if out, err := run(w, rules, "nft", "-f", "-"); err != nil {
		return tally{refused: 1}, rules + "\n" + out
	}
	h, err := readHost(w)
	if err != nil {
		t.Fatalf("seed %d: read: %v\n%s", seed, err, rules)
	}
	y, err := compare(w, h, r, questions, 4)
	if err != nil {
		t.Fatalf("seed %d: %v\n%s", seed, err, rules)
	}
	return y, rules
}

// fuzz runs a native grammar.
func fuzz(t *testing.T, name string, write func(*rand.Rand) string) {
	needRoot(t, "nft")
	loop(t, name, func(seed uint64) (tally, string) { return one(t, seed, write) })
}

// loop runs a grammar for a bounded time and reports.
func loop(t *testing.T, name string, once func(seed uint64) (tally, string)) {
	if *seed != 0 {
		y, rules := once(*seed)
		t.Logf("%s\n%s\n%s", rules, y.row(name), strings.Join(y.disagree, "\n"))
		if len(y.disagree) > 0 {
			t.Fail()
		}
		return
	}
	var sum tally
	end := time.Now().Add(*seconds)
	for s := *start; time.Now().Before(end) && len(sum.disagree) < 5; s++ {
		y, rules := once(s)
		sum.add(y)
		if y.refused > 0 && *showRefused {
			t.Logf("seed %d refused:\n%s", s, rules)
		}
		if len(y.disagree) > 0 {
			t.Errorf("seed %d: %d of %d packets disagree\n%s\n%s", s, len(y.disagree), y.packets, rules, y.disagree[0])
		}
	}
	t.Log(sum.row(name))
	for _, w := range sum.why[:min(len(sum.why), 5)] {
		t.Logf("unknown: %s", w)
	}
	if sum.rulesets == 0 {
		t.Error("no ruleset was accepted")
	}
	if sum.unknown*50 > sum.packets {
		t.Errorf("%d of %d packets are unknown to the model, more than 2 %%", sum.unknown, sum.packets)
	}
}

func TestNative(t *testing.T) {
	fuzz(t, "native", func(r *rand.Rand) string { return (&gen{r: r}).ruleset() })
}

func TestStateful(t *testing.T) {
	fuzz(t, "stateful", func(r *rand.Rand) string { return (&gen{r: r, stateful: true}).ruleset() })
}
