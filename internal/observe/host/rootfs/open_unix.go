//go:build unix

package rootfs

import "syscall"

// nonblock keeps an open from waiting should the file have become a pipe since
// it was looked at.
const nonblock = syscall.O_NONBLOCK
