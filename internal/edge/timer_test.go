package edge

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// quick has timers that a test can wait for.
func quick(t *testing.T, timers string, h http.HandlerFunc) *world {
	t.Helper()
	e, o, _ := hosts()
	ap, _ := origin(t, o, 0, h)
	return start(t, fmt.Sprintf("timers: {%s}\nlisten: {http: ['%s:%d'], https: ['%s:0']}\nzones: [%s]", timers, e, ap.Port(), e, siteZone("full", o)))
}

// An idle connection is closed at its time, and not before, although the deadlines
// in use are shorter.
func TestIdleVisitor(t *testing.T) {
	w := quick(t, "client: 900ms, header: 200ms", echo)
	for name, first := range map[string]string{"new": "", "after a request": "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"} {
		c := w.visitor(false)
		io.WriteString(c, first)
		if first != "" {
			if _, err := http.ReadResponse(newReader(c), nil); err != nil {
				t.Fatal(err)
			}
		}
		begin := time.Now()
		n, err := io.Copy(io.Discard, c)
		if took := time.Since(begin); err != nil || took < 800*time.Millisecond || took > 5*time.Second {
			t.Errorf("%s: closed after %v, %d bytes, %v; want 900 ms", name, took, n, err)
		}
		c.Close()
	}
	if l := w.lines(); len(l) != 1 {
		t.Errorf("idle connections were logged as requests: %+v", l)
	}
}

// A request that arrives in pieces is taken; one that takes too long is refused.
func TestSlowRequests(t *testing.T) {
	w := quick(t, "client: 5s, header: 500ms", echo)
	drip := func(pieces []string, pause time.Duration) (string, time.Duration) {
		c := w.visitor(false)
		defer c.Close()
		begin := time.Now()
		go func() {
			for _, p := range pieces {
				if _, err := io.WriteString(c, p); err != nil {
					return
				}
				time.Sleep(pause)
			}
		}()
		b, err := io.ReadAll(c)
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			t.Error("no answer")
		}
		return string(b), time.Since(begin)
	}
	head := "POST /x HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nContent-Length: 4\r\n\r\n"
	if got, _ := drip([]string{head[:10], head[10:30], head[30:], "ab", "cd"}, 60*time.Millisecond); !strings.Contains(got, "X-Target: /x") || !strings.HasSuffix(got, "abcd") {
		t.Errorf("in pieces: %q", got)
	}
	// A body may take longer than the limit as a whole, as long as it never stops.
	var slow []string
	for range 12 {
		slow = append(slow, "x")
	}
	long := strings.Replace(head, "Content-Length: 4", "Content-Length: 12", 1)
	if got, took := drip(append([]string{long}, slow...), 100*time.Millisecond); !strings.HasSuffix(got, strings.Repeat("x", 12)) || took < time.Second {
		t.Errorf("a slow body: %q after %v", got, took)
	}
	if got, took := drip([]string{head[:20]}, 0); !strings.HasPrefix(got, "HTTP/1.1 408 ") || took > 5*time.Second {
		t.Errorf("a head that stops: %.60q after %v", got, took)
	}
	var letters []string
	for i := range len(head) {
		letters = append(letters, head[i:i+1])
	}
	if got, took := drip(letters, 30*time.Millisecond); !strings.HasPrefix(got, "HTTP/1.1 408 ") || took > 3*time.Second {
		t.Errorf("a head in single letters: %.60q after %v", got, took)
	}
	if got, took := drip([]string{head, "ab"}, 0); !strings.HasPrefix(got, "HTTP/1.1 408 ") || took > 5*time.Second {
		t.Errorf("a body that stops: %.60q after %v", got, took)
	}
}

// A visitor that stops in the handshake does not hold its connection.
func TestSilentHandshake(t *testing.T) {
	w := quick(t, "header: 300ms", echo)
	c, err := net.Dial("tcp", w.tls.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes, %v; want the end of the connection", n, err)
	}
}

// A zone's own read timeout holds instead of the edge's.
func TestZoneReadTimeout(t *testing.T) {
	e, o, _ := hosts()
	ap := script(t, o, 0, silent)
	w := start(t, fmt.Sprintf("timers: {read: 60s}\nlisten: {http: ['%s:%d']}\nzones: [{name: shop.example, proxy_read_timeout: 1, records: [{type: A, name: shop.example, content: %s, proxied: true}]}]", e, ap.Port(), o))
	begin := time.Now()
	if r := w.get("http://shop.example/"); r.StatusCode != 524 || time.Since(begin) > 10*time.Second {
		t.Errorf("%s after %v", r.Status, time.Since(begin))
	}
}
