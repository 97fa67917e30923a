package edge

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// The fields of cloudflare http-headers, towards the origin.
func TestHeadersToOrigin(t *testing.T) {
	var got *http.Request
	w := plain(t, func(_ http.ResponseWriter, r *http.Request) { got = r })
	ask := func(url string, header ...string) http.Header {
		t.Helper()
		if r := w.get(url, header...); r.StatusCode != 200 {
			t.Fatalf("%s: %s", url, r.Status)
		}
		return got.Header
	}
	h := ask("http://shop.example/", "X-Forwarded-Proto", "gopher", "X-Real-IP", "192.0.2.66", "True-Client-IP", "192.0.2.66", "CF-Ray", "forged", "CF-IPCountry", "XX",
		"CF-Visitor", "forged", "CF-Worker", "forged", "CF_Connecting_IP", "192.0.2.66", "X_Real.IP", "192.0.2.66", "X-Own_Field", "kept", "Accept-Encoding", "zstd",
		"Connection", "X-Hop", "X-Hop", "dropped", "Keep-Alive", "timeout=5", "Proxy-Connection", "keep-alive", "TE", "trailers", "Accept", "a/b", "Accept", "c/d")
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "Cf-Connecting-Ip": "127.0.0.1", "Cf-Visitor": `{"scheme":"http"}`,
		"Accept-Encoding": "br, gzip", "X-Own_field": "kept", "Te": "trailers",
	} {
		if v := h.Get(name); v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	for _, name := range []string{"X-Real-Ip", "True-Client-Ip", "Cf-Ipcountry", "Cf-Worker", "Cf_connecting_ip", "X_real.ip", "X-Hop", "Keep-Alive", "Proxy-Connection"} {
		if v, ok := h[name]; ok {
			t.Errorf("%s reached the origin: %q", name, v)
		}
	}
	if v := h.Values("Accept"); len(v) != 2 || v[0] != "a/b" || v[1] != "c/d" {
		t.Errorf("Accept is %q", v)
	}
	if loop := h.Get("CDN-Loop"); !regexp.MustCompile(`^originward; edge=[0-9a-f]{8}$`).MatchString(loop) {
		t.Errorf("CDN-Loop is %q", loop)
	}
	if l := w.last(1); l.Ray != h.Get("CF-Ray") || !regexp.MustCompile(`^[0-9a-f]{16}-LAB$`).MatchString(l.Ray) {
		t.Errorf("ray %q in the log, %q at the origin", l.Ray, h.Get("CF-Ray"))
	}
	h = ask("https://shop.example/", "X-Forwarded-For", "192.0.2.1, 192.0.2.2", "CDN-Loop", "other-cdn; v=1")
	if h.Get("X-Forwarded-For") != "192.0.2.1, 192.0.2.2,127.0.0.1" || h.Get("X-Forwarded-Proto") != "https" || h.Get("CF-Visitor") != `{"scheme":"https"}` {
		t.Errorf("behind a proxy: %v", h)
	}
	if !strings.HasPrefix(h.Get("CDN-Loop"), "other-cdn; v=1, originward; ") {
		t.Errorf("CDN-Loop is %q", h.Get("CDN-Loop"))
	}
	if h = ask("http://shop.example/", "Range", "bytes=0-1", "Accept-Encoding", "identity"); h.Get("Accept-Encoding") != "identity" {
		t.Errorf("with a range, Accept-Encoding is %q", h.Get("Accept-Encoding"))
	}
	if got.Host != "shop.example" {
		t.Errorf("Host is %q", got.Host)
	}
}

// What the origin itself gets on the wire: Connection is always Keep-Alive.
func TestConnectionToOrigin(t *testing.T) {
	e, o, _ := hosts()
	heads := make(chan string, 4)
	ap := script(t, o, 0, func(c *net.TCPConn) {
		heads <- readHead(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	w := start(t, fmt.Sprintf("listen: {http: ['%s:%d'], https: ['%s:443']}\nzones: [%s]", e, ap.Port(), e, siteZone("full", o)))
	w.raw("GET http://shop.example:80/a?b HTTP/1.1\r\nHost: shop.example:80\r\nConnection: close\r\n\r\n")
	head := <-heads
	for _, want := range []string{"GET /a?b HTTP/1.1\r\n", "\r\nHost: shop.example:80\r\n", "\r\nConnection: Keep-Alive\r\n"} {
		if !strings.Contains(head, want) {
			t.Errorf("no %q in\n%s", want, head)
		}
	}
}

// The fields towards the visitor.
func TestHeadersToVisitor(t *testing.T) {
	w := plain(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for _, f := range []string{"X-Accel-Buffering", "X-Accel-Charset", "X-Accel-Limit-Rate", "X-Accel-Redirect", "Keep-Alive", "Proxy-Authenticate"} {
			h.Set(f, "x")
		}
		h.Set("Server", "nginx")
		h.Set("CF-Ray", "forged")
		h.Set("CF-Cache-Status", "HIT")
		h.Set("X-Own", "kept")
		h["Set-Cookie"] = []string{"a=1", "b=2"}
		h["Date"] = nil
		if strings.HasPrefix(r.URL.Path, "/5") {
			h.Set("Proxy-Status", "inner; error=dns_error")
			w.WriteHeader(503)
		}
	})
	for _, h2 := range []bool{false, true} {
		req, _ := http.NewRequest("GET", "https://shop.example/", nil)
		h := w.do(w.client(h2), req).Header
		for _, f := range []string{"X-Accel-Buffering", "X-Accel-Charset", "X-Accel-Limit-Rate", "X-Accel-Redirect", "Keep-Alive", "Proxy-Authenticate", "Proxy-Status"} {
			if v, ok := h[f]; ok {
				t.Errorf("HTTP/2 %v: %s reached the visitor: %q", h2, f, v)
			}
		}
		if h.Get("Server") != "originward" || h.Get("CF-Cache-Status") != "DYNAMIC" || len(h["Cf-Cache-Status"]) != 1 || h.Get("X-Own") != "kept" || len(h["Set-Cookie"]) != 2 || h.Get("Date") == "" {
			t.Errorf("HTTP/2 %v: %v", h2, h)
		}
		if rays := h["Cf-Ray"]; len(rays) != 1 || rays[0] == "forged" {
			t.Errorf("HTTP/2 %v: CF-Ray %q", h2, rays)
		}
		req.URL.Path = "/503"
		if v := w.do(w.client(h2), req).Header.Values("Proxy-Status"); len(v) != 2 || v[0] != "inner; error=dns_error" || v[1] != "originward; received-status=503" {
			t.Errorf("HTTP/2 %v: Proxy-Status %q", h2, v)
		}
	}
}

func TestLoops(t *testing.T) {
	w := plain(t, func(w http.ResponseWriter, r *http.Request) {})
	own := string(w.edge.loopID)
	for _, tc := range []struct {
		name   string
		header []string
		number int
	}{
		{"another CDN", []string{"CDN-Loop", "other"}, 0},
		{"another edge of ours", []string{"CDN-Loop", "originward; edge=00000000"}, 0},
		{"this edge", []string{"CDN-Loop", "other, " + own}, 1000},
		{"this edge on a second line", []string{"CDN-Loop", "other", "CDN-Loop", own}, 1000},
		{"too many edges", []string{"CDN-Loop", strings.Repeat("originward; edge=00000000, ", 8)}, 1000},
		{"CF-Connecting-IP", []string{"CF-Connecting-IP", "192.0.2.1"}, 1000},
		{"two X-Forwarded-For", []string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-For", "192.0.2.2"}, 0},
		{"two X-Forwarded-For behind a CDN", []string{"CDN-Loop", "x", "X-Forwarded-For", "192.0.2.1", "X-Forwarded-For", "192.0.2.2"}, 1000},
		{"long X-Forwarded-For behind a CDN", []string{"CDN-Loop", "x", "X-Forwarded-For", strings.Repeat("192.0.2.1,", 11)}, 1000},
	} {
		n := len(w.lines())
		r := w.get("http://shop.example/", append(tc.header, "Accept", "application/json")...)
		l := w.last(n + 1)
		if want := tc.number != 0; (r.StatusCode == 403) != want || l.Error != tc.number || want && (l.Fault != "proxy_loop_detected" || l.Phase != "request") {
			t.Errorf("%s: %s, log %+v; want %d", tc.name, r.Status, l, tc.number)
		}
	}
}

// A loop in earnest: the origin is a proxy that sends the request back to the edge.
func TestLoopThroughProxy(t *testing.T) {
	e, o, _ := hosts()
	ap := script(t, o, 0, func(c *net.TCPConn) {
		head := readHead(c)
		up, err := net.Dial("tcp", netJoin(e.String(), c.LocalAddr().(*net.TCPAddr).Port))
		if err != nil {
			return
		}
		defer up.Close()
		// A proxy keeps CDN-Loop; this one does not pass the edge's other fields on.
		head = regexp.MustCompile(`(?m)^CF-Connecting-IP: .*\r\n`).ReplaceAllString(head, "")
		io.WriteString(up, strings.Replace(head, "Connection: Keep-Alive", "Connection: close", 1))
		io.Copy(c, up)
	})
	w := start(t, fmt.Sprintf("listen: {http: ['%s:%d']}\nzones: [%s]", e, ap.Port(), siteZone("full", o)))
	if r := w.get("http://shop.example/", "Accept", "application/json"); r.StatusCode != 403 || !strings.Contains(r.body, `"error_code": 1000`) {
		t.Errorf("%s\n%s", r.Status, r.body)
	}
}

func netJoin(host string, port int) string { return net.JoinHostPort(host, fmt.Sprint(port)) }
