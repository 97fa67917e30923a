package clock

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
)

func TestClock(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	env := collect.NewEnv(collect.Ask{Root: root}, collect.Sources{})
	if z := zone(env); z != "" {
		t.Errorf("no zone is set: %q", z)
	}
	if err := os.WriteFile(root+"/etc/timezone", []byte("Europe/Berlin\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if z := zone(env); z != "Europe/Berlin" {
		t.Errorf("%q", z)
	}
	if err := os.Symlink("/usr/share/zoneinfo/Asia/Tokyo", root+"/etc/localtime"); err != nil {
		t.Fatal(err)
	}
	seen, _ := run(t.Context(), env)
	f := seen[0].Fact.(fact.Clock)
	if f.Zone != "Asia/Tokyo" || f.Synced == fact.Unknown || f.Reference != "" || !strings.Contains(seen[0].Text, "Asia/Tokyo") {
		t.Errorf("%+v %s", f, seen[0].Text)
	}
}
