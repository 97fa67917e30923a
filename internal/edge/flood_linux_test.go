package edge

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// floodTime is how long each flood lasts; EDGE_FLOOD_TIME=10m makes it a siege.
func floodTime(t *testing.T) time.Duration {
	if testing.Short() {
		t.Skip("floods")
	}
	if d, err := time.ParseDuration(os.Getenv("EDGE_FLOOD_TIME")); err == nil {
		return d
	}
	return 2 * time.Second
}

// flood runs attackers until the time is over, while a healthy visitor asks all the
// time; that one must be answered, and memory, threads and connections must not stay.
func flood(t *testing.T, w *world, attackers int, attack func(n int)) {
	t.Helper()
	c := w.client(false)
	for range 20 {
		w.do(c, mustRequest(t, "GET", "http://shop.example/warm", nil))
	}
	runtime.GC()
	before, threads := rss(t), runtime.NumGoroutine()
	stop := time.Now().Add(floodTime(t))
	var wg sync.WaitGroup
	for n := range attackers {
		wg.Go(func() {
			for time.Now().Before(stop) {
				attack(n)
			}
		})
	}
	healthy, worst := 0, time.Duration(0)
	for time.Now().Before(stop) {
		at := time.Now()
		r := w.do(c, mustRequest(t, "GET", "http://shop.example/healthy", nil))
		if r.StatusCode != 200 || r.body != "/healthy" {
			t.Errorf("the healthy visitor got %d %q", r.StatusCode, r.body)
		}
		worst = max(worst, time.Since(at))
		healthy++
	}
	wg.Wait()
	c.CloseIdleConnections()
	waitFor(t, "the end of all connections", func() bool { return w.edge.visiting() == 0 })
	waitFor(t, "the end of what served them", func() bool { return runtime.NumGoroutine() <= threads+50 })
	grown := rss(t) - before
	t.Logf("healthy visitor: %d requests, slowest %v; memory grew by %d KiB", healthy, worst, grown>>10)
	if !underRace && grown > 96<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	if healthy < 5 {
		t.Errorf("only %d requests of the healthy visitor were served", healthy)
	}
}

// floodWorld is an edge before an origin that counts what it does at once.
func floodWorld(t *testing.T, more string) (w *world, busiest *atomic.Int64) {
	return floodWorldRules(t, more, "")
}

// floodWorldRules is floodWorld with more rules of the zone.
func floodWorldRules(t *testing.T, more, rules string) (w *world, busiest *atomic.Int64) {
	var now atomic.Int64
	busiest = new(atomic.Int64)
	e, o, _ := hosts()
	ap, _ := origin(t, o, 0, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := busiest.Load(); n > old && !busiest.CompareAndSwap(old, n); old = busiest.Load() {
		}
		if r.URL.Path == "/slow" {
			select {
			case <-r.Context().Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
		io.WriteString(w, r.URL.Path)
	})
	// The log goes where a log goes: the test's own buffer would be what grows.
	return start(t, fmt.Sprintf(`%s
access_log: {file: %s, max_size: 10485760, keep: 1}
timers: {header: 1s}
listen: {http: ['%s:%d'], https: ['%s:443']}
zones:
- name: shop.example
  ssl: flexible
  records: [{type: A, name: shop.example, content: %s, proxied: true}]
  rules: {origin: [{expression: ssl, action_parameters: {origin: {port: %d}}}], %s}
`, more, filepath.Join(t.TempDir(), "access.log"), e, ap.Port(), e, o, ap.Port(), rules)), busiest
}

// Visitors that send a head byte by byte are cut off when its time is over.
func TestFloodSlowloris(t *testing.T) {
	w, _ := floodWorld(t, "limits: {connections_per_address: 200}")
	flood(t, w, 8, func(n int) {
		var conns []net.Conn
		for range 100 { // of 800, 200 are served
			c := dialQuiet(fmt.Sprintf("127.88.0.%d", 1), w)
			if c != nil {
				conns = append(conns, c)
			}
		}
		for _, b := range []byte("GET / HTTP/1.1\r\nHost: shop.example\r\nX: ") {
			for _, c := range conns {
				_, _ = c.Write([]byte{b}) // it may have been refused
			}
			time.Sleep(20 * time.Millisecond)
		}
		for _, c := range conns {
			c.Close()
		}
	})
}

// dialQuiet connects from an address; nil when that fails.
func dialQuiet(from string, w *world) net.Conn {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", w.http.String())
	if err != nil {
		return nil
	}
	return c
}

// Connections that are reset in the middle of a request leave nothing behind.
func TestFloodReset(t *testing.T) {
	w, _ := floodWorld(t, "")
	flood(t, w, 4, func(int) {
		c := dialQuiet("127.88.0.2", w)
		if c == nil {
			return
		}
		_, _ = io.WriteString(c, "POST /slow HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100000\r\n\r\nabc") // a reset follows
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	})
}

// Heads without end are refused at the limit.
func TestFloodHeaders(t *testing.T) {
	w, _ := floodWorld(t, "")
	line := bytes.Repeat([]byte("X-Header: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"), 500)
	flood(t, w, 4, func(int) {
		c := dialQuiet("127.88.0.3", w)
		if c == nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.example\r\n")
		for range 100 {
			if _, err := c.Write(line); err != nil {
				return
			}
		}
	})
}

// Visitors that give each request another key of a rate limit, 50,000 in all, neither
// grow the edge nor free the one that is blocked.
func TestFloodKeys(t *testing.T) {
	const keys = 50_000
	w, _ := floodWorldRules(t, "", `rate_limits: [{expression: 'http.request.uri.path eq "/key"', requests_per_period: 3, period: 3600, mitigation_timeout: 86400, characteristics: ['http.request.headers["x-key"]']}]`)
	blocked := func() int {
		for range 5 {
			w.get("http://shop.example/key", "X-Key", "the one", "Connection", "close")
		}
		return w.get("http://shop.example/key", "X-Key", "the one", "Connection", "close").StatusCode
	}
	if code := blocked(); code != 429 {
		t.Fatalf("five requests with one key: %d, want 429", code)
	}
	var sent atomic.Int64
	flood(t, w, 4, func(int) {
		c := dialQuiet("127.88.0.4", w)
		if c == nil {
			return
		}
		defer c.Close()
		answers := bufio.NewReader(c)
		for range 500 {
			if _, err := fmt.Fprintf(c, "GET /key HTTP/1.1\r\nHost: shop.example\r\nX-Key: %d\r\n\r\n", sent.Add(1)%keys); err != nil {
				return
			}
			r, err := http.ReadResponse(answers, nil)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body) // the next answer stands behind it
			r.Body.Close()
		}
	})
	if code := w.get("http://shop.example/key", "X-Key", "the one", "Connection", "close").StatusCode; code != 429 {
		t.Errorf("the blocked key after %d others: %d, want 429", sent.Load(), code)
	}
	t.Logf("%d requests with keys of their own", sent.Load())
}

// attacker2 is an HTTP/2 connection that sends what it likes and reads nothing but
// whether it was told to go away.
type attacker2 struct {
	conn  *tls.Conn
	out   bytes.Buffer
	fr    *http2.Framer
	block []byte
	gone  atomic.Bool
	told  atomic.Int64 // the error code it was told
	ended chan struct{}
}

func newAttacker2(w *world, path string) *attacker2 {
	conn, err := tls.Dial("tcp", w.tls.String(), &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example", NextProtos: []string{"h2"}})
	if err != nil {
		return nil
	}
	a := &attacker2{conn: conn, ended: make(chan struct{})}
	a.fr = http2.NewFramer(&a.out, conn)
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":path", path}, {":authority", "shop.example"}} {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // a buffer takes everything
	}
	a.block = block.Bytes()
	a.out.WriteString(http2.ClientPreface)
	_ = a.fr.WriteSettings()
	go func() {
		defer close(a.ended)
		for {
			f, err := a.fr.ReadFrame()
			if err != nil {
				a.gone.Store(true)
				return
			}
			if g, ok := f.(*http2.GoAwayFrame); ok {
				a.told.Store(int64(g.ErrCode))
				a.gone.Store(true)
			}
		}
	}()
	return a
}

// send sends what was written; false when the edge has ended the connection.
func (a *attacker2) send() bool {
	_ = a.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, err := a.conn.Write(a.out.Bytes())
	a.out.Reset()
	return err == nil && !a.gone.Load()
}

func (a *attacker2) close() {
	a.conn.Close()
	<-a.ended
}

// Requests that are reset at once (CVE-2023-44487) end the connection, and never keep
// more of the origin busy than the streams that are allowed.
func TestFloodRapidReset(t *testing.T) {
	w, busiest := floodWorld(t, "")
	var calmed, ended atomic.Int64
	const attackers = 3
	flood(t, w, attackers, func(int) {
		a := newAttacker2(w, "/slow")
		if a == nil {
			return
		}
		defer a.close()
		for id := uint32(1); ; id += 2 {
			_ = a.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: a.block, EndHeaders: true, EndStream: true})
			_ = a.fr.WriteRSTStream(id, http2.ErrCodeCancel)
			if a.out.Len() > 4096 && !a.send() || id > 1<<20 {
				break
			}
		}
		ended.Add(1)
		a.conn.SetReadDeadline(time.Now().Add(3 * time.Second))
		<-a.ended
		if http2.ErrCode(a.told.Load()) == http2.ErrCodeEnhanceYourCalm {
			calmed.Add(1)
		}
	})
	t.Logf("%d of %d connections were told to calm down; the origin did %d requests at once", calmed.Load(), ended.Load(), busiest.Load())
	if ended.Load() == 0 || calmed.Load() == 0 {
		t.Error("no connection was told to calm down")
	}
	if n := busiest.Load(); n > (attackers+1)*2*maxStreams2 {
		t.Errorf("the origin was kept busy with %d requests at once", n)
	}
}

// Frames that bring nothing end the connection.
func TestFloodFrames(t *testing.T) {
	for _, f := range []struct {
		name  string
		frame func(a *attacker2, n uint32)
	}{
		{"PING", func(a *attacker2, _ uint32) { _ = a.fr.WritePing(false, [8]byte{}) }},
		{"SETTINGS", func(a *attacker2, _ uint32) { _ = a.fr.WriteSettings() }},
		{"PRIORITY", func(a *attacker2, n uint32) { _ = a.fr.WritePriority(2*n+1, http2.PriorityParam{Weight: 1}) }},
		{"empty CONTINUATION", func(a *attacker2, n uint32) {
			if n == 0 {
				_ = a.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: a.block})
			}
			_ = a.fr.WriteContinuation(1, false, nil)
		}},
		{"WINDOW_UPDATE", func(a *attacker2, _ uint32) { _ = a.fr.WriteWindowUpdate(0, 1) }},
	} {
		t.Run(f.name, func(t *testing.T) {
			w, _ := floodWorld(t, "")
			a := newAttacker2(w, "/")
			if a == nil {
				t.Fatal("no connection")
			}
			defer a.close()
			n := uint32(0)
			for ; n < 1<<20; n++ {
				f.frame(a, n)
				if a.out.Len() > 4096 && !a.send() {
					break
				}
			}
			if n == 1<<20 {
				t.Error("a million frames were taken")
			}
		})
	}
}
