package webconfig

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// maxInstances bounds how many servers of a host are read.
const maxInstances = 32

// find reads the configuration of every server that runs in this network
// namespace, and the default one of a server that is installed and does not
// run.
func find(ctx context.Context, env *collect.Env) ([]Instance, Found) {
	table := env.Processes(ctx)
	found := Found{Complete: table.Complete, Hidden: table.Hidden}
	var out []Instance
	for i := range servers {
		s := &servers[i]
		running := false
		for _, g := range groups(table.Ours(), s) {
			running = true
			src := s.source(rootfs.For(env, g[0]), s, g[0])
			if src.Main == "" || len(out) >= maxInstances || have(out, s.name, src.Main) {
				continue
			}
			out = append(out, read(env, s, src, g))
		}
		if running {
			continue
		}
		src := s.source(rootfs.FS{Root: env.Root}, s, procs.Process{})
		if src.Main == "" || src.FS.Exists(src.Main) == fact.No {
			continue
		}
		inst := read(env, s, src, nil)
		if table.Complete == fact.Yes {
			inst.Running = fact.No
		}
		out = append(out, inst)
	}
	return out, found
}

func have(list []Instance, server, file string) bool {
	return slices.ContainsFunc(list, func(i Instance) bool { return i.Server == server && i.File == file })
}

// groups gives the processes of each running server, the master first: it is
// the one whose parent is another program.
func groups(list []procs.Process, s *server) [][]procs.Process {
	var mine []procs.Process
	for _, p := range list {
		if s.is(p) && p.State != 'Z' {
			mine = append(mine, p)
		}
	}
	pids := map[int]int{} // to its master
	var masters []procs.Process
	for _, p := range mine {
		if !slices.ContainsFunc(mine, func(q procs.Process) bool { return q.PID == p.PPID }) {
			masters = append(masters, p)
			pids[p.PID] = p.PID
		}
	}
	var out [][]procs.Process
	for _, m := range masters {
		g := []procs.Process{m}
		for _, p := range mine {
			if p.PID != m.PID && (p.PPID == m.PID || pids[p.PPID] == m.PID) {
				pids[p.PID] = m.PID
				g = append(g, p)
			}
		}
		out = append(out, g)
	}
	return out
}

func read(env *collect.Env, s *server, src conf.Source, g []procs.Process) Instance {
	src.Ranges = env.Ranges
	c, l := s.read(src)
	inst := Instance{WebConfig: c, FS: src.FS, Procs: g, Newest: l.Newest, Files: l.Files}
	if len(g) > 0 {
		inst.Running = fact.Yes
		for _, p := range g {
			inst.PIDs = append(inst.PIDs, p.PID)
		}
		inst.Loaded = loaded(g)
		inst.Newer = newer(inst)
	}
	return inst
}

// loaded is when the processes that serve took their configuration: a reload
// starts new workers, so the oldest worker that is not on its way out began
// with what is in force. A server without workers took it when it started.
func loaded(g []procs.Process) time.Time {
	var oldest time.Time
	for _, p := range g[1:] {
		if len(p.Args) > 0 && strings.Contains(p.Args[0], "shutting down") || p.Started.IsZero() {
			continue
		}
		if oldest.IsZero() || p.Started.Before(oldest) {
			oldest = p.Started
		}
	}
	if oldest.IsZero() {
		return g[0].Started
	}
	return oldest
}

// slack: process start times count in hundredths of a second since a boot time
// that is known to the second.
const slack = 2 * time.Second

func newer(i Instance) fact.Tri {
	if i.Loaded.IsZero() || i.Newest.IsZero() {
		return fact.Unknown
	}
	return fact.TriOf(i.Newest.After(i.Loaded.Add(slack)))
}
