package load

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/procs"
)

// between is how far apart the two readings of processor time are.
const between = 200 * time.Millisecond

// Collector answers how loaded the host is.
func Collector() collect.Collector {
	return collect.Collector{Name: "load", Question: fact.QLoad, Budget: 3 * time.Second, Run: run}
}

func run(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
	var missing []originward.NotObserved
	miss := func(why, how string) {
		missing = append(missing, collect.Missing(fact.QLoad, originward.Subject{}, why, how))
	}
	first, cpus, ok := cpuTicks(env.Proc)
	began := time.Now()
	f := fact.Load{CPUs: cpus, Pressure: pressure(env.Proc), Boot: procs.BootTime(env.Proc), Disks: []fact.Disk{}}
	if !memory(env.Proc, &f) || !ok {
		miss("processors and memory: "+env.Proc+" is not readable", "mount /proc")
	}
	if len(f.Pressure) == 0 {
		miss("pressure (PSI): the kernel has none", "boot with psi=1")
	}
	if b, err := os.ReadFile(filepath.Join(env.Proc, "loadavg")); err == nil {
		f.Load1, _ = strconv.ParseFloat(strings.SplitN(string(b), " ", 2)[0], 64)
	}
	f.OOMKills, _ = field(filepath.Join(env.Proc, "vmstat"), "oom_kill")
	if b, err := os.ReadFile(filepath.Join(env.Proc, "sys/fs/file-nr")); err == nil {
		if n := strings.Fields(string(b)); len(n) == 3 {
			f.FilesUsed, _ = strconv.ParseUint(n[0], 10, 64)
			f.FilesMax, _ = strconv.ParseUint(n[2], 10, 64)
		}
	}
	var hung []string
	f.Disks, hung = disks(ctx, env)
	for _, m := range hung {
		miss("the file system at "+escape.Line(m, 256)+" does not answer", "umount -f "+escape.ShellWord(m)+" when it is a dead network file system")
	}
	f.Cgroups = cgroups(ctx, env)
	t := time.NewTimer(max(0, between-time.Since(began)))
	defer t.Stop()
	select {
	case <-t.C:
		if second, _, ok := cpuTicks(env.Proc); ok {
			f.BusyPct, f.StealPct = percent(first, second)
		}
	case <-ctx.Done():
	}
	return []originward.Evidence{env.Item(originward.Subject{}, f, summary(f), "uptime; free -m; df -h; df -i; cat /proc/pressure/*")}, missing
}

func summary(l fact.Load) string {
	s := fmt.Sprintf("%d processors %.0f %% busy, load %.2f; %s of %s memory available", l.CPUs, l.BusyPct, l.Load1, size(l.MemFree), size(l.MemTotal))
	if l.SwapTotal > 0 {
		s += fmt.Sprintf(", %s of %s swap free", size(l.SwapFree), size(l.SwapTotal))
	}
	if l.OOMKills > 0 {
		s += fmt.Sprintf("; %d processes killed for memory since boot", l.OOMKills)
	}
	for _, d := range l.Disks {
		switch {
		case d.ReadOnly:
			s += fmt.Sprintf("; %s is mounted read-only", d.Mount)
		case d.Size > 0 && float64(d.Avail) < 0.05*float64(d.Size):
			s += fmt.Sprintf("; %s has %s of %s left", d.Mount, size(d.Avail), size(d.Size))
		case d.Inodes > 0 && float64(d.InodeFree) < 0.05*float64(d.Inodes):
			s += fmt.Sprintf("; %s has %d of %d inodes left", d.Mount, d.InodeFree, d.Inodes)
		}
	}
	return escape.Line(s+".", 800)
}

// size prints bytes for a person.
func size(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, names := float64(n)/unit, "KMGTP"
	i := 0
	for f >= unit && i < len(names)-1 {
		f /= unit
		i++
	}
	return fmt.Sprintf("%.1f %ciB", f, names[i])
}
