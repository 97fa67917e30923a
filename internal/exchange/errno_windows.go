package exchange

import (
	"errors"
	"strconv"
	"syscall"

	"golang.org/x/sys/windows"
)

// sysKinds lists the errors of Winsock with their meaning, under the POSIX names.
var sysKinds = map[syscall.Errno]struct {
	kind sysKind
	name string
}{
	windows.WSAECONNREFUSED:  {sysRefused, "ECONNREFUSED"},
	windows.WSAECONNRESET:    {sysReset, "ECONNRESET"},
	windows.WSAECONNABORTED:  {sysReset, "ECONNABORTED"},
	windows.WSAESHUTDOWN:     {sysPipe, "EPIPE"},
	windows.WSAETIMEDOUT:     {sysTimeout, "ETIMEDOUT"},
	windows.WSAEHOSTUNREACH:  {sysUnreachable, "EHOSTUNREACH"},
	windows.WSAENETUNREACH:   {sysUnreachable, "ENETUNREACH"},
	windows.WSAEHOSTDOWN:     {sysUnreachable, "EHOSTDOWN"},
	windows.WSAENETDOWN:      {sysUnreachable, "ENETDOWN"},
	windows.WSAEAFNOSUPPORT:  {sysUnreachable, "EAFNOSUPPORT"},
	windows.WSAEADDRNOTAVAIL: {sysNoAddress, "EADDRNOTAVAIL"},
	windows.WSAEADDRINUSE:    {sysNoAddress, "EADDRINUSE"},
	windows.WSAEACCES:        {sysOurs, "EACCES"},
	windows.WSAEMFILE:        {sysOurs, "EMFILE"},
	windows.WSAENOBUFS:       {sysOurs, "ENOBUFS"},
	windows.WSAEINVAL:        {sysOurs, "EINVAL"},
}

// sysError is the operating system error inside err: its kind and the name of its
// number (ECONNREFUSED …).
func sysError(err error) (sysKind, string) {
	var n syscall.Errno
	if !errors.As(err, &n) || n == 0 {
		return sysNone, ""
	}
	if k, ok := sysKinds[n]; ok {
		return k.kind, k.name
	}
	return sysOther, "WSA" + strconv.Itoa(int(n))
}
