package h2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// What is encoded reads back, with names in lower case.
func TestEncode(t *testing.T) {
	long := strings.Repeat("v", 5000)
	var b []byte
	b = appendStatus(b, 200)
	b = appendStatus(b, 521)
	b = appendField(b, []byte("Content-Type"), []byte("text/plain"))
	b = appendField(b, []byte("X-Own"), []byte(long))
	b = appendField(b, []byte(strings.Repeat("N", 300)), nil)
	got, err := hpack.NewDecoder(0, nil).DecodeFull(b)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{":status=200", ":status=521", "content-type=text/plain", "x-own=" + long, strings.Repeat("n", 300) + "="}
	for i, f := range got {
		if i >= len(want) || f.Name+"="+f.Value != want[i] {
			t.Errorf("field %d is %s=%s", i, f.Name, f.Value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d fields, not %d", len(got), len(want))
	}
}

// The static table's entries are the ones that the library knows.
func TestStaticTable(t *testing.T) {
	for name, i := range staticNames {
		f, err := hpack.NewDecoder(0, nil).DecodeFull(append(appendInt(nil, 0, 4, int(i)), 0))
		if err != nil || len(f) != 1 || f[0].Name != name {
			t.Errorf("%s is %v: %v", name, f, err)
		}
	}
	for status := range staticStatus {
		f, err := hpack.NewDecoder(0, nil).DecodeFull(appendStatus(nil, status))
		if err != nil || len(f) != 1 || f[0].Value != fmt.Sprint(status) {
			t.Errorf("%d is %v: %v", status, f, err)
		}
	}
}

// echo answers with the request's content, or its path.
func echo(s *Stream) {
	var body bytes.Buffer
	if _, err := s.WriteTo(&body); err != nil {
		return
	}
	if err := s.Head(200, []byte("Content-Type: text/plain\r\n"), false); err != nil {
		return
	}
	if body.Len() == 0 {
		body.Write(s.Path)
	}
	if s.Data(body.Bytes(), false) == nil {
		_ = s.Trailer(s.Trailers()) // a visitor that has gone needs no end
	}
}

func config(h func(*Stream)) *Config {
	return &Config{MaxStreams: 10, MaxFields: 64 << 10, Idle: time.Minute, Slow: time.Minute, Handler: h}
}

// client is a connection to a server that serves h.
func client(t testing.TB, cfg *Config) (*http2.Framer, net.Conn, chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- Serve(s, cfg, func(*Conn) {}) }()
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	fr := http2.NewFramer(c, c)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10}); err != nil {
		t.Fatal(err)
	}
	return fr, c, ended
}

func encoded(fields ...string) []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // a buffer takes everything
	}
	return b.Bytes()
}

var get = []string{":method", "GET", ":scheme", "https", ":path", "/abcdefghijklmnopqrstuvwxyz", ":authority", "a.example"}

// Content goes out as the visitor's windows allow, and not beyond.
func TestWindows(t *testing.T) {
	fr, c, ended := client(t, config(echo))
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encoded(get...), EndHeaders: true, EndStream: true})
	var body []byte
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		d, ok := f.(*http2.DataFrame)
		if !ok {
			continue
		}
		if n := len(d.Data()); n > 10 {
			t.Fatalf("%d bytes for a window of 10", n)
		}
		body = append(body, d.Data()...)
		if d.StreamEnded() {
			break
		}
		_ = fr.WriteWindowUpdate(1, uint32(max(1, len(d.Data()))))
	}
	if string(body) != get[5] {
		t.Errorf("got %q", body)
	}
	c.Close()
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("ended with %v", err)
	}
}

// A stream that the visitor resets ends its handler, and frees its place.
func TestReset(t *testing.T) {
	began, over := make(chan *Stream, 1), make(chan error, 1)
	fr, _, _ := client(t, config(func(s *Stream) {
		began <- s
		_, err := s.WriteTo(io.Discard)
		over <- err
	}))
	for id := uint32(1); id < 60; id += 2 {
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: encoded(get...), EndHeaders: true})
		s := <-began
		called := make(chan struct{})
		s.AfterFunc(func() { close(called) })
		_ = fr.WriteRSTStream(id, http2.ErrCodeCancel)
		var reset *ResetError
		if err := <-over; !errors.As(err, &reset) || reset.Code != Cancel {
			t.Fatalf("the handler got %v", err)
		}
		<-called
	}
}

// A visitor that opens no window for too long has its stream reset.
func TestSlowReader(t *testing.T) {
	cfg := config(echo)
	cfg.Slow = 50 * time.Millisecond
	fr, _, _ := client(t, cfg)
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encoded(get...), EndHeaders: true, EndStream: true})
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := f.(*http2.RSTStreamFrame); ok {
			if r.ErrCode != http2.ErrCodeCancel {
				t.Errorf("reset with %v", r.ErrCode)
			}
			return
		}
	}
}

// The end is announced, requests that cross with the announcement are served, and
// then the connection ends.
func TestDrain(t *testing.T) {
	conns := make(chan *Conn, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	go Serve(s, config(echo), func(c *Conn) { conns <- c }) //nolint:errcheck // the client's view counts
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, http2.ClientPreface)
	fr := http2.NewFramer(c, c)
	_ = fr.WriteSettings()
	(<-conns).Drain()
	var aways []uint32
	asked, answered := false, false
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			break
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			aways = append(aways, f.LastStreamID)
			if !asked {
				asked = true
				_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encoded(get...), EndHeaders: true, EndStream: true})
			}
		case *http2.DataFrame:
			answered = answered || f.StreamEnded()
		}
	}
	if len(aways) < 2 || aways[0] != maxWindow || aways[len(aways)-1] != 1 || !answered {
		t.Errorf("told to go away after %v, answered: %v", aways, answered)
	}
}

// memory is a connection of bytes that are there already.
type memory struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (m *memory) Read(p []byte) (int, error)       { return m.in.Read(p) }
func (m *memory) Write(p []byte) (int, error)      { return m.out.Write(p) }
func (m *memory) Close() error                     { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }

// Whatever comes, the connection ends, and what was sent are frames.
func FuzzServe(f *testing.F) {
	frames := func(write func(*http2.Framer)) []byte {
		var b bytes.Buffer
		b.WriteString(http2.ClientPreface)
		fr := http2.NewFramer(&b, nil)
		fr.AllowIllegalWrites = true
		_ = fr.WriteSettings() // into a buffer, like all below
		write(fr)
		return b.Bytes()
	}
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(frames(func(fr *http2.Framer) {
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encoded(get...), EndHeaders: true, EndStream: true})
		_ = fr.WritePing(false, [8]byte{})
		_ = fr.WriteWindowUpdate(0, 100)
	}))
	f.Add(frames(func(fr *http2.Framer) {
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encoded(get...), Priority: http2.PriorityParam{StreamDep: 3}, PadLength: 4})
		_ = fr.WriteContinuation(1, true, encoded("content-length", "5", "cookie", "a", "cookie", "b", "te", "trailers"))
		_ = fr.WriteDataPadded(1, false, []byte("hello"), []byte{0, 0})
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encoded("x", "y"), EndHeaders: true, EndStream: true})
		_ = fr.WriteRSTStream(1, http2.ErrCodeCancel)
		_ = fr.WritePriority(5, http2.PriorityParam{})
		_ = fr.WriteGoAway(0, http2.ErrCodeNo, nil)
	}))
	f.Fuzz(func(t *testing.T, in []byte) {
		m := &memory{in: bytes.NewReader(in)}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = Serve(m, config(echo), func(*Conn) {}) // how it ends is its own affair
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("the connection does not end")
		}
		fr := http2.NewFramer(io.Discard, &m.out)
		for {
			if _, err := fr.ReadFrame(); err != nil {
				if err != io.EOF {
					t.Fatalf("sent what is no frame: %v", err)
				}
				return
			}
		}
	})
}
