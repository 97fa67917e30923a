package procs

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/originward/originward/fact"
)

func fuzzStat(p *Process, b []byte) error { return (&reader{boot: time.Unix(0, 0)}).stat(p, b) }

func TestReadSelf(t *testing.T) {
	table := Read(t.Context(), "/proc")
	if table.Err != nil {
		t.Fatal(table.Err)
	}
	p, ok := table.ByPID(os.Getpid())
	exe, _ := os.Executable()
	cwd, _ := os.Getwd()
	if !ok || p.Exe != exe || p.Cwd != cwd || p.UID != os.Geteuid() || p.Net != fact.Yes || p.Mount != fact.Yes || p.PPID != os.Getppid() || p.Threads < 2 {
		t.Errorf("%+v", p)
	}
	if age := time.Since(p.Started); age < -2*time.Second || age > time.Hour {
		t.Errorf("started %v ago", age)
	}
	if FDLimit(p) == 0 {
		t.Error("no limit on open files")
	}
	if _, ok := table.ByPID(2); ok && table.Processes[0].Comm == "kthreadd" {
		t.Error("kernel threads are listed")
	}
}

func TestStoppedAndReplaced(t *testing.T) {
	prog := filepath.Join(t.TempDir(), "sleeper")
	src, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("needs sleep")
	}
	b, err := os.ReadFile(src)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(prog, b, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(prog, "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &ws, syscall.WUNTRACED, nil); err != nil || !ws.Stopped() {
		t.Fatalf("wait: %v %v", err, ws)
	}
	if err := os.Remove(prog); err != nil {
		t.Fatal(err)
	}
	p, _ := Read(t.Context(), "/proc").ByPID(cmd.Process.Pid)
	if !p.Stopped() || !p.Deleted || p.Exe != prog || p.Name() != "sleeper" {
		t.Errorf("%+v", p)
	}
	_ = cmd.Process.Signal(syscall.SIGCONT)
}

func TestNoProcfs(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		table := Read(t.Context(), dir)
		if table.Err == nil || table.Complete != fact.Unknown || len(table.Processes) != 0 {
			t.Errorf("%s: %+v", dir, table)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if table := Read(ctx, "/proc"); table.Complete == fact.Yes {
		t.Error("a table that was cut off calls itself complete")
	}
}

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		Read(b.Context(), "/proc")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1 (a) b) S 0 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0", "0::/system.slice/x.service\n", "nginx: master process nginx -g a -c b")
	f.Add("", "", "")
	f.Add("1 () ", "1:name=systemd:/\n", "php-fpm: master process (")
	f.Fuzz(func(t *testing.T, stat, cgroup, title string) {
		var p Process
		_ = fuzzStat(&p, []byte(stat))
		if len(p.Comm) > len(stat) {
			t.Errorf("comm %q of %q", p.Comm, stat)
		}
		_, unit, _ := parseCgroup(cgroup)
		if unit != "" && !strings.HasSuffix(unit, ".service") && !strings.HasSuffix(unit, ".scope") {
			t.Errorf("unit %q", unit)
		}
		w := Process{Args: []string{title}}.Words()
		if slices.Contains(w, "") && title != "" && !strings.Contains(title, "(") {
			t.Errorf("empty word of %q: %q", title, w)
		}
	})
}
