package edge

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
)

// echo answers with what it got.
func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("X-Method", r.Method)
	w.Header().Set("X-Target", r.URL.RequestURI())
	w.Header().Set("X-Length", strconv.FormatInt(r.ContentLength, 10))
	w.Header().Set("X-Trailer", r.Trailer.Get("X-Sum"))
	w.Write(b)
}

// Every kind of body, over every protocol of a visitor.
func TestBodies(t *testing.T) {
	w := plain(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("ETag", `"x"`)
			w.WriteHeader(304)
		case "/chunked":
			for i := range 5 {
				fmt.Fprintf(w, "part %d\n", i)
				w.(http.Flusher).Flush()
			}
		case "/trailers":
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "body")
			w.(http.Flusher).Flush()
			w.Header().Set("X-Sum", "42")
		case "/big":
			w.Header().Set("Content-Length", strconv.Itoa(3<<20))
			w.Write(bytes.Repeat([]byte("0123456789abcdef"), 3<<16))
		case "/empty":
		default:
			echo(w, r)
		}
	})
	for _, v := range []struct {
		name, base string
		client     *http.Client
		proto      string
	}{
		{"HTTP/1.1", "http://shop.example", w.client(false), "HTTP/1.1"},
		{"TLS", "https://shop.example", w.client(false), "HTTP/1.1"},
		{"HTTP/2", "https://shop.example", w.client(true), "HTTP/2.0"},
	} {
		t.Run(v.name, func(t *testing.T) {
			w := &world{t: t, edge: w.edge, log: w.log, http: w.http, tls: w.tls}
			get := func(method, path string, body io.Reader) reply {
				t.Helper()
				req, err := http.NewRequest(method, v.base+path, body)
				if err != nil {
					t.Fatal(err)
				}
				r := w.do(v.client, req)
				if r.Proto != v.proto {
					t.Errorf("%s: %s, want %s", path, r.Proto, v.proto)
				}
				return r
			}
			if r := get("GET", "/204", nil); r.StatusCode != 204 || r.body != "" || r.Header.Get("Content-Length") != "" {
				t.Errorf("204: %v %q", r.Header, r.body)
			}
			if r := get("GET", "/304", nil); r.StatusCode != 304 || r.body != "" || r.Header.Get("ETag") != `"x"` {
				t.Errorf("304: %v %q", r.Header, r.body)
			}
			if r := get("GET", "/chunked", nil); r.body != "part 0\npart 1\npart 2\npart 3\npart 4\n" {
				t.Errorf("chunked: %q", r.body)
			}
			if r := get("GET", "/trailers", nil); r.body != "body" || r.Trailer.Get("X-Sum") != "42" {
				t.Errorf("trailers: %q %v", r.body, r.Trailer)
			}
			if r := get("GET", "/big", nil); len(r.body) != 3<<20 || r.ContentLength != 3<<20 || r.body[3<<20-16:] != "0123456789abcdef" {
				t.Errorf("big: %d bytes, declared %d", len(r.body), r.ContentLength)
			}
			if r := get("HEAD", "/big", nil); r.body != "" || r.Header.Get("Content-Length") != strconv.Itoa(3<<20) {
				t.Errorf("HEAD: %v %q", r.Header, r.body)
			}
			if r := get("GET", "/empty", nil); r.body != "" || r.StatusCode != 200 {
				t.Errorf("empty: %q", r.body)
			}
			if r := get("POST", "/p?a=b", strings.NewReader("short")); r.body != "short" || r.Header.Get("X-Length") != "5" || r.Header.Get("X-Target") != "/p?a=b" {
				t.Errorf("POST: %v %q", r.Header, r.body)
			}
			long := strings.Repeat("long ", 100_000)
			if r := get("PUT", "/", strings.NewReader(long)); r.body != long || r.Header.Get("X-Method") != "PUT" {
				t.Errorf("long PUT: %d bytes back", len(r.body))
			}
			if r := get("POST", "/", io.MultiReader(strings.NewReader(long))); r.body != long || r.Header.Get("X-Length") != "-1" {
				t.Errorf("chunked POST: %d bytes back, length %s", len(r.body), r.Header.Get("X-Length"))
			}
			req, _ := http.NewRequest("POST", v.base+"/", io.MultiReader(strings.NewReader("x")))
			req.Trailer = http.Header{"X-Sum": {"7"}}
			// Towards an HTTP/2 origin trailers of a request may be dropped, and are.
			if r := w.do(v.client, req); r.Header.Get("X-Trailer") != "7" && v.name == "HTTP/1.1" || r.body != "x" {
				t.Errorf("trailers of a request: %v", r.Header)
			}
		})
	}
}

// A visitor connection carries many requests, and so does the one to the origin.
func TestReuse(t *testing.T) {
	var conns atomic.Int32
	e, o, _ := hosts()
	l, ap := listen(t, o, 0)
	s := &http.Server{Handler: http.HandlerFunc(echo), ConnState: func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}}
	go s.Serve(l) //nolint:errcheck // ends with the test
	defer s.Close()
	w := start(t, fmt.Sprintf("listen: {http: ['%s:%d']}\nzones: [%s]", e, ap.Port(), siteZone("full", o)))
	c := w.client(false)
	visitors := 0
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if !i.Reused {
			visitors++
		}
	}}
	for i := range 20 {
		req, _ := http.NewRequest("POST", "http://shop.example/", strings.NewReader(strconv.Itoa(i)))
		req = req.WithContext(httptrace.WithClientTrace(t.Context(), trace))
		if r := w.do(c, req); r.body != strconv.Itoa(i) {
			t.Fatalf("answer %d is %q", i, r.body)
		}
	}
	if visitors != 1 || conns.Load() != 1 {
		t.Errorf("%d visitor connections and %d to the origin, want 1 and 1", visitors, conns.Load())
	}
	if l := w.last(20); !l.Reused {
		t.Errorf("the log does not say that the connection was reused: %+v", l)
	}
}

func TestPipelined(t *testing.T) {
	w := plain(t, echo)
	got := w.raw("GET /1 HTTP/1.1\r\nHost: shop.example\r\n\r\nPOST /2 HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 2\r\n\r\nhiGET /3 HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
	for i := 1; i <= 3; i++ {
		if n := strings.Index(got, "X-Target: /"+strconv.Itoa(i)); n < 0 {
			t.Fatalf("answer %d is missing or out of order in\n%s", i, got)
		} else {
			got = got[n:]
		}
	}
}

func TestHTTP10(t *testing.T) {
	w := plain(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "one ")
		w.(http.Flusher).Flush() // chunked, which HTTP/1.0 does not know
		io.WriteString(w, "two")
	})
	got := w.raw("GET / HTTP/1.0\r\nHost: shop.example\r\nConnection: keep-alive\r\n\r\n")
	if _, head, body := splitResponse(t, got); body != "one two" || strings.Contains(head, "chunked") || !strings.Contains(head, "Connection: close") {
		t.Errorf("got\n%s", got)
	}
	if got := w.raw("GET / HTTP/1.0\r\n\r\n"); !strings.Contains(got, " 403 ") || w.last(2).Error != 1003 {
		t.Errorf("without Host: %.200s", got)
	}
}

func TestExpectContinue(t *testing.T) {
	for _, tc := range []struct {
		name   string
		origin func(*net.TCPConn)
		want   string
		asks   bool // the visitor is asked for its body
	}{
		{"wanted", func(c *net.TCPConn) {
			readHead(c)
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			b := make([]byte, 4)
			io.ReadFull(c, b)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%s", b)
		}, "200", true},
		{"refused", func(c *net.TCPConn) {
			readHead(c)
			io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
		}, "413", false},
		{"origin does not know it", func(c *net.TCPConn) {
			readHead(c)
			b := make([]byte, 4)
			io.ReadFull(c, b)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%s", b)
		}, "200", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, o, _ := hosts()
			ap := script(t, o, 0, tc.origin)
			w := start(t, fmt.Sprintf("listen: {http: ['%s:%d']}\nzones: [%s]", e, ap.Port(), siteZone("full", o)))
			c, err := net.Dial("tcp", w.http.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
			r := textproto.NewReader(bufio.NewReader(c))
			line, err := r.ReadLine()
			if err != nil {
				t.Fatal(err)
			}
			if asked := strings.HasPrefix(line, "HTTP/1.1 100"); asked != tc.asks {
				t.Fatalf("first line %q", line)
			} else if asked {
				r.ReadLine()
				io.WriteString(c, "data")
				if line, err = r.ReadLine(); err != nil {
					t.Fatal(err)
				}
			}
			if !strings.Contains(line, tc.want) {
				t.Errorf("final line %q, want %s", line, tc.want)
			}
			h, err := r.ReadMIMEHeader()
			if err != nil {
				t.Fatal(err)
			}
			if !tc.asks && h.Get("Connection") != "close" {
				t.Error("the connection stays open although the body was not taken")
			}
		})
	}
}

func TestEarlyHints(t *testing.T) {
	w := plain(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
		io.WriteString(w, "done")
	})
	for _, h2 := range []bool{false, true} {
		var hints []string
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, strconv.Itoa(code)+h.Get("Link"))
			return nil
		}}
		req, _ := http.NewRequest("GET", "https://shop.example/", nil)
		r := w.do(w.client(h2), req.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
		if r.body != "done" || len(hints) != 1 || hints[0] != "103</a.css>; rel=preload" {
			t.Errorf("HTTP/2 %v: hints %q, body %q", h2, hints, r.body)
		}
	}
}

// Origins are asked for br and gzip; a visitor that takes neither gets plain bytes.
func TestContentCoding(t *testing.T) {
	small, large := strings.Repeat("small ", 50), strings.Repeat("large ", 200_000)
	w := plain(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "br, gzip" && r.Header.Get("Range") == "" {
			t.Errorf("the origin was asked for %q", got)
		}
		text := small
		if strings.Contains(r.URL.Path, "large") {
			text = large
		}
		w.Header().Set("ETag", `"tag"`)
		var b bytes.Buffer
		var z io.WriteCloser = gzip.NewWriter(&b)
		coding := "gzip"
		if strings.HasPrefix(r.URL.Path, "/br") {
			z, coding = brotli.NewWriter(&b), "br"
		}
		io.WriteString(z, text)
		z.Close()
		w.Header().Set("Content-Encoding", coding)
		w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
		w.Write(b.Bytes())
	})
	for _, h2 := range []bool{false, true} {
		c := w.client(h2)
		for _, tc := range []struct{ path, accept, coding, want string }{
			{"/gzip-small", "", "", small},
			{"/gzip-large", "", "", large},
			{"/br-small", "", "", small},
			{"/br-large", "gzip", "", large},
			{"/gzip-small", "br", "", small},
			{"/gzip-small", "gzip;q=0, *", "", small},
			{"/gzip-small", "gzip, br", "gzip", ""},
			{"/gzip-small", "*", "gzip", ""},
			{"/br-small", "gzip, deflate, br", "br", ""},
		} {
			req, _ := http.NewRequest("GET", "https://shop.example"+tc.path, nil)
			if tc.accept != "" {
				req.Header.Set("Accept-Encoding", tc.accept)
			}
			r := w.do(c, req)
			if r.Header.Get("Content-Encoding") != tc.coding || tc.want != "" && r.body != tc.want {
				t.Errorf("%s, accepting %q: %v, %d bytes", tc.path, tc.accept, r.Header, len(r.body))
			}
			tag := `"tag"`
			if tc.coding == "" {
				tag = `W/"tag"`
			}
			if r.Header.Get("ETag") != tag {
				t.Errorf("%s, accepting %q: ETag %s, want %s", tc.path, tc.accept, r.Header.Get("ETag"), tag)
			}
			req.Method = "HEAD"
			if r := w.do(c, req); r.Header.Get("Content-Encoding") != tc.coding {
				t.Errorf("HEAD %s, accepting %q: %v", tc.path, tc.accept, r.Header)
			}
		}
	}
}

// A response that breaks off reaches the visitor as one that breaks off.
func TestCutOff(t *testing.T) {
	for name, send := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
	} {
		e, o, _ := hosts()
		ap := script(t, o, 0, say(send))
		w := start(t, fmt.Sprintf("listen: {http: ['%s:%d'], https: ['%s:0']}\nzones: [%s]", e, ap.Port(), e, siteZone("full", o)))
		resp, err := w.client(false).Get("http://shop.example/")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != "part" || err == nil {
			t.Errorf("%s: %q, %v; want the part and an error", name, b, err)
		}
		if l := w.last(1); l.Phase != "body" || !l.Cut || l.Status != 200 || l.Fault == "" {
			t.Errorf("%s: log %+v", name, l)
		}
		if recs := w.record(Filter{}); len(recs) != 1 || recs[0].Phase != "body" {
			t.Errorf("%s: record %+v", name, recs)
		}
	}
}

// A pooled connection that the origin has closed costs the visitor nothing, and a
// request that must not be sent twice is not.
func TestDeadReusedConnection(t *testing.T) {
	e, o, _ := hosts()
	var served atomic.Int32
	ap := script(t, o, 0, func(c *net.TCPConn) {
		readHead(c)
		served.Add(1)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		// A second request on this connection is met with a reset after it has been read.
		if b := make([]byte, 1); readByte(c, b) {
			reset(c)
		}
	})
	w := start(t, fmt.Sprintf("listen: {http: ['%s:%d']}\nzones: [%s]", e, ap.Port(), siteZone("full", o)))
	for i := range 4 {
		if r := w.get("http://shop.example/"); r.StatusCode != 200 {
			t.Fatalf("request %d: %s", i, r.Status)
		}
	}
	if served.Load() != 4 {
		t.Errorf("%d answers were given, want 4", served.Load())
	}
	req, _ := http.NewRequest("POST", "http://shop.example/", strings.NewReader("once"))
	if r := w.do(w.client(false), req); r.StatusCode != 520 {
		t.Errorf("a POST met by a reset: %s, want 520", r.Status)
	}
}

func readByte(c net.Conn, b []byte) bool {
	n, err := c.Read(b)
	return n == 1 && err == nil
}
