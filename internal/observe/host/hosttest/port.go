package hosttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Port gives a loopback port that nothing listens on, below the range from
// which the kernel takes ports for outgoing connections: nobody takes it by
// chance before the test's server does.
func Port(t testing.TB) int {
	t.Helper()
	l := Listen(t)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Listen listens on such a port; the caller closes it.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	for range 200 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(20000)))
		if err == nil {
			return l
		}
	}
	t.Fatal("no free port on loopback")
	return nil
}
