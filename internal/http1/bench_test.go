package http1

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"bufio"
)

// The heads of an ordinary browser and an ordinary origin.
const (
	browserRequest = "GET /articles/2026/07/some-page.html?utm_source=newsletter&id=4711 HTTP/1.1\r\n" +
		"Host: shop.example\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
		"Accept-Language: en-US,en;q=0.5\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
		"Connection: keep-alive\r\n" +
		"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n" +
		"Upgrade-Insecure-Requests: 1\r\n" +
		"Sec-Fetch-Dest: document\r\n" +
		"Priority: u=0, i\r\n\r\n"
	toolRequest    = "GET / HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n"
	originResponse = "HTTP/1.1 200 OK\r\n" +
		"Server: nginx/1.28.0\r\n" +
		"Date: Thu, 23 Jul 2026 08:00:00 GMT\r\n" +
		"Content-Type: text/html; charset=utf-8\r\n" +
		"Content-Length: 1024\r\n" +
		"Last-Modified: Wed, 22 Jul 2026 12:00:00 GMT\r\n" +
		"Connection: keep-alive\r\n" +
		"ETag: \"687f7c40-400\"\r\n" +
		"Accept-Ranges: bytes\r\n\r\n"
)

// repeat is an endless source of the same message, one per Read, as a keep-alive connection gives them.
type repeat struct {
	msg  []byte
	left []byte
}

func (s *repeat) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		s.left = s.msg
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

func benchmarkRequest(b *testing.B, raw string) {
	r := NewReader(&repeat{msg: []byte(raw)})
	limits := DefaultLimits()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.ReadRequestHead(limits); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadRequest(b *testing.B) {
	b.Run("browser", func(b *testing.B) { benchmarkRequest(b, browserRequest) })
	b.Run("tool", func(b *testing.B) { benchmarkRequest(b, toolRequest) })
	b.Run("released", func(b *testing.B) {
		r := NewReader(&repeat{msg: []byte(browserRequest)})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.ReadRequestHead(Limits{}); err != nil {
				b.Fatal(err)
			}
			r.Release()
		}
	})
	b.Run("net-http", func(b *testing.B) {
		r := bufio.NewReader(&repeat{msg: []byte(browserRequest)})
		b.SetBytes(int64(len(browserRequest)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := http.ReadRequest(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkReadResponse(b *testing.B) {
	raw := originResponse + strings.Repeat("x", 1024)
	b.Run("head and 1 KiB", func(b *testing.B) {
		r := NewReader(&repeat{msg: []byte(raw)})
		limits := DefaultLimits()
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.ReadResponseHead(limits, "GET"); err != nil {
				b.Fatal(err)
			}
			if _, err := r.Body().WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("chunked 64 KiB", func(b *testing.B) {
		msg := []byte(chunkedHead)
		for range 16 {
			msg = AppendChunk(msg, bytes.Repeat([]byte("x"), 4096))
		}
		msg = AppendLastChunk(msg, nil)
		r := NewReader(&repeat{msg: msg})
		var c ChunkWriter
		b.SetBytes(int64(len(msg)))
		b.ReportAllocs()
		for b.Loop() {
			h, err := r.ReadResponseHead(Limits{}, "GET")
			if err != nil {
				b.Fatal(err)
			}
			c.Reset(io.Discard, h.Raw)
			if _, err := c.CopyBody(r.Body()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkForward is a request's whole way through the codec: parsed, and written anew
// with an edge's own fields.
func BenchmarkForward(b *testing.B) {
	r := NewReader(&repeat{msg: []byte(browserRequest)})
	limits := DefaultLimits()
	out := make([]byte, 0, 4096)
	b.SetBytes(int64(len(browserRequest)))
	b.ReportAllocs()
	for b.Loop() {
		h, err := r.ReadRequestHead(limits)
		if err != nil {
			b.Fatal(err)
		}
		out = forward(out[:0], h)
	}
}

func forward(out []byte, h *RequestHead) []byte {
	out = AppendRequestLine(out, h.Method, h.Target)
	out = AppendFields(out, h.Fields)
	out = AppendHeader(out, "CF-Connecting-IP", "198.51.100.7")
	out = AppendHeader(out, "X-Forwarded-Proto", "https")
	return AppendEnd(out)
}

func BenchmarkWriteResponse(b *testing.B) {
	r := NewReader(strings.NewReader(originResponse))
	h, err := r.ReadResponseHead(Limits{}, "GET")
	if err != nil {
		b.Fatal(err)
	}
	out := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		out = AppendStatusLine(out[:0], h.Status, h.Reason)
		out = AppendFields(out, h.Fields)
		out = AppendHeader(out, "CF-Ray", "230b030023ae2822-LAB")
		out = AppendEnd(out)
	}
}

// TestNoAllocations is the promise behind the benchmarks: in a steady state a message
// costs no allocation, in either direction.
func TestNoAllocations(t *testing.T) {
	req := NewReader(&repeat{msg: []byte(browserRequest)})
	resp := NewReader(&repeat{msg: []byte(originResponse + strings.Repeat("x", 1024))})
	chunked := NewReader(&repeat{msg: []byte(chunkedHead + "5\r\nhello\r\n0\r\nX: y\r\n\r\n")})
	out := make([]byte, 0, 4096)
	var c ChunkWriter
	for name, f := range map[string]func() error{
		"request": func() error {
			h, err := req.ReadRequestHead(Limits{})
			if err == nil {
				out = forward(out[:0], h)
			}
			return err
		},
		"request, released": func() error {
			_, err := req.ReadRequestHead(Limits{})
			req.Release()
			return err
		},
		"response": func() error {
			h, err := resp.ReadResponseHead(Limits{}, "GET")
			if err != nil {
				return err
			}
			out = AppendFields(AppendStatusLine(out[:0], h.Status, h.Reason), h.Fields)
			_, err = resp.Body().WriteTo(io.Discard)
			return err
		},
		"chunked": func() error {
			h, err := chunked.ReadResponseHead(Limits{}, "GET")
			if err != nil {
				return err
			}
			c.Reset(io.Discard, h.Raw)
			_, err = c.CopyBody(chunked.Body())
			return err
		},
	} {
		var failed error
		n := testing.AllocsPerRun(1000, func() {
			if err := f(); err != nil {
				failed = err
			}
		})
		if failed != nil {
			t.Errorf("%s: %v", name, failed)
		}
		if n != 0 && !raceEnabled {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
