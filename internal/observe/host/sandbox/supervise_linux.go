//go:build amd64 || arm64

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Structures of include/uapi/linux/seccomp.h.
type notification struct {
	ID    uint64
	PID   uint32
	Flags uint32
	Nr    int32
	Arch  uint32
	IP    uint64
	Args  [6]uint64
}

type response struct {
	ID    uint64
	Val   int64
	Error int32
	Flags uint32
}

type addFD struct {
	ID         uint64
	Flags      uint32
	SrcFD      uint32
	NewFD      uint32
	NewFDFlags uint32
}

const (
	ioctlRecv  = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	ioctlSend  = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
	ioctlAddFD = 0x40182103 // SECCOMP_IOCTL_NOTIF_ADDFD
	addFDSend  = 1 << 1     // SECCOMP_ADDFD_FLAG_SEND, kernel 5.14
	goOn       = 1          // SECCOMP_USER_NOTIF_FLAG_CONTINUE
	maxPath    = 4096
)

// supervisor answers the calls of a confined program.
type supervisor struct {
	fd    int
	stop  [2]int // a pipe; closing its second end ends serve
	faked atomic.Bool
	done  chan struct{}
}

func supervise(listener int) (*supervisor, error) {
	s := &supervisor{fd: listener, done: make(chan struct{})}
	if err := unix.Pipe2(s.stop[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	go s.serve()
	return s, nil
}

func (s *supervisor) close() {
	unix.Close(s.stop[1])
	<-s.done
	unix.Close(s.stop[0])
	unix.Close(s.fd)
}

// serve answers until it is stopped.
func (s *supervisor) serve() {
	defer close(s.done)
	for {
		p := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(s.stop[0])}}
		_, err := unix.Poll(p, -1)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil, p[1].Revents != 0, p[0].Revents&unix.POLLIN == 0:
			return
		}
		var q notification
		if ioctl(s.fd, ioctlRecv, unsafe.Pointer(&q)) != nil {
			continue // it was killed meanwhile
		}
		s.answer(&q)
	}
}

func (s *supervisor) answer(q *notification) {
	fd, errno, pass := s.decide(q)
	if errno == unix.EROFS {
		s.faked.Store(true)
	}
	switch {
	case pass:
		r := response{ID: q.ID, Flags: goOn}
		_ = ioctl(s.fd, ioctlSend, unsafe.Pointer(&r))
		return
	case fd >= 0:
		a := addFD{ID: q.ID, Flags: addFDSend, SrcFD: uint32(fd), NewFDFlags: unix.O_CLOEXEC}
		err := ioctl(s.fd, ioctlAddFD, unsafe.Pointer(&a))
		unix.Close(fd)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return
		}
		s.faked.Store(true)
		errno = unix.EROFS
	}
	r := response{ID: q.ID, Error: -int32(errno)}
	_ = ioctl(s.fd, ioctlSend, unsafe.Pointer(&r))
}

// decide says what a call gives: a descriptor, an error, or that it goes on as
// it is.
func (s *supervisor) decide(q *notification) (fd int, errno unix.Errno, pass bool) {
	if q.Nr == unix.SYS_BIND {
		family, err := readMemory(q.PID, q.Args[1], 2)
		if err == nil && (family[0] == unix.AF_NETLINK && family[1] == 0) {
			return -1, 0, true // the C library asks the kernel for addresses
		}
		return -1, unix.EADDRINUSE, false
	}
	dirfd, addr, flags := arguments(q)
	name, err := readString(q.PID, addr)
	if err != nil {
		return -1, unix.EFAULT, false
	}
	path := resolve(q.PID, dirfd, name)
	if q.Nr == unix.SYS_MKDIRAT || isMkdir(q.Nr) {
		return -1, makeDir(path), false
	}
	fd, errno = openFor(path, flags)
	return fd, errno, false
}

// openFor opens what a program gets in place of a file it wants to write, or
// says which error the real file would give.
func openFor(path string, flags int) (int, unix.Errno) {
	if flags&unix.O_TMPFILE == unix.O_TMPFILE {
		return -1, unix.EOPNOTSUPP
	}
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	exists := err == nil
	switch {
	case err != nil && err != unix.ENOENT:
		return -1, errnoOf(err)
	case !exists && flags&unix.O_CREAT == 0:
		return -1, unix.ENOENT
	case exists && flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL:
		return -1, unix.EEXIST
	case exists && st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return -1, unix.EISDIR
	}
	need := path
	if !exists {
		need = filepath.Dir(path)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, need, unix.W_OK, unix.AT_EACCESS); err != nil {
		return -1, errnoOf(err)
	}
	if exists && flags&unix.O_ACCMODE == unix.O_RDWR && flags&unix.O_TRUNC == 0 && st.Mode&unix.S_IFMT == unix.S_IFREG {
		if fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			return fd, 0
		}
	}
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, errnoOf(err)
	}
	return fd, 0
}

func makeDir(path string) unix.Errno {
	if _, err := os.Stat(path); err == nil {
		return unix.EEXIST
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return unix.ENOENT
	}
	return unix.EROFS
}

func errnoOf(err error) unix.Errno {
	var e unix.Errno
	if errors.As(err, &e) {
		return e
	}
	return unix.EIO
}

// resolve makes a path of another process openable for us.
func resolve(pid uint32, dirfd int32, name string) string {
	switch {
	case filepath.IsAbs(name):
		return name
	case dirfd == unix.AT_FDCWD:
		return fmt.Sprintf("/proc/%d/cwd/%s", pid, name)
	}
	return fmt.Sprintf("/proc/%d/fd/%d/%s", pid, dirfd, name)
}

func readString(pid uint32, addr uint64) (string, error) {
	b, err := readMemory(pid, addr, maxPath)
	if err != nil && len(b) == 0 {
		return "", err
	}
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return "", unix.ENAMETOOLONG
	}
	return string(b[:i]), nil
}

// readMemory reads up to n bytes of another process; fewer when its memory
// ends before.
func readMemory(pid uint32, addr uint64, n int) ([]byte, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, n)
	got, err := f.ReadAt(b, int64(addr))
	if got == n {
		err = nil
	}
	return b[:got], err
}

func ioctl(fd int, req uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), req, uintptr(arg))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
			continue
		}
		return errno
	}
}
