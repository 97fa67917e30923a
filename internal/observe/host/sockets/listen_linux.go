// Package sockets reads the TCP sockets of this network namespace: which ones
// listen, who holds them, how full their queues are, and, for counting, all
// others. It asks the kernel over sock_diag, which needs no privilege, and
// falls back to /proc/net/tcp.
package sockets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/procs"
)

// maxListeners bounds the list; a host with more is a port scanner's honeypot.
const maxListeners = 4096

// maxCmdline bounds the command line of an owner in evidence.
const maxCmdline = 512

// Each calls f for every TCP socket of both families in one of the states, by
// sock_diag, or by /proc/net where that is not available. exact is false in
// the second case: queues' sizes, drops and v6-only are then not known. A list
// that changed while it was read is read again once.
func Each(ctx context.Context, proc string, states uint32, f func(*Diag) bool) (exact bool, err error) {
	exact = true
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		err := Dump(ctx, family, states, f)
		if err == nil {
			continue
		}
		if errors.Is(err, errTruncated) {
			return exact, err
		}
		exact = false
		if perr := readProcNet(proc, family, states, f); perr != nil {
			if family == unix.AF_INET6 && errors.Is(perr, os.ErrNotExist) {
				continue // a kernel without IPv6 has no IPv6 sockets
			}
			return false, fmt.Errorf("%w; %w", err, perr)
		}
	}
	return exact, nil
}

func list(ctx context.Context, proc string) (socks []Diag, exact bool, cut bool, err error) {
	for range 3 {
		socks = socks[:0]
		exact, err = Each(ctx, proc, Listen, func(d *Diag) bool {
			if cut = len(socks) >= maxListeners; !cut {
				socks = append(socks, *d)
			}
			return !cut
		})
		if !errors.Is(err, errTruncated) {
			break
		}
	}
	return socks, exact, cut, err
}

// Read lists the listening sockets with their owners.
func Read(ctx context.Context, env *collect.Env) collect.Listening {
	socks, exact, cut, err := list(ctx, env.Proc)
	if err != nil {
		return collect.Listening{Err: err, Missing: []originward.NotObserved{collect.Missing(fact.QListeners, originward.Subject{},
			"the kernel does not tell which sockets listen: "+escape.Line(err.Error(), 300), "run with access to netlink sock_diag or /proc/net/tcp")}}
	}
	var l collect.Listening
	l.Complete = fact.TriOf(!cut)
	l.Sockets = make([]fact.Socket, 0, len(socks))
	table := env.Processes(ctx)
	wantInode, wantCgroup := map[uint32]bool{}, map[uint64]bool{}
	for _, d := range socks {
		wantInode[d.Inode] = true
		if d.Cgroup != 0 {
			wantCgroup[d.Cgroup] = true
		}
	}
	delete(wantInode, 0)
	found, denied := owners(ctx, wantInode, table)
	names := cgroupNames(ctx, cgroup2Mount(env.Proc), wantCgroup)
	unowned := 0
	slices.SortFunc(socks, compare)
	l.Exact = exact
	for _, d := range socks {
		s := socket(d, exact)
		o := found[d.Inode]
		s.addOwner(o, names[d.Cgroup])
		if o == nil {
			unowned++
		}
		l.Sockets = append(l.Sockets, s.Socket)
		l.Inodes = append(l.Inodes, d.Inode)
	}
	l.Missing = missing(exact, unowned, denied, table)
	return l
}

func missing(exact bool, unowned, denied int, table procs.Table) []originward.NotObserved {
	var out []originward.NotObserved
	if !exact {
		out = append(out, collect.Missing(fact.QListeners, originward.Subject{},
			"read from /proc/net/tcp: the largest queue, drops and v6-only of listening sockets are not known", "load the tcp_diag kernel module, or allow netlink sock_diag"))
	}
	switch {
	case unowned == 0:
	case table.Err != nil:
		out = append(out, collect.Missing(fact.QListeners, originward.Subject{},
			"which programs own the listening sockets: "+escape.Line(table.Err.Error(), 300), "run where /proc is mounted"))
	case denied > 0:
		out = append(out, collect.Missing(fact.QListeners, originward.Subject{},
			fmt.Sprintf("which program owns %d of the listening sockets: other users' descriptors are hidden", unowned), "run as root (or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH)"))
	default:
		out = append(out, collect.Missing(fact.QListeners, originward.Subject{},
			fmt.Sprintf("which program owns %d of the listening sockets: no visible process holds them (the kernel itself, or a process of another PID namespace)", unowned),
			"run outside of the container, in the machine's own PID namespace"))
	}
	return out
}

// described is a socket while its owner is being filled in.
type described struct{ fact.Socket }

func socket(d Diag, exact bool) described {
	s := fact.Socket{
		Addr: d.Local.Addr(), Port: d.Local.Port(), Family: originward.IP4, UID: d.UID,
		Queue: d.RQueue, Backlog: d.WQueue, Drops: d.Drops,
	}
	if d.Family == unix.AF_INET6 {
		s.Family = originward.IP6
		if d.HasV6 {
			s.V6Only = fact.TriOf(d.V6Only)
		}
		if s.Addr.Is4In6() { // bound to ::ffff:a.b.c.d: serves IPv4 only
			s.Addr = s.Addr.Unmap()
		}
	}
	if !exact {
		s.Backlog = 0
	}
	if d.IfIndex != 0 {
		s.Device = fmt.Sprintf("if%d", d.IfIndex)
		if ifi, err := net.InterfaceByIndex(int(d.IfIndex)); err == nil {
			s.Device = escape.Line(ifi.Name, 32)
		}
	}
	return described{s}
}

// addOwner fills in who holds the socket: from the process when it is visible,
// else what the socket's cgroup alone tells.
func (s *described) addOwner(o *owner, cgroup string) {
	s.Unit, s.Container = procs.UnitOf(cgroup), procs.ContainerOf(cgroup)
	if o == nil {
		return
	}
	p := o.proc
	s.PID, s.Program = p.PID, escape.Line(p.Name(), 64)
	s.Exe, s.Cmdline = escape.Line(p.Exe, 256), escape.Line(strings.Join(p.Args, " "), maxCmdline)
	s.FDs, s.FDLimit = o.fds, o.limit
	if s.Unit == "" || p.Unit != "" {
		s.Unit = escape.Line(p.Unit, 128)
	}
	if s.Container == "" {
		s.Container = p.Container
	}
}

func compare(a, b Diag) int {
	return cmp.Or(
		cmp.Compare(a.Local.Port(), b.Local.Port()),
		a.Local.Addr().Compare(b.Local.Addr()),
		cmp.Compare(a.Inode, b.Inode),
	)
}

func inode(path string) uint64 {
	var st syscall.Stat_t
	if syscall.Stat(filepath.Clean(path), &st) != nil {
		return 0
	}
	return st.Ino
}
