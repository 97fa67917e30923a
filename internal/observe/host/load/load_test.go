package load

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/originward/originward/fact"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReadings(t *testing.T) {
	proc := t.TempDir()
	write(t, proc, "stat", "cpu  100 0 100 700 50 0 0 50 30 0\ncpu0 1 0 0 0\ncpu1 1 0 0 0\nintr 1\n")
	first, cpus, ok := cpuTicks(proc)
	if !ok || cpus != 2 || first.total != 1000 || first.busy != 250 || first.steal != 50 {
		t.Errorf("%+v, %d processors, %v", first, cpus, ok)
	}
	write(t, proc, "stat", "cpu  150 0 120 710 50 0 0 70 30 0\ncpu0 1 0 0 0\n")
	second, _, _ := cpuTicks(proc)
	if busy, steal := percent(first, second); math.Abs(busy-90) > 0.01 || math.Abs(steal-20) > 0.01 {
		t.Errorf("busy %v %%, steal %v %%", busy, steal)
	}
	if busy, _ := percent(second, first); busy != 0 {
		t.Errorf("readings the wrong way round: %v", busy)
	}
	var l fact.Load
	write(t, proc, "meminfo", "MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:  1024 kB\nSwapTotal: 512 kB\nSwapFree: 0 kB\n")
	if !memory(proc, &l) || l.MemTotal != 2<<20 || l.MemFree != 1<<20 || l.SwapTotal != 512<<10 || l.SwapFree != 0 {
		t.Errorf("%+v", l)
	}
	write(t, proc, "pressure/memory", "some avg10=12.50 avg60=1 avg300=1 total=1\nfull avg10=7.00 avg60=0 avg300=0 total=0\n")
	if p := pressure(proc); p["memory.some"] != 12.5 || p["memory.full"] != 7 || len(p) != 2 {
		t.Errorf("%v", p)
	}
	write(t, proc, "vmstat", "nr_free 1\noom_kill 3\n")
	if n, ok := field(filepath.Join(proc, "vmstat"), "oom_kill"); !ok || n != 3 {
		t.Errorf("%d %v", n, ok)
	}
	if _, ok := field(filepath.Join(proc, "none"), "x"); ok {
		t.Error("a missing file has a field")
	}
}

func FuzzReadings(f *testing.F) {
	f.Add("cpu  100 0 100 700 50 0 0 50 30 0\ncpu0\n", "MemTotal: 1 kB\n", "some avg10=1\n")
	f.Add("cpu -1 x", "MemTotal:", "full avg10=NaN")
	dir := f.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "pressure"), 0o755); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, stat, mem, psi string) {
		write(t, dir, "stat", stat)
		write(t, dir, "meminfo", mem)
		write(t, dir, "pressure/cpu", psi)
		a, _, _ := cpuTicks(dir)
		_, _ = percent(ticks{}, a)
		memory(dir, &fact.Load{})
		pressure(dir)
	})
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 64 << 30: "64.0 GiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
