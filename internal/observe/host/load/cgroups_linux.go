package load

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
)

// near is the share of a limit from which a cgroup's use is worth telling.
const near = 0.8

// cgroups looks at the cgroups of the processes that listen, and those above
// them: how close they are to their own limits.
func cgroups(ctx context.Context, env *collect.Env) []fact.CgroupUse {
	base := cgroupBase(env)
	if base == "" {
		return nil
	}
	var out []fact.CgroupUse
	seen := map[string]bool{"/": true, ".": true, "": true}
	table := env.Processes(ctx)
	for _, s := range env.Listeners(ctx).Sockets {
		p, ok := table.ByPID(s.PID)
		if s.PID == 0 || !ok {
			continue
		}
		for path := p.Cgroup; !seen[path]; path = filepath.Dir(path) {
			seen[path] = true
			if u, tell := cgroup(filepath.Join(base, path)); tell && len(out) < 64 {
				u.Unit = escape.Line(filepath.Base(path), 128)
				out = append(out, u)
			}
		}
	}
	slices.SortFunc(out, func(a, b fact.CgroupUse) int {
		if a.Unit < b.Unit {
			return -1
		}
		return 1
	})
	return out
}

func cgroupBase(env *collect.Env) string {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(env.File(dir + "/cgroup.controllers")); err == nil {
			return env.File(dir)
		}
	}
	return ""
}

// cgroup reads one cgroup; tell is false when it is nowhere near a limit.
func cgroup(dir string) (u fact.CgroupUse, tell bool) {
	u.Mem, _ = single(filepath.Join(dir, "memory.current"))
	u.MemMax, _ = single(filepath.Join(dir, "memory.max"))
	u.PIDs, _ = single(filepath.Join(dir, "pids.current"))
	u.PIDsMax, _ = single(filepath.Join(dir, "pids.max"))
	u.OOMKills, _ = field(filepath.Join(dir, "memory.events"), "oom_kill")
	periods, _ := field(filepath.Join(dir, "cpu.stat"), "nr_periods")
	throttled, _ := field(filepath.Join(dir, "cpu.stat"), "nr_throttled")
	if periods > 0 {
		u.Throttled = 100 * float64(throttled) / float64(periods)
	}
	full := func(use, limit uint64) bool { return limit > 0 && float64(use) >= near*float64(limit) }
	return u, full(u.Mem, u.MemMax) || full(u.PIDs, u.PIDsMax) || u.OOMKills > 0 || u.Throttled >= 5
}
