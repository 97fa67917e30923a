//go:build amd64 || arm64

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// minimal is the environment of a program that is given none.
var minimal = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LC_ALL=C", "LANG=C"}

func run(ctx context.Context, c Command) (Output, error) {
	if err := trusted(c.Path); err != nil {
		return Output{}, fmt.Errorf("run %s: %w", c.Path, err)
	}
	// The first use of a process makes the runtime try out pidfd signals,
	// which it must not do on the confined thread.
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Release()
	}
	type outcome struct {
		out Output
		err error
	}
	got := make(chan outcome, 1)
	go func() {
		// The filter holds for this thread's life: it is never given back,
		// so the runtime ends it with the goroutine.
		runtime.LockOSThread()
		out, err := confined(ctx, c)
		got <- outcome{out, err}
	}()
	o := <-got
	return o.out, o.err
}

// confined runs on a thread of its own, which it confines for good.
func confined(ctx context.Context, c Command) (Output, error) {
	text := &bounded{left: MaxOutput}
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Env, cmd.Dir = c.Env, c.Dir
	if cmd.Env == nil {
		cmd.Env = minimal
	}
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.Stdout, cmd.Stderr = text, text
	// A process group of its own, so that what it starts ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = 100 * time.Millisecond

	listener, err := confine()
	if err != nil {
		return Output{}, err
	}
	faked := func() bool { return true }
	if listener >= 0 {
		s, err := supervise(listener)
		if err != nil {
			unix.Close(listener)
			return Output{}, fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
		defer s.close()
		faked = s.faked.Load
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return Output{}, fmt.Errorf("run %s: %w", c.Path, err)
	}
	// Wait on another thread: this one may not send the signal that ends a
	// program that hangs.
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()
	err = <-waited
	out := Output{
		Text: text.b.String(), Code: cmd.ProcessState.ExitCode(), Took: time.Since(began),
		Notify: listener >= 0, Faked: faked(),
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return out, fmt.Errorf("run %s: %w", c.Path, context.Cause(ctx))
	case err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay):
		return out, fmt.Errorf("run %s: %w", c.Path, err)
	}
	return out, nil
}

// bounded keeps the beginning of what is written to it.
type bounded struct {
	b    bytes.Buffer
	left int
}

func (w *bounded) Write(p []byte) (int, error) {
	n := min(len(p), w.left)
	w.left -= n
	w.b.Write(p[:n])
	return len(p), nil
}
