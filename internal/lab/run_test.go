//go:build linux

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/originward/originward"
)

// ciWorlds are quick ones of every family: together they take well below two
// minutes on two processors. `originward lab run --all` runs the whole table.
var ciWorlds = []string{
	"after-real-ip-nginx", "allowlist-stale-reject", "app-list-htaccess", "backend-crashed-fpm", "backend-down-haproxy",
	"backend-stale-dns", "close-444-nginx", "config-rejected-nginx-key", "duplicate-refused", "family-missing-ip6",
	"header-too-large-response", "healthy-container", "healthy-drop-behind-accept", "healthy-expired-full", "healthy-fail2ban",
	"healthy-lockdown", "healthy-stray-rst", "listener-none-nginx-stopped", "local-cert-expired", "local-close",
	"local-healthy", "local-unresolvable", "loop-proxy", "plain-http-on-443-nginx", "port-closed-iptables-reset",
	"range-blocked-iptables-reset", "record-grey", "shared-healthy", "sni-unmatched-nginx", "stale-address-tenant",
	"tls-port-missing-apache", "two-ban-and-444",
}

// programDir is where program builds; empty = it never did.
var programDir string

// program builds the binary that plays edge, prober and collector.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "originward-program-")
	if err != nil {
		return "", err
	}
	programDir = dir
	exe := filepath.Join(dir, "originward")
	cmd := exec.Command("go", "build", "-trimpath", "-o", exe, "github.com/originward/originward/cmd/originward")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build originward: %w\n%s", err, out)
	}
	return exe, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if programDir != "" {
		_ = os.RemoveAll(programDir)
	}
	os.Exit(code)
}

func TestQuickWorlds(t *testing.T) {
	if testing.Short() {
		t.Skip("builds worlds of real software: not with -short")
	}
	exe, err := program()
	if err != nil {
		t.Fatal(err)
	}
	var worlds []*World
	for _, name := range ciWorlds {
		w, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		worlds = append(worlds, w)
	}
	ran := 0
	for r := range RunAll(t.Context(), worlds, Many{Options: Options{Exe: exe}, Jobs: 2, Again: true}) {
		t.Run(r.World.Name, func(t *testing.T) {
			if r.Skipped != "" {
				t.Skip(r.Skipped)
			}
			ran++
			for _, m := range r.Wrong {
				t.Error(m)
			}
		})
	}
	t.Logf("%d of %d worlds were run", ran, len(worlds))
}

// TestWrongExpectationsFail: a table that cannot fail proves nothing. Each row
// changes what one world expects, and names a word of the complaint.
func TestWrongExpectationsFail(t *testing.T) {
	exe, err := program()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		world  string
		change func(*World)
		says   string
	}{
		"another cause":           {"local-unresolvable", func(w *World) { w.Causes = ids("listener.none") }, "listener.none is not named"},
		"one more cause":          {"local-unresolvable", func(w *World) { w.Causes = append(slices.Clone(w.Causes), "backend.down") }, "backend.down is not named"},
		"no cause":                {"local-unresolvable", func(w *World) { w.Causes, w.Noisy = nil, true }, "expected healthy"},
		"another code":            {"local-unresolvable", func(w *World) { w.Code = 521 }, "expected 521"},
		"more certainty":          {"local-nothing-listens", func(w *World) { w.Stands = originward.Proved }, "stands likely"},
		"undecided":               {"local-healthy", func(w *World) { w.Noisy, w.Undecided = false, true }, "expected undecided"},
		"a cause where none is":   {"local-healthy", func(w *World) { w.Noisy, w.Causes = false, ids("listener.none") }, "listener.none is not named"},
		"no vantage that decides": {"local-unresolvable", func(w *World) { w.Decides = []originward.Vantage{originward.Host} }, "still proved"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := Find(c.world)
			if err != nil {
				t.Fatal(err)
			}
			r := Run(t.Context(), w.with(c.change), Options{Exe: exe})
			if r.Skipped != "" {
				t.Skip(r.Skipped)
			}
			if r.OK() || !strings.Contains(strings.Join(r.Wrong, "\n"), c.says) {
				t.Errorf("complaints %q, wanted one with %q", r.Wrong, c.says)
			}
		})
	}
}
