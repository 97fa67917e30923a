package load

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/procs"
)

// places are the directories that a web server needs, with why they matter.
var places = []struct{ path, why string }{
	{"/", "root"}, {"/tmp", "tmp"}, {"/var/tmp", "tmp"}, {"/run", "run"}, {"/dev/shm", "tmp"},
	{"/var/log", "log"}, {"/var/log/nginx", "log"}, {"/var/log/apache2", "log"}, {"/var/log/httpd", "log"},
	{"/var/lib", "data"}, {"/var/lib/nginx", "tmp"}, {"/var/lib/php", "data"}, {"/var/lib/mysql", "data"}, {"/var/lib/postgresql", "data"},
	{"/var/lib/docker", "data"}, {"/var/cache", "cache"}, {"/var/cache/nginx", "cache"}, {"/var/www", "site"}, {"/srv", "site"}, {"/home", "site"}, {"/usr/share/nginx", "site"},
}

// statBudget is what one look at a file system may take: a dead network file
// system blocks for ever.
const statBudget = 300 * time.Millisecond

// maxDisks and maxFiles bound the answer and the look at open files.
const (
	maxDisks = 64
	maxFiles = 256
)

// disks looks at the file systems that a web server needs: the usual places,
// and those of the files that the processes which listen have open. hung
// names mounts that did not answer.
func disks(ctx context.Context, env *collect.Env) (list []fact.Disk, hung []string) {
	s := survey{ctx: ctx, disks: map[string]*fact.Disk{}}
	ours := mountTable(filepath.Join(env.Proc, "self/mountinfo"))
	for _, p := range places {
		if _, err := os.Lstat(env.File(p.path)); err == nil {
			s.look(env.File(p.path), ours, p.why)
		}
	}
	for _, o := range openFiles(ctx, env) {
		if o.mounts != nil {
			s.look(o.path, *o.mounts, o.why)
		} else {
			s.look(o.path, ours, o.why)
		}
	}
	s.lookForFull(env, ours)
	for _, d := range s.disks {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b fact.Disk) int { return cmp.Compare(a.Mount, b.Mount) })
	return list, s.hung
}

// survey is one look at the file systems.
type survey struct {
	ctx   context.Context
	disks map[string]*fact.Disk // by mount point
	hung  []string
}

// look asks the file system that a path lies on, once, and notes why it
// matters.
func (s *survey) look(path string, mounts []mount, why string) {
	m, ok := mountOf(mounts, mountPath(path))
	if !ok || m.pseudo() {
		return
	}
	if d := s.disks[m.at]; d != nil {
		if !slices.Contains(d.UsedBy, why) {
			d.UsedBy = append(d.UsedBy, why)
		}
		return
	}
	if d := s.ask(path, m); d != nil {
		d.UsedBy = []string{why}
		s.disks[m.at] = d
	}
}

// lookForFull adds file systems that nothing known needs, but that are nearly
// full: a server that could not start holds no file open.
func (s *survey) lookForFull(env *collect.Env, mounts []mount) {
	for _, m := range mounts {
		if s.disks[m.at] != nil || m.pseudo() || m.network() {
			continue
		}
		if d := s.ask(env.File(m.at), m); d != nil && nearlyFull(*d) {
			s.disks[m.at] = d
		}
	}
}

func (s *survey) ask(path string, m mount) *fact.Disk {
	if len(s.disks) >= maxDisks || slices.Contains(s.hung, m.at) {
		return nil
	}
	d, ok := statfs(s.ctx, path)
	if !ok {
		s.hung = append(s.hung, m.at)
		return nil
	}
	if d.Size == 0 {
		return nil
	}
	d.Mount, d.Type = escape.Line(m.at, 256), escape.Line(m.fs, 32)
	return &d
}

// nearlyFull reports whether less than a twentieth is left.
func nearlyFull(d fact.Disk) bool {
	return !d.ReadOnly && (float64(d.Avail) < 0.05*float64(d.Size) || d.Inodes > 0 && float64(d.InodeFree) < 0.05*float64(d.Inodes))
}

type mounts []mount

// mount is one line of mountinfo.
type mount struct{ at, fs string }

// pseudo file systems hold no data.
func (m mount) pseudo() bool {
	switch m.fs {
	case "proc", "sysfs", "cgroup", "cgroup2", "devpts", "devtmpfs", "mqueue", "debugfs", "tracefs", "securityfs", "pstore", "bpf", "configfs", "fusectl", "binfmt_misc", "autofs", "nsfs", "hugetlbfs", "efivarfs", "rpc_pipefs", "squashfs", "iso9660":
		return true
	}
	return false
}

// network file systems may hang, and are not looked at without a reason.
func (m mount) network() bool {
	switch m.fs {
	case "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "lustre", "afs", "fuse.sshfs", "fuse.s3fs", "fuse.glusterfs":
		return true
	}
	return false
}

func mountTable(file string) mounts {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var out mounts
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		dash := slices.Index(f, "-")
		if len(f) < 5 || dash < 0 || dash+1 >= len(f) {
			continue
		}
		out = append(out, mount{unescape(f[4]), f[dash+1]})
	}
	return out
}

// unescape undoes the octal escapes of mountinfo (proc(5)).
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// mountOf is the mount that a path lies on: the longest match, the latest of
// equal ones.
func mountOf(list []mount, path string) (best mount, ok bool) {
	for _, m := range list {
		if path == m.at || m.at == "/" || strings.HasPrefix(path, m.at+"/") {
			if len(m.at) >= len(best.at) {
				best, ok = m, true
			}
		}
	}
	return best, ok
}

// mountPath resolves links, so that /var/run is found on /run; a link of
// procfs gives the file that it stands for.
func mountPath(path string) string {
	if strings.HasPrefix(path, "/proc/") {
		if l, err := os.Readlink(path); err == nil {
			return strings.TrimSuffix(l, " (deleted)")
		}
	}
	if r, err := filepath.EvalSymlinks(path); err == nil {
		return r
	}
	return path
}

// openFile is a file that a process has open for writing, through procfs.
type openFile struct {
	path   string
	why    string
	mounts *mounts // of the process, when it is in another mount namespace
}

// openFiles lists the regular files that the processes which listen have open:
// their logs, caches and databases.
func openFiles(ctx context.Context, env *collect.Env) []openFile {
	var out []openFile
	table := env.Processes(ctx)
	seen := map[string]bool{}
	for _, s := range env.Listeners(ctx).Sockets {
		p, ok := table.ByPID(s.PID)
		if s.PID == 0 || !ok || seen[p.Dir()] {
			continue
		}
		seen[p.Dir()] = true
		out = append(out, filesOf(p, maxFiles-len(out))...)
	}
	return out
}

func filesOf(p procs.Process, most int) (out []openFile) {
	dir := filepath.Join(p.Dir(), "fd")
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var theirs *mounts
	if p.Mount == fact.No {
		m := mountTable(filepath.Join(p.Dir(), "mountinfo"))
		theirs = &m
	}
	for _, n := range names {
		if len(out) >= most {
			break
		}
		fd := filepath.Join(dir, n.Name())
		link, err := os.Readlink(fd)
		if err != nil || !strings.HasPrefix(link, "/") || strings.HasPrefix(link, "/dev/") || strings.HasPrefix(link, "/proc/") || strings.HasPrefix(link, "/sys/") {
			continue
		}
		why := "data"
		if strings.Contains(link, "log") {
			why = "log"
		}
		out = append(out, openFile{fd, why, theirs})
	}
	return out
}

// statfs asks a file system how full it is, within its time.
func statfs(ctx context.Context, path string) (fact.Disk, bool) {
	type answer struct {
		st  unix.Statfs_t
		err error
	}
	got := make(chan answer, 1)
	go func() { // left behind when the file system never answers
		var a answer
		a.err = unix.Statfs(path, &a.st)
		got <- a
	}()
	t := time.NewTimer(statBudget)
	defer t.Stop()
	select {
	case a := <-got:
		if a.err != nil {
			return fact.Disk{}, true
		}
		bs := uint64(a.st.Frsize)
		return fact.Disk{
			Size: a.st.Blocks * bs, Avail: a.st.Bavail * bs, Inodes: a.st.Files, InodeFree: a.st.Ffree,
			ReadOnly: a.st.Flags&unix.ST_RDONLY != 0,
		}, true
	case <-t.C:
	case <-ctx.Done():
	}
	return fact.Disk{}, false
}
