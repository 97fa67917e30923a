package sockets

import (
	"context"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/observe/host/procs"
)

// Bounds of the search for owners: a process with more descriptors than this
// is cut off, and the whole search stops at the second figure. 65,536
// readlinks take about 60 ms.
const (
	maxFDs    = 20_000
	maxAllFDs = 65_536
)

// owner is who holds a socket.
type owner struct {
	proc    procs.Process
	fds     int    // open descriptors of the holder closest to its limit
	limit   uint64 // that holder's limit
	holders int
}

// owners finds the processes that hold each of the sockets, by inode. denied
// counts processes whose descriptors may not be read.
func owners(ctx context.Context, want map[uint32]bool, table procs.Table) (found map[uint32]*owner, denied int) {
	found = map[uint32]*owner{}
	left := maxAllFDs
	for _, foreign := range []bool{false, true} {
		for _, p := range table.Processes {
			if p.Foreign() != foreign || left <= 0 || ctx.Err() != nil {
				continue
			}
			if foreign && len(found) == len(want) {
				return found, denied
			}
			held, n, err := heldSockets(p, want, min(left, maxFDs))
			left -= n
			if err != nil {
				if os.IsPermission(err) && !foreign {
					denied++
				}
				continue
			}
			for _, ino := range held {
				claim(found, ino, p, n)
			}
		}
	}
	return found, denied
}

// claim makes p the owner unless a better one is known: the process that was
// started first is the master of a server; the service manager holds sockets
// only on behalf of others.
func claim(found map[uint32]*owner, ino uint32, p procs.Process, fds int) {
	limit := procs.FDLimit(p)
	o := found[ino]
	if o == nil {
		found[ino] = &owner{proc: p, fds: fds, limit: limit, holders: 1}
		return
	}
	o.holders++
	if better(p, o.proc) {
		o.proc = p
	}
	if use(fds, limit) > use(o.fds, o.limit) {
		o.fds, o.limit = fds, limit
	}
}

func better(p, than procs.Process) bool {
	if m := isManager(than); m != isManager(p) {
		return m
	}
	if !p.Started.Equal(than.Started) {
		return p.Started.Before(than.Started)
	}
	return p.PID < than.PID
}

func isManager(p procs.Process) bool { return p.PID == 1 || p.Comm == "systemd" }

func use(fds int, limit uint64) float64 {
	if limit == 0 {
		return 0
	}
	return float64(fds) / float64(limit)
}

// heldSockets gives those of the wanted sockets that a process has open, and
// how many descriptors it has.
func heldSockets(p procs.Process, want map[uint32]bool, max int) (held []uint32, n int, err error) {
	dir, err := os.Open(filepath.Join(p.Dir(), "fd"))
	if err != nil {
		return nil, 0, err
	}
	defer dir.Close()
	for n < max {
		names, err := dir.Readdirnames(256)
		for _, name := range names {
			n++
			link, err := os.Readlink(filepath.Join(p.Dir(), "fd", name))
			if err != nil {
				continue
			}
			if ino, ok := socketInode(link); ok && want[ino] {
				held = append(held, ino)
			}
		}
		if err != nil {
			break
		}
	}
	return held, n, nil
}

func socketInode(link string) (uint32, bool) {
	s, ok := strings.CutPrefix(link, "socket:[")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(s, "]"), 10, 32)
	return uint32(n), err == nil
}

// cgroupNames finds the paths of cgroup ids, which are the inodes of the
// directories of the unified hierarchy. It walks the tree once.
func cgroupNames(ctx context.Context, mount string, want map[uint64]bool) map[uint64]string {
	found := map[uint64]string{}
	if len(want) == 0 || mount == "" {
		return found
	}
	const maxDirs = 20_000
	dirs := 0
	queue := []string{mount}
	for len(queue) > 0 && len(found) < len(want) && dirs < maxDirs && ctx.Err() == nil {
		d := queue[0]
		queue = queue[1:]
		dirs++
		if ino := inode(d); want[ino] {
			found[ino] = "/" + strings.TrimPrefix(strings.TrimPrefix(d, mount), "/")
		}
		entries, err := os.ReadDir(d)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.IsDir() {
				queue = append(queue, filepath.Join(d, e.Name()))
			}
		}
	}
	return found
}

// cgroup2Mount is where the unified hierarchy is mounted.
func cgroup2Mount(proc string) string {
	b, err := os.ReadFile(filepath.Join(proc, "self/mounts"))
	if err != nil {
		return ""
	}
	var mounts []string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 3 && f[2] == "cgroup2" {
			mounts = append(mounts, f[1])
		}
	}
	sort.Slice(mounts, func(i, j int) bool { return len(mounts[i]) < len(mounts[j]) })
	if len(mounts) == 0 {
		return ""
	}
	return mounts[0]
}
