package edge

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/sock"
)

// segments is how many segments with data a connection has sent.
func segments(t *testing.T, c *sock.Conn) (n uint32) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Fatal(err)
		}
		n = info.Data_segs_out
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// overTLS is a visitor's TLS connection, and the visitor.
func overTLS(t *testing.T) (*tlsConn, *tls.Conn) {
	t.Helper()
	l, ap := listen(t, netip.MustParseAddr("127.0.0.1"), 0)
	dialed, err := net.Dial("tcp", ap.String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	s, err := sock.New(accepted.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := testCA().Certificate("shop.example")
	if err != nil {
		t.Fatal(err)
	}
	wire := &tlsWire{Conn: s}
	c := &tlsConn{Conn: tls.Server(wire, &tls.Config{Certificates: []tls.Certificate{*cert}}), wire: wire}
	v := tls.Client(dialed, &tls.Config{InsecureSkipVerify: true})
	done := make(chan error)
	go func() { done <- v.Handshake() }()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return c, v
}

// What crypto/tls cuts into several records arrives whole, in one segment where it is
// small, and the goodbye in the same one where nothing else follows.
func TestGatheredRecords(t *testing.T) {
	for _, x := range []struct {
		size     int
		last     bool
		segments uint32 // of response and goodbye; 0 = as it comes
	}{{1, true, 1}, {2500, true, 1}, {2500, false, 2}, {12 << 10, true, 2}, {100 << 10, true, 0}, {1 << 20, false, 0}} {
		c, v := overTLS(t)
		body := strings.Repeat("0123456789abcdef", x.size/16+1)[:x.size]
		read := make(chan string)
		go func() {
			b, err := io.ReadAll(v) // ends well with a goodbye only
			if err != nil {
				t.Errorf("%d bytes: %v", x.size, err)
			}
			read <- string(b)
		}()
		before := segments(t, c.wire.Conn)
		c.last = x.last
		if n, err := (gathered{c}).Write([]byte(body)); n != x.size || err != nil {
			t.Fatalf("%d bytes: wrote %d: %v", x.size, n, err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n := segments(t, c.wire.Conn) - before; x.segments != 0 && n != x.segments {
			t.Errorf("%d bytes went in %d segments, want %d", x.size, n, x.segments)
		}
		if got := <-read; got != body {
			t.Errorf("%d bytes: %d arrived, or others", x.size, len(got))
		}
		c.wire.free()
	}
}

// Something behind what was said to be the last loses nothing.
func TestGatheredThenMore(t *testing.T) {
	c, v := overTLS(t)
	c.last = true
	for _, part := range []string{"first", "second"} {
		if _, err := (gathered{c}).Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(v); string(b) != "firstsecond" || err != nil {
		t.Errorf("got %q: %v", b, err)
	}
}
