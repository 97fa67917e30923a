package edge

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/internal/config"
)

func TestCrowd(t *testing.T) {
	var c crowd
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	l := config.Limits{Connections: 3, PerAddress: 2}
	for i, x := range []struct {
		addr netip.Addr
		all  int
		want bool
	}{{a, 0, true}, {a, 1, true}, {a, 2, false}, {b, 2, true}, {b, 3, false}} {
		if got := c.enter(x.addr, x.all, l); got != x.want {
			t.Errorf("%d: %v", i, got)
		}
	}
	c.leave(a)
	if !c.enter(a, 2, l) {
		t.Error("a place that was left is not free")
	}
	c.leave(a)
	c.leave(a)
	c.leave(b)
	if len(c.by) != 0 {
		t.Errorf("%d addresses are remembered without connections", len(c.by))
	}
	// Of IPv6 a network counts.
	x, y := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:1")
	c.enter(x, 0, l)
	c.enter(y, 0, l)
	if c.enter(x, 0, l) {
		t.Error("addresses of one network are counted apart")
	}
}

// dialFrom connects from an address of loopback.
func dialFrom(t *testing.T, from string, to netip.AddrPort) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// One address gets no more connections than it may have; others are served, and it
// is again once it has left some.
func TestConnectionLimits(t *testing.T) {
	e, _, _ := hosts()
	w := start(t, "limits: {connections: 5, connections_per_address: 2}\nlisten: {http: ['"+e.String()+":0']}")
	alive := func(c net.Conn) bool {
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Write([]byte("GET /cdn-cgi/trace HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			return false
		}
		b := make([]byte, 512)
		n, err := c.Read(b)
		return err == nil && strings.HasPrefix(string(b[:n]), "HTTP/1.1 ")
	}
	one, two := dialFrom(t, "127.77.0.1", w.http), dialFrom(t, "127.77.0.1", w.http)
	if !alive(one) || !alive(two) {
		t.Fatal("connections within the limit are not served")
	}
	if alive(dialFrom(t, "127.77.0.1", w.http)) {
		t.Error("a third connection is served")
	}
	if !alive(dialFrom(t, "127.77.0.2", w.http)) {
		t.Error("another address is not served")
	}
	one.Close()
	waitFor(t, "a place for the first address", func() bool { return alive(dialFrom(t, "127.77.0.1", w.http)) })
	for range 2 {
		if !alive(dialFrom(t, "127.77.0.3", w.http)) {
			t.Error("the limit of all is reached too early")
		}
	}
	if alive(dialFrom(t, "127.77.0.4", w.http)) {
		t.Error("more connections are served than allowed")
	}
}
