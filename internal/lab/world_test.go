package lab

import (
	"regexp"
	"slices"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/causes"
)

var worldName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func TestWorlds(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range Worlds() {
		if !worldName.MatchString(w.Name) || seen[w.Name] {
			t.Errorf("name %q: is used twice, or has no usual form", w.Name)
		}
		seen[w.Name] = true
		if w.Title == "" || w.Setup == nil && w.Local == nil {
			t.Errorf("%s: needs a title and a setup", w.Name)
		}
		if n := len(w.Causes); w.Noisy && n > 0 || w.Undecided && n > 0 || !w.Noisy && !w.Undecided && n == 0 {
			t.Errorf("%s: is to be found healthy, undecided, or broken for named causes; it says more than one of them, or none", w.Name)
		}
		for _, id := range slices.Concat(w.Causes, w.Also, w.Latent) {
			if _, ok := causes.Find(id); !ok {
				t.Errorf("%s: no cause is named %s", w.Name, id)
			}
		}
		if w.Noisy && w.Local == nil && w.Break == nil {
			t.Errorf("%s: has no noise", w.Name)
		}
	}
}

// TestEveryCauseHasAWorld: or a stated reason why none can stand here.
func TestEveryCauseHasAWorld(t *testing.T) {
	if len(families) == 0 {
		t.Skip("worlds need Linux")
	}
	has := map[originward.CauseID]bool{originward.Healthy: true, originward.Undetermined: true}
	for _, w := range Worlds() {
		for _, id := range slices.Concat(w.Causes, w.Latent) {
			has[id] = true
		}
	}
	for _, c := range causes.Catalogue() {
		if !has[c.ID] && c.Doc.World == "" {
			t.Errorf("%s has no world, and its page does not say why", c.ID)
		}
	}
}
