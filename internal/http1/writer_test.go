package http1

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestAppend(t *testing.T) {
	r := NewReader(strings.NewReader("POST /a?b HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nx-Keep: \tv v \r\nContent-Length: 0\r\n\r\n"))
	h, err := r.ReadRequestHead(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	out := AppendFields(AppendRequestLine(nil, h.Method, h.Target), h.Fields)
	out = AppendHeader(out, "X-Evil", "a\r\nInjected: yes\x00\x7f\t.")
	out = AppendHeader(out, "Bad Name", "left out")
	out = AppendHeader(out, "", "left out")
	out = AppendHeaderBytes(out, "X-Bytes", []byte("\ncafé"))
	out = AppendEnd(AppendChunked(AppendContentLength(out, 12)))
	want := "POST /a?b HTTP/1.1\r\nHost: a\r\nx-Keep: v v\r\nContent-Length: 0\r\nX-Evil: a  Injected: yes  \t.\r\n" +
		"X-Bytes:  café\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n"
	if string(out) != want {
		t.Errorf("got\n%q\nwant\n%q", out, want)
	}
	for want, got := range map[string][]byte{
		"HTTP/1.1 200 OK\r\n":                       AppendStatusLine(nil, 200, nil),
		"HTTP/1.1 200 Fine\r\n":                     AppendStatusLine(nil, 200, []byte("Fine")),
		"HTTP/1.1 404 Not Found\r\n":                AppendStatusLine(nil, 404, nil),
		"HTTP/1.1 522 Server Error\r\n":             AppendStatusLine(nil, 522, nil),
		"HTTP/1.1 500 Internal Server Error\r\n":    AppendStatusLine(nil, 42, nil),
		"1f\r\n" + strings.Repeat("x", 31) + "\r\n": AppendChunk(nil, bytes.Repeat([]byte("x"), 31)),
		"":          AppendChunk(nil, nil),
		"0\r\n\r\n": AppendLastChunk(nil, nil),
		"0\r\nA: b\r\n\r\n": AppendLastChunk(nil, []Field{
			{Name: []byte("A"), Value: []byte("b")}, {Name: []byte("C"), Hop: true}}),
	} {
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// writes records each call of Write.
type writes struct{ calls []string }

func (w *writes) Write(p []byte) (int, error) {
	w.calls = append(w.calls, string(p))
	return len(p), nil
}

func TestChunkWriter(t *testing.T) {
	var w writes
	c := NewChunkWriter(&w, []byte("HEAD"))
	for _, p := range []string{"one", "", strings.Repeat("x", 40000)} {
		if n, err := c.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := c.Close([]Field{{Name: []byte("A"), Value: []byte("b")}}); err != nil {
		t.Fatal(err)
	}
	if w.calls[0] != "HEAD3\r\none\r\n" || w.calls[len(w.calls)-1] != "0\r\nA: b\r\n\r\n" {
		t.Errorf("first %q, last %q", w.calls[0], w.calls[len(w.calls)-1])
	}
	r := NewReader(strings.NewReader(chunkedHead + strings.TrimPrefix(strings.Join(w.calls, ""), "HEAD")))
	if _, err := r.ReadResponseHead(Limits{}, "GET"); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, r.Body()); got != "one"+strings.Repeat("x", 40000) {
		t.Errorf("%d bytes", len(got))
	}
}

// TestCopyBodyWrites: what arrived together leaves together, head and end included, and
// nothing waits for what has not arrived.
func TestCopyBodyWrites(t *testing.T) {
	var w writes
	r := NewReader(strings.NewReader(chunkedHead + "2\r\nhi\r\n3\r\n you\r\n0\r\n\r\n"))
	if _, err := r.ReadResponseHead(Limits{}, "GET"); err == nil {
		_, err = NewChunkWriter(&w, []byte("HEAD")).CopyBody(r.Body())
		if err == nil {
			t.Error("a chunk end in the wrong place was accepted")
		}
	}
	w = writes{}
	r = NewReader(strings.NewReader(chunkedHead + "2\r\nhi\r\n4\r\n you\r\n0\r\n\r\n"))
	if _, err := r.ReadResponseHead(Limits{}, "GET"); err != nil {
		t.Fatal(err)
	}
	n, err := NewChunkWriter(&w, []byte("HEAD")).CopyBody(r.Body())
	if err != nil || n != 6 || len(w.calls) != 1 || w.calls[0] != "HEAD2\r\nhi\r\n4\r\n you\r\n0\r\n\r\n" {
		t.Errorf("%d %v %q", n, err, w.calls)
	}

	from, origin := tcpPair(t)
	visitor, to := tcpPair(t)
	if _, err := origin.Write([]byte(chunkedHead + "2\r\nhi\r\n")); err != nil {
		t.Fatal(err)
	}
	r = NewReader(from)
	if _, err := r.ReadResponseHead(Limits{}, "GET"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := NewChunkWriter(to, nil).CopyBody(r.Body())
		done <- err
	}()
	p := make([]byte, 100)
	m, err := io.ReadFull(visitor, p[:7]) // arrives although the origin is silent now
	if err != nil || string(p[:m]) != "2\r\nhi\r\n" {
		t.Errorf("%q %v", p[:m], err)
	}
	_, _ = origin.Write([]byte("0\r\n\r\n"))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type brokenWriter struct{ after int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	if len(p) > w.after {
		n := w.after
		w.after = 0
		return n, io.ErrClosedPipe
	}
	w.after -= len(p)
	return len(p), nil
}

// TestWriteErrors: the destination's failure is never taken for the source's.
func TestWriteErrors(t *testing.T) {
	open := func(raw string) *Body {
		r := NewReader(strings.NewReader(raw))
		if _, err := r.ReadResponseHead(Limits{}, "GET"); err != nil {
			t.Fatal(err)
		}
		return r.Body()
	}
	for name, f := range map[string]func() error{
		"WriteTo": func() error {
			_, err := open(okHead + "Content-Length: 5\r\n\r\nhello").WriteTo(&brokenWriter{2})
			return err
		},
		"CopyBody": func() error {
			_, err := NewChunkWriter(&brokenWriter{2}, nil).CopyBody(open(chunkedHead + "5\r\nhello\r\n0\r\n\r\n"))
			return err
		},
		"Write":  func() error { _, err := NewChunkWriter(&brokenWriter{2}, nil).Write([]byte("hello")); return err },
		"Close":  func() error { return NewChunkWriter(&brokenWriter{2}, nil).Close(nil) },
		"Length": func() error { _, err := NewLengthWriter(&brokenWriter{2}, 5).Write([]byte("hello")); return err },
	} {
		err := f()
		var w *WriteError
		if !errors.As(err, &w) || w.Written != 2 || !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLengthWriter(t *testing.T) {
	var out bytes.Buffer
	l := NewLengthWriter(&out, 5)
	if n, err := l.Write([]byte("abc")); n != 3 || err != nil {
		t.Error(n, err)
	}
	if err := l.Close(); err != ErrBodyTooShort {
		t.Error(err)
	}
	if n, err := l.Write([]byte("def")); n != 0 || err != ErrBodyTooLong || out.String() != "abc" {
		t.Error(n, err, out.String())
	}
	if _, err := l.Write([]byte("de")); err != nil || l.Close() != nil {
		t.Error(err)
	}
}
