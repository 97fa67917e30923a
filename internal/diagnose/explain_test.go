package diagnose

import (
	"slices"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// stands is what a diagnosis says of one cause: its best standing.
func stands(d originward.Diagnosis, id originward.CauseID) originward.Standing {
	best := originward.Standing("")
	for _, f := range d.Findings {
		if f.Cause == id && (best == "" || f.Standing.Rank() < best.Rank()) {
			best = f.Standing
		}
	}
	return best
}

// only checks that exactly these causes are named as roots.
func only(t *testing.T, d originward.Diagnosis, want ...originward.CauseID) {
	t.Helper()
	got := slices.Clone(d.RootCauses)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("root causes %v, want %v\n%s", got, want, dump(d))
	}
}

func dump(d originward.Diagnosis) string {
	s := "status " + string(d.Status) + "\n"
	for _, f := range d.Findings {
		s += "  " + string(f.Standing) + " " + string(f.Cause) + " " + f.Why
		if f.BecauseOf != nil {
			s += " (because of " + string(*f.BecauseOf) + ")"
		}
		s += "\n"
	}
	return s
}

func TestHealthy(t *testing.T) {
	d := Explain(bt.Healthy().Bundle(), Options{})
	only(t, d)
	if d.Status != originward.StatusHealthy || stands(d, originward.Healthy) != originward.Proved || d.ExitCode() != originward.ExitHealthy {
		t.Errorf("a healthy site: %s", dump(d))
	}
	if d.Edge == nil || d.Edge.Code != 200 {
		t.Errorf("edge answer %+v", d.Edge)
	}
	var _ = fact.Yes
}
