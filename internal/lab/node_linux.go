package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/originward/originward/internal/netns"
)

// Node is one machine of a world. A node with a root has its own file system,
// processes and host name; the others share this machine's.
type Node struct {
	NS     *netns.NS
	root   string // overlay's mount point; empty = the machine's own root
	base   string // directory under which a host without a root of its own keeps its files
	init   *exec.Cmd
	life   io.Closer // closing it ends the first process, and with it all others
	pid    int       // of the node's first process, seen from here
	dir    string
	cgroup string // of a machine: everything on it
	bg     []*exec.Cmd
}

// newNode makes a node that shares this machine's file system.
func newNode(hint string) (*Node, error) {
	ns, err := netns.Create(hint)
	if err != nil {
		return nil, err
	}
	return &Node{NS: ns}, nil
}

// newShared makes a host that is a network namespace alone: its files lie under
// a directory, its processes are this machine's. A test bench often looks so.
func newShared(hint, dir string) (*Node, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	n, err := newNode(hint)
	if err != nil {
		return nil, err
	}
	n.base = dir
	return n, nil
}

// reaper is the first process of a host: it adopts and reaps daemons until its
// standard input ends, which is when the world is removed or the lab dies.
//
// Logs start empty: what this machine's servers logged is not the origin's.
const reaper = `mount -t proc proc /proc && mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys &&
for d in $(ls -d /var/log/*/ 2>/dev/null); do echo "$d"; done >/tmp/dirs && mount -t tmpfs -o mode=755 tmpfs /var/log && xargs -r mkdir -p </tmp/dirs && rm /tmp/dirs &&
hostname origin && mkdir -p /run/lock && chmod 1777 /tmp && exec 3<&0 && { cat <&3 >/dev/null & echo ready; wait $!; }`

// newHost makes a node with its own root: an overlay over the machine's root,
// so that the software installed here is installed there, and nothing that is
// written there is written here.
// exe is there under the name by which anyone would install it.
func newHost(ctx context.Context, hint, dir, exe string) (*Node, error) {
	n, err := newRooted(hint, dir, exe)
	if err != nil {
		return nil, err
	}
	if err := n.boot(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// newRooted makes the file system of a host; nothing runs on it yet.
func newRooted(hint, dir, exe string) (*Node, error) {
	n, err := newNode(hint)
	if err != nil {
		return nil, err
	}
	n.dir = dir
	n.root = filepath.Join(dir, "root")
	upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	for _, d := range []string{n.root, upper, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	opts := fmt.Sprintf("lowerdir=/,upperdir=%s,workdir=%s", upper, work)
	if err := syscall.Mount("overlay", n.root, "overlay", 0, opts); err != nil {
		return nil, errors.Join(fmt.Errorf("overlay file system for the origin: %w", err), n.Close())
	}
	if err := syscall.Mount("/dev", filepath.Join(n.root, "dev"), "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return nil, errors.Join(fmt.Errorf("devices for the origin: %w", err), n.Close())
	}
	if err := n.bindExe(exe); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// installed is where a host finds the binary.
const installed = "/usr/local/bin/originward"

func (n *Node) bindExe(exe string) error {
	if exe == "" {
		return nil
	}
	at := filepath.Join(n.root, installed)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(at, nil, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount(exe, at, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("the binary on the origin: %w", err)
	}
	return nil
}

// boot starts the first process in new namespaces and waits until it is ready.
func (n *Node) boot(ctx context.Context) error {
	n.init = exec.Command("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL",
		"--root="+n.root, "/bin/sh", "-c", reaper)
	out, errs, err := n.startInit()
	if err != nil {
		return err
	}
	got := make([]byte, len("ready"))
	if _, err := out.Read(got); err != nil || string(got) != "ready" {
		return fmt.Errorf("first process of the origin did not get ready: %v %s", err, errs.String())
	}
	if n.pid, err = childOf(n.init.Process.Pid); err != nil {
		return err
	}
	return n.settle()
}

// startInit starts what makes the first process; it lives as long as its
// standard input is held open.
func (n *Node) startInit() (out io.Reader, errs *bytes.Buffer, err error) {
	if out, err = n.init.StdoutPipe(); err != nil {
		return nil, nil, err
	}
	if n.life, err = n.init.StdinPipe(); err != nil {
		return nil, nil, err
	}
	errs = &bytes.Buffer{}
	n.init.Stderr = errs
	if err := n.NS.Start(n.init); err != nil {
		return nil, nil, fmt.Errorf("first process of the origin: %w", err)
	}
	return out, errs, nil
}

// settle gives the host what every installed host has: its own name and a
// resolver that answers. Without them programs wait for names.
func (n *Node) settle() error {
	for path, content := range map[string]string{
		"/etc/hosts":       "127.0.0.1 localhost\n127.0.1.1 origin\n::1 localhost ip6-localhost\n",
		"/etc/hostname":    "origin\n",
		"/etc/resolv.conf": "nameserver " + Resolver.String() + "\noptions timeout:1 attempts:1\n",
	} {
		if err := os.Remove(n.path(path)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := n.Write(path, content); err != nil {
			return err
		}
	}
	return nil
}

// childOf finds the only child of a process.
func childOf(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	var child int
	if _, err := fmt.Sscan(string(b), &child); err != nil {
		return 0, fmt.Errorf("process %d has no child: %w", pid, err)
	}
	return child, nil
}

// Command makes a command that will run on the node.
func (n *Node) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	var cmd *exec.Cmd
	if n.root == "" {
		cmd = exec.CommandContext(ctx, name, args...)
	} else {
		enter := []string{"-t", fmt.Sprint(n.pid), "-m", "-p", "-u", "-i", "-C", "-r", "-w", "--", name}
		cmd = exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	}
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "TERM=dumb", "B=" + n.base}
	return cmd
}

// Run runs a command on the node and gives what it printed; a failure holds
// the output.
func (n *Node) Run(ctx context.Context, name string, args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := n.Command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := n.NS.Start(cmd); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Sh runs a shell script on the node; it ends at the first command that fails.
func (n *Node) Sh(ctx context.Context, script string) error {
	_, err := n.Run(ctx, "/bin/sh", "-euc", script)
	return err
}

// Background starts a command that ends, with all its children, with the node.
func (n *Node) Background(cmd *exec.Cmd, how ...func(*syscall.SysProcAttr)) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for _, f := range how {
		f(cmd.SysProcAttr)
	}
	if err := n.NS.Start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	n.bg = append(n.bg, cmd)
	return nil
}

// forget waits for the end of a background command that was ended.
func (n *Node) forget(cmd *exec.Cmd) {
	_ = cmd.Wait()
	n.bg = slices.DeleteFunc(n.bg, func(c *exec.Cmd) bool { return c == cmd })
}

// Write writes a file on the node, with its directories.
func (n *Node) Write(path, content string) error {
	path = n.path(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o644)
}

// path is where a path of the node is found from here, its own mounts included.
func (n *Node) path(path string) string {
	if n.root == "" {
		return n.base + path
	}
	return filepath.Join("/proc", strconv.Itoa(n.pid), "root", path)
}

// Read reads a file of the node.
func (n *Node) Read(path string) (string, error) {
	b, err := os.ReadFile(n.path(path))
	return string(b), err
}

// Close ends the node's processes and removes its file system and namespace.
func (n *Node) Close() error {
	var errs []error
	for _, cmd := range n.bg {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its process group
		_ = cmd.Wait()
	}
	if n.life != nil {
		_ = n.life.Close()
		_ = n.init.Wait()
	}
	errs = append(errs, removeCgroup(n.cgroup))
	if n.root != "" {
		for _, m := range []string{filepath.Join(n.root, "dev"), n.root} {
			if err := syscall.Unmount(m, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
				errs = append(errs, fmt.Errorf("unmount %s: %w", m, err))
			}
		}
	}
	errs = append(errs, n.NS.Close())
	return errors.Join(errs...)
}
