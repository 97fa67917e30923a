package diagnose

import (
	"slices"
	"testing"

	"github.com/originward/originward"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// broken is one world and what must be found in it.
type broken struct {
	name   string
	world  func() *bt.World
	want   []originward.CauseID
	stands originward.Standing  // of each; empty = proved
	needs  []originward.Vantage // with any of these taken away, nothing wanted stands proved
	status originward.Status    // empty = broken
}

var hostNeeded = []originward.Vantage{originward.Host}

// all lists every world.
func all() []broken {
	return slices.Concat(listenerCases(), firewallCases(), banCases(), dnsCases(), cdnCases(), tlsCases(), httpCases(), backendCases(), capacityCases(), pathCases(), tunnelCases(), rareCases())
}

func TestCases(t *testing.T) {
	for _, c := range all() {
		t.Run(c.name, func(t *testing.T) {
			d := Explain(c.world().Bundle(), Options{})
			only(t, d, c.want...)
			least := c.stands
			if least == "" {
				least = originward.Proved
			}
			for _, id := range c.want {
				if got := stands(d, id); got != least {
					t.Errorf("%s stands %s, want %s\n%s", id, got, least, dump(d))
				}
			}
			status := c.status
			if status == "" {
				status = originward.StatusBroken
			}
			if d.Status != status {
				t.Errorf("status %s, want %s", d.Status, status)
			}
		})
	}
}

// TestVantageTaken takes vantages away, one by one: what was proved with the
// deciding one is proved no more, nothing else is proved in its place, and the
// missing vantage is named.
func TestVantageTaken(t *testing.T) {
	for _, c := range all() {
		whole := Explain(c.world().Bundle(), Options{})
		for _, v := range originward.Vantages() {
			t.Run(c.name+" without "+string(v), func(t *testing.T) {
				d := Explain(c.world().Without(v).Bundle(), Options{})
				for _, f := range d.Findings {
					if f.Standing == originward.Proved && !slices.Contains(c.want, f.Cause) && !answer(f.Cause) && stands(whole, f.Cause) != originward.Proved {
						t.Errorf("%s is proved without %s\n%s", f.Cause, v, dump(d))
					}
					if f.Standing == originward.Proved && slices.Contains(c.needs, v) && slices.Contains(c.want, f.Cause) {
						t.Errorf("%s is proved without %s, which decides\n%s", f.Cause, v, dump(d))
					}
				}
				if !slices.ContainsFunc(d.NotObserved, func(n originward.NotObserved) bool { return n.Vantage == v && n.How != "" }) {
					t.Errorf("%s is not named as missing", v)
				}
				if slices.Contains(c.needs, v) && !asksFor(d, v) {
					t.Errorf("nothing asks for %s\n%s", v, dump(d))
				}
			})
		}
	}
}

// asksFor reports whether some finding names the vantage as the next look.
func asksFor(d originward.Diagnosis, v originward.Vantage) bool {
	return slices.ContainsFunc(d.Findings, func(f originward.Finding) bool { return f.Next != nil && f.Next.Observe == v })
}
