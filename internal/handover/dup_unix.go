//go:build unix

package handover

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// file duplicates the socket for a successor. The File method of package net would give
// a file that turns blocking when a program is started with it, and with it the socket
// of this program, which shares that flag: a thread of ours would then hang in accept,
// and could take a last connection that nobody serves.
func (s socket) file() (*os.File, error) {
	var c any = s.l
	if s.l == nil {
		c = s.p
	}
	conn, ok := c.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%s cannot be handed over", s.addr())
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var failed error
	if err := raw.Control(func(of uintptr) { fd, failed = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, os.NewSyscallError("fcntl", failed)
	}
	return os.NewFile(uintptr(fd), s.addr().String()), nil
}
