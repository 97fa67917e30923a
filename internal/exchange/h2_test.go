//lint:file-ignore SA1019 the origin of these tests is made of package http2's own parts

package exchange

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/http1"
)

// serveH2 serves a handler over HTTP/2 only.
func serveH2(t testing.TB, s *site, h http.Handler) Target {
	t.Helper()
	c := s.config(func(c *tls.Config) { c.NextProtos = []string{"h2"} })
	return s.target(serve(t, serveTLS(c, func(nc net.Conn) {
		new(http2.Server).ServeConn(nc, &http2.ServeConnOpts{Handler: h})
	})))
}

// h2Origin speaks raw frames after the client's preface and SETTINGS.
func h2Origin(t testing.TB, s *site, speak func(*http2.Framer, net.Conn)) Target {
	t.Helper()
	c := s.config(func(c *tls.Config) { c.NextProtos = []string{"h2"} })
	return s.target(serve(t, serveTLS(c, func(nc net.Conn) {
		if _, err := io.ReadFull(nc, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		speak(http2.NewFramer(nc, nc), nc)
	})))
}

// untilHeaders reads frames until a request's HEADERS and returns its stream.
func untilHeaders(f *http2.Framer) uint32 {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return 0
		}
		if h, ok := frame.(*http2.HeadersFrame); ok {
			return h.StreamID
		}
	}
}

func drain(f *http2.Framer) {
	for {
		if _, err := f.ReadFrame(); err != nil {
			return
		}
	}
}

func TestHTTP2Faults(t *testing.T) {
	s := newSite(t)
	protocol := func(kind string) want {
		return want{originward.PhaseHeaders, originward.HTTPProtocolError, 520, kind, "", ""}
	}
	for _, tc := range []struct {
		name  string
		speak func(*http2.Framer, net.Conn)
		want  want
	}{
		{"GOAWAY", func(f *http2.Framer, _ net.Conn) {
			_ = f.WriteSettings()
			untilHeaders(f)
			_ = f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil)
			drain(f)
		}, protocol("h2_goaway_enhance_your_calm")},
		{"GOAWAY without error", func(f *http2.Framer, _ net.Conn) {
			_ = f.WriteSettings()
			untilHeaders(f)
			_ = f.WriteGoAway(0, http2.ErrCodeNo, nil)
			drain(f)
		}, protocol("h2_goaway_no_error")},
		{"REFUSED_STREAM", func(f *http2.Framer, _ net.Conn) {
			_ = f.WriteSettings()
			_ = f.WriteRSTStream(untilHeaders(f), http2.ErrCodeRefusedStream)
			drain(f)
		}, protocol("h2_rst_stream_refused_stream")},
		{"RST_STREAM INTERNAL_ERROR", func(f *http2.Framer, _ net.Conn) {
			_ = f.WriteSettings()
			_ = f.WriteRSTStream(untilHeaders(f), http2.ErrCodeInternal)
			drain(f)
		}, protocol("h2_rst_stream_internal_error")},
		{"garbage", func(f *http2.Framer, c net.Conn) {
			_, _ = io.WriteString(c, "\x00\x00\x00garbage that is no frame at all, and goes on for a while")
			drain(f)
		}, protocol("h2_garbage")},
		{"HTTP/1.1 after negotiating h2", func(f *http2.Framer, c net.Conn) {
			_, _ = io.WriteString(c, okReply)
			drain(f)
		}, protocol("h2_garbage")},
		{"HEADERS before SETTINGS", func(f *http2.Framer, _ net.Conn) {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: untilHeaders(f), BlockFragment: []byte{0x88}, EndHeaders: true})
			drain(f)
		}, protocol("h2_garbage")},
		{"broken HPACK", func(f *http2.Framer, _ net.Conn) {
			_ = f.WriteSettings()
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: untilHeaders(f), BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff}, EndHeaders: true})
			drain(f)
		}, protocol("h2_protocol")},
		{"closes", func(f *http2.Framer, _ net.Conn) { _ = f.WriteSettings(); untilHeaders(f) },
			want{originward.PhaseFirstByte, originward.ConnectionTerminated, 520, "", "", ""}}, // in order or by reset: frames may lie unread
		{"silent", func(f *http2.Framer, _ net.Conn) { _ = f.WriteSettings(); drain(f) },
			want{originward.PhaseFirstByte, originward.HTTPResponseTimeout, 524, "", "timeout", ""}},
		{"header list over 128 KB", func(f *http2.Framer, _ net.Conn) { _ = f.WriteSettings(); bigHeaders(f, untilHeaders(f)); drain(f) },
			want{originward.PhaseHeaders, originward.HTTPResponseHeaderSection, 520, "", "", ""}},
		{"silent in the body", func(f *http2.Framer, _ net.Conn) {
			_ = f.WriteSettings()
			id := untilHeaders(f)
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte{0x88}, EndHeaders: true})
			_ = f.WriteData(id, false, []byte("half"))
			drain(f)
		}, want{originward.PhaseBody, originward.ConnectionReadTimeout, 0, "", "timeout", ""}},
		{"reset in the body", func(f *http2.Framer, _ net.Conn) {
			_ = f.WriteSettings()
			id := untilHeaders(f)
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte{0x88}, EndHeaders: true})
			_ = f.WriteData(id, false, []byte("half"))
			_ = f.WriteRSTStream(id, http2.ErrCodeInternal)
			drain(f)
		}, want{originward.PhaseBody, originward.HTTPResponseIncomplete, 0, "h2_rst_stream_internal_error", "", ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			x := Probe(t.Context(), ProbeSpec{Target: h2Origin(t, s, tc.speak), Profile: quick()})
			tc.want.check(t, x)
			if x.TLS.ALPN != "h2" {
				t.Errorf("ALPN %q", x.TLS.ALPN)
			}
		})
	}
}

// bigHeaders answers with header fields of 200 KB.
func bigHeaders(f *http2.Framer, id uint32) {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	_ = e.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	for i := range 200 {
		_ = e.WriteField(hpack.HeaderField{Name: fmt.Sprintf("x-filler-%d", i), Value: strings.Repeat("a", 1000)})
	}
	b := block.Bytes()
	first := true
	for len(b) > 0 {
		n := min(len(b), 16000)
		if first {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b[:n], EndHeaders: n == len(b)})
		} else {
			_ = f.WriteContinuation(id, n == len(b), b[:n])
		}
		b, first = b[n:], false
	}
}

func TestHTTP2RoundTrip(t *testing.T) {
	s := newSite(t)
	target := serveH2(t, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %s ua=%q n=%d len=%d", r.Method, r.Host, r.RequestURI, r.UserAgent(), len(body), r.ContentLength))
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "made")
		w.Header().Set("X-Sum", "ok")
	}))
	c := NewClient(NewDialer(quick()))
	defer c.Close()
	ep := c.Endpoint(target)
	for i, tc := range []struct{ head, body, seen string }{
		{"GET //a%2Fb?q=1&q=%20 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: x/1\r\nConnection: keep-alive\r\n\r\n", "", `GET shop.example //a%2Fb?q=1&q=%20 ua="x/1" n=0 len=0`},
		{"POST /p HTTP/1.1\r\nHost: shop.example:8443\r\nContent-Length: 5\r\n\r\n", "hello", `POST shop.example:8443 /p ua="" n=5 len=5`},
		{"PUT /c HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n", `PUT shop.example /c ua="" n=8 len=-1`},
	} {
		method, _, _ := strings.Cut(tc.head, " ")
		req := &Request{Method: method, Head: []byte(tc.head)}
		if tc.body != "" {
			req.Body = func(w io.Writer) error { _, err := io.WriteString(w, tc.body); return err }
		}
		var tr Trace
		conn, head, f := ep.Do(t.Context(), req, &tr)
		if f != nil {
			t.Fatalf("%s: %v", method, f)
		}
		if got := string(head.Get("X-Seen")); head.Status != 201 || got != tc.seen {
			t.Errorf("status %d, the origin saw %s, want %s", head.Status, got, tc.seen)
		}
		var out strings.Builder
		if n, err := conn.Body().WriteTo(&out); err != nil || n != 4 || out.String() != "made" {
			t.Errorf("body %q, %v", out.String(), err)
		}
		if tr := conn.Body().Trailers(); len(tr) != 1 || string(tr[0].Value) != "ok" {
			t.Errorf("trailers %v", tr)
		}
		if conn.Served() != i || conn.Proto() != HTTP2 {
			t.Errorf("served %d before, protocol %v", conn.Served(), conn.Proto())
		}
		for _, p := range tr.Phases() {
			if !p.Done {
				t.Errorf("phase %s not done", p.Phase)
			}
		}
		conn.Release()
	}
	if n := c.Idle(); n != 1 {
		t.Errorf("%d connections kept, want 1", n)
	}
}

// TestHTTP2Shares: many requests at once go over one connection, within the limit
// of streams that the origin sets, and each ends on its own.
func TestHTTP2Shares(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var conns atomic.Int32
	cfg := s.config(func(c *tls.Config) { c.NextProtos = []string{"h2"} })
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 100_000)) })
	target := s.target(serve(t, serveTLS(cfg, func(nc net.Conn) {
		conns.Add(1)
		(&http2.Server{MaxConcurrentStreams: 50}).ServeConn(nc, &http2.ServeConnOpts{Handler: h})
	})))
	p := quick()
	p.Read, p.Ack, p.Write = 10*time.Second, 10*time.Second, 10*time.Second
	c := NewClient(NewDialer(p))
	ep := c.Endpoint(target)
	one := func() {
		conn, _, f := ep.Do(context.Background(), get("/"), nil)
		if f != nil {
			t.Error(f)
			return
		}
		if n, err := conn.Body().WriteTo(io.Discard); err != nil || n != 100_000 {
			t.Errorf("%d bytes, %v", n, err)
		}
		conn.Release()
	}
	one()
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(one)
	}
	wg.Wait()
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for 40 requests", n)
	}
	for range 80 { // beyond the limit: a second connection
		wg.Go(one)
	}
	wg.Wait()
	if n := conns.Load(); n > 3 {
		t.Errorf("%d connections for 80 requests of which 50 fit one", n)
	}
	c.Close()
	if n := c.Idle(); n != 0 {
		t.Errorf("%d connections after Close", n)
	}
}

// TestHTTP2GracefulGoAway: an origin that ends a connection in order, as nginx does
// after keepalive_requests, costs a reused connection and no request.
func TestHTTP2GracefulGoAway(t *testing.T) {
	s := newSite(t)
	target := h2Origin(t, s, func(f *http2.Framer, _ net.Conn) {
		_ = f.WriteSettings()
		id := untilHeaders(f)
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte{0x88}, EndHeaders: true, EndStream: true})
		untilHeaders(f) // the second request crosses the GOAWAY
		_ = f.WriteGoAway(id, http2.ErrCodeNo, nil)
		drain(f)
	})
	c := NewClient(NewDialer(quick()))
	defer c.Close()
	for i := range 4 {
		conn, head, f := c.Endpoint(target).Do(t.Context(), get("/"), nil)
		if f != nil || head.Status != 200 {
			t.Fatalf("request %d: %v", i, f)
		}
		conn.Release()
	}
}

func TestHTTP2Interim(t *testing.T) {
	s := newSite(t)
	target := serveH2(t, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusNoContent)
	}))
	conn, f := NewDialer(quick()).Dial(t.Context(), target, nil)
	if f != nil {
		t.Fatal(f)
	}
	req := get("/")
	var seen []int
	req.Interim = func(h *http1.ResponseHead) error { seen = append(seen, h.Status); return nil }
	head, f := conn.RoundTrip(t.Context(), req, nil)
	if f != nil || head.Status != 204 || len(seen) != 1 || seen[0] != 103 {
		t.Errorf("%v, interim %v", f, seen)
	}
	conn.Release()
}

func TestHTTP2VisitorFails(t *testing.T) {
	s := newSite(t)
	target := serveH2(t, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	conn, f := NewDialer(quick()).Dial(t.Context(), target, nil)
	if f != nil {
		t.Fatal(f)
	}
	gone := fmt.Errorf("visitor gone")
	_, f = conn.RoundTrip(t.Context(), &Request{
		Method: "POST", Head: []byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"),
		Body: func(w io.Writer) error { _, _ = io.WriteString(w, "half"); return gone },
	}, nil)
	if f == nil || f.Phase != originward.PhaseRequest || f.Type != originward.HTTPRequestError {
		t.Fatalf("fault %v", f)
	}
}

// TestHTTP2FailedDialHoldsNobodyUp: when an origin that spoke HTTP/2 is gone, those
// who waited for a connection do not fail one after the other.
func TestHTTP2FailedDialHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var silent atomic.Bool
	cfg := s.config(func(c *tls.Config) { c.NextProtos = []string{"h2"} })
	target := s.target(serveOn(t, l, func(c net.Conn) {
		if silent.Load() {
			wait(c)
			return
		}
		serveTLS(cfg, func(nc net.Conn) {
			new(http2.Server).ServeConn(nc, &http2.ServeConnOpts{Handler: http.NotFoundHandler()})
		})(c)
	}))
	client := NewClient(NewDialer(quick()))
	defer client.Close()
	ep := client.Endpoint(target)
	c, _, f := ep.Do(t.Context(), get("/"), nil)
	if f != nil {
		t.Fatal(f)
	}
	c.Release()
	client.CloseIdle()
	silent.Store(true)
	start := time.Now()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, _, f := ep.Do(context.Background(), get("/"), nil); f == nil || f.Code().Error != 525 {
				t.Errorf("fault %v", f)
			}
		})
	}
	wg.Wait()
	if d := time.Since(start); d > 6*quick().Handshake {
		t.Errorf("20 requests took %v; one handshake is given up after %v", d, quick().Handshake)
	}
}

// TestHTTP2EarlyAnswer: an origin that answers an upload before it has read it; the
// upload has ended when the connection is given back, and nothing is left running.
func TestHTTP2EarlyAnswer(t *testing.T) {
	s := newSite(t)
	target := serveH2(t, s, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}))
	client := NewClient(NewDialer(quick()))
	before := runtime.NumGoroutine()
	for range 5 {
		var running atomic.Bool
		c, head, f := client.Endpoint(target).Do(t.Context(), &Request{
			Method: "POST", Head: []byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"),
			Body: func(w io.Writer) error {
				running.Store(true)
				defer running.Store(false)
				_, err := io.Copy(w, io.LimitReader(zeros{}, 100_000_000))
				return err
			},
		}, nil)
		if f != nil || head.Status != 413 {
			t.Fatalf("fault %v", f)
		}
		c.Release()
		if running.Load() {
			t.Error("the upload still runs")
		}
	}
	for range 5 { // given up in the middle of the body
		c, _, f := client.Endpoint(serveH2(t, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(make([]byte, 10))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}))).Do(t.Context(), get("/"), nil)
		if f != nil {
			t.Fatal(f)
		}
		if _, err := c.Body().Next(); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	client.Close()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+10; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) { // the listeners' own goroutines account for ten
			b := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, b[:runtime.Stack(b, true)])
		}
	}
}

// TestHTTP2RequestNotTaken: an origin that opens no window for the upload.
func TestHTTP2RequestNotTaken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	conn, f := NewDialer(quick()).Dial(t.Context(), h2Origin(t, s, func(f *http2.Framer, _ net.Conn) { _ = f.WriteSettings(); drain(f) }), nil)
	if f != nil {
		t.Fatal(f)
	}
	var tr Trace
	_, f = conn.RoundTrip(t.Context(), &Request{
		Method: "POST", Head: []byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"),
		Body: func(w io.Writer) error { _, err := io.Copy(w, io.LimitReader(zeros{}, 100_000_000)); return err },
	}, &tr)
	if f == nil || f.Phase != originward.PhaseWrite || f.Type != originward.ConnectionWriteTimeout || f.Code().Error != 524 {
		t.Fatalf("fault %v", f)
	}
	if ps := tr.Phases(); len(ps) != 1 || ps[0].Done {
		t.Errorf("phases %+v", ps)
	}
}
