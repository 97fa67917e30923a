package logs

import (
	"net/netip"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/hosttest"
)

func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		program, format, line string
		want                  accessLine
	}{
		{"nginx", `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time ray=$http_cf_ray`,
			`104.16.1.1 - - [22/Nov/2026:10:00:05 +0000] "GET /a \"b\" HTTP/1.1" 504 5 "-" "x \"y\" 200" rt=101.250 ray=8f2a000000000001-FRA`,
			accessLine{client: netip.MustParseAddr("104.16.1.1"), target: `GET /a \"b\" HTTP/1.1`, status: 504, seconds: 101.25, ray: "8f2a000000000001"}},
		{"nginx", `{"t":"$time_iso8601","s":$status,"ip":"$remote_addr","m":"$request_method","u":"$request_uri"}`,
			`{"t":"2026-11-22T10:00:05+00:00","s":403,"ip":"2400:cb00::1","m":"GET","u":"/x"}`,
			accessLine{client: netip.MustParseAddr("2400:cb00::1"), target: "GET /x", status: 403}},
		{"nginx", `${host}|$status|$remote_addr`, `shop.example|444|10.0.0.1`, accessLine{client: netip.MustParseAddr("10.0.0.1"), status: 444}},
		{"apache", `%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{CF-Ray}i\" %D`, "", accessLine{}},
		{"apache", `%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{CF-Ray}i" %D`,
			`shop.example:443 173.245.48.9 - - [22/Nov/2026:10:00:05 +0000] "POST / HTTP/1.1" 200 99 "-" "8f2a000000000002" 61000000`,
			accessLine{client: netip.MustParseAddr("173.245.48.9"), target: "POST / HTTP/1.1", status: 200, seconds: 61, ray: "8f2a000000000002"}},
		{"apache", `%a %s %{ms}T 100%%`, `10.0.0.1 500 1500 100%`, accessLine{client: netip.MustParseAddr("10.0.0.1"), status: 500, seconds: 1.5}},
	} {
		f := newFormat(tt.program, tt.format)
		if f == nil {
			t.Errorf("%s: not understood", tt.format)
			continue
		}
		if tt.line == "" {
			continue
		}
		got, ok := f.parse(tt.line)
		if !ok || got != tt.want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", tt.format, got, ok, tt.want)
		}
		if _, ok := f.parse("something else"); ok {
			t.Errorf("%s: takes every line", tt.format)
		}
	}
	for _, text := range []string{"", "combined", "$remote_addr", "$status$remote_addr", "%h", "${open"} {
		if newFormat("nginx", text) != nil || newFormat("apache", text) != nil {
			t.Errorf("%q gives a format", text)
		}
	}
}

func TestKindsOfRequests(t *testing.T) {
	tl := newTally(func(netip.Addr) (string, netip.Prefix, bool) { return "", netip.Prefix{}, false }, "")
	f := file{name: "a.log", program: "nginx", access: true, format: newFormat("nginx", `$remote_addr [$time_local] "$request" $status $request_time`)}
	at := time.Unix(1795338005, 0)
	f.line(at, []byte(`10.0.0.1 [x] "GET / HTTP/1.1" 499 125.001`), tl)
	f.line(at, []byte(`10.0.0.1 [x] "\x16\x03\x01\x02\x00" 400 0.000`), tl)
	f.line(at, []byte(`104.16.1.1 - - [22/Nov/2026:10:00:05 +0000] "GET / HTTP/1.1" 444 0 "-" "-"`), tl) // of before the format was changed
	kinds := map[string]int{}
	for _, l := range tl.sorted() {
		kinds[l.Kind] = l.Status
	}
	if kinds[fact.LogSlow] != 499 || kinds[fact.LogTLSToPlain] != 400 || kinds[fact.LogClosed444] != 444 || kinds[fact.LogStatus] == 0 {
		t.Errorf("%v", kinds)
	}
}

func FuzzFormat(f *testing.F) {
	f.Add(`$remote_addr "$request" $status`, `10.0.0.1 "GET / HTTP/1.1" 200`)
	f.Add(`%h %>s %{ms}T %% %^ti`, `1 2 3`)
	f.Fuzz(func(t *testing.T, text, line string) {
		for _, p := range []string{"nginx", "apache"} {
			if x := newFormat(p, text); x != nil {
				x.parse(line)
			}
		}
	})
}

func TestRotated(t *testing.T) {
	line := func(at time.Time, s string) string {
		return at.Format("2006/01/02 15:04:05") + " [error] 1#1: " + s + "\n"
	}
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	w := Window{From: at.Add(-time.Hour), To: at, Local: time.UTC}
	limit := "limiting requests, excess: 1 by zone \"z\", client: 10.0.0.1, server: _"
	for name, want := range map[string]struct {
		state string
		lines int
		why   bool
	}{
		"/x.log.1":           {stateRead, 2, false},
		"/x.log-20261122":    {stateRead, 2, false},
		"/x-20261122.log":    {stateRead, 2, false},
		"/x.log-20261122.gz": {stateRead, 1, true},
		"/other":             {stateRead, 1, false},
	} {
		fs := hosttest.Tree(t, "/", "-- /x.log --\n"+line(at.Add(-time.Minute), limit)+"-- "+name+" --\n"+line(at.Add(-30*time.Minute), limit))
		tl := newTally(func(netip.Addr) (string, netip.Prefix, bool) { return "", netip.Prefix{}, false }, "")
		s := file{fs: fs, name: "/x.log", program: "nginx"}.read(w, tl)
		if s.State != want.state || s.Lines != want.lines || (s.Why != "") != want.why {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestHAProxyEnds(t *testing.T) {
	for line, want := range map[string]string{
		`127.0.0.1:33464 [22/Nov/2026:12:47:14.621] web dead/d1 0/0/-1/-1/3019 503 217 - - SC-- 1/1/0/0/3 0/0 "GET /dead HTTP/1.1"`:                            fact.LogUpstreamRefused + " dead/d1",
		`Nov 22 12:47:18 host haproxy[1]: 10.0.0.1:33466 [22/Nov/2026:12:47:17.642] web slow/s1 0/0/0/-1/1001 504 198 - - sH-- 1/1/0/0/0 0/0 "GET / HTTP/1.1"`: fact.LogUpstreamTimeout + " slow/s1",
		`10.0.0.1:33466 [22/Nov/2026:12:47:17.642] web app/a1 0/0/0/1/1 200 198 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"`:                                       "",
		`10.0.0.1:33466 [22/Nov/2026:12:47:17.642] tcp back/t1 1/-1/1001 0 SC 1/1/0/0/3 0/0`:                                                                   fact.LogUpstreamRefused + " back/t1",
		`10.0.0.1:33466 [22/Nov/2026:12:47:17.642] web/2: SSL handshake failure`:                                                                               "",
	} {
		m, ok := haproxyEnd(line)
		got := ""
		if ok {
			got = m.kind + " " + m.target
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
