// Package handover keeps a program's listening sockets over a change of the
// program itself: a successor is started with the sockets already open, says when it
// serves, and only then does the predecessor stop accepting. At no moment is nobody
// listening, so no connection is refused. Sockets that a service manager opened
// (systemd's LISTEN_FDS) are taken in the same way.
package handover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The environment of a successor: how many sockets it is given from descriptor 3
// on, and the descriptor to say on that it serves.
const (
	envCount = "ORIGINWARD_LISTENERS"
	envReady = "ORIGINWARD_READY"
	firstFD  = 3
)

// Set is the sockets of one program. It is safe for concurrent use.
type Set struct {
	mu       sync.Mutex
	given    []socket                          // inherited and not asked for yet; guarded by mu
	open     []socket                          // guarded by mu
	ready    *os.File                          // guarded by mu; nil = nobody waits
	keep     map[string]func() ([]byte, error) // guarded by mu
	kept     map[string][]byte                 // by a predecessor; guarded by mu
	hold     *os.File                          // while datagram sockets are read from here; guarded by mu
	released chan struct{}                     // guarded by mu; nil = at once
}

// socket is a listening TCP socket, or a bound UDP one.
type socket struct {
	l net.Listener
	p net.PacketConn
}

func (s socket) addr() net.Addr {
	if s.l != nil {
		return s.l.Addr()
	}
	return s.p.LocalAddr()
}

func (s socket) close() {
	if s.l != nil {
		_ = s.l.Close() // it was never used
		return
	}
	_ = s.p.Close()
}

var process = sync.OnceValue(func() *Set { return inherit(os.Getenv, os.Getpid()) })

// Process is the set of this process, with what it inherited.
func Process() *Set { return process() }

// inherit takes the sockets that the environment tells of.
func inherit(env func(string) string, pid int) *Set {
	s := &Set{}
	n, err := strconv.Atoi(env(envCount))
	if err != nil && env("LISTEN_PID") == strconv.Itoa(pid) {
		n, err = strconv.Atoi(env("LISTEN_FDS")) // sd_listen_fds(3)
	}
	if err == nil {
		for fd := firstFD; fd < firstFD+n; fd++ {
			s.adopt(os.NewFile(uintptr(fd), "inherited"))
		}
	}
	if fd, err := strconv.Atoi(env(envReady)); err == nil && fd >= firstFD {
		s.ready = os.NewFile(uintptr(fd), "ready")
	}
	if fd, err := strconv.Atoi(env(envKept)); err == nil && fd >= firstFD {
		s.unpack(os.NewFile(uintptr(fd), "kept"))
	}
	s.watchRelease(env)
	for _, name := range []string{envCount, envReady, envKept, envRelease, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name) // programs that we start are not meant
	}
	return s
}

// adopt keeps an inherited descriptor when it is a socket that listens.
func (s *Set) adopt(f *os.File) {
	if f == nil {
		return
	}
	defer f.Close() // both calls below duplicate it
	if l, err := net.FileListener(f); err == nil {
		s.given = append(s.given, socket{l: l})
		return
	}
	if p, err := net.FilePacketConn(f); err == nil {
		s.given = append(s.given, socket{p: p})
	}
}

// Listen gives the inherited listener of that address, or opens one. inherited
// tells which; the configuration lc was not applied to an inherited one.
func (s *Set) Listen(ctx context.Context, lc *net.ListenConfig, addr string) (l net.Listener, inherited bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x, ok := s.takeLocked("tcp", addr); ok {
		s.open = append(s.open, x)
		return x.l, true, nil
	}
	l, err = lc.Listen(ctx, "tcp", addr)
	if err == nil {
		s.open = append(s.open, socket{l: l})
	}
	return l, false, err
}

// ListenPacket is Listen for UDP.
func (s *Set) ListenPacket(ctx context.Context, lc *net.ListenConfig, addr string) (net.PacketConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x, ok := s.takeLocked("udp", addr); ok {
		s.open = append(s.open, x)
		return x.p, nil
	}
	p, err := lc.ListenPacket(ctx, "udp", addr)
	if err == nil {
		s.open = append(s.open, socket{p: p})
	}
	return p, err
}

// takeLocked finds the inherited socket of an address.
func (s *Set) takeLocked(network, addr string) (socket, bool) {
	for i, x := range s.given {
		if x.addr().Network() == network && same(addr, x.addr().String()) {
			s.given = append(s.given[:i], s.given[i+1:]...)
			return x, true
		}
	}
	return socket{}, false
}

// same tells whether an address as asked for is the address of a socket. Without a
// host it is every address, of which a socket's own word is [::].
func same(asked, is string) bool {
	host, port, err := net.SplitHostPort(asked)
	isHost, isPort, isErr := net.SplitHostPort(is)
	if err != nil || isErr != nil || port != isPort {
		return false
	}
	if host == "" {
		host = "::"
	}
	a, b := net.ParseIP(host), net.ParseIP(isHost)
	return a != nil && a.Equal(b)
}

// Forget drops a socket that was closed: it is not handed over.
func (s *Set) Forget(a net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, x := range s.open {
		if x.addr().Network() == a.Network() && x.addr().String() == a.String() {
			s.open = append(s.open[:i], s.open[i+1:]...)
			return
		}
	}
}

// Ready tells the predecessor, when there is one, that this program serves, and
// closes inherited sockets that nobody asked for.
func (s *Set) Ready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.given {
		x.close()
	}
	s.given = nil
	if s.ready != nil {
		_, _ = s.ready.WriteString("ready\n") // a predecessor that is gone needs no word
		_ = s.ready.Close()
		s.ready = nil
	}
}

// readyTime is how long a successor may take until it serves.
const readyTime = 30 * time.Second

var errNotReady = errors.New("the successor ended, or closed its line, before it served")

// Start starts the program that now lies where this one was started from, with the
// same arguments and all open sockets, and waits until it serves. With an error
// nothing has changed: the successor, if there was one, has been ended.
func (s *Set) Start(ctx context.Context) error {
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("successor: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("successor: %w", err)
	}
	defer r.Close()
	p, err := s.spawn(path, w)
	_ = w.Close() // the successor has its own, or never will
	if err != nil {
		return fmt.Errorf("successor: %w", err)
	}
	if err := awaitReady(ctx, r); err != nil {
		_ = p.Kill() // it may have ended by itself
		_, _ = p.Wait()
		return fmt.Errorf("successor %d: %w", p.Pid, err)
	}
	return p.Release()
}

func (s *Set) spawn(path string, ready *os.File) (*os.Process, error) {
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	s.mu.Lock()
	open := append([]socket(nil), s.open...)
	s.mu.Unlock()
	handed := 0
	for _, x := range open {
		f, err := x.file()
		if errors.Is(err, net.ErrClosed) {
			continue // its owner has ended it
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
		files = append(files, f)
		handed++
	}
	files = append(files, ready)
	env := append(os.Environ(), envCount+"="+strconv.Itoa(handed), envReady+"="+strconv.Itoa(len(files)-1))
	kept, err := s.pack()
	if err != nil {
		return nil, err
	}
	if kept != nil {
		defer kept.Close()
		files = append(files, kept)
		env = append(env, envKept+"="+strconv.Itoa(len(files)-1))
	}
	watch, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer watch.Close()
	files = append(files, watch)
	env = append(env, envRelease+"="+strconv.Itoa(len(files)-1))
	p, err := os.StartProcess(path, os.Args, &os.ProcAttr{Files: files, Env: env})
	if err != nil {
		hold.Close()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold != nil { // of a successor that failed
		s.hold.Close()
	}
	s.hold = hold
	return p, nil
}

// awaitReady waits for the successor's word.
func awaitReady(ctx context.Context, r *os.File) error {
	_ = r.SetReadDeadline(time.Now().Add(readyTime)) // a pipe takes deadlines
	stop := context.AfterFunc(ctx, func() { _ = r.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	b := make([]byte, 16)
	n, err := r.Read(b)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("does not serve after %s", readyTime)
	case strings.TrimSpace(string(b[:n])) != "ready":
		return errNotReady
	}
	return nil
}
