package diagnose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// proved lists the causes that stand proved in a diagnosis.
func proved(d originward.Diagnosis) []originward.CauseID {
	var out []originward.CauseID
	for _, f := range d.Findings {
		if f.Standing == originward.Proved && !slices.Contains(out, f.Cause) {
			out = append(out, f.Cause)
		}
	}
	return out
}

// TestTakingAwayProvesNothing takes single items and whole questions out of
// every world: no standing rises to proved.
func TestTakingAwayProvesNothing(t *testing.T) {
	for _, c := range all() {
		b := c.world().Bundle()
		Number(b)
		before := proved(Explain(b, Options{}))
		questions := map[string]bool{}
		for i := range b.Evidence {
			e := b.Evidence[i]
			less := *b
			less.Evidence = slices.Delete(slices.Clone(b.Evidence), i, i+1)
			risen(t, c.name+" without "+e.ID+" "+string(e.Question), before, &less)
			questions[string(e.Vantage)+"|"+string(e.Question)] = true
		}
		for q := range questions {
			less := *b
			less.Evidence = slices.DeleteFunc(slices.Clone(b.Evidence), func(e originward.Evidence) bool {
				return string(e.Vantage)+"|"+string(e.Question) == q
			})
			risen(t, c.name+" without "+q, before, &less)
		}
	}
}

func risen(t *testing.T, what string, before []originward.CauseID, b *originward.Bundle) {
	t.Helper()
	d := Explain(b, Options{})
	for _, id := range proved(d) {
		if !slices.Contains(before, id) && !answer(id) {
			t.Errorf("%s: %s rises to proved\n%s", what, id, dump(d))
		}
	}
	sane(t, what, d)
}

// sane checks what must hold of every diagnosis.
func sane(t *testing.T, what string, d originward.Diagnosis) {
	t.Helper()
	ids := map[string]bool{}
	for _, e := range d.Evidence {
		ids[e.ID] = true
	}
	stand := map[string]originward.Standing{}
	for _, f := range d.Findings {
		k := string(f.Cause) + subjectKey(f.Subject)
		if o, twice := stand[k]; twice {
			t.Errorf("%s: %s twice for one subject: %s and %s", what, f.Cause, o, f.Standing)
		}
		stand[k] = f.Standing
		if f.For == nil || f.Against == nil || f.Title == "" || f.Where == "" {
			t.Errorf("%s: %s is not whole: %+v", what, f.Cause, f)
		}
		for _, id := range slices.Concat(f.For, f.Against) {
			if !ids[id] {
				t.Errorf("%s: %s cites %s, which is not there", what, f.Cause, id)
			}
		}
		if f.Standing == originward.Proved && len(f.For) == 0 {
			t.Errorf("%s: %s is proved by nothing", what, f.Cause)
		}
		if f.Standing.Named() && f.Fix == nil && !answer(f.Cause) {
			t.Errorf("%s: %s has no fix", what, f.Cause)
		}
	}
	if d.Status == originward.StatusHealthy && len(d.RootCauses) > 0 {
		t.Errorf("%s: healthy with %v", what, d.RootCauses)
	}
	for _, v := range originward.Vantages() {
		seen := slices.ContainsFunc(d.Evidence, func(e originward.Evidence) bool { return e.Vantage == v })
		told := slices.ContainsFunc(d.NotObserved, func(n originward.NotObserved) bool { return n.Vantage == v })
		if !seen && !told {
			t.Errorf("%s: nothing from %s, and nothing says so", what, v)
		}
	}
}

// TestOrderAndRepetition explains every world in several orders, with ids and
// without: always the same bytes.
func TestOrderAndRepetition(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, c := range all() {
		b := c.world().Bundle()
		want, err := json.Marshal(Explain(b, Options{}))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			rnd.Shuffle(len(b.Evidence), func(i, j int) { b.Evidence[i], b.Evidence[j] = b.Evidence[j], b.Evidence[i] })
			got, _ := json.Marshal(Explain(b, Options{}))
			if !bytes.Equal(got, want) {
				t.Fatalf("%s: another order, another diagnosis", c.name)
			}
		}
		Number(b)
		saved, _ := json.Marshal(b)
		again, err := fact.ReadBundle(bytes.NewReader(saved))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		rnd.Shuffle(len(again.Evidence), func(i, j int) {
			again.Evidence[i], again.Evidence[j] = again.Evidence[j], again.Evidence[i]
		})
		if got, _ := json.Marshal(Explain(again, Options{})); !bytes.Equal(got, want) {
			t.Fatalf("%s: saved and read again, another diagnosis", c.name)
		}
	}
}

// TestMixtures explains random mixtures of worlds: nothing panics, everything
// holds that must, and it takes no time worth speaking of.
func TestMixtures(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	worlds := all()
	var slowest time.Duration
	for i := range 300 {
		a, c := worlds[rnd.IntN(len(worlds))], worlds[rnd.IntN(len(worlds))]
		b := a.world().Bundle()
		b.Evidence = append(b.Evidence, c.world().Bundle().Evidence...)
		b.Evidence = slices.DeleteFunc(b.Evidence, func(originward.Evidence) bool { return rnd.IntN(3) == 0 })
		began := time.Now()
		d := Explain(b, Options{})
		slowest = max(slowest, time.Since(began))
		sane(t, fmt.Sprintf("mixture %d of %s and %s", i, a.name, c.name), d)
		if broken := explain(b).broken; len(broken) > 0 {
			t.Fatalf("%s and %s: %v", a.name, c.name, broken)
		}
	}
	// 50 ms is the budget on a quiet machine; a shared one gets room.
	if slowest > time.Second {
		t.Errorf("the slowest took %v", slowest)
	}
}

// FuzzExplain reads and explains whatever comes: no panic, and every judge
// comes to an end.
func FuzzExplain(f *testing.F) {
	for _, c := range all() {
		b := c.world().Bundle()
		b.Evidence = b.Evidence[:min(len(b.Evidence), 12)]
		raw, err := json.Marshal(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	of, qs := kinds(f), fact.Questions()
	slices.Sort(qs)
	for i := range 12 { // facts of every type
		d := dice{rand.New(rand.NewPCG(41, uint64(i)))}
		raw, err := json.Marshal(d.bundle(of, qs))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := fact.ReadBundle(bytes.NewReader(raw))
		if err != nil {
			return
		}
		e := explain(b)
		if len(e.broken) > 0 {
			t.Fatalf("%v", e.broken)
		}
		sane(t, "fuzzed", Explain(b, Options{}))
	})
}

func BenchmarkExplain(b *testing.B) {
	bundle := stopNginxBundle()
	b.ReportAllocs()
	for b.Loop() {
		Explain(bundle, Options{})
	}
}

func stopNginxBundle() *originward.Bundle {
	b := world("nginx stopped")().Bundle()
	Number(b)
	return b
}
