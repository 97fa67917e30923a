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
	"strings"
	"syscall"

	"github.com/originward/originward/internal/netns"
)

// Node is one machine of a world. A node with a root has its own file system,
// processes and host name; the others share this machine's.
type Node struct {
	NS   *netns.NS
	root string // overlay's mount point; empty = the machine's own root
	init *exec.Cmd
	life io.Closer // closing it ends the first process, and with it all others
	pid  int       // of the node's first process, seen from here
	dir  string
	bg   []*exec.Cmd
}

// newNode makes a node that shares this machine's file system.
func newNode(hint string) (*Node, error) {
	ns, err := netns.Create(hint)
	if err != nil {
		return nil, err
	}
	return &Node{NS: ns}, nil
}

// reaper is the first process of a host: it adopts and reaps daemons until its
// standard input ends, which is when the world is removed or the lab dies.
const reaper = `mount -t proc proc /proc && mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys
hostname origin; mkdir -p /run/lock; exec 3<&0; cat <&3 >/dev/null & echo ready; wait $!`

// newHost makes a node with its own root: an overlay over the machine's root,
// so that the software installed here is installed there, and nothing that is
// written there is written here.
func newHost(ctx context.Context, hint, dir string) (*Node, error) {
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
	if err := n.boot(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// boot starts the first process in new namespaces and waits until it is ready.
func (n *Node) boot(ctx context.Context) error {
	n.init = exec.Command("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL",
		"--root="+n.root, "/bin/sh", "-c", reaper)
	out, err := n.init.StdoutPipe()
	if err != nil {
		return err
	}
	if n.life, err = n.init.StdinPipe(); err != nil {
		return err
	}
	var errs bytes.Buffer
	n.init.Stderr = &errs
	if err := n.NS.Start(n.init); err != nil {
		return fmt.Errorf("first process of the origin: %w", err)
	}
	got := make([]byte, len("ready"))
	if _, err := out.Read(got); err != nil || string(got) != "ready" {
		return fmt.Errorf("first process of the origin did not get ready: %v %s", err, errs.String())
	}
	n.pid, err = childOf(n.init.Process.Pid)
	return err
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
		enter := []string{"-t", fmt.Sprint(n.pid), "-m", "-p", "-u", "-i", "-r", "-w", "--", name}
		cmd = exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	}
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "TERM=dumb"}
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

// Go starts a program in the background; it ends with the node.
func (n *Node) Go(name string, args ...string) (*exec.Cmd, error) {
	cmd := n.Command(context.Background(), name, args...)
	if err := n.NS.Start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	n.bg = append(n.bg, cmd)
	return cmd, nil
}

// Write writes a file on the node, with its directories.
func (n *Node) Write(path, content string) error {
	path = filepath.Join(n.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	// Through the overlay from outside, the host sees it at once.
	return os.WriteFile(path, []byte(content), 0o644)
}

// Read reads a file of the node.
func (n *Node) Read(path string) (string, error) {
	b, err := os.ReadFile(filepath.Join(n.root, path))
	return string(b), err
}

// Close ends the node's processes and removes its file system and namespace.
func (n *Node) Close() error {
	var errs []error
	for _, cmd := range n.bg {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if n.life != nil {
		_ = n.life.Close()
		_ = n.init.Wait()
	}
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
