package http1

import (
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
)

// Flags and the fcntl command of splice(2) and pipe(7), which package syscall lacks.
const (
	spliceMove     = 1
	spliceNonblock = 2
	setPipeSize    = 1031
)

// pipeSize is asked for each pipe (the kernel's default is 64 KiB): large enough that a
// body of 100 KiB passes in one round, small enough that an unprivileged user, who may
// have 64 MiB in pipes (pipe-user-pages-soft), gets 256 of them.
const pipeSize = 256 << 10

// pipe moves bytes between two sockets. Its halves are bound functions, so that a
// transfer allocates nothing.
type pipe struct {
	rfd, wfd int
	in, out  func(fd uintptr) bool
	cleanup  runtime.Cleanup

	want, held int // bytes to take at most, bytes in the pipe
	moved      int // by the last call
	err        error
}

var pipes sync.Pool

func getPipe() (*pipe, error) {
	if p, ok := pipes.Get().(*pipe); ok {
		return p, nil
	}
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return nil, err
	}
	// A smaller pipe works as well, so a refusal is nothing to report.
	_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(fds[1]), setPipeSize, pipeSize)
	p := &pipe{rfd: fds[0], wfd: fds[1]}
	p.in, p.out = p.fill, p.drain
	// The pool drops pipes without a word; the descriptors are closed when it does.
	p.cleanup = runtime.AddCleanup(p, closePipe, fds)
	return p, nil
}

func closePipe(fds [2]int) {
	_ = syscall.Close(fds[0])
	_ = syscall.Close(fds[1])
}

// putPipe keeps an empty pipe; one with bytes in it is closed.
func putPipe(p *pipe) {
	if p.held == 0 {
		p.err = nil
		pipes.Put(p)
		return
	}
	p.cleanup.Stop()
	closePipe([2]int{p.rfd, p.wfd})
}

// fill moves bytes from the socket into the pipe.
func (p *pipe) fill(fd uintptr) bool {
	p.moved, p.err = splice(int(fd), p.wfd, p.want)
	if p.err == syscall.EAGAIN {
		return false
	}
	p.held += p.moved
	return true
}

// drain moves bytes from the pipe into the socket.
func (p *pipe) drain(fd uintptr) bool {
	p.moved, p.err = splice(p.rfd, int(fd), p.held)
	if p.err == syscall.EAGAIN {
		return false
	}
	p.held -= p.moved
	return true
}

func splice(from, to, n int) (int, error) {
	for {
		// It does not block, so the scheduler need not know.
		moved, _, errn := syscall.RawSyscall6(syscall.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), spliceMove|spliceNonblock)
		switch errn {
		case 0:
			return int(moved), nil
		case syscall.EINTR:
			continue
		}
		return 0, errn
	}
}

// splice moves left bytes, or all until the source ends when left is negative, to dst.
// moved is what dst took. handled is false when the kernel refuses and nothing was moved.
// The errors tell which side failed; readErr is io.EOF when the source ended.
func (s *rawSource) splice(dst *net.TCPConn, left int64) (moved int64, handled bool, readErr, writeErr error) {
	to, err := dst.SyscallConn()
	if err != nil {
		return 0, true, nil, err
	}
	p, err := getPipe()
	if err != nil {
		return 0, false, nil, nil // out of descriptors: copy
	}
	defer putPipe(p)
	for left != 0 {
		p.want = pipeSize
		if left > 0 {
			p.want = int(min(left, pipeSize))
		}
		p.moved, p.err = 0, nil
		if err := s.conn.Read(p.in); err != nil {
			return moved, true, err, nil
		}
		switch {
		case p.err == syscall.EINVAL && moved == 0:
			return 0, false, nil, nil
		case p.err != nil:
			return moved, true, os.NewSyscallError("splice", p.err), nil
		case p.moved == 0:
			return moved, true, io.EOF, nil
		}
		for p.held > 0 {
			p.moved, p.err = 0, nil
			err := to.Write(p.out)
			if err == nil && p.err != nil {
				err = os.NewSyscallError("splice", p.err)
			}
			if err == nil && p.moved == 0 {
				err = io.ErrShortWrite
			}
			if err != nil {
				return moved, true, nil, err
			}
			moved += int64(p.moved)
			if left > 0 {
				left -= int64(p.moved)
			}
		}
	}
	return moved, true, nil, nil
}
