//go:build unix

package exchange

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// sysKinds lists the errors that connect(2), read(2) and write(2) of a TCP socket
// return, with their meaning. Which ICMP answer gives which number is the kernel's
// table (icmp_err_convert, icmpv6_err_convert), measured by this package's tests.
var sysKinds = map[syscall.Errno]sysKind{
	syscall.ECONNREFUSED:    sysRefused,
	syscall.ECONNRESET:      sysReset,
	syscall.ECONNABORTED:    sysReset,
	syscall.EPIPE:           sysPipe,
	syscall.ETIMEDOUT:       sysTimeout,
	syscall.EHOSTUNREACH:    sysUnreachable,
	syscall.ENETUNREACH:     sysUnreachable,
	syscall.EHOSTDOWN:       sysUnreachable,
	syscall.ENETDOWN:        sysUnreachable,
	syscall.EACCES:          sysUnreachable, // IPv6: administratively prohibited, policy, reject route
	syscall.EPROTO:          sysUnreachable, // IPv6 parameter problem
	syscall.ENOPROTOOPT:     sysUnreachable, // protocol unreachable
	syscall.EAFNOSUPPORT:    sysUnreachable, // the observer has no such family
	syscall.EADDRNOTAVAIL:   sysNoAddress,
	syscall.EADDRINUSE:      sysNoAddress,
	syscall.EPERM:           sysOurs,
	syscall.EMFILE:          sysOurs,
	syscall.ENFILE:          sysOurs,
	syscall.ENOBUFS:         sysOurs,
	syscall.ENOMEM:          sysOurs,
	syscall.EINVAL:          sysOurs,
	syscall.EPROTONOSUPPORT: sysOurs,
}

// sysError is the operating system error inside err: its kind and the name of its
// number (ECONNREFUSED …).
func sysError(err error) (sysKind, string) {
	var n syscall.Errno
	if !errors.As(err, &n) || n == 0 {
		return sysNone, ""
	}
	k, ok := sysKinds[n]
	if !ok {
		k = sysOther
	}
	return k, unix.ErrnoName(n)
}
