package http1

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// tcpPair returns the two ends of a loopback connection.
func tcpPair(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := <-accepted
	if s == nil {
		t.FailNow()
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// reset closes a connection with an RST.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// TestConnectionFailures: what the kernel said about the connection is kept, with how far the message was.
func TestConnectionFailures(t *testing.T) {
	body := okHead + "Content-Length: 100\r\n\r\n"
	for _, c := range []struct {
		name, sent string
		end        func(*net.TCPConn)
		kind       Kind
		is         error
	}{
		{"closed at once", "", func(c *net.TCPConn) { c.Close() }, EmptyReply, io.EOF},
		{"reset at once", "", reset, EmptyReply, syscall.ECONNRESET},
		{"silent", "", func(*net.TCPConn) {}, EmptyReply, os.ErrDeadlineExceeded},
		{"closed in the head", "HTTP/1.1 200 OK\r\nA: b", func(c *net.TCPConn) { c.Close() }, HeadTruncated, io.EOF},
		{"reset in the head", "HTTP/1.1 200 OK\r\nA: b", reset, HeadTruncated, syscall.ECONNRESET},
		{"silent in the head", "HTTP/1.1 200 OK\r\nA: b", func(*net.TCPConn) {}, HeadTruncated, os.ErrDeadlineExceeded},
		{"closed in the body", body + "abc", func(c *net.TCPConn) { c.Close() }, BodyTruncated, io.EOF},
		{"reset in the body", body + "abc", reset, BodyTruncated, syscall.ECONNRESET},
		{"silent in the body", body + "abc", func(*net.TCPConn) {}, BodyTruncated, os.ErrDeadlineExceeded},
		{"reset while until close", okHead + "\r\nabc", reset, BodyTruncated, syscall.ECONNRESET},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, server := tcpPair(t)
			if _, err := server.Write([]byte(c.sent)); err != nil {
				t.Fatal(err)
			}
			r := NewReader(client)
			if c.sent != "" {
				// The bytes must be here before a reset, which throws away what is unread.
				if err := r.WaitResponse(); err != nil {
					t.Fatal(err)
				}
				for r.Buffered() < len(c.sent) {
					if err := r.fillHead(); err != nil {
						t.Fatal(err)
					}
				}
			}
			c.end(server)
			if c.is == os.ErrDeadlineExceeded {
				_ = client.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			} else {
				_ = client.SetReadDeadline(time.Now().Add(20 * time.Second))
			}
			_, err := r.ReadResponseHead(Limits{}, "GET")
			if err == nil {
				_, err = r.Body().WriteTo(io.Discard)
			}
			e := wantFault(t, err, c.sent, c.kind, PartUnknown, int64(len(c.sent)))
			if !errors.Is(e, c.is) {
				t.Errorf("%v is not %v", e.Err, c.is)
			}
		})
	}
}

// TestSplice moves large bodies from connection to connection, by length and until close.
func TestSplice(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	chunked := AppendLastChunk(AppendChunk([]byte(chunkedHead), content), nil)
	length := append(AppendEnd(AppendContentLength([]byte(okHead), int64(len(content)))), content...)
	for _, c := range []struct {
		name string
		raw  []byte
	}{
		{"length", append(length, okHead...)}, // the next response must stay untouched
		{"until close", append([]byte(okHead+"\r\n"), content...)},
		{"chunked", append(chunked, okHead...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, origin := tcpPair(t)
			visitor, to := tcpPair(t)
			go func() {
				_, _ = origin.Write(c.raw)
				_ = origin.CloseWrite()
			}()
			type result struct {
				sum  [32]byte
				size int
			}
			got := make(chan result)
			go func() {
				p, _ := io.ReadAll(visitor)
				got <- result{sha256.Sum256(p), len(p)}
			}()
			r := NewReader(from)
			h, err := r.ReadResponseHead(Limits{}, "GET")
			if err != nil {
				t.Fatal(err)
			}
			n, err := r.Body().WriteTo(to)
			if err != nil || n != int64(len(content)) || !r.Body().Done() || r.Body().Consumed() != n {
				t.Errorf("moved %d of %d: %v", n, len(content), err)
			}
			_ = to.CloseWrite()
			if res := <-got; res.size != len(content) || res.sum != sha256.Sum256(content) {
				t.Errorf("content differs (%d bytes)", res.size)
			}
			if string(h.Reason) != "OK" {
				t.Errorf("head overwritten: %q", h.Raw)
			}
			if h.Framing.Kind == UntilCloseBody {
				return
			}
			// What follows begins where the body ended.
			_, err = r.ReadResponseHead(Limits{}, "GET")
			wantFault(t, err, okHead, HeadTruncated, PartFields, int64(len(okHead)))
		})
	}
}

// TestSpliceFaults: whichever side fails while bytes move in the kernel is the one that is named.
func TestSpliceFaults(t *testing.T) {
	const size = 1 << 30
	open := func(t *testing.T) (r *Reader, origin, to, visitor *net.TCPConn) {
		from, origin := tcpPair(t)
		visitor, to = tcpPair(t)
		go func() {
			head := AppendEnd(AppendContentLength([]byte(okHead), size))
			_, _ = origin.Write(append(head, make([]byte, 100<<10)...))
		}()
		r = NewReader(from)
		_ = from.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := r.ReadResponseHead(Limits{}, "GET"); err != nil {
			t.Fatal(err)
		}
		return r, origin, to, visitor
	}
	swallow := func(visitor net.Conn, n int64, then func()) {
		go func() {
			_, _ = io.CopyN(io.Discard, visitor, n)
			then()
		}()
	}
	t.Run("origin closes", func(t *testing.T) {
		r, origin, to, visitor := open(t)
		swallow(visitor, 100<<10, func() { origin.Close() })
		n, err := r.Body().WriteTo(to)
		e := wantFault(t, err, "", BodyTruncated, PartBody, int64(len(r.resp.Raw))+100<<10)
		if n != 100<<10 || e.Want != size || e.Have != n || e.Err != io.EOF {
			t.Errorf("%d: %+v", n, e)
		}
	})
	t.Run("origin resets", func(t *testing.T) {
		r, origin, to, visitor := open(t)
		swallow(visitor, 100<<10, func() { reset(origin) })
		_, err := r.Body().WriteTo(to)
		wantKind(t, err, BodyTruncated)
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
	})
	t.Run("origin stalls", func(t *testing.T) {
		r, _, to, visitor := open(t)
		swallow(visitor, 100<<10, func() { _ = r.src.(*net.TCPConn).SetReadDeadline(time.Now()) })
		_, err := r.Body().WriteTo(to)
		wantKind(t, err, BodyTruncated)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
	t.Run("visitor resets", func(t *testing.T) {
		r, origin, to, visitor := open(t)
		go func() { // more, until it fails
			for {
				if _, err := origin.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}()
		swallow(visitor, 50<<10, func() { reset(visitor) })
		_, err := r.Body().WriteTo(to)
		var w *WriteError
		if !errors.As(err, &w) || !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("visitor stalls", func(t *testing.T) {
		r, origin, to, _ := open(t)
		go func() {
			for {
				if _, err := origin.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}()
		_ = to.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, err := r.Body().WriteTo(to)
		var w *WriteError
		if !errors.As(err, &w) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// TestWaitHoldsNoBuffer: a connection that idles costs no buffer.
func TestWaitHoldsNoBuffer(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("waiting without a buffer needs Unix")
	}
	client, server := tcpPair(t)
	r := NewReader(server)
	for range 3 {
		if _, err := client.Write([]byte(getHead + "\r\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReadRequestHead(Limits{}); err != nil {
			t.Fatal(err)
		}
		if r.cur == nil {
			t.Fatal("no buffer in use")
		}
		r.Release()
		_ = server.SetReadDeadline(time.Now().Add(time.Millisecond))
		err := r.WaitRequest()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		wantKind(t, err, NoRequest)
		if r.cur != nil || r.held != nil {
			t.Error("a buffer is held while waiting")
		}
		_ = server.SetReadDeadline(time.Time{})
	}
}

// TestCheckIdle: what happened to a pooled connection is known before it is used again.
func TestCheckIdle(t *testing.T) {
	for _, c := range []struct {
		name string
		act  func(*net.TCPConn)
		kind Kind
		is   error
	}{
		{"quiet", nil, KindNone, nil},
		{"closed", func(c *net.TCPConn) { c.Close() }, EmptyReply, io.EOF},
		{"reset", reset, EmptyReply, syscall.ECONNRESET},
		{"bytes", func(c *net.TCPConn) { _, _ = c.Write([]byte("HTTP/1.1 408 Request Timeout\r\n\r\n")) }, ExtraBytes, nil},
	} {
		for _, released := range []bool{true, false} {
			client, server := tcpPair(t)
			if _, err := server.Write([]byte(okHead + "Content-Length: 0\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			r := NewReader(client)
			if _, err := r.ReadResponseHead(Limits{}, "GET"); err != nil {
				t.Fatal(err)
			}
			if released {
				r.Release()
			}
			_ = client.SetReadDeadline(time.Unix(1, 0)) // must not matter
			if err := r.CheckIdle(); err != nil {
				t.Errorf("%s: at once: %v", c.name, err)
			}
			if c.act == nil {
				continue
			}
			c.act(server)
			var err error
			for deadline := time.Now().Add(20 * time.Second); err == nil && time.Now().Before(deadline); {
				err = r.CheckIdle()
			}
			wantKind(t, err, c.kind)
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%s: %v", c.name, err)
			}
			if e, ok := err.(*ParseError); ok && c.kind == ExtraBytes && !bytes.HasPrefix([]byte("HTTP/1.1 408 Request Timeout\r\n\r\n"), e.Got) {
				t.Errorf("%s: sample %q", c.name, e.Got)
			}
		}
	}
}

func TestTunnelBothWays(t *testing.T) {
	client, server := tcpPair(t)
	r := NewReader(server)
	if _, err := client.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nfirst")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadRequestHead(Limits{}); err != nil {
		t.Fatal(err)
	}
	b := r.Tunnel()
	r.Release() // the head is no longer needed; what is buffered stays
	done := make(chan error, 1)
	go func() { // an echo, as the other end of a tunnel
		_, err := b.WriteTo(server)
		_ = server.CloseWrite()
		done <- err
	}()
	p := make([]byte, 64)
	n, err := client.Read(p)
	if err != nil || !bytes.HasPrefix([]byte("first"), p[:n]) {
		t.Fatalf("%q %v", p[:n], err)
	}
	if _, err := client.Write([]byte("second")); err != nil {
		t.Fatal(err)
	}
	_ = client.CloseWrite()
	rest, err := io.ReadAll(client)
	if got := string(p[:n]) + string(rest); got != "firstsecond" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func BenchmarkSplice100KiB(b *testing.B) {
	body := make([]byte, 100<<10)
	msg := append(AppendEnd(AppendContentLength([]byte(okHead), int64(len(body)))), body...)
	from, origin := tcpPair(b)
	visitor, to := tcpPair(b)
	go func() {
		for {
			if _, err := origin.Write(msg); err != nil {
				return
			}
		}
	}()
	go func() { _, _ = io.Copy(io.Discard, visitor) }()
	r := NewReader(from)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.ReadResponseHead(Limits{}, "GET"); err != nil {
			b.Fatal(err)
		}
		if _, err := r.Body().WriteTo(to); err != nil {
			b.Fatal(err)
		}
	}
}
