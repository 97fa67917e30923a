//go:build unix && !linux

package sock

import "syscall"

// Read reads from a non-blocking descriptor into p.
func Read(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, err := syscall.Read(int(fd), p)
		if err == nil {
			return n, 0
		}
		errn, ok := err.(syscall.Errno)
		if !ok {
			return 0, syscall.EIO
		}
		if errn != syscall.EINTR {
			return 0, errn
		}
	}
}
