package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/sandbox"
)

// testBudget is what a configuration's own test may take; one that resolves
// names over a dead resolver takes longer and is left.
const testBudget = 4 * time.Second

// Collector answers which web servers, proxies and application servers there
// are and how they fare.
func Collector() collect.Collector {
	return collect.Collector{Name: "services", Question: fact.QServices, Budget: testBudget + 2*time.Second, Run: run}
}

func run(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
	s := survey{env: env, table: env.Processes(ctx)}
	if s.table.Err != nil {
		s.miss("", "the process table is not readable: "+escape.Line(s.table.Err.Error(), 200), "mount /proc")
	} else if s.table.Complete == fact.No {
		s.miss("", "other users' processes are hidden (hidepid)", "run as root")
	}
	listens := s.listens(ctx)
	list := running(s.table, listens)
	f := fact.Services{Complete: s.table.Complete, Manager: s.manager()}
	if f.Manager == "systemd" {
		list = s.units(ctx, list)
	}
	list = s.absent(list)
	for _, v := range list {
		v.finish(env, s.table)
	}
	s.tests(ctx, list)
	for _, v := range list {
		f.Services = append(f.Services, v.Service)
	}
	return []originward.Evidence{env.Item(originward.Subject{}, f, summary(f), reproduce(f))}, s.missing
}

// survey is one run.
type survey struct {
	env     *collect.Env
	table   procs.Table
	serving bool // something listens on every port of the edge
	mu      sync.Mutex
	missing []originward.NotObserved // guarded by mu
}

func (s *survey) miss(unit, why, how string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing = append(s.missing, collect.Missing(fact.QServices, originward.Subject{Unit: unit}, why, how))
}

// listens says which processes hold listening sockets: true where one is on a
// port of the edge.
func (s *survey) listens(ctx context.Context) map[int]bool {
	out := map[int]bool{}
	open := map[uint16]bool{}
	for _, l := range s.env.Listeners(ctx).Sockets {
		open[l.Port] = true
		if l.PID != 0 {
			out[l.PID] = out[l.PID] || slices.Contains(s.env.Ports, l.Port)
		}
	}
	s.serving = !slices.ContainsFunc(s.env.Ports, func(p uint16) bool { return !open[p] })
	return out
}

// manager names the service manager. One that lives in another network
// namespace manages another host's services.
func (s *survey) manager() string {
	if p, ok := s.table.ByPID(1); ok && p.Foreign() {
		s.miss("", "the service manager of this machine lives in another network namespace: its units are not this host's", "run it where the host's own init runs")
		return "none"
	}
	switch {
	case systemdRuns(s.env.File("")):
		return "systemd"
	case exists(s.env.File("/run/openrc")):
		return "openrc"
	case exists(s.env.File("/etc/init.d")):
		return "sysv"
	}
	return "none"
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// units adds what systemd says: to the services that run, and as services of
// their own where a unit does not.
func (s *survey) units(ctx context.Context, list []*found) []*found {
	ctx, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer cancel()
	m, err := connect(ctx)
	if err != nil {
		s.miss("", "systemd does not answer: "+escape.Line(err.Error(), 200), "allow access to the system bus")
		return list
	}
	defer m.close()
	var also []string
	for _, f := range list {
		if strings.HasSuffix(f.Unit, ".service") {
			also = append(also, f.Unit)
		}
	}
	names, err := m.names(ctx, also)
	if err != nil {
		s.miss("", "systemd did not list its units: "+escape.Line(err.Error(), 200), "systemctl list-units --all")
		return list
	}
	for _, name := range names {
		u, err := m.unit(ctx, name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			s.miss(escape.Line(name, 128), "systemd did not tell the unit's state: "+escape.Line(err.Error(), 200), "systemctl status "+escape.ShellWord(name))
			continue
		}
		list = merge(list, u)
	}
	for _, f := range list {
		if f.unit != nil && f.State == "failed" {
			f.StartError = startError(ctx, f.Unit)
		}
	}
	return list
}

// merge puts a unit to the service it runs, or adds it as one.
func merge(list []*found, u *unit) []*found {
	matched := false
	for _, f := range list {
		if f.Unit == u.name || (u.pid != 0 && f.master.PID == u.pid) {
			f.addUnit(u)
			matched = true
		}
	}
	if matched || u.active == "active" && u.pid == 0 {
		return list
	}
	k := kindOfUnit(u)
	if k == nil || len(list) >= maxServices || k == &app && !u.serves() {
		return list
	}
	f := &found{kind: k}
	f.Kind, f.Role, f.Unit = k.name, k.role, escape.Line(u.name, 128)
	if len(u.exec) > 0 {
		f.Exe = escape.Line(u.exec[0], 256)
	}
	f.State, f.Since = u.state(), u.since
	if f.Exe == "" { // a masked unit has no command line
		f.Exe = installed("/", k)
	}
	f.addUnit(u)
	if k == &app {
		f.Ports = u.ports
	}
	return append(list, f)
}

// serves reports whether a unit of no known kind may be an application that
// serves the site: by its name, or by a port on its command line.
func (u *unit) serves() bool {
	return len(u.ports) > 0 || slices.ContainsFunc(app.units, func(pattern string) bool {
		ok, _ := matchUnit(pattern, u.name)
		return ok
	})
}

func (f *found) addUnit(u *unit) {
	f.unit = u
	f.Unit, f.Enabled, f.Restarts, f.Result = escape.Line(u.name, 128), u.enabled, u.restarts, u.result
	f.ExitCode, f.Signal, f.IPDeny, f.IPAllow = u.exit, u.signal, u.ipDeny, u.ipAllow
	if u.frozen {
		f.Stopped = fact.Yes
	}
}

func kindOfUnit(u *unit) *kind {
	if len(u.exec) > 0 {
		base := u.exec[0][strings.LastIndexByte(u.exec[0], '/')+1:]
		if k := kindOf(base); k != nil {
			return k
		}
	}
	for i := range kinds {
		for _, pattern := range kinds[i].units {
			if ok, _ := matchUnit(pattern, u.name); ok {
				return &kinds[i]
			}
		}
	}
	return &app
}

func matchUnit(pattern, name string) (bool, error) {
	re, err := regexp.Compile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
	if err != nil {
		return false, err
	}
	return re.MatchString(name), nil
}

// reason are the words of a log line that says why a program did not start;
// generic are systemd's own lines, which only say that it did not.
var (
	reason  = regexp.MustCompile(`(?i)emerg|error|fail|fatal|cannot|could not|unable|invalid|denied|no such|in use|panic|unknown|not found`)
	generic = regexp.MustCompile(`^(Failed to start |Starting |Stopped |Stopping |.*: (Main|Control) process exited|.*: Failed with result|.*: Scheduled restart|.*: Start request repeated|.*: Consumed |.*test failed$)`)
)

// startError is the line of the journal that says why a unit did not start.
func startError(ctx context.Context, name string) *fact.Place {
	ctx, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
	defer cancel()
	out, err := exec.CommandContext(ctx, "journalctl", "--no-pager", "-q", "-o", "cat", "-n", "40", "-u", name).Output()
	if err != nil {
		return nil
	}
	return pickReason(strings.Split(string(out), "\n"), name)
}

func pickReason(lines []string, unit string) *fact.Place {
	for _, l := range slices.Backward(lines) {
		if reason.MatchString(l) && !generic.MatchString(l) {
			return &fact.Place{File: "journal of " + escape.Line(unit, 128), Text: escape.Line(strings.TrimSpace(l), 400)}
		}
	}
	return nil
}

// absent adds the web servers that are not running: installed but stopped, or
// not installed at all.
func (s *survey) absent(list []*found) []*found {
	for i := range kinds {
		k := &kinds[i]
		if slices.ContainsFunc(list, func(f *found) bool { return f.kind == k }) {
			continue
		}
		f := &found{kind: k}
		f.Kind, f.Role, f.State = k.name, k.role, "not_installed"
		if exe := installed(s.env.Root, k); exe != "" {
			f.Exe, f.State, f.Enabled, f.start = exe, "stopped", s.atBoot(k), startLine(s.env, k)
		} else if k.role != web {
			continue
		}
		if s.table.Err != nil && f.State == "stopped" {
			f.State = "" // without a process table nothing says that it does not run
		}
		list = append(list, f)
	}
	return list
}

// atBoot reads whether an init script starts a kind: runlevel links of System
// V init, or OpenRC's.
func (s *survey) atBoot(k *kind) fact.Tri {
	for _, u := range k.units {
		name := strings.TrimSuffix(u, ".service")
		if strings.Contains(name, "*") || !exists(s.env.File("/etc/init.d/"+name)) {
			continue
		}
		for _, dir := range []string{"/etc/rc2.d", "/etc/rc3.d", "/etc/rc5.d"} {
			entries, _ := os.ReadDir(s.env.File(dir))
			for _, e := range entries {
				if strings.HasPrefix(e.Name(), "S") && strings.HasSuffix(e.Name(), name) {
					return fact.Yes
				}
			}
		}
		return fact.TriOf(exists(s.env.File("/etc/runlevels/default/" + name)))
	}
	return fact.Unknown
}

// tests runs the self-tests of all services at once.
func (s *survey) tests(ctx context.Context, list []*found) {
	ctx, cancel := context.WithTimeout(ctx, testBudget)
	defer cancel()
	var wg sync.WaitGroup
	done := map[string]bool{}
	for _, f := range list {
		if f.kind.test == nil || !s.worthTesting(f) {
			continue
		}
		cmd := f.kind.test.command(f.Exe, f.words(), f.Config)
		if key := strings.Join(cmd, "\x00"); done[key] {
			continue
		} else {
			done[key] = true
		}
		if why, how := s.cannotTest(f); why != "" {
			s.miss(f.label(), why, how)
			continue
		}
		wg.Go(func() { s.test(ctx, f, cmd) })
	}
	wg.Wait()
}

// worthTesting leaves alone the servers that are merely installed while
// others serve every port.
func (s *survey) worthTesting(f *found) bool {
	switch f.State {
	case "running", "failed", "activating":
		return f.Exe != ""
	case "stopped":
		return f.Exe != "" && f.Config != "" && !s.serving
	}
	return false
}

// cannotTest says why a test cannot be run safely from here.
func (s *survey) cannotTest(f *found) (why, how string) {
	switch {
	case f.master.PID != 0 && f.master.Mount == fact.No && !(sameFile(f.master, f.Exe) && sameFile(f.master, f.Config)):
		return "the configuration of " + f.label() + " was not tested: it runs in a container or sees other files than this program", "run its configuration test inside"
	case s.env.Root != "/":
		return "the configuration of " + f.label() + " was not tested: these are another machine's files", "run its configuration test there"
	case os.Geteuid() == 0 && f.master.PID != 0 && f.master.UID > 0:
		return fmt.Sprintf("the configuration of %s was not tested: it runs as user %d, and what that user starts is not run as root", f.label(), f.master.UID), "run its configuration test as that user"
	}
	return "", ""
}

// sameFile reports whether a path means the same file to a process of another
// mount namespace as to us. Most such namespaces differ in /tmp only (systemd's
// PrivateTmp).
func sameFile(p procs.Process, path string) bool {
	ours, err1 := os.Stat(path)
	theirs, err2 := os.Stat(p.Path(path, "/"))
	return err1 == nil && err2 == nil && os.SameFile(ours, theirs)
}

func (f *found) label() string {
	if f.Unit != "" {
		return f.Unit
	}
	return f.Kind
}

func (s *survey) test(ctx context.Context, f *found, cmd []string) {
	env := f.environment(s.env)
	out, err := sandbox.Run(ctx, sandbox.Command{Path: cmd[0], Args: cmd[1:], Env: env, Dir: f.master.Cwd})
	if err != nil {
		s.miss(f.label(), fmt.Sprintf("the configuration of %s was not tested: %s", f.label(), escape.Line(err.Error(), 200)), escape.Shell(cmd...))
		return
	}
	t, why := f.kind.test.judge(cmd, out, os.Geteuid() == 0)
	f.Test = &t
	if why != "" {
		s.miss(f.label(), "whether the configuration of "+f.label()+" is valid: "+why, "run as root: "+escape.Shell(cmd...))
	}
}
