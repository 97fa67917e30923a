package edge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// One other address is tried, and only after the five documented codes.
func TestRetry(t *testing.T) {
	_, dead, _ := hosts() // nothing listens there
	for _, tc := range []struct {
		name    string
		origin  func(*net.TCPConn)
		method  string
		status  int
		retried bool
	}{
		{"refused", nil, "GET", 200, true},
		{"refused, with a small body", nil, "POST", 200, true},
		{"520 is not retried", func(c *net.TCPConn) { readHead(c) }, "GET", 520, false},
		{"524 is not retried", silent, "GET", 524, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, good, bad := hosts()
			ap := script(t, good, 0, reply200)
			if tc.origin != nil {
				script(t, bad, ap.Port(), tc.origin)
			} else {
				bad = dead
			}
			w := start(t, fmt.Sprintf("%slisten: {http: ['%s:%d']}\nzones: [%s]", shortTimers, e, ap.Port(), siteZone("full", good, bad)))
			seen := map[int]int{}
			retried := 0
			for i := range 4 {
				var body io.Reader
				if tc.method == "POST" {
					body = strings.NewReader("some")
				}
				req, _ := http.NewRequest(tc.method, "http://shop.example/", body)
				seen[w.do(w.client(false), req).StatusCode]++
				if w.last(i + 1).Retried {
					retried++
				}
			}
			if (retried > 0) != tc.retried || tc.status == 200 && seen[200] != 4 || tc.status != 200 && (seen[tc.status] == 0 || seen[200] == 0) {
				t.Errorf("answers %v, %d retried; want %d, retried %v", seen, retried, tc.status, tc.retried)
			}
		})
	}
}

func TestRetryOnce(t *testing.T) {
	e, a, b := hosts()
	_, c, _ := hosts()
	ap := script(t, c, 0, reply200)
	w := start(t, fmt.Sprintf("listen: {http: ['%s:%d']}\nzones: [%s]", e, ap.Port(), siteZone("full", a, b, c)))
	codes := map[int]int{}
	for range 6 {
		codes[w.get("http://shop.example/").StatusCode]++
	}
	if codes[521] == 0 || codes[200] == 0 {
		t.Errorf("answers %v: with two dead addresses of three, one retry is not always enough, nor never", codes)
	}
}

// Both attempts are on record, under one ray.
func TestRetryIsRecorded(t *testing.T) {
	e, dead, good := hosts()
	ap := script(t, good, 0, reply200)
	w := start(t, fmt.Sprintf("listen: {http: ['%s:%d']}\nzones: [%s]", e, ap.Port(), siteZone("full", dead, good)))
	for i := range 2 {
		w.get("http://shop.example/")
		w.last(i + 1)
	}
	failed := w.record(Filter{Origin: dead})
	if len(failed) != 1 || !failed[0].Retried || failed[0].Code != 521 || failed[0].Phase != "connect" || failed[0].Errno != "ECONNREFUSED" {
		t.Fatalf("the failed attempt: %+v", failed)
	}
	all := w.record(Filter{Host: "shop.example"})
	same := 0
	for _, x := range all {
		if x.Ray == failed[0].Ray {
			same++
		}
	}
	if len(all) != 3 || same != 2 {
		t.Errorf("records %+v", all)
	}
}

// Several egress addresses are used in turn, and the record tells which.
func TestEgress(t *testing.T) {
	e, o, _ := hosts()
	var mu sync.Mutex
	seen := map[string]int{}
	ap := script(t, o, 0, func(c *net.TCPConn) {
		mu.Lock()
		seen[c.RemoteAddr().(*net.TCPAddr).IP.String()]++
		mu.Unlock()
		reply200(c)
	})
	w := start(t, fmt.Sprintf("listen: {http: ['%s:%d']}\negress: [127.88.0.1, 127.88.0.2, 127.88.0.3]\nzones: [%s]", e, ap.Port(), siteZone("full", o)))
	for range 6 {
		w.get("http://shop.example/")
	}
	w.last(6)
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 3 || seen["127.88.0.1"] != 2 {
		t.Errorf("the origin saw %v, want each of three addresses twice", seen)
	}
	r := w.edge.Records(Filter{Origin: o})
	egress := map[netip.Addr]int{}
	for _, x := range r.Items {
		egress[x.Egress]++
	}
	if len(r.Egress) != 3 || len(egress) != 3 || len(r.Items) != 6 || len(r.Items[0].Phases) == 0 {
		t.Errorf("record %+v", r)
	}
}

func TestRules(t *testing.T) {
	var asked atomic.Int32
	e, o, _ := hosts()
	ap, _ := origin(t, o, 0, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	w := start(t, fmt.Sprintf(`listen: {http: ['%s:%d']}
zones:
- name: shop.example
  records: [{type: A, name: '*.shop.example', content: %s, proxied: true}]
  rules:
    custom:
    - {id: noted, expression: 'http.user_agent contains "Watch"', action: log}
    - {id: friends, expression: 'http.request.uri.path eq "/friend"', action: skip, action_parameters: {ruleset: current, phases: [http_ratelimit]}}
    - {id: bad, expression: 'http.user_agent contains "BadBot"', action: block}
    - {id: teapot, expression: 'http.request.uri.path eq "/tea"', action: block, action_parameters: {response: {status_code: 418, content_type: text/plain, content: short and stout}}}
    rate_limits:
    - {id: slow, expression: 'http.host eq "limited.shop.example"', requests_per_period: 2, period: 60, mitigation_timeout: 60}
`, e, ap.Port(), o))
	for _, tc := range []struct {
		url, agent  string
		status, num int
		rule        string
		logged      []string
		asked       bool
	}{
		{"http://a.shop.example/", "Fine", 200, 0, "", nil, true},
		{"http://a.shop.example/", "BadBot", 403, 1020, "bad", nil, false},
		{"http://a.shop.example/friend", "BadBot", 200, 0, "", []string{"friends"}, true},
		{"http://a.shop.example/", "Watch BadBot", 403, 1020, "bad", []string{"noted"}, false},
		{"http://a.shop.example/tea", "Fine", 418, 1020, "teapot", nil, false},
		{"http://limited.shop.example/", "Fine", 200, 0, "", nil, true},
		{"http://limited.shop.example/", "Fine", 200, 0, "", nil, true},
		{"http://limited.shop.example/", "Fine", 429, 1015, "slow", nil, false},
		{"http://limited.shop.example/friend", "Fine", 200, 0, "", []string{"friends"}, true},
		{"http://limited.shop.example/", "Fine", 429, 1015, "slow", nil, false},
	} {
		n, before := len(w.lines()), asked.Load()
		r := w.get(tc.url, "User-Agent", tc.agent)
		l := w.last(n + 1)
		if r.StatusCode != tc.status || l.Error != tc.num || l.Rule != tc.rule || !slices.Equal(l.RulesLogged, tc.logged) || (asked.Load() > before) != tc.asked {
			t.Errorf("%s as %s: %s, log %+v, origin asked %v", tc.url, tc.agent, r.Status, l, asked.Load() > before)
		}
		if tc.num != 0 && (l.Fault != "http_request_denied" || l.Phase != "rules" || !strings.Contains(r.Header.Get("Proxy-Status"), "http_request_denied")) {
			t.Errorf("%s: log %+v, %v", tc.url, l, r.Header)
		}
		if tc.status == 418 && r.body != "short and stout" {
			t.Errorf("own response: %q", r.body)
		}
		if tc.status == 429 && r.Header.Get("Retry-After") != "60" {
			t.Errorf("Retry-After is %q", r.Header.Get("Retry-After"))
		}
	}
	w.last(10)
	recs := w.record(Filter{Host: "limited.shop.example"})
	if i := slices.IndexFunc(recs, func(x factExchange) bool { return x.Rule == "slow" && x.Code == 429 }); i < 0 {
		t.Errorf("no record names the rule: %+v", recs)
	}
}

// A configuration that cannot be used changes nothing; one that can is in force at
// once, and requests under way keep the one they began with.
func TestReload(t *testing.T) {
	e, o, other := hosts()
	release := make(chan struct{})
	ap, _ := origin(t, o, 0, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-release
		}
		io.WriteString(w, "first")
	})
	origin(t, other, ap.Port(), func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "second") })
	path := filepath.Join(t.TempDir(), "edge.yaml")
	put := func(s string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := func(o netip.Addr, extra string) string {
		return fmt.Sprintf("listen: {http: ['%s:%d'%s]}\nzones: [%s]", e, ap.Port(), extra, siteZone("full", o))
	}
	put(text(o, ""))
	cfg, err := LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	edge, err := New(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, edge) }()
	w := &world{t: t, edge: edge, log: &logBuffer{}, http: netip.AddrPortFrom(e, ap.Port())}
	waitFor(t, "the listener", func() bool { a, _ := edge.Addrs(); return len(a) == 1 })
	if r := w.get("http://shop.example/"); r.body != "first" {
		t.Fatalf("at first: %q", r.body)
	}
	for name, bad := range map[string]string{
		"typo":            strings.Replace(text(other, ""), "ssl:", "sll:", 1),
		"not YAML":        "listen: [",
		"port in use":     text(other, fmt.Sprintf(", '%s:%d'", o, ap.Port())),
		"foreign address": text(other, ", '192.0.2.1:80'"),
	} {
		put(bad)
		if err := edge.Reload(path); err == nil {
			t.Errorf("%s: no error", name)
		}
		if r := w.get("http://shop.example/"); r.body != "first" {
			t.Errorf("%s: answered by %q", name, r.body)
		}
		if a, _ := edge.Addrs(); len(a) != 1 {
			t.Errorf("%s: listening on %v", name, a)
		}
	}
	waiting := make(chan string, 1)
	go func() { waiting <- w.get("http://shop.example/wait").body }()
	waitFor(t, "the request under way", func() bool { return len(edge.visitorsNow()) > 0 })
	_, more, _ := hosts()
	put(text(other, fmt.Sprintf(", '%s:%d'", more, ap.Port()))) // Run sees the change by itself
	waitFor(t, "the new configuration", func() bool { return w.get("http://shop.example/").body == "second" })
	if a, _ := edge.Addrs(); len(a) != 2 {
		t.Errorf("listening on %v, want two addresses", a)
	}
	close(release)
	if got := <-waiting; got != "first" {
		t.Errorf("the request under way got %q", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := net.DialTimeout("tcp", w.http.String(), time.Second); err == nil {
		t.Error("still listening after the end")
	}
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come", what)
		}
	}
}

func (e *Edge) visitorsNow() []*visitor {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []*visitor
	for c := range e.visitors {
		if !c.idle.Load() {
			out = append(out, c)
		}
	}
	return out
}

// Draining lets requests finish, tells their visitors that the connection ends, and
// closes idle connections at once.
func TestDrain(t *testing.T) {
	release := make(chan struct{})
	w := plain(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-release
		}
		io.WriteString(w, "whole")
	})
	idle, err := net.Dial("tcp", w.http.String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	h1, h2 := w.client(false), w.client(true)
	type result struct {
		r   *http.Response
		b   string
		err error
	}
	results := make(chan result, 2)
	for _, c := range []*http.Client{h1, h2} {
		go func() {
			r, err := c.Get("https://shop.example/wait")
			if err != nil {
				results <- result{err: err}
				return
			}
			b, err := io.ReadAll(r.Body)
			results <- result{r, string(b), err}
		}()
	}
	waitFor(t, "both requests", func() bool { return len(w.edge.visitorsNow()) == 2 && w.edge.turn.Load() == 2 })
	ended := make(chan error, 1)
	go func() { ended <- w.edge.Shutdown(t.Context()) }()
	idle.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection: %v, want its end", err)
	}
	close(release)
	for range 2 {
		x := <-results
		if x.err != nil || x.b != "whole" || x.r.ProtoMajor == 1 && !x.r.Close {
			t.Errorf("a request under way: %+v", x)
		}
	}
	h1.CloseIdleConnections()
	h2.CloseIdleConnections()
	if err := <-ended; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestWebSocket(t *testing.T) {
	upgrade := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") || r.Header.Get("Sec-WebSocket-Key") != "k" {
			http.Error(w, fmt.Sprint(r.Header), 400)
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\nhello ")
		rw.Flush()
		io.Copy(c, rw) // echo until the visitor ends
	}
	w := plain(t, upgrade)
	for _, secure := range []bool{false, true} {
		c := w.visitor(secure)
		io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: k\r\n\r\nearly ")
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "websocket" || resp.Header.Get("Sec-WebSocket-Accept") != "x" || resp.Header.Get("CF-Ray") == "" {
			t.Fatalf("TLS %v: %s %v", secure, resp.Status, resp.Header)
		}
		want := "hello early "
		for i := range 50 {
			msg := fmt.Sprintf("message %d ", i)
			io.WriteString(c, msg)
			want += msg
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
			t.Errorf("TLS %v: %v, %.80q", secure, err, got)
		}
		c.(interface{ CloseWrite() error }).CloseWrite()
		if rest, err := io.ReadAll(r); err != nil || len(rest) != 0 {
			t.Errorf("TLS %v: after the end: %v, %q", secure, err, rest)
		}
		c.Close()
	}
	if l := w.last(2); l.Status != 101 {
		t.Errorf("log %+v", l)
	}
}

// visitor opens a connection to the edge.
func (w *world) visitor(secure bool) net.Conn {
	w.t.Helper()
	addr := w.http
	if secure {
		addr = w.tls
	}
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		w.t.Fatal(err)
	}
	if secure {
		c = tlsClient(c, w.roots())
	}
	_ = c.SetDeadline(time.Now().Add(15 * time.Second))
	return c
}
