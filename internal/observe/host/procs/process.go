// Package procs reads the process table of a Linux host as far as the caller
// may see it: what runs, from which file, in which network namespace, unit and
// container, and where its files lie.
//
// Several network namespaces can share one process table (containers, test
// labs). A process that lives in another network namespace than ours is never
// this host's server: Process.Net says so, and is unknown when it cannot be
// told.
package procs

import (
	"path/filepath"
	"strconv"
	"time"

	"github.com/originward/originward/fact"
)

// Process is one process. Empty and zero fields were not readable.
type Process struct {
	PID       int
	PPID      int
	Comm      string    // kernel's name of the main thread, at most 15 bytes
	Exe       string    // executable as the process sees it; empty = not readable
	Deleted   bool      // the executable's file was replaced or removed since
	Args      []string  // bounded to maxArgs and maxArgBytes; raw, escape before printing
	Cwd       string    // working directory as the process sees it
	UID       int       // effective user; -1 = not known
	State     byte      // R, S, D, T (stopped), t (traced), Z (zombie) …; 0 = not known
	Started   time.Time // zero = not known
	Threads   int
	Unit      string   // systemd unit, from the cgroup
	Container string   // container id (12 hex digits), from the cgroup
	Cgroup    string   // cgroup v2 path (or the systemd hierarchy's of v1)
	Net       fact.Tri // it lives in our network namespace
	Mount     fact.Tri // it lives in our mount namespace and root directory
	proc      string   // its directory below procfs
}

// Name is the base name of the executable, or the kernel's name of the
// process where the executable is not readable.
func (p Process) Name() string {
	if p.Exe != "" {
		return filepath.Base(p.Exe)
	}
	return p.Comm
}

// Path gives a path that this program can open for a path as the process
// names it: relative ones count from its working directory (or dir, when that
// is not empty), and a process with another root or mount namespace is
// entered through /proc/PID/root.
func (p Process) Path(path, dir string) string {
	if !filepath.IsAbs(path) {
		if dir == "" {
			dir = p.Cwd
		}
		path = filepath.Join("/", dir, path)
	}
	if p.Mount == fact.No && p.proc != "" {
		return filepath.Join(p.proc, "root", path)
	}
	return path
}

// Dir is the process's directory below procfs, e.g. /proc/123.
func (p Process) Dir() string { return p.proc }

// Foreign reports whether the process certainly lives in another network
// namespace: it cannot serve this host's addresses itself.
func (p Process) Foreign() bool { return p.Net == fact.No }

// Stopped reports whether the process is stopped by a signal.
func (p Process) Stopped() bool { return p.State == 'T' }

func (p Process) String() string { return p.Name() + "[" + strconv.Itoa(p.PID) + "]" }

// Table is the process table at one moment.
type Table struct {
	Processes []Process
	// Complete is yes when every process's network namespace was readable, no
	// when some was not (not root, hidepid), and unknown when there is no procfs.
	Complete fact.Tri
	// Hidden counts processes whose namespace could not be read.
	Hidden int
	// Err says why there is no table at all.
	Err error
}

// Ours gives the processes that are not known to live elsewhere.
func (t Table) Ours() []Process {
	var out []Process
	for _, p := range t.Processes {
		if !p.Foreign() {
			out = append(out, p)
		}
	}
	return out
}

// ByPID finds a process.
func (t Table) ByPID(pid int) (Process, bool) {
	for _, p := range t.Processes {
		if p.PID == pid {
			return p, true
		}
	}
	return Process{}, false
}
