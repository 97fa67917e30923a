package replica

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// NS is a network namespace of its own, held by one operating-system thread. It is gone when that thread ends.
type NS struct {
	work chan func()
	done chan struct{}
}

// errClosed says that a namespace is used after Close.
var errClosed = errors.New("replica: namespace is closed")

// NewNS creates a namespace. It needs CAP_SYS_ADMIN.
func NewNS() (*NS, error) {
	ns := &NS{work: make(chan func()), done: make(chan struct{})}
	started := make(chan error, 1)
	go ns.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return ns, nil
}

// run owns the thread. The thread is never unlocked, so that it dies with the goroutine and takes the namespace along.
func (ns *NS) run(started chan<- error) {
	runtime.LockOSThread()
	defer close(ns.done)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		started <- fmt.Errorf("create network namespace: %w", err)
		return
	}
	started <- nil
	for f := range ns.work {
		f()
	}
}

// Do runs f on the namespace's thread; sockets opened and programs started there belong to the namespace.
func (ns *NS) Do(f func() error) error {
	res := make(chan error, 1)
	select {
	case <-ns.done:
		return errClosed
	case ns.work <- func() { res <- f() }:
	}
	select {
	case err := <-res:
		return err
	case <-ns.done: // f ended the thread's goroutine
		return errClosed
	}
}

// Close ends the namespace.
func (ns *NS) Close() {
	select {
	case <-ns.done:
	default:
		close(ns.work)
		<-ns.done
	}
}

// sysctl sets a value below /proc/sys/net, which belongs to the namespace of the thread that opens it.
func sysctl(key, value string) error {
	return os.WriteFile("/proc/sys/net/"+key, []byte(value), 0o644)
}
