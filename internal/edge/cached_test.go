package edge

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/originward/originward/internal/edge/cache"
)

// cacheWorld is an edge that keeps everything, with a clock that tests move.
type cacheWorld struct {
	*world
	clock atomic.Int64 // ahead of the real one, ns
	asked atomic.Int32 // requests that came to the origin
}

func newCacheWorld(t *testing.T, settings string, h http.HandlerFunc) *cacheWorld {
	t.Helper()
	c := &cacheWorld{}
	e, o, _ := hosts()
	count := func(w http.ResponseWriter, r *http.Request) {
		c.asked.Add(1)
		w.Header().Set("Date", time.Now().Add(time.Duration(c.clock.Load())).UTC().Format(http.TimeFormat))
		h(w, r)
	}
	ap, _ := origin(t, o, 0, count)
	sp := tlsOrigin(t, o, "shop.example", count)
	zone := strings.Replace(siteZone("full", o), "ssl:", "cache: {"+settings+"}, ssl:", 1)
	text := fmt.Sprintf("listen: {http: ['%s:%d'], https: ['%s:%d']}\nzones: [%s]", e, ap.Port(), e, sp.Port(), zone)
	cfg, err := Loader().Parse(filepath.Join(t.TempDir(), "edge.yaml"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, log: &logBuffer{}}
	now := func() time.Time { return time.Now().Add(time.Duration(c.clock.Load())) }
	if w.edge, err = New(cfg, Options{AccessLog: w.log, Now: now}); err != nil {
		t.Fatal(err)
	}
	if err := w.edge.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		_ = w.edge.Shutdown(ctx) // what still runs is the test's own leftover
	})
	plain, secure := w.edge.Addrs()
	w.http, w.tls = plain[0], secure[0]
	c.world = w
	return c
}

func (c *cacheWorld) later(d time.Duration) { c.clock.Add(int64(d)) }

// want asks and checks status, cache status and body.
func (c *cacheWorld) want(url string, status int, cached, body string, header ...string) reply {
	c.t.Helper()
	r := c.get(url, header...)
	if r.StatusCode != status || r.Header.Get("CF-Cache-Status") != cached || r.body != body {
		c.t.Fatalf("%s %q: %d %s %q, wanted %d %s %q", url, header, r.StatusCode, r.Header.Get("CF-Cache-Status"), cut(r.body), status, cached, cut(body))
	}
	return r
}

func cut(s string) string { return s[:min(len(s), 80)] }

const home = "http://shop.example"

func TestCacheHitsAndAges(t *testing.T) {
	c := newCacheWorld(t, "level: everything", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("ETag", `"v1"`)
		fmt.Fprint(w, "0123456789")
	})
	c.want(home+"/a", 200, "MISS", "0123456789")
	if r := c.want(home+"/a", 200, "HIT", "0123456789"); r.Header.Get("Age") == "" || r.Header.Get("ETag") != `"v1"` || r.ContentLength != 10 {
		t.Errorf("a hit has %v", r.Header)
	}
	c.later(30 * time.Second)
	if r := c.want(home+"/a", 200, "HIT", "0123456789"); r.Header.Get("Age") != "30" && r.Header.Get("Age") != "31" {
		t.Errorf("Age %s", r.Header.Get("Age"))
	}
	c.want(home+"/a", 206, "HIT", "234", "Range", "bytes=2-4")
	c.want(home+"/a", 304, "HIT", "", "If-None-Match", `"v1"`)
	if r := c.get(home+"/a", "Range", "bytes=10-"); r.StatusCode != 416 || r.Header.Get("Content-Range") != "bytes */10" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
	req, _ := http.NewRequest("HEAD", home+"/a", nil)
	if r := c.do(c.client(false), req); r.Header.Get("CF-Cache-Status") != "HIT" || r.ContentLength != 10 || r.body != "" {
		t.Errorf("HEAD: %v", r.Header)
	}
	if c.asked.Load() != 1 {
		t.Errorf("the origin was asked %d times", c.asked.Load())
	}
	// The same over HTTP/2, under its own scheme.
	req, _ = http.NewRequest("GET", "https://shop.example/a", nil)
	for _, want := range []string{"MISS", "HIT"} {
		if r := c.do(c.client(true), req); r.ProtoMajor != 2 || r.Header.Get("CF-Cache-Status") != want || r.body != "0123456789" {
			t.Errorf("HTTP/2: %s %v %q", r.Proto, r.Header, r.body)
		}
	}
}

func TestCacheAsksAfter(t *testing.T) {
	var version atomic.Int32
	c := newCacheWorld(t, "level: everything", func(w http.ResponseWriter, r *http.Request) {
		tag := fmt.Sprintf(`"v%d"`, version.Load())
		w.Header().Set("Cache-Control", "max-age=10")
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(304)
			return
		}
		fmt.Fprint(w, "body of ", tag)
	})
	c.want(home+"/", 200, "MISS", `body of "v0"`)
	c.later(11 * time.Second)
	// What the visitor asks by does not reach the origin: the edge asks by what it has.
	c.want(home+"/", 304, "REVALIDATED", "", "If-None-Match", `"v0"`)
	c.want(home+"/", 200, "HIT", `body of "v0"`)
	version.Store(1)
	c.later(11 * time.Second)
	c.want(home+"/", 200, "EXPIRED", `body of "v1"`)
	c.want(home+"/", 200, "HIT", `body of "v1"`)
}

func TestCacheServesWhileItRefreshes(t *testing.T) {
	var version atomic.Int32
	gate := make(chan struct{})
	c := newCacheWorld(t, "level: everything", func(w http.ResponseWriter, r *http.Request) {
		if version.Load() > 0 {
			<-gate
		}
		w.Header().Set("Cache-Control", "max-age=10, stale-while-revalidate=30")
		fmt.Fprint(w, "v", version.Load())
	})
	c.want(home+"/", 200, "MISS", "v0")
	version.Store(1)
	c.later(11 * time.Second)
	for range 5 {
		c.want(home+"/", 200, "UPDATING", "v0")
	}
	close(gate)
	for end := time.Now().Add(5 * time.Second); ; {
		r := c.get(home + "/")
		if r.body == "v1" && r.Header.Get("CF-Cache-Status") == "HIT" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("never refreshed: %s %v", r.body, r.Header)
		}
	}
	if n := c.asked.Load(); n != 2 {
		t.Errorf("the origin was asked %d times", n)
	}
}

// TestCacheCoversFailures: stale-if-error by the origin's leave, Always Online by
// the owner's; never against the origin's veto.
func TestCacheCoversFailures(t *testing.T) {
	var broken atomic.Bool
	handler := func(control string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if broken.Load() {
				if r.URL.Path == "/500" {
					w.WriteHeader(503)
					return
				}
				hj, _, _ := http.NewResponseController(w).Hijack()
				hj.Close()
				return
			}
			w.Header().Set("Cache-Control", control)
			fmt.Fprint(w, "good")
		}
	}
	for _, c := range []struct {
		settings, control string
		covered           bool
	}{
		{"level: everything", "max-age=10, stale-if-error=60", true},
		{"level: everything", "max-age=10", false},
		{"level: everything, always_online: true", "max-age=10", true},
		{"level: everything, always_online: true", "max-age=10, must-revalidate", false},
	} {
		broken.Store(false)
		w := newCacheWorld(t, c.settings, handler(c.control))
		for _, p := range []string{"/closed", "/500"} {
			w.want(home+p, 200, "MISS", "good")
		}
		broken.Store(true)
		w.later(20 * time.Second)
		for p, code := range map[string]int{"/closed": 520, "/500": 503} {
			r := w.get(home + p)
			if c.covered && (r.StatusCode != 200 || r.body != "good" || r.Header.Get("CF-Cache-Status") != "STALE") || !c.covered && r.StatusCode != code {
				t.Errorf("%s, %s, %s: %d %s", c.settings, c.control, p, r.StatusCode, r.Header.Get("CF-Cache-Status"))
			}
		}
		w.last(4)
		if !slices.ContainsFunc(w.lines(), func(l logLine) bool { return l.Fault != "" }) {
			t.Errorf("%s: the failure that was covered is not told: %+v", c.settings, w.lines())
		}
	}
}

func TestCacheCollapses(t *testing.T) {
	gate := make(chan struct{})
	body := strings.Repeat("0123456789abcdef", 20000)
	for _, chunked := range []bool{false, true} {
		gate = make(chan struct{})
		c := newCacheWorld(t, "level: everything", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			if !chunked {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			}
			io.WriteString(w, body[:1000])
			w.(http.Flusher).Flush()
			<-gate
			io.WriteString(w, body[1000:])
		})
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				if r := c.get(home + "/big"); r.body != body {
					t.Errorf("chunked %t: %d bytes, %s", chunked, len(r.body), r.Header.Get("CF-Cache-Status"))
				}
			})
		}
		for end := time.Now().Add(5 * time.Second); c.asked.Load() == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		}
		close(gate)
		wg.Wait()
		if n := c.asked.Load(); n != 1 {
			t.Errorf("chunked %t: the origin was asked %d times for 30 visitors", chunked, n)
		}
	}
}

// TestCacheIsNotHeldUp: a visitor that does not read holds nobody up who wants
// the same.
func TestCacheIsNotHeldUp(t *testing.T) {
	body := strings.Repeat("x", 8<<20)
	c := newCacheWorld(t, "level: everything", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		io.WriteString(w, body)
	})
	slow, err := net.Dial("tcp", c.http.String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprint(slow, "GET /big HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	for end := time.Now().Add(5 * time.Second); c.asked.Load() == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	if r := c.get(home + "/big"); len(r.body) != len(body) || c.asked.Load() != 1 {
		t.Errorf("%d bytes, the origin was asked %d times", len(r.body), c.asked.Load())
	}
}

func TestCacheKeepsWhatItMustNot(t *testing.T) {
	n := atomic.Int32{}
	c := newCacheWorld(t, "level: everything, bypass_cookies: [session]", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/private":
			w.Header().Set("Cache-Control", "private, max-age=60")
		case "/cookie":
			w.Header().Set("Set-Cookie", "id=1")
		case "/lang":
			w.Header().Set("Vary", "Accept-Language")
		}
		fmt.Fprint(w, n.Add(1), r.Header.Get("Accept-Language"), r.Header.Get("X-Forwarded-Host"))
	})
	c.want(home+"/private", 200, "BYPASS", "1")
	c.want(home+"/private", 200, "BYPASS", "2")
	c.want(home+"/cookie", 200, "BYPASS", "3")
	c.want(home+"/x", 200, "BYPASS", "4", "Cookie", "a=b; session=1")
	c.want(home+"/x", 200, "MISS", "5")
	c.want(home+"/auth", 200, "BYPASS", "6", "Authorization", "Basic x")
	c.want(home+"/lang", 200, "MISS", "7de", "Accept-Language", "de")
	c.want(home+"/lang", 200, "MISS", "8en", "Accept-Language", "en")
	c.want(home+"/lang", 200, "HIT", "7de", "Accept-Language", "de")
	// A visitor's own steering does not become everybody's page.
	c.want(home+"/steer", 200, "MISS", "9evil.example", "X-Forwarded-Host", "evil.example")
	c.want(home+"/steer", 200, "MISS", "10")
	req, _ := http.NewRequest("POST", home+"/x", strings.NewReader("a=b"))
	if r := c.do(c.client(false), req); r.Header.Get("CF-Cache-Status") != "DYNAMIC" {
		t.Errorf("POST: %v", r.Header)
	}
}

func TestCacheStandardLevelAndPurge(t *testing.T) {
	c := newCacheWorld(t, "level: standard", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	c.want(home+"/", 200, "DYNAMIC", "/")
	c.want(home+"/", 200, "DYNAMIC", "/")
	c.want(home+"/a.css", 200, "MISS", "/a.css")
	c.want(home+"/a.css", 200, "HIT", "/a.css")
	if n, ok := c.edge.Purge("shop.example", cache.Purge{URLs: []string{home + "/a.css"}}); n != 1 || !ok {
		t.Errorf("purged %d, %t", n, ok)
	}
	c.want(home+"/a.css", 200, "MISS", "/a.css")
	if _, ok := c.edge.Purge("other.example", cache.Purge{Everything: true}); ok {
		t.Error("a zone that is not here is purged")
	}
}

// TestCacheForgetsWhatChanged: RFC 9111 section 4.4.
func TestCacheForgetsWhatChanged(t *testing.T) {
	var fails atomic.Bool
	c := newCacheWorld(t, "level: everything", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			w.Header().Set("Location", "/list?page=1")
			if fails.Load() {
				w.WriteHeader(500)
			}
			return
		}
		fmt.Fprint(w, "x")
	})
	post := func() {
		req, _ := http.NewRequest("POST", home+"/item", strings.NewReader("a"))
		c.do(c.client(false), req)
	}
	for _, p := range []string{"/item", "/list?page=1", "/other"} {
		c.want(home+p, 200, "MISS", "x")
	}
	fails.Store(true)
	post()
	c.want(home+"/item", 200, "HIT", "x")
	fails.Store(false)
	post()
	c.want(home+"/other", 200, "HIT", "x")
	c.want(home+"/list?page=1", 200, "MISS", "x")
	c.want(home+"/item", 200, "MISS", "x")
}

func TestCacheDecodes(t *testing.T) {
	page := strings.Repeat("hello world ", 10000)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, page)
	z.Close()
	c := newCacheWorld(t, "level: everything", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("ETag", `"z"`)
		w.Write(zipped.Bytes())
	})
	c.want(home+"/", 200, "MISS", page)
	c.want(home+"/", 200, "HIT", page)
	c.want(home+"/", 200, "HIT", page, "Range", "bytes=0-9") // of bytes that this visitor never sees
	c.want(home+"/", 200, "HIT", zipped.String(), "Accept-Encoding", "gzip")
	c.want(home+"/", 206, "HIT", zipped.String()[:10], "Accept-Encoding", "gzip", "Range", "bytes=0-9")
}

// TestCacheOfHalfABody: what breaks off is served to nobody else.
func TestCacheOfHalfABody(t *testing.T) {
	var whole atomic.Bool
	c := newCacheWorld(t, "level: everything", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100000")
		if whole.Load() {
			io.WriteString(w, strings.Repeat("y", 100000))
			return
		}
		io.WriteString(w, strings.Repeat("x", 50000))
		w.(http.Flusher).Flush()
		hj, _, _ := http.NewResponseController(w).Hijack()
		hj.Close()
	})
	req := httptest.NewRequest("GET", home+"/", nil)
	req.RequestURI = ""
	resp, err := c.client(false).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("half a body ends in order")
	}
	resp.Body.Close()
	whole.Store(true)
	c.want(home+"/", 200, "MISS", strings.Repeat("y", 100000))
	c.want(home+"/", 200, "HIT", strings.Repeat("y", 100000))
	if l := c.last(1); !l.Cut || l.Fault == "" {
		t.Errorf("the log of the broken one: %+v", l)
	}
}

func BenchmarkCached(b *testing.B) {
	for _, size := range []int{1 << 10, 100 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			e, o, _ := hosts()
			body := bytes.Repeat([]byte("x"), size)
			ap, _ := origin(b, o, 0, func(w http.ResponseWriter, r *http.Request) { w.Write(body) })
			zone := strings.Replace(siteZone("full", o), "ssl:", "cache: {level: everything}, ssl:", 1)
			w := start(b, fmt.Sprintf("listen: {http: ['%s:%d']}\nzones: [%s]", e, ap.Port(), zone))
			w.get(home + "/")
			c, err := net.Dial("tcp", w.http.String())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			buf := make([]byte, 256<<10)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
				for n := 0; n < size; {
					m, err := c.Read(buf)
					if err != nil {
						b.Fatal(err)
					}
					n += m
				}
			}
		})
	}
}
