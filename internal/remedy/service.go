package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/originward/originward/fact"
)

// What a step does to a service.
const (
	opStart   = "start"
	opRestart = "restart"
	opReload  = "reload"
	opEnable  = "enable" // start at boot
	opResume  = "resume" // let its stopped processes run on
)

// Daemon is a service by how it is controlled here.
type Daemon struct {
	Kind    string `json:"kind"`
	Manager string `json:"manager,omitempty"` // systemd, openrc, sysv; empty = the program itself
	Unit    string `json:"unit,omitempty"`
	Exe     string `json:"exe,omitempty"`
	Config  string `json:"config,omitempty"` // given with -c or -f; empty = the program's own
}

// Service changes whether a service runs.
type Service struct {
	Daemon
	Op string `json:"op"`
}

// serviceState is what a service was.
type serviceState struct {
	Running bool  `json:"running"`
	Enabled bool  `json:"enabled,omitempty"`
	Stopped []int `json:"stopped,omitempty"` // processes that stood still
}

// daemonOf says how a service of the evidence is controlled.
func daemonOf(s fact.Service, manager string) Daemon {
	d := Daemon{Kind: s.Kind, Exe: s.Exe, Unit: strings.TrimSuffix(s.Unit, ".service")}
	if d.Unit == "" {
		d.Unit = s.Name
	}
	switch manager {
	case "systemd":
		if s.Unit != "" {
			d.Manager = manager
		}
	case "openrc", "sysv":
		if _, err := os.Stat(filepath.Join("/etc/init.d", d.Unit)); err == nil && d.Unit != "" {
			d.Manager = manager
		}
	}
	if d.Manager == "" {
		d.Config = s.Config
	}
	return d
}

// argv is the command for an operation; nil = there is none.
func (d Daemon) argv(op string) []string {
	switch d.Manager {
	case "systemd":
		return []string{"systemctl", op, d.Unit}
	case "openrc":
		return []string{"rc-service", d.Unit, op}
	case "sysv":
		return []string{"service", d.Unit, op}
	}
	exe := d.Exe
	if exe == "" {
		exe = d.Kind
	}
	with := func(flag string, more ...string) []string {
		a := []string{exe}
		if d.Config != "" {
			a = append(a, flag, d.Config)
		}
		return append(a, more...)
	}
	switch d.Kind + " " + op {
	case "nginx start":
		return with("-c")
	case "nginx reload":
		return with("-c", "-s", "reload")
	case "nginx stop":
		return with("-c", "-s", "quit")
	case "apache start", "apache stop", "apache restart":
		return []string{apachectl(), op}
	case "apache reload":
		return []string{apachectl(), "graceful"}
	case "haproxy start":
		if d.Config == "" {
			d.Config = "/etc/haproxy/haproxy.cfg"
		}
		return []string{exe, "-D", "-f", d.Config}
	case "lighttpd start":
		return with("-f")
	case "php-fpm start":
		return with("-y", "-D")
	}
	return nil
}

func apachectl() string {
	for _, p := range []string{"apache2ctl", "apachectl", "httpd"} {
		if has(p) {
			return p
		}
	}
	return "apachectl"
}

// command is the operation as a person would type it.
func (d Daemon) command(op string) string {
	a := d.argv(op)
	if a == nil {
		return op + " " + d.Kind
	}
	return command(a[0], a[1:]...)
}

// run carries out an operation.
func (d Daemon) run(ctx context.Context, m *Machine, op string) error {
	a := d.argv(op)
	if a == nil && op == opReload && d.Kind == "crowdsec" {
		return d.signal(syscall.SIGHUP)
	}
	if a == nil && (op == "restart" || op == "reload") {
		if err := d.run(ctx, m, "stop"); err != nil {
			return err
		}
		return d.run(ctx, m, "start")
	}
	if a == nil && op == "stop" {
		return d.end(ctx)
	}
	if a == nil {
		return fmt.Errorf("no way to %s %s is known here", op, d.Kind)
	}
	if _, err := m.Run(ctx, "", a[0], a[1:]...); err != nil {
		if op == "stop" && d.Manager == "" { // it may refuse its configuration by now
			return d.end(ctx)
		}
		return err
	}
	switch op {
	case "stop":
		return d.await(ctx, false)
	case "start", "restart":
		return d.await(ctx, true)
	}
	return nil
}

// settleLimit is how long a service may take to appear or to go.
const settleLimit = 15 * time.Second

// await waits until the service's processes are there, or gone.
func (d Daemon) await(ctx context.Context, there bool) error {
	end := time.Now().Add(settleLimit)
	for d.running() != there {
		if time.Now().After(end) || ctx.Err() != nil {
			if there {
				return fmt.Errorf("%s did not stay up", d.Kind)
			}
			return fmt.Errorf("%s did not end", d.Kind)
		}
		time.Sleep(20 * time.Millisecond) // another program's processes: there is no event to wait for
	}
	return nil
}

// end asks the processes of a service without a manager to end.
func (d Daemon) end(ctx context.Context) error {
	if err := d.signal(syscall.SIGTERM); err != nil {
		return err
	}
	return d.await(ctx, false)
}

// signal sends a signal to the service's processes.
func (d Daemon) signal(sig syscall.Signal) error {
	for _, pid := range d.pids() {
		p, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	return nil
}

func (d Daemon) running() bool { return len(d.pids()) > 0 }

// programs are the names of a kind's processes.
var programs = map[string][]string{
	"apache": {"apache2", "httpd"}, "nginx": {"nginx", "openresty", "angie"}, "php-fpm": {"php-fpm"},
}

// pids are the service's processes in this network namespace, zombies left out.
func (d Daemon) pids() []int {
	names := programs[d.Kind]
	if names == nil {
		names = []string{d.Kind}
	}
	own, _ := os.Readlink("/proc/thread-self/ns/net") // the first thread may have been given up to another namespace
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	var out []int
	for _, dir := range dirs {
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || !named(strings.TrimSpace(string(comm)), names) {
			continue
		}
		if ns, err := os.Readlink(filepath.Join(dir, "ns/net")); err != nil || ns != own || processState(dir) == "Z" {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil {
			out = append(out, pid)
		}
	}
	return out
}

func named(comm string, names []string) bool {
	for _, n := range names {
		if comm == n || n == "php-fpm" && strings.HasPrefix(comm, n) {
			return true
		}
	}
	return false
}

// processState is the state letter of a process, from /proc/PID/stat.
func processState(dir string) string {
	raw, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return ""
	}
	text := string(raw)
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) == 0 {
		return ""
	}
	return f[0]
}

// stopped are those of the processes that stand still.
func (d Daemon) stopped() []int {
	var out []int
	for _, pid := range d.pids() {
		if processState("/proc/"+strconv.Itoa(pid)) == "T" {
			out = append(out, pid)
		}
	}
	return out
}

// enabled reports whether systemd starts the unit at boot.
func (d Daemon) enabled(ctx context.Context, m *Machine) bool {
	out, err := m.Run(ctx, "", "systemctl", "is-enabled", d.Unit)
	return err == nil && strings.HasPrefix(strings.TrimSpace(out), "enabled")
}

// Plan says what the operation would do now.
func (s *Service) Plan(ctx context.Context, m *Machine) (Change, error) {
	was := serviceState{Running: s.running()}
	show := []string{s.command(s.Op)}
	none := false
	switch s.Op {
	case opStart:
		none = was.Running
	case opEnable:
		was.Enabled = s.enabled(ctx, m)
		none = was.Enabled
	case opResume:
		was.Stopped = s.stopped()
		show, none = nil, len(was.Stopped) == 0
		for _, pid := range was.Stopped {
			show = append(show, "kill -CONT "+strconv.Itoa(pid))
		}
	}
	if s.Op != opResume && s.argv(s.Op) == nil && s.Op != opRestart {
		return Change{}, fmt.Errorf("no way to %s %s is known here", s.Op, s.Kind)
	}
	return Change{Show: show, Before: encode(was), None: none}, nil
}

// Apply does it.
func (s *Service) Apply(ctx context.Context, m *Machine) error {
	if s.Op != opResume {
		return s.run(ctx, m, s.Op)
	}
	for _, pid := range s.stopped() {
		if err := resume(pid, false); err != nil {
			return err
		}
	}
	return nil
}

// Undo stops what was started, disables what was enabled and stops again what
// ran on. A restart or reload leaves nothing to take back.
func (s *Service) Undo(ctx context.Context, m *Machine, before json.RawMessage) error {
	var was serviceState
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	switch {
	case s.Op == opStart && !was.Running && s.running():
		return s.run(ctx, m, "stop")
	case s.Op == opEnable && !was.Enabled:
		_, err := m.Run(ctx, "", "systemctl", "disable", s.Unit)
		return err
	case s.Op == opResume:
		for _, pid := range was.Stopped {
			_ = resume(pid, true) // one that ended meanwhile needs nothing
		}
	}
	return nil
}
