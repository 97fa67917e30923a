package procs

import (
	"bytes"
	"context"
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

// Bounds of what is kept of a hostile process. 32,768 is the kernel's default
// pid_max; a machine with more processes than that is not an ordinary one.
const (
	maxProcesses = 32768
	maxArgs      = 64
	maxArgBytes  = 4096
)

// clockTick is USER_HZ, in which /proc/PID/stat counts; it is 100 on every
// Linux architecture that Go supports (proc(5)).
const clockTick = 100

// reader holds what is the same for every process of one table.
type reader struct {
	proc  string
	boot  time.Time
	net   uint64 // inode of our own net/tcp: differs in every network namespace
	mount string // our mount namespace, as readlink gives it
	root  [2]uint64
}

// Read reads the process table below proc ("/proc"). Kernel threads are left
// out.
func Read(ctx context.Context, proc string) Table {
	dir, err := os.Open(proc)
	if err != nil {
		return Table{Err: fmt.Errorf("read process table: %w", err)}
	}
	defer dir.Close()
	r := newReader(proc)
	t := Table{Complete: fact.TriOf(!hidesOthers(proc))}
	if r.boot.IsZero() && r.net == 0 {
		t.Err = fmt.Errorf("read process table: %s is not a procfs", proc)
		t.Complete = fact.Unknown
		return t
	}
	for len(t.Processes) < maxProcesses && ctx.Err() == nil {
		names, err := dir.Readdirnames(512)
		for _, n := range names {
			pid, err := strconv.Atoi(n)
			if err != nil || ctx.Err() != nil {
				continue
			}
			r.add(&t, pid)
		}
		if err != nil {
			return t
		}
	}
	t.Complete = fact.No
	return t
}

func (r *reader) add(t *Table, pid int) {
	p, err := r.process(pid)
	switch {
	case errors.Is(err, errKernelThread), errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ESRCH):
		return // gone meanwhile, or not a program
	case err != nil:
		t.Complete = fact.No
		return
	}
	if p.Net == fact.Unknown {
		t.Hidden++
	}
	t.Processes = append(t.Processes, p)
}

func newReader(proc string) *reader {
	self := filepath.Join(proc, "thread-self") // the first thread may have been given up to another namespace
	if _, err := os.Stat(self); err != nil {
		self = filepath.Join(proc, "self")
	}
	r := &reader{proc: proc, boot: BootTime(proc), net: netInode(self)}
	r.mount, _ = os.Readlink(filepath.Join(self, "ns/mnt"))
	r.root = identity("/")
	return r
}

var errKernelThread = errors.New("kernel thread")

func (r *reader) process(pid int) (Process, error) {
	d := filepath.Join(r.proc, strconv.Itoa(pid))
	p := Process{PID: pid, UID: -1, proc: d}
	stat, err := os.ReadFile(filepath.Join(d, "stat"))
	if err != nil {
		return p, err
	}
	if err := r.stat(&p, stat); err != nil {
		return p, err
	}
	p.Args = arguments(filepath.Join(d, "cmdline"))
	if exe, err := os.Readlink(filepath.Join(d, "exe")); err == nil {
		p.Exe, p.Deleted = strings.CutSuffix(exe, " (deleted)")
	}
	p.Cwd, _ = os.Readlink(filepath.Join(d, "cwd"))
	if b, err := readBounded(filepath.Join(d, "status"), 4096); err == nil {
		p.UID = effectiveUID(b)
	}
	if b, err := readBounded(filepath.Join(d, "cgroup"), 8192); err == nil {
		p.Cgroup, p.Unit, p.Container = parseCgroup(string(b))
	}
	r.namespaces(&p)
	return p, nil
}

// namespaces compares the process's namespaces with ours. Links below ns/ are
// for root and the owner only; the inode of net/tcp says the same to anyone,
// for every network namespace has its own.
func (r *reader) namespaces(p *Process) {
	if ino := netInode(p.proc); ino != 0 && r.net != 0 {
		p.Net = fact.TriOf(ino == r.net)
	}
	if m, err := os.Readlink(filepath.Join(p.proc, "ns/mnt")); err == nil && r.mount != "" {
		p.Mount = fact.TriOf(m == r.mount && identity(filepath.Join(p.proc, "root")) == r.root)
	}
}

func netInode(dir string) uint64 {
	var st syscall.Stat_t
	if syscall.Stat(filepath.Join(dir, "net/tcp"), &st) != nil {
		return 0
	}
	return st.Ino
}

func identity(path string) [2]uint64 {
	var st syscall.Stat_t
	if syscall.Stat(path, &st) != nil {
		return [2]uint64{}
	}
	return [2]uint64{st.Dev, st.Ino}
}

// stat reads "pid (comm) state ppid …"; comm may hold spaces and brackets, so
// the fields are counted from the last closing one (proc(5)).
func (r *reader) stat(p *Process, b []byte) error {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return fmt.Errorf("process %d: stat is malformed", p.PID)
	}
	p.Comm = string(b[open+1 : end])
	f := strings.Fields(string(b[end+1:]))
	if len(f) < 20 {
		return fmt.Errorf("process %d: stat has %d fields, at least 20 are expected", p.PID, len(f))
	}
	const pfKthread = 0x00200000 // linux/sched.h
	if flags, _ := strconv.ParseUint(f[6], 10, 64); flags&pfKthread != 0 {
		return errKernelThread
	}
	p.State = f[0][0]
	p.PPID, _ = strconv.Atoi(f[1])
	p.Threads, _ = strconv.Atoi(f[17])
	if ticks, err := strconv.ParseInt(f[19], 10, 64); err == nil && !r.boot.IsZero() {
		p.Started = r.boot.Add(time.Duration(ticks) * (time.Second / clockTick))
	}
	return nil
}

// BootTime is the time at which the kernel started, from /proc/stat.
func BootTime(proc string) time.Time {
	b, err := readBounded(filepath.Join(proc, "stat"), 1<<20)
	if err != nil {
		return time.Time{}
	}
	i := bytes.Index(b, []byte("\nbtime "))
	if i < 0 {
		return time.Time{}
	}
	line, _, _ := bytes.Cut(b[i+7:], []byte("\n"))
	sec, err := strconv.ParseInt(string(line), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(sec, 0).UTC()
}

func arguments(file string) []string {
	b, err := readBounded(file, maxArgBytes)
	if err != nil || len(b) == 0 {
		return nil
	}
	args := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
	if len(args) > maxArgs {
		args = args[:maxArgs]
	}
	return args
}

func effectiveUID(status []byte) int {
	_, rest, ok := bytes.Cut(status, []byte("\nUid:\t"))
	if !ok {
		return -1
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	f := strings.Fields(string(line))
	if len(f) < 2 {
		return -1
	}
	uid, err := strconv.Atoi(f[1])
	if err != nil {
		return -1
	}
	return uid
}

func readBounded(file string, max int) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, max)
	n := 0
	for n < max {
		k, err := f.Read(buf[n:])
		n += k
		if err != nil || k == 0 {
			break
		}
	}
	return buf[:n], nil
}

// hidesOthers reports whether procfs was mounted with hidepid, so that other
// users' processes are not there to see.
func hidesOthers(proc string) bool {
	if os.Geteuid() == 0 {
		return false
	}
	b, err := os.ReadFile(filepath.Join(proc, "self/mountinfo"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 6 || f[4] != "/proc" {
			continue
		}
		opts := f[len(f)-1]
		for _, o := range strings.Split(opts, ",") {
			if v, ok := strings.CutPrefix(o, "hidepid="); ok && v != "0" && v != "off" {
				return true
			}
		}
	}
	return false
}
