package netns

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// dir is where iproute2 keeps named namespaces, so that "ip netns" sees ours.
const dir = "/run/netns"

// NS is a network namespace with its loopback up. It is safe for concurrent use.
type NS struct {
	name string

	mu     sync.Mutex
	handle vnetns.NsHandle // closed = not open
}

// Supported tells why namespaces cannot be made here; nil when they can.
func Supported() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root")
	}
	return nil
}

// Create makes a namespace. hint, which may be empty, ends its name.
func Create(hint string) (*NS, error) {
	if err := Supported(); err != nil {
		return nil, err
	}
	name := newName(hint)
	n := &NS{name: name}
	err := onThread(func() error {
		h, err := vnetns.NewNamed(name)
		n.handle = h
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("create network namespace %s: %w", name, err)
	}
	if err := n.SetLink("lo", true); err != nil {
		return nil, errors.Join(fmt.Errorf("loopback of network namespace %s: %w", name, err), n.Close())
	}
	return n, nil
}

func newName(hint string) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	name := fmt.Sprintf("ow-%d-%s", os.Getpid(), hex.EncodeToString(b[:]))
	if hint != "" {
		name += "-" + hint
	}
	return name
}

// Name is the name that "ip netns" shows.
func (n *NS) Name() string { return n.name }

// Close removes the namespace. What still runs in it keeps it alive unnamed, so end
// processes first. It may be called more than once.
func (n *NS) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.handle.IsOpen() {
		return nil
	}
	return errors.Join(n.handle.Close(), vnetns.DeleteNamed(n.name))
}

// Do runs fn on an operating system thread that is inside the namespace.
// Goroutines that fn starts are not inside it; sockets and processes that fn
// itself makes are, and stay there.
func (n *NS) Do(fn func() error) error {
	n.mu.Lock()
	if !n.handle.IsOpen() {
		n.mu.Unlock()
		return fmt.Errorf("network namespace %s: closed", n.name)
	}
	fd, err := unix.FcntlInt(uintptr(n.handle), unix.F_DUPFD_CLOEXEC, 0)
	n.mu.Unlock()
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return onThread(func() error {
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace %s: %w", n.name, err)
		}
		return fn()
	})
}

// onThread runs fn on a locked thread of its own. The thread is not unlocked, so
// that it ends with its goroutine: no other goroutine ever runs on a thread whose
// namespace was changed. A panic in fn is passed on.
func onThread(fn func() error) error {
	type result struct {
		err    error
		panics any
	}
	c := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		var r result
		finished := false
		defer func() {
			if !finished { // fn panicked, or left through runtime.Goexit (t.FailNow)
				r.panics = recover()
				if r.panics == nil {
					r.err = errors.New("function ended its goroutine (a test failed inside)")
				}
			}
			c <- r
		}()
		r.err = fn()
		finished = true
	}()
	r := <-c
	if r.panics != nil {
		panic(r.panics)
	}
	return r.err
}

// Start starts a command inside the namespace.
func (n *NS) Start(cmd *exec.Cmd) error { return n.Do(cmd.Start) }

// Run runs a command inside the namespace and returns its output, both streams.
func (n *NS) Run(ctx context.Context, name string, args ...string) (string, error) {
	return n.run(exec.CommandContext(ctx, name, args...))
}

// RunInput is Run with standard input.
func (n *NS) RunInput(ctx context.Context, stdin, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	return n.run(cmd)
}

func (n *NS) run(cmd *exec.Cmd) (string, error) {
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := n.Start(cmd); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("%s in %s: %w: %s", strings.Join(cmd.Args, " "), n.name, err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// Listen listens inside the namespace.
func (n *NS) Listen(network, addr string) (l net.Listener, err error) {
	err = n.Do(func() error {
		l, err = net.Listen(network, addr)
		return err
	})
	return l, err
}

// Sysctl sets a network setting of the namespace, for example
// "net.ipv4.tcp_abort_on_overflow".
func (n *NS) Sysctl(key, value string) error {
	if !strings.HasPrefix(key, "net.") || strings.Contains(key, "/") {
		return fmt.Errorf("sysctl %q: only net.… is the namespace's own", key)
	}
	return n.Do(func() error {
		return os.WriteFile(filepath.Join("/proc/sys", strings.ReplaceAll(key, ".", "/")), []byte(value), 0o644)
	})
}

var ourName = regexp.MustCompile(`^ow-(\d+)-[0-9a-f]{8}(-.*)?$`)

// Sweep removes namespaces that processes which no longer run have left behind, and
// returns their names.
func Sweep() ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var gone []string
	var errs []error
	for _, e := range entries {
		m := ourName.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		pid, err := strconv.Atoi(m[1])
		if err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if err := vnetns.DeleteNamed(e.Name()); err != nil {
			errs = append(errs, fmt.Errorf("remove network namespace %s: %w", e.Name(), err))
			continue
		}
		gone = append(gone, e.Name())
	}
	return gone, errors.Join(errs...)
}
