package edge

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// visitorControl sets TCP_USER_TIMEOUT on the listener, which accepted connections
// inherit: the kernel then ends a connection whose visitor takes nothing for that
// long, be it gone or keeping its window shut. So no write needs a timer.
func visitorControl(limit time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var opt error
		err := c.Control(func(fd uintptr) {
			opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds()))
		})
		return errors.Join(err, opt)
	}
}
