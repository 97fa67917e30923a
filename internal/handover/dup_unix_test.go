//go:build unix

package handover

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A socket that is handed over stays non-blocking here.
func TestHandedOverStaysNonBlocking(t *testing.T) {
	s := &Set{}
	l, _, err := s.Listen(t.Context(), &net.ListenConfig{}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := s.open[0].file()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_ = f.Fd() // what starting a program does with it
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("flags %#x, %v: the listener blocks", flags, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
}
