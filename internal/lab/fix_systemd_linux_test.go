package lab

import (
	"context"
	"strings"
	"testing"
)

// TestFixUnderSystemd fixes a stopped and disabled unit on a booted systemd: the
// guard is a unit of its own that takes an unfinished fix back, what the fix
// enables is enabled, the undo disables it again, and the timer that keeps
// ranges fresh runs.
func TestFixUnderSystemd(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a systemd: not with -short")
	}
	w := &World{
		Name: "test", Systemd: true, Needs: []string{"nginx", "nft", "dbus-daemon", "/lib/systemd/systemd", "systemd-run"},
		Setup: steps(unitNginx, sh("systemctl enable nginx 2>/dev/null")), Break: sh("systemctl disable --now nginx 2>/dev/null"),
	}
	if lacks := Lacks(w); lacks != "" {
		t.Skip(lacks)
	}
	exe, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	s, err := Up(ctx, w, exe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Down(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Break(ctx, s); err != nil {
		t.Fatal(err)
	}
	if err := s.restartEdge(ctx); err != nil {
		t.Fatal(err)
	}
	if d, err := s.Diagnose(ctx, Look{}); err != nil || len(d.RootCauses) != 1 || d.RootCauses[0] != "listener.none" {
		t.Fatalf("diagnosis: %v %v", d, err)
	}
	before, err := s.state(ctx)
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(format string, args ...any) { t.Errorf(format, args...) }

	s.guardIsUnit(t)
	if err := s.compare(ctx, before, func(format string, args ...any) { t.Errorf("after the guard: "+format, args...) }); err != nil {
		t.Fatal(err)
	}
	rep, err := s.runFix(ctx)
	if err != nil || rep.Result.Outcome != "kept" {
		t.Fatalf("fix: %+v %v", rep, err)
	}
	if said := s.unit(ctx, "is-enabled", "nginx"); said != "enabled" {
		t.Errorf("after the fix nginx is %s", said)
	}
	if _, err := s.Origin.Run(ctx, installed, "undo"); err != nil {
		t.Error(err)
	}
	if err := s.compare(ctx, before, wrong); err != nil {
		t.Fatal(err)
	}
	s.timerRuns(t)
}

// unit asks systemd for one word about a unit.
func (s *Stage) unit(ctx context.Context, verb, name string) string {
	said, _ := s.Origin.Run(ctx, "systemctl", verb, name) // its status says the same as the word
	return strings.TrimSpace(said)
}

// guardIsUnit kills a fix that stands unproved and wants its guard to be a unit
// that takes it back and is gone then.
func (s *Stage) guardIsUnit(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { _, err := s.runFix(ctx); done <- err }()
	units := ""
	err := s.wait(ctx, "nginx, started by a fix", func() bool {
		units, _ = s.Origin.Run(ctx, "systemctl", "list-units", "--plain", "--no-legend", "--state=active", "originward-guard-*")
		return s.unit(ctx, "is-active", "nginx") == "active"
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(units, "originward-guard-") {
		t.Errorf("no unit guards the fix: %q", units)
	}
	if err := s.Origin.Sh(ctx, `for p in /proc/[0-9]*; do if tr '\0' ' ' <$p/cmdline 2>/dev/null | grep -q '^/usr/local/bin/originward fix '; then kill -9 ${p#/proc/}; fi; done`); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("a fix that was killed printed its end")
	}
	if err := s.wait(ctx, "the end of the guard", func() bool {
		left, err := s.Origin.Run(ctx, "systemctl", "list-units", "--all", "--plain", "--no-legend", "originward-guard-*")
		return err == nil && left == ""
	}); err != nil {
		t.Fatal(err)
	}
}

// timerRuns installs the timer that keeps a set of ranges fresh, and has systemd
// run what it starts: a shrunken list is refused there too.
func (s *Stage) timerRuns(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	if err := s.Origin.Sh(ctx, "nft add table inet filter; nft 'add set inet filter cdn4 { type ipv4_addr; flags interval; elements = { 173.245.48.0/20 } }'"); err != nil {
		t.Fatal(err)
	}
	if out, err := s.Origin.Run(ctx, installed, "ranges", "sync", "--set", "inet filter cdn4", "--cdn-api", s.apiURL(), "--cdn-token-file", "/root/token", "--install-timer"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if on, active := s.unit(ctx, "is-enabled", "originward-ranges.timer"), s.unit(ctx, "is-active", "originward-ranges.timer"); on != "enabled" || active != "active" {
		t.Errorf("the timer is %s and %s", on, active)
	}
	// The world's edge publishes the few addresses that it leaves from: far less
	// than the CDN had, and so nothing that may be written.
	_, err := s.Origin.Run(ctx, "systemctl", "start", "originward-ranges.service")
	said, _ := s.Origin.Run(ctx, "journalctl", "-u", "originward-ranges.service", "--no-pager")
	if err == nil || !strings.Contains(said, "a list that lost so much is cut; nothing was changed") {
		t.Errorf("a list of four ranges: %v %s", err, said)
	}
	if set, err := s.Origin.Run(ctx, "nft", "list", "set", "inet", "filter", "cdn4"); err != nil || !strings.Contains(set, "elements = { 173.245.48.0/20 }") {
		t.Errorf("the set after a refused list: %s %v", set, err)
	}
}
