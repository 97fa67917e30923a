package edge

import (
	"errors"
	"math"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// listenConfig sets options on the listener, which accepted connections inherit, so
// that none costs a call per connection. TCP_USER_TIMEOUT has the kernel end a
// connection whose visitor takes nothing for that long, be it gone or keeping its
// window shut; so no write needs a timer.
func listenConfig(limit time.Duration, shared bool) net.ListenConfig {
	control := func(_, _ string, c syscall.RawConn) error {
		var opt error
		err := c.Control(func(fd uintptr) {
			for _, o := range []struct{ level, name, value int }{
				{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds())},
				{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
				{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(visitorKeepAlive.Idle.Seconds())},
				{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(visitorKeepAlive.Interval.Seconds())},
				{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, visitorKeepAlive.Count},
			} {
				opt = errors.Join(opt, unix.SetsockoptInt(int(fd), o.level, o.name, o.value))
			}
			if shared { // by several sockets on one address
				opt = errors.Join(opt, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
			}
		})
		return errors.Join(err, opt)
	}
	return net.ListenConfig{KeepAlive: -1, Control: control}
}

// openFiles is how many files this process may have open.
func openFiles() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || l.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(l.Cur)
}
