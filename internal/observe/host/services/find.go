package services

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/procs"
)

// found is a service while it is being described.
type found struct {
	fact.Service
	kind   *kind
	master procs.Process // zero when it does not run
	unit   *unit         // nil when no service manager knows it
	start  []string      // command line in its unit's file, not split as a shell would
}

// maxServices bounds the answer.
const maxServices = 128

// running groups the processes of this network namespace into services: each
// topmost process of a kind is one, and its descendants of the same kind are
// its children. listens says which processes hold listening sockets, and
// whether one is on a port that the edge contacts.
func running(table procs.Table, listens map[int]bool) []*found {
	ours := table.Ours()
	byPID := map[int]*kind{}
	for _, p := range ours {
		if k := classify(p, listens); k != nil && p.State != 'Z' && p.State != 'X' {
			byPID[p.PID] = k
		}
	}
	masters := map[int]*found{}
	var out []*found
	slices.SortFunc(ours, func(a, b procs.Process) int { return cmp.Or(a.Started.Compare(b.Started), a.PID-b.PID) })
	top := func(p procs.Process) int {
		pid, parent := p.PID, p.PPID
		for range 16 {
			if byPID[parent] == nil || byPID[parent].name != byPID[p.PID].name {
				break
			}
			pid = parent
			q, ok := table.ByPID(parent)
			if !ok {
				break
			}
			parent = q.PPID
		}
		return pid
	}
	for _, p := range ours {
		k := byPID[p.PID]
		if k == nil {
			continue
		}
		m := top(p)
		f := masters[m]
		if f == nil {
			if len(out) >= maxServices {
				continue
			}
			f = &found{kind: k}
			masters[m] = f
			out = append(out, f)
		}
		f.add(p, p.PID == m, listens)
	}
	return out
}

// classify gives the kind of a process. An application server counts when it
// listens; any unknown program does when it listens on a port of the edge.
func classify(p procs.Process, listens map[int]bool) *kind {
	if k := kindOf(p.Name(), p.Comm, title(p)); k != nil {
		return k
	}
	if forwarders[p.Name()] {
		return nil
	}
	onWebPort, listening := listens[p.PID]
	if onWebPort || (listening && (app.matches(p.Name()) || app.matches(p.Comm))) {
		return &app
	}
	return nil
}

// forwarders hold a listening socket for somebody else: a container, or a
// service that is started on demand.
var forwarders = map[string]bool{"docker-proxy": true, "rootlessport": true, "slirp4netns": true, "pasta": true, "passt": true, "systemd": true, "inetd": true, "xinetd": true}

// title is the program's name in the title that it has written over its
// command line; it tells the kind where the executable is not readable.
func title(p procs.Process) string {
	if len(p.Args) == 0 {
		return ""
	}
	name, _, ok := strings.Cut(p.Args[0], ":")
	if !ok {
		return ""
	}
	return strings.TrimSpace(name)
}

func (f *found) add(p procs.Process, master bool, listens map[int]bool) {
	f.PIDs = append(f.PIDs, p.PID)
	if !master {
		f.Children++
		return
	}
	f.master = p
	f.Kind, f.Role, f.State = f.kind.name, f.kind.role, "running"
	f.Name = escape.Line(p.Name(), 64)
	f.Exe, f.Unit, f.Since = escape.Line(p.Exe, 256), escape.Line(p.Unit, 128), p.Started
	if f.Exe == "" && len(p.Words()) > 0 && filepath.IsAbs(p.Words()[0]) {
		f.Exe = escape.Line(p.Words()[0], 256)
	}
	if f.kind == &app && listens[p.PID] {
		f.Role = web
	}
}

// maxPIDs bounds the process numbers in evidence.
const maxPIDs = 64

// finish works out what depends on all of a service's processes.
func (f *found) finish(env *collect.Env, table procs.Table) {
	stopped, workers, workersStopped := 0, 0, 0
	for _, pid := range f.PIDs {
		p, ok := table.ByPID(pid)
		if !ok {
			continue
		}
		if p.Stopped() {
			stopped++
		}
		if pid != f.master.PID {
			workers++
			if p.Stopped() {
				workersStopped++
			}
		}
		if n, limit := descriptors(p); limit > 0 && float64(n)/float64(limit) >= ratio(f.FDs, f.FDLimit) {
			f.FDs, f.FDLimit = n, limit
		}
	}
	if f.master.PID != 0 {
		f.Stopped = fact.TriOf(stopped == len(f.PIDs) || (workers > 0 && workersStopped == workers) || frozen(env, f.master))
	}
	if len(f.PIDs) > maxPIDs {
		f.PIDs = f.PIDs[:maxPIDs]
	}
	f.Config = escape.Line(f.config(env), 256)
	if f.kind.ports != nil {
		f.Ports = f.kind.ports(f.words())
		if f.Ports == nil {
			f.Ports = f.kind.ports(f.start)
		}
	}
}

func ratio(n int, limit uint64) float64 {
	if limit == 0 {
		return 0
	}
	return float64(n) / float64(limit)
}

// config is the main configuration file, as the program sees it.
func (f *found) config(env *collect.Env) string {
	words := f.words()
	if v, ok := procs.Flag(words, f.kind.conf...); ok && v != "" && !strings.Contains(v, "$") {
		return absolute(v, f.prefix(words))
	}
	for _, file := range f.kind.files {
		if _, err := os.Stat(env.File(f.master.Path(file, "/"))); err == nil {
			return file
		}
	}
	if matches, _ := filepath.Glob(env.File("/etc/php/*/fpm/php-fpm.conf")); f.Kind == "php-fpm" && len(matches) > 0 {
		return "/" + strings.TrimPrefix(strings.TrimPrefix(matches[len(matches)-1], env.Root), "/")
	}
	return ""
}

// words is the command line of the running master, else that of its unit.
func (f *found) words() []string {
	if w := f.master.Words(); len(w) > 0 {
		return w
	}
	if f.unit != nil {
		return f.unit.exec
	}
	return nil
}

// prefix is what a relative configuration file counts from.
func (f *found) prefix(words []string) string {
	switch f.kind.name {
	case "nginx":
		if p, ok := procs.Flag(words, "-p"); ok {
			return absolute(p, f.master.Cwd)
		}
		return "/etc/nginx" // the prefix that distributions compile in; others use absolute paths
	case "apache":
		if d, ok := procs.Flag(words, "-d"); ok {
			return absolute(d, f.master.Cwd)
		}
		if f.Exe == "/usr/sbin/httpd" {
			return "/etc/httpd"
		}
		return "/etc/apache2"
	}
	return f.master.Cwd
}

func absolute(path, dir string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join("/", dir, path)
}

// descriptors counts the open descriptors of a process, and its soft limit;
// zeros when they are not readable.
func descriptors(p procs.Process) (n int, limit uint64) {
	dir, err := os.Open(filepath.Join(p.Dir(), "fd"))
	if err != nil {
		return 0, 0
	}
	defer dir.Close()
	for n < 1<<20 {
		names, err := dir.Readdirnames(1024)
		n += len(names)
		if err != nil {
			break
		}
	}
	return n, procs.FDLimit(p)
}

// frozen reports whether the process's cgroup is frozen.
func frozen(env *collect.Env, p procs.Process) bool {
	if p.Cgroup == "" {
		return false
	}
	for _, base := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		b, err := os.ReadFile(env.File(filepath.Join(base, p.Cgroup, "cgroup.events")))
		if err == nil {
			return strings.Contains(string(b), "frozen 1")
		}
	}
	return false
}
