package cache

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/originward/originward/internal/http1"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const httpDate = "Sun, 22 Nov 2026 12:00:00 GMT"

// head makes a head of "Name: value" lines.
func head(lines ...string) http1.Head {
	h := http1.Head{ContentLength: -1}
	for _, l := range lines {
		n, v, _ := strings.Cut(l, ":")
		h.Fields = append(h.Fields, http1.Field{Name: []byte(n), Value: []byte(strings.TrimSpace(v)), ID: http1.LookupField([]byte(n))})
	}
	return h
}

func response(status int, lines ...string) *http1.ResponseHead {
	return &http1.ResponseHead{Head: head(lines...), Status: status}
}

// TestLifetime: RFC 9111 sections 3 and 4.2, RFC 9213, and the documented
// habits of the CDN.
func TestLifetime(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		resp   []string
		req    []string
		fresh  time.Duration
		kept   bool
	}{
		{"max-age", 200, []string{"Cache-Control: max-age=60"}, nil, 60 * time.Second, true},
		{"s-maxage before max-age", 200, []string{"Cache-Control: max-age=60, s-maxage=5"}, nil, 5 * time.Second, true},
		{"max-age before Expires", 200, []string{"Cache-Control: max-age=60", "Expires: " + httpDate, "Date: " + httpDate}, nil, 60 * time.Second, true},
		{"Expires", 200, []string{"Expires: Sun, 22 Nov 2026 12:01:00 GMT", "Date: " + httpDate}, nil, 60 * time.Second, true},
		{"Expires: 0", 200, []string{"Expires: 0", "Date: " + httpDate}, nil, 0, false},
		{"no word, 200", 200, nil, nil, 120 * time.Minute, true},
		{"no word, 302", 302, nil, nil, 20 * time.Minute, true},
		{"no word, 404", 404, nil, nil, 3 * time.Minute, true},
		{"no word, 500", 500, nil, nil, 0, false},
		{"599, to be understood", 599, []string{"Cache-Control: max-age=5, must-understand"}, nil, 0, false},
		{"500 that says so", 500, []string{"Cache-Control: max-age=5"}, nil, 5 * time.Second, true},
		{"no-store", 200, []string{"Cache-Control: no-store, max-age=60"}, nil, 0, false},
		{"private", 200, []string{"Cache-Control: private"}, nil, 0, false},
		{"Set-Cookie", 200, []string{"Cache-Control: max-age=60", "Set-Cookie: a=b"}, nil, 0, false},
		{"Vary: *", 200, []string{"Cache-Control: max-age=60", "Vary: Accept, *"}, nil, 0, false},
		{"206", 206, []string{"Cache-Control: max-age=60"}, nil, 0, false},
		{"no-cache with a tag", 200, []string{"Cache-Control: no-cache", `ETag: "a"`}, nil, 0, true},
		{"no-cache without", 200, []string{"Cache-Control: no-cache"}, nil, 0, false},
		{"Pragma", 200, []string{"Pragma: no-cache"}, nil, 0, false},
		{"mangled", 200, []string{"Cache-Control: max-age=60s", `ETag: "a"`}, nil, 0, true},
		{"negative", 200, []string{"Cache-Control: max-age=-1", `ETag: "a"`}, nil, 0, true},
		{"contradicting", 200, []string{"Cache-Control: max-age=60, max-age=5"}, nil, 5 * time.Second, true},
		{"quoted", 200, []string{`Cache-Control: max-age="60"`}, nil, 60 * time.Second, true},
		{"quoted list", 200, []string{`Cache-Control: x="no-store, max-age=1", max-age=60`}, nil, 60 * time.Second, true},
		{"upper case", 200, []string{"Cache-Control: MAX-AGE=60"}, nil, 60 * time.Second, true},
		{"huge", 200, []string{"Cache-Control: max-age=99999999999999999999"}, nil, forever, true},
		{"targeted", 200, []string{"Cache-Control: no-store", "CDN-Cache-Control: max-age=60"}, nil, 60 * time.Second, true},
		{"targeted, invalid", 200, []string{"Cache-Control: max-age=60", "CDN-Cache-Control: max age=1"}, nil, 60 * time.Second, true},
		{"the most targeted", 200, []string{"CDN-Cache-Control: max-age=60", "Cloudflare-CDN-Cache-Control: no-store"}, nil, 0, false},
		{"authorized", 200, []string{"Cache-Control: max-age=60"}, []string{"Authorization: Basic x"}, 0, false},
		{"authorized, public", 200, []string{"Cache-Control: max-age=60, public"}, []string{"Authorization: Basic x"}, 60 * time.Second, true},
	} {
		set := &Settings{Level: Everything}
		req := head(c.req...)
		fresh, _, kept := set.lifetime(response(c.status, c.resp...), req.Has("Authorization"))
		if kept != c.kept || kept && fresh != c.fresh {
			t.Errorf("%s: kept %t for %v, wanted %t for %v", c.name, kept, fresh, c.kept, c.fresh)
		}
	}
}

func TestEligible(t *testing.T) {
	std, all := &Settings{Level: Standard}, &Settings{Level: Everything}
	h := head()
	for path, want := range map[string]bool{"/a.JS": true, "/x/y.woff2": true, "/robots.txt": true, "/": false, "/index.html": false, "/a.js/b": false} {
		if std.Eligible("GET", []byte(path), &h) != want || !all.Eligible("GET", []byte(path), &h) {
			t.Errorf("%s", path)
		}
	}
	if all.Eligible("POST", []byte("/a.js"), &h) || (&Settings{}).Eligible("GET", []byte("/a.js"), &h) {
		t.Error("a POST, or any request of a zone without a cache, is eligible")
	}
	b := &Settings{BypassCookies: []string{"session", "wp-*"}}
	for cookie, want := range map[string]bool{"a=1; session=x": true, "wp-admin=1": true, "sessions=1": false} {
		if h := head("Cookie: " + cookie); b.Bypassed(&h) != want {
			t.Errorf("cookie %q", cookie)
		}
	}
}

func TestAge(t *testing.T) {
	set := &Settings{Level: Everything}
	req := head()
	e, ok := newEntry(set, "k", &req, response(200, "Cache-Control: max-age=100", "Age: 40", "Date: Sun, 22 Nov 2026 11:59:50 GMT"), noon.Add(-time.Second), noon)
	if !ok || e.Age(noon) != 41*time.Second || e.Age(noon.Add(time.Minute)) != 101*time.Second {
		t.Fatalf("age %v", e.Age(noon))
	}
	if !e.Fresh(noon.Add(58*time.Second)) || e.Fresh(noon.Add(59*time.Second)) {
		t.Error("freshness ends at another second")
	}
	if e.MayServeWhile(noon.Add(time.Hour)) || e.MayServeOnError(set, noon.Add(time.Hour)) || !e.MayServeOnError(&Settings{AlwaysOnline: true}, noon.Add(time.Hour)) {
		t.Error("stale use without leave, or none with Always Online")
	}
	swr, _ := newEntry(set, "k", &req, response(200, "Cache-Control: max-age=1, stale-while-revalidate=10, stale-if-error=20"), noon, noon)
	if !swr.MayServeWhile(noon.Add(10*time.Second)) || swr.MayServeWhile(noon.Add(12*time.Second)) || !swr.MayServeOnError(set, noon.Add(20*time.Second)) || swr.MayServeOnError(set, noon.Add(22*time.Second)) {
		t.Error("RFC 5861's windows are others")
	}
	must, _ := newEntry(set, "k", &req, response(200, "Cache-Control: max-age=1, stale-while-revalidate=10, must-revalidate"), noon, noon)
	if must.MayServeWhile(noon.Add(2*time.Second)) || must.MayServeOnError(&Settings{AlwaysOnline: true}, noon.Add(2*time.Second)) {
		t.Error("must-revalidate is overruled")
	}
}

// TestStrangeAge: an age that cannot be read is not a young one.
func TestStrangeAge(t *testing.T) {
	for _, age := range []string{"abc", "-1", "7200.0", "0, 0", "1;x=y", ""} {
		req := head()
		e, ok := newEntry(&Settings{Level: Everything}, "k", &req, response(200, "Cache-Control: max-age=3600", "Age: "+age), noon, noon)
		if ok && e.Fresh(noon) {
			t.Errorf("Age: %q is fresh", age)
		}
	}
}

func TestAnswers(t *testing.T) {
	set := &Settings{Level: Everything}
	none := head()
	e, _ := newEntry(set, "k", &none, response(200, "Cache-Control: max-age=60", `ETag: "v1"`, "Last-Modified: "+httpDate), noon, noon)
	_, _ = e.Body.Write([]byte("0123456789"))
	e.Body.Close()
	for _, c := range []struct {
		req    string
		status int
		from   int64
		n      int64
	}{
		{"", 200, 0, 10}, {`If-None-Match: "v1"`, 304, 0, 0}, {`If-None-Match: W/"v1", "x"`, 304, 0, 0}, {`If-None-Match: "x"`, 200, 0, 10}, {"If-None-Match: *", 304, 0, 0},
		{"If-Modified-Since: " + httpDate, 304, 0, 0}, {"If-Modified-Since: Sun, 22 Nov 2026 11:00:00 GMT", 200, 0, 10}, {"If-Modified-Since: never", 200, 0, 10},
		{"Range: bytes=2-4", 206, 2, 3}, {"Range: bytes=7-", 206, 7, 3}, {"Range: bytes=-3", 206, 7, 3}, {"Range: bytes=-30", 206, 0, 10}, {"Range: bytes=5-500", 206, 5, 5},
		{"Range: bytes=10-", 416, 0, 0}, {"Range: bytes=-0", 416, 0, 0}, {"Range: bytes=4-2", 200, 0, 10}, {"Range: lines=1-2", 200, 0, 10}, {"Range: bytes=0-1,3-4", 200, 0, 10},
		{"Range: bytes=99999999999999999999-", 200, 0, 10},
	} {
		h := head()
		if c.req != "" {
			h = head(c.req)
		}
		a := e.AnswerTo(&Request{Method: "GET", Head: &h})
		if a.Status != c.status || (a.Status == 200 || a.Status == 206) && (a.From != c.from || a.Length != c.n) {
			t.Errorf("%s: %+v", c.req, a)
		}
	}
	for ifRange, want := range map[string]int{`"v1"`: 206, `"v2"`: 200, `W/"v1"`: 200, httpDate: 206, "Sun, 22 Nov 2026 11:00:00 GMT": 200} {
		h := head("Range: bytes=0-1", "If-Range: "+ifRange)
		if a := e.AnswerTo(&Request{Method: "GET", Head: &h}); a.Status != want {
			t.Errorf("If-Range %s: %d", ifRange, a.Status)
		}
	}
}

func open(t *testing.T, o Options) *Store {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fill keeps one response.
func fill(t *testing.T, s *Store, key string, req *http1.Head, body string, lines ...string) *Entry {
	t.Helper()
	f, leads := s.Join(key)
	if !leads {
		t.Fatalf("%s is being fetched", key)
	}
	e := s.Keep(f, &Settings{Level: Everything}, key, req, response(200, append(lines, "Cache-Control: max-age=60")...), noon)
	if e == nil {
		t.Fatalf("%s is not kept", key)
	}
	_, _ = e.Body.Write([]byte(body))
	s.Whole(f, e)
	return e
}

func text(e *Entry) string {
	if e == nil {
		return "none"
	}
	var b bytes.Buffer
	for r := e.Body.Read(0, -1, nil); ; {
		p, err := r.Next()
		if err != nil {
			return b.String()
		}
		b.Write(p)
	}
}

func TestVary(t *testing.T) {
	s := open(t, Options{})
	en, de, deAgain := head("Accept-Language: en"), head("Accept-Language: de, fr"), head("accept-language: de,fr")
	fill(t, s, "k", &en, "hello", "Vary: Accept-Language, Accept-Encoding")
	fill(t, s, "k", &de, "hallo", "Vary: Accept-Language, Accept-Encoding")
	other := head("Accept-Language: it")
	if text(s.Get("k", &en)) != "hello" || text(s.Get("k", &deAgain)) != "hallo" || s.Get("k", &other) != nil {
		t.Errorf("en %s, de %s, it %s", text(s.Get("k", &en)), text(s.Get("k", &deAgain)), text(s.Get("k", &other)))
	}
}

func TestCollapsed(t *testing.T) {
	s := open(t, Options{})
	req := head()
	f, leads := s.Join("k")
	if !leads {
		t.Fatal("the first does not lead")
	}
	var wg sync.WaitGroup
	got := make(chan string, 20)
	for range 20 {
		f2, leads := s.Join("k")
		if leads || f2 != f {
			t.Fatal("another fetch was begun")
		}
		wg.Go(func() {
			<-f2.Done()
			got <- text(f2.Entry())
		})
	}
	e := s.Keep(f, &Settings{Level: Everything}, "k", &req, response(200), noon)
	for i := range 100 {
		fmt.Fprintf(e.Body, "%04d", i)
	}
	s.Whole(f, e)
	wg.Wait()
	close(got)
	for g := range got {
		if len(g) != 400 || !strings.HasSuffix(g, "0099") {
			t.Fatalf("a follower read %d bytes", len(g))
		}
	}
	if _, leads := s.Join("k"); !leads {
		t.Error("the flight goes on after its end")
	}
}

// TestNotKept: visitors of what is not kept do not wait for one another again.
func TestNotKept(t *testing.T) {
	now := noon
	s := open(t, Options{Now: func() time.Time { return now }})
	req := head()
	f, _ := s.Join("k")
	if e := s.Keep(f, &Settings{Level: Everything}, "k", &req, response(200, "Cache-Control: no-store"), noon); e != nil {
		t.Fatal("no-store is kept")
	}
	<-f.Done()
	for range 3 {
		if f, leads := s.Join("k"); !leads || f != nil {
			t.Fatal("a visitor waits in vain")
		}
	}
	now = now.Add(passFor + time.Second)
	if f, _ := s.Join("k"); f == nil {
		t.Error("it is never tried again")
	}
}

func TestFailedFetch(t *testing.T) {
	s := open(t, Options{})
	req := head()
	f, _ := s.Join("k")
	e := s.Keep(f, &Settings{Level: Everything}, "k", &req, response(200), noon)
	_, _ = e.Body.Write([]byte("half"))
	r := e.Body.Read(0, -1, nil)
	if p, err := r.Next(); string(p) != "half" || err != nil {
		t.Fatal(string(p), err)
	}
	s.Failed(f, e)
	if _, err := r.Next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("half a body ends with %v", err)
	}
	if s.Get("k", &req) != nil {
		t.Error("half a body is found")
	}
}

func TestRenewed(t *testing.T) {
	s := open(t, Options{})
	req := head()
	e := fill(t, s, "k", &req, "body", `ETag: "v1"`, "X-A: old", "Content-Type: text/css")
	n := s.Renew(e, &Settings{Level: Everything}, &req, response(304, "Cache-Control: max-age=5", "X-A: new", "Content-Type: text/plain"), noon)
	if n == nil || string(n.Head.Get("X-A")) != "new" || string(n.Head.Get("Content-Type")) != "text/plain" || string(n.Head.GetID(http1.FieldETag)) != `"v1"` || n.fresh != 5*time.Second || n.Head.Status != 200 {
		t.Fatalf("renewed: %+v", n)
	}
	if text(s.Get("k", &req)) != "body" {
		t.Error("the body is gone")
	}
	if s.Renew(n, &Settings{Level: Everything}, &req, response(304, "Cache-Control: no-store"), noon) != nil || s.Get("k", &req) != nil {
		t.Error("a 304 with no-store keeps it")
	}
}

func TestPurge(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		s := open(t, Options{Dir: dir})
		req := head()
		for _, k := range []string{"https://a.example/x/1", "https://a.example/x/2", "https://a.example/y", "https://b.example/x/1"} {
			fill(t, s, k, &req, k, "Cache-Tag: All, "+k[len(k)-1:])
		}
		mine := func(h string) bool { return h == "a.example" }
		for _, c := range []struct {
			p    Purge
			want int
		}{
			{Purge{URLs: []string{"https://b.example/x/1"}}, 0}, // another zone's
			{Purge{Tags: []string{"Y"}}, 1}, {Purge{URLs: []string{"https://a.example/x/1"}}, 1}, {Purge{Prefixes: []string{"a.example/x/"}}, 1}, {Purge{Everything: true}, 0},
		} {
			if n := s.Purge(c.p, mine); n != c.want {
				t.Errorf("%+v purges %d", c.p, n)
			}
		}
		if s.Get("https://b.example/x/1", &req) == nil {
			t.Error("another zone's response is gone")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDiskOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	req := head("Accept-Language: de")
	fill(t, s, "k", &req, strings.Repeat("body", 20000), "Vary: Accept-Language", `ETag: "v1"`)
	fill(t, s, "never asked for", &req, "x")
	s.Get("k", &req)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Dir: dir})
	e := s.Get("k", &req)
	other := head()
	if len(text(e)) != 80000 || !e.Fresh(noon.Add(59*time.Second)) || e.Fresh(noon.Add(time.Minute)) || s.Get("k", &other) != nil || string(e.Head.GetID(http1.FieldETag)) != `"v1"` {
		t.Fatalf("read back: %d bytes", len(text(e)))
	}
	if s.Get("never asked for", &req) != nil {
		t.Error("what nobody asked for twice is on disk")
	}
	// Without an orderly end nothing is trusted: a purge may have been lost.
	s = open(t, Options{Dir: dir})
	if s.Get("k", &req) != nil {
		t.Error("files of a run without an end are used")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s := open(t, Options{Memory: 1 << 20, Object: 100 << 10})
	req := head()
	for i := range 200 {
		fill(t, s, fmt.Sprint("k", i), &req, strings.Repeat("x", 50<<10))
	}
	s.mem.CleanUp()
	var n int64
	for _, es := range s.mem.All() {
		n += es[0].weight()
	}
	if n > 1<<20 || n == 0 {
		t.Errorf("%d bytes are held", n)
	}
	f, _ := s.Join("large")
	h := response(200)
	h.ContentLength = 1 << 30
	if s.Keep(f, &Settings{Level: Everything}, "large", &req, h, noon) != nil {
		t.Error("a response larger than allowed is kept")
	}
}

func FuzzControl(f *testing.F) {
	for _, s := range []string{"max-age=1", `a="b,c", max-age=2`, `"`, "=", ",,", "no-cache=\"a\\\"b\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h := head("Cache-Control: max-age=60")
		h.Fields = append(h.Fields, http1.Field{Name: []byte("Cache-Control"), Value: []byte(s), ID: http1.FieldCacheControl})
		c := controlOf(&h)
		if c.maxAge > 60*time.Second || c.maxAge < 0 {
			t.Errorf("%q lengthens a lifetime to %v", s, c.maxAge)
		}
	})
}

func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=9-", "bytes=--", "bytes=1-0"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, s string, size int64) {
		if size < 0 {
			return
		}
		from, n, ok, bad := parseRange([]byte(s), size)
		if ok && (bad || from < 0 || n <= 0 || from+n > size) {
			t.Errorf("%q of %d: %d+%d", s, size, from, n)
		}
	})
}

func BenchmarkGet(b *testing.B) {
	s, err := Open(Options{})
	if err != nil {
		b.Fatal(err)
	}
	req := head("Accept-Language: en")
	f, _ := s.Join("k")
	e := s.Keep(f, &Settings{Level: Everything}, "k", &req, response(200, "Vary: Accept-Language"), time.Now())
	_, _ = e.Body.Write(make([]byte, 1024))
	s.Whole(f, e)
	b.ReportAllocs()
	for b.Loop() {
		if s.Get("k", &req) == nil {
			b.Fatal("none")
		}
	}
}
