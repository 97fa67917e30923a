package diagnose

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/causes"
)

// real are bundles that the lab's worlds gave: what the observers really
// produce, in full. BUNDLES names a directory with more of them.
func real(t testing.TB) map[string]*originward.Bundle {
	t.Helper()
	out := map[string]*originward.Bundle{}
	dirs := []string{filepath.Join("testdata", "real")}
	if more := os.Getenv("BUNDLES"); more != "" {
		dirs = append(dirs, more)
	}
	for _, dir := range dirs {
		for _, form := range []string{"*.json", "*.json.gz"} {
			files, err := filepath.Glob(filepath.Join(dir, form))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				b := readReal(t, f)
				Number(b)
				out[strings.TrimSuffix(strings.TrimSuffix(filepath.Base(f), ".gz"), ".json")] = b
			}
		}
	}
	if len(out) == 0 {
		t.Fatal("no real bundle was found")
	}
	return out
}

func readReal(t testing.TB, file string) *originward.Bundle {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(file, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if raw, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	b, err := fact.ReadBundle(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return b
}

// worlds are the bundles over which the properties hold: those of the cases,
// the noises, and the real ones.
func worlds(t testing.TB) map[string]*originward.Bundle {
	out := real(t)
	for _, c := range all() {
		b := c.world().Bundle()
		Number(b)
		out["case: "+c.name] = b
	}
	for name, w := range noises() {
		b := w.Bundle()
		Number(b)
		out["noise: "+name] = b
	}
	return out
}

// names gives the keys in order: a map's own is another each time.
func names(m map[string]*originward.Bundle) []string {
	out := make([]string, 0, len(m))
	for n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// group is what an item belongs to: it is seen or not seen as a whole.
func group(e originward.Evidence) string { return string(e.Vantage) + "|" + string(e.Question) }

func groups(b *originward.Bundle) []string {
	var out []string
	for _, e := range b.Evidence {
		if g := group(e); !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	slices.Sort(out)
	return out
}

// less is b without the items for which gone is true.
func less(b *originward.Bundle, gone func(originward.Evidence) bool) *originward.Bundle {
	c := *b
	c.Evidence = slices.DeleteFunc(slices.Clone(b.Evidence), gone)
	return &c
}

// proof is a cause that stands proved, and the address that it is proved for.
// What else is in a subject (a port of the same server, a unit, a line) is
// detail that other evidence adds or takes.
type proof struct {
	cause originward.CauseID
	addr  netip.Addr
}

func (p proof) String() string {
	if !p.addr.IsValid() {
		return string(p.cause)
	}
	return string(p.cause) + " of " + p.addr.String()
}

func provedAt(e *explained) []proof {
	var out []proof
	for _, v := range e.verdicts {
		if v.Standing != originward.Proved || answer(v.Cause) {
			continue
		}
		p := proof{v.Cause, v.Subject.Addr}
		if !slices.ContainsFunc(e.view.Origins, func(o *causes.Origin) bool { return o.Addr == p.addr && o.Published == fact.Yes }) {
			p.addr = netip.Addr{} // nothing tells any longer which address it is
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// raised are the proofs that stand now and did not before. Where nothing tells
// the origin's address any longer, the proof is of the same origin.
func raised(before, now []proof) []proof {
	return slices.DeleteFunc(now, func(p proof) bool {
		return slices.ContainsFunc(before, func(o proof) bool { return o.cause == p.cause && (o.addr == p.addr || !p.addr.IsValid()) })
	})
}

// notRaised reports a proof that stands without some evidence and does not
// stand with it, and the least evidence whose absence raises it.
func notRaised(t *testing.T, what string, b *originward.Bundle, gone func(originward.Evidence) bool) {
	t.Helper()
	e := explain(less(b, gone))
	if up := raised(provedAt(explain(b)), provedAt(e)); len(up) > 0 {
		t.Errorf("%s: %v rises to proved without %v", what, up, smallest(b, gone))
	}
	checkCosts(t, what, e)
	checkOnce(t, what, e)
}

// smallest puts back what is not needed for a proof to rise.
func smallest(b *originward.Bundle, gone func(originward.Evidence) bool) []string {
	before := provedAt(explain(b))
	out := map[string]string{}
	for _, e := range b.Evidence {
		if gone(e) {
			out[e.ID] = e.ID + " " + group(e)
		}
	}
	for _, e := range b.Evidence {
		if was, is := out[e.ID]; is {
			delete(out, e.ID)
			rest := less(b, func(e originward.Evidence) bool { return out[e.ID] != "" })
			if len(raised(before, provedAt(explain(rest)))) == 0 {
				out[e.ID] = was
			}
		}
	}
	return slices.Sorted(maps.Values(out))
}

// checkCosts holds every check to the rule behind all of this: an answer that
// would speak against a cause must cost something when it was not observed.
func checkCosts(t *testing.T, what string, e *explained) {
	t.Helper()
	for _, v := range e.verdicts {
		for _, c := range v.Checks {
			if c.Unseen == originward.Proved && c.No != originward.Proved {
				t.Errorf("%s: %s asks %q: no leaves it %s, not observed leaves it proved", what, v.Cause, c.Asks, c.No)
			}
		}
	}
}

// checkOnce judges the bundle anew and compares what the judges say of one
// cause and subject before anything is merged: never proved and ruled out.
func checkOnce(t *testing.T, what string, e *explained) {
	t.Helper()
	type said struct{ yes, no bool }
	by := map[string]said{}
	for _, c := range causes.Catalogue() {
		for _, v := range c.Judge(e.view) {
			k := string(v.Cause) + "|" + subjectKey(v.Subject)
			s := by[k]
			s.yes = s.yes || v.Standing == originward.Proved
			s.no = s.no || v.Standing == originward.RuledOut
			if by[k] = s; s.yes && s.no {
				t.Errorf("%s: %s is proved and ruled out at once for %+v", what, v.Cause, v.Subject)
			}
		}
	}
}

// TestNothingRisesByGroup takes whole groups out of every world, one and two
// at a time, whole vantages, and random halves.
func TestNothingRisesByGroup(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	ws := worlds(t)
	for _, name := range names(ws) {
		b := ws[name]
		e := explain(b)
		checkCosts(t, name, e)
		checkOnce(t, name, e)
		gs := groups(b)
		for _, g := range gs {
			notRaised(t, name, b, func(e originward.Evidence) bool { return group(e) == g })
			h := gs[rnd.IntN(len(gs))]
			notRaised(t, name, b, func(e originward.Evidence) bool { return group(e) == g || group(e) == h })
		}
		for _, w := range originward.Vantages() {
			notRaised(t, name, b, func(e originward.Evidence) bool { return e.Vantage == w })
			notRaised(t, name, b, func(e originward.Evidence) bool { return e.Vantage != w })
		}
		for range 6 {
			keep := map[string]bool{}
			for _, g := range gs {
				keep[g] = rnd.IntN(2) == 0
			}
			notRaised(t, name, b, func(e originward.Evidence) bool { return !keep[group(e)] })
		}
	}
}

// TestNothingRisesByItem takes single items out of every real world and
// every noise, and random shares of them.
func TestNothingRisesByItem(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	ws := worlds(t)
	for _, name := range names(ws) {
		if strings.HasPrefix(name, "case: ") {
			continue // TestTakingAwayProvesNothing has these
		}
		b := ws[name]
		for i := range b.Evidence {
			id := b.Evidence[i].ID
			notRaised(t, name, b, func(e originward.Evidence) bool { return e.ID == id })
		}
		for n := range 5 {
			gone := map[string]bool{}
			for _, e := range b.Evidence {
				gone[e.ID] = rnd.IntN(6) < n+1
			}
			notRaised(t, name, b, func(e originward.Evidence) bool { return gone[e.ID] })
		}
	}
}
