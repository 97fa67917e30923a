package edge

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
)

// Several sockets on one address serve it together, over reloads and over a change of
// the program, without losing a request.
func TestReusePort(t *testing.T) {
	s := startProcessWith(t, echoPath, func(string) string { return ", reuse_port: 3" })
	a := s.ask()
	s.more(a, 200)
	for range 2 {
		old := s.newest()
		if err := syscall.Kill(old, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		s.more(a, 100)
		if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		s.await(func() bool { return s.newest() != old })
		s.more(a, 300)
	}
	a.end(t)
}

func TestReusePortSockets(t *testing.T) {
	e, o, _ := hosts()
	ap, _ := origin(t, o, 0, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	w := start(t, fmt.Sprintf("listen: {http: ['%s:%d'], reuse_port: 3}\nzones: [%s]", e, ap.Port(), siteZone("full", o)))
	count := func() int {
		w.edge.mu.Lock()
		defer w.edge.mu.Unlock()
		return len(w.edge.listeners)
	}
	if n := count(); n != 3 {
		t.Errorf("%d sockets", n)
	}
	if plain, _ := w.edge.Addrs(); len(plain) != 1 {
		t.Errorf("addresses %v", plain)
	}
	for range 20 {
		if r := w.get("http://shop.example/"); r.body != "hello" {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
	}
	// Neither fewer nor more can be had without a restart; everything goes on.
	for _, n := range []int{1, 5} {
		cfg := *w.edge.Config()
		cfg.Listen.ReusePort = n
		if err := w.edge.Apply(&cfg); err != nil {
			t.Fatal(err)
		}
		if got := count(); got < 3 {
			t.Errorf("asked for %d, %d sockets are left", n, got)
		}
	}
	cfg := *w.edge.Config()
	cfg.Listen.HTTP = []string{"127.0.0.1:0"}
	if err := w.edge.Apply(&cfg); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", w.http.String()); err == nil {
		c.Close()
		t.Error("an address that is not configured any more is still listened on")
	}
}

// A new connection for each request, over one socket and over two.
func BenchmarkReusePort(b *testing.B) {
	for _, n := range []int{1, 2} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e, _, _ := hosts()
			w := start(b, fmt.Sprintf("listen: {http: ['%s:0'], reuse_port: %d}", e, n))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					c, err := net.Dial("tcp", w.http.String())
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.WriteString(c, "GET /cdn-cgi/trace HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
					_, _ = io.Copy(io.Discard, c)
					c.Close()
				}
			})
		})
	}
}
