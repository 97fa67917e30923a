package load

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
)

func TestMounts(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "mountinfo", `22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /var/log rw - tmpfs tmpfs rw
24 22 0:22 / /var/log/my\040logs rw shared:2 master:1 - xfs /dev/vdb rw
25 22 0:23 / /proc rw - proc proc rw
short line
`)
	m := mountTable(filepath.Join(dir, "mountinfo"))
	for path, want := range map[string]mount{
		"/etc/nginx": {"/", "ext4"}, "/var/log": {"/var/log", "tmpfs"}, "/var/log/nginx/a.log": {"/var/log", "tmpfs"},
		"/var/logs": {"/", "ext4"}, "/var/log/my logs/x": {"/var/log/my logs", "xfs"}, "/proc/1": {"/proc", "proc"},
	} {
		if got, ok := mountOf(m, path); !ok || got != want {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
	if _, ok := mountOf(nil, "/"); ok {
		t.Error("no table, and yet a mount")
	}
	if !(mount{fs: "proc"}).pseudo() || (mount{fs: "overlay"}).pseudo() {
		t.Error("which file systems hold data")
	}
}

func TestCgroup(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "memory.current", "900\n")
	write(t, dir, "memory.max", "1000\n")
	write(t, dir, "pids.current", "5\n")
	write(t, dir, "pids.max", "max\n")
	write(t, dir, "cpu.stat", "usage_usec 1\nnr_periods 100\nnr_throttled 40\n")
	u, tell := cgroup(dir)
	if !tell || u.Mem != 900 || u.MemMax != 1000 || u.PIDsMax != 0 || u.Throttled != 40 {
		t.Errorf("%+v %v", u, tell)
	}
	write(t, dir, "memory.current", "100\n")
	write(t, dir, "cpu.stat", "")
	if u, tell := cgroup(dir); tell {
		t.Errorf("nowhere near a limit: %+v", u)
	}
	write(t, dir, "memory.events", "oom 1\noom_kill 1\n")
	if u, tell := cgroup(dir); !tell || u.OOMKills != 1 {
		t.Errorf("killed for memory: %+v", u)
	}
}

func TestThisMachine(t *testing.T) {
	seen, missing := run(t.Context(), collect.NewEnv(collect.Ask{}, collect.Sources{}))
	if len(seen) != 1 {
		t.Fatalf("not observed: %+v", missing)
	}
	l := seen[0].Fact.(fact.Load)
	if l.CPUs == 0 || l.MemTotal == 0 || l.Boot.IsZero() || len(l.Disks) == 0 || l.FilesMax == 0 || l.BusyPct < 0 || l.BusyPct > 100 {
		t.Errorf("%+v", l)
	}
	for _, d := range l.Disks {
		if d.Size == 0 || d.Avail > d.Size || d.Type == "" || len(d.UsedBy) == 0 {
			t.Errorf("%+v", d)
		}
	}
}

// TestFullWithoutUse: a file system that is full is told although nothing
// known has a file on it.
func TestFullWithoutUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("needs to mount: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	find := func() *fact.Disk {
		list, hung := disks(t.Context(), collect.NewEnv(collect.Ask{}, collect.Sources{}))
		if len(hung) > 0 {
			t.Errorf("hung: %v", hung)
		}
		for _, d := range list {
			if d.Mount == dir {
				return &d
			}
		}
		return nil
	}
	if d := find(); d != nil {
		t.Errorf("an empty file system that nothing uses is told: %+v", d)
	}
	_ = os.WriteFile(filepath.Join(dir, "fill"), make([]byte, 1<<20), 0o644)
	if d := find(); d == nil || d.Avail != 0 || len(d.UsedBy) != 0 {
		t.Errorf("full: %+v", d)
	}
}
