package exchange

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/http1"
)

// keeper answers every request of a connection; act may end the connection after
// the nth request of it (counted from 1) by returning false.
func keeper(act func(n int, c net.Conn) bool) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		for n := 1; ; n++ {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			if act != nil && !act(n, c) {
				return
			}
			if _, err := io.WriteString(c, okReply); err != nil {
				return
			}
		}
	}
}

func do(t testing.TB, ep *Endpoint, req *Request) *Conn {
	t.Helper()
	c, head, f := ep.Do(t.Context(), req, nil)
	if f != nil {
		t.Fatal(f)
	}
	if head.Status != 200 {
		t.Fatalf("status %d", head.Status)
	}
	if _, err := c.Body().WriteTo(io.Discard); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPoolReuses(t *testing.T) {
	var conns atomic.Int32
	addr := serve(t, func(c net.Conn) { conns.Add(1); keeper(nil)(c) })
	client := NewClient(NewDialer(quick()))
	defer client.Close()
	target := Target{Addr: addr}
	for i := range 5 {
		c := do(t, client.Endpoint(target), get("/"))
		if c.Served() != i {
			t.Errorf("served %d before, want %d", c.Served(), i)
		}
		c.Release()
	}
	if n := conns.Load(); n != 1 || client.Idle() != 1 {
		t.Errorf("%d connections made, %d idle", n, client.Idle())
	}
	// Another egress, SNI or policy is another pool.
	other := target
	other.SNI = "x"
	do(t, client.Endpoint(other), get("/")).Release()
	if n := conns.Load(); n != 2 || client.Idle() != 2 {
		t.Errorf("%d connections made, %d idle", n, client.Idle())
	}
	client.CloseIdle()
	if client.Idle() != 0 {
		t.Error("idle connections after CloseIdle")
	}
}

func TestPoolNewestFirst(t *testing.T) {
	addr := serve(t, keeper(nil))
	client := NewClient(NewDialer(quick()))
	defer client.Close()
	ep := client.Endpoint(Target{Addr: addr})
	a, b := do(t, ep, get("/")), do(t, ep, get("/"))
	a.Release()
	b.Release()
	if c := do(t, ep, get("/")); c != b {
		t.Error("not the connection that was used last")
	} else {
		c.Release()
	}
}

// TestPoolNotKept: what must not be used again is closed.
func TestPoolNotKept(t *testing.T) {
	for name, raw := range map[string]string{
		"Connection: close":     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0":              "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"until close":           "HTTP/1.1 200 OK\r\n\r\nok",
		"bytes behind the body": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			client := NewClient(NewDialer(quick()))
			defer client.Close()
			do(t, client.Endpoint(Target{Addr: serve(t, replies(raw))}), get("/")).Release()
			if client.Idle() != 0 {
				t.Error("kept")
			}
		})
	}
	t.Run("body unread", func(t *testing.T) {
		client := NewClient(NewDialer(quick()))
		defer client.Close()
		c, _, f := client.Endpoint(Target{Addr: serve(t, keeper(nil))}).Do(t.Context(), get("/"), nil)
		if f != nil {
			t.Fatal(f)
		}
		c.Release()
		if client.Idle() != 0 {
			t.Error("kept")
		}
	})
}

// TestDeadReused: an origin that closes idle connections costs nothing, whether
// it is noticed before the request or by it.
func TestDeadReused(t *testing.T) {
	t.Run("closed while idle", func(t *testing.T) {
		closed := make(chan struct{}, 10)
		addr := serve(t, func(c net.Conn) {
			replies(okReply)(c)
			_ = c.Close()
			closed <- struct{}{}
		})
		client := NewClient(NewDialer(quick()))
		defer client.Close()
		ep := client.Endpoint(Target{Addr: addr})
		for range 3 {
			c := do(t, ep, post("x"))
			if c.Served() != 0 {
				t.Error("a dead connection was used")
			}
			c.Release()
			<-closed
		}
	})
	t.Run("reset by the second request", func(t *testing.T) {
		addr := serve(t, keeper(func(n int, c net.Conn) bool {
			if n == 2 {
				reset(c)
			}
			return n != 2
		}))
		client := NewClient(NewDialer(quick()))
		defer client.Close()
		ep := client.Endpoint(Target{Addr: addr})
		do(t, ep, get("/")).Release()
		c := do(t, ep, get("/")) // sent again on a new connection
		if c.Served() != 0 {
			t.Errorf("served %d", c.Served())
		}
		c.Release()
		_, _, f := ep.Do(t.Context(), post("x"), nil) // must not be sent twice
		if f == nil || f.Type != originward.ConnectionTerminated || f.Code().Error != 520 {
			t.Errorf("a POST on a connection that died: %v", f)
		}
	})
	t.Run("new connection fails the same way", func(t *testing.T) {
		var n atomic.Int32
		addr := serve(t, func(c net.Conn) { n.Add(1); readHead(c); reset(c) })
		client := NewClient(NewDialer(quick()))
		defer client.Close()
		_, _, f := client.Endpoint(Target{Addr: addr}).Do(t.Context(), get("/"), nil)
		if f == nil || n.Load() != 1 {
			t.Errorf("fault %v after %d tries", f, n.Load())
		}
	})
	t.Run("half an answer is no reason to try again", func(t *testing.T) {
		var n atomic.Int32
		addr := serve(t, func(c net.Conn) {
			n.Add(1)
			readHead(c)
			_, _ = io.WriteString(c, okReply)
			readHead(c)
			_, _ = io.WriteString(c, "HTTP/1.1 20")
		})
		client := NewClient(NewDialer(quick()))
		defer client.Close()
		ep := client.Endpoint(Target{Addr: addr})
		do(t, ep, get("/")).Release()
		_, _, f := ep.Do(t.Context(), get("/"), nil)
		if f == nil || f.Type != originward.HTTPResponseIncomplete || n.Load() != 1 {
			t.Errorf("fault %v after %d connections", f, n.Load())
		}
	})
}

// TestStrayBytes: bytes that an origin sends unasked never answer a request.
func TestStrayBytes(t *testing.T) {
	stray := make(chan struct{})
	addr := serve(t, func(c net.Conn) {
		readHead(c)
		_, _ = io.WriteString(c, okReply)
		<-stray
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
		stray <- struct{}{}
		wait(c)
	})
	client := NewClient(NewDialer(quick()))
	defer client.Close()
	ep := client.Endpoint(Target{Addr: addr})
	do(t, ep, get("/")).Release()
	stray <- struct{}{}
	<-stray
	time.Sleep(10 * time.Millisecond) // over loopback, the bytes lie ready at once
	if c := ep.take(); c != nil {
		t.Error("a connection with stray bytes was given out")
	}
}

func post(body string) *Request {
	return &Request{Method: "POST", Head: []byte(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body))}
}

func TestSweep(t *testing.T) {
	p := quick()
	p.Idle = 50 * time.Millisecond
	client := NewClient(NewDialer(p))
	defer client.Close()
	ep := client.Endpoint(Target{Addr: serve(t, keeper(nil))})
	do(t, ep, get("/")).Release()
	client.sweep()
	if client.Idle() != 1 {
		t.Fatal("dropped before its time")
	}
	time.Sleep(60 * time.Millisecond) // the idle time itself is what is tested
	client.sweep()
	if client.Idle() != 0 {
		t.Error("kept beyond its time")
	}
	closing := make(chan struct{})
	ep = client.Endpoint(Target{Addr: serve(t, func(c net.Conn) { replies(okReply)(c); _ = c.Close(); close(closing) })})
	client.dialer.profile.Idle = time.Hour
	do(t, ep, get("/")).Release()
	<-closing
	time.Sleep(5 * time.Millisecond) // the end crosses loopback
	client.sweep()
	if client.Idle() != 0 {
		t.Error("a connection that the origin closed was kept")
	}
}

// TestEndpointForgotten: targets that nobody asks for are forgotten, and one that
// somebody still holds goes on and hands over what it keeps.
func TestEndpointForgotten(t *testing.T) {
	client := NewClient(NewDialer(quick()))
	defer client.Close()
	target := Target{Addr: serve(t, keeper(nil))}
	old := client.Endpoint(target)
	client.sweep()
	if client.Endpoint(target) != old {
		t.Fatal("forgotten at once")
	}
	old.used = time.Now().Add(-forgetAfter)
	client.sweep()
	if len(client.endpoints) != 0 {
		t.Fatal("not forgotten")
	}
	do(t, old, get("/")).Release()
	if client.Endpoint(target) != old || client.Idle() != 1 {
		t.Error("an endpoint that is used again is not known again")
	}
	client.CloseIdle()
	old.used = time.Now().Add(-forgetAfter)
	client.sweep()
	fresh := client.Endpoint(target)
	do(t, old, get("/")).Release()
	if fresh == old || client.Idle() != 1 || fresh.take() == nil {
		t.Error("the connection was not handed over")
	}
}

func TestClosedClientKeepsNothing(t *testing.T) {
	client := NewClient(NewDialer(quick()))
	ep := client.Endpoint(Target{Addr: serve(t, keeper(nil))})
	c := do(t, ep, get("/"))
	client.Close()
	c.Release()
	if client.Idle() != 0 {
		t.Error("kept after Close")
	}
}

// TestEarlyAnswer: an origin that refuses an upload before it has read it all has
// answered; the connection is not used again.
func TestEarlyAnswer(t *testing.T) {
	const refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"
	for name, end := range map[string]func(net.Conn){
		"and closes":          func(net.Conn) {},
		"and stops reading":   func(c net.Conn) { time.Sleep(time.Second) }, // longer than earlyLook allows to go unnoticed
		"and reads the rest":  wait,
		"and resets at once":  nil,
		"after an interim it": func(c net.Conn) { time.Sleep(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := serve(t, func(c net.Conn) {
				readHead(c)
				if strings.HasPrefix(name, "after") {
					_, _ = io.WriteString(c, "HTTP/1.1 102 Processing\r\n\r\n")
				}
				_, _ = io.WriteString(c, refusal)
				if end != nil {
					end(c)
				}
			})
			p := quick()
			p.Write = 3 * time.Second
			client := NewClient(NewDialer(p))
			defer client.Close()
			size := int64(64 << 20)
			c, head, f := client.Endpoint(Target{Addr: addr}).Do(t.Context(), &Request{
				Method: "POST",
				Head:   []byte(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size)),
				Body:   func(w io.Writer) error { _, err := io.Copy(w, io.LimitReader(zeros{}, size)); return err },
			}, nil)
			if f != nil {
				t.Fatalf("fault %v", f)
			}
			body, err := io.ReadAll(c.Body())
			if head.Status != 413 || string(body) != "big" || err != nil {
				t.Errorf("status %d, %q, %v", head.Status, body, err)
			}
			c.Release()
			if name != "and reads the rest" && client.Idle() != 0 {
				t.Error("a connection with half a request on it was kept")
			}
		})
	}
}

func TestVisitorFails(t *testing.T) {
	gone := errors.New("visitor gone")
	conn := dialTo(t, serve(t, wait), quick())
	_, f := conn.RoundTrip(t.Context(), &Request{
		Method: "POST", Head: []byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"),
		Body: func(w io.Writer) error { _, _ = io.WriteString(w, "half"); return gone },
	}, nil)
	if f == nil || f.Phase != originward.PhaseRequest || !errors.Is(f, gone) || f.Code().Status != 400 {
		t.Fatalf("fault %v", f)
	}
}

func dialTo(t testing.TB, addr netip.AddrPort, p Profile) *Conn {
	t.Helper()
	c, f := NewDialer(p).Dial(t.Context(), Target{Addr: addr}, nil)
	if f != nil {
		t.Fatal(f)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestExpectContinue(t *testing.T) {
	upload := func(sent *bool, interim *int) *Request {
		return &Request{
			Method: "POST", Expect: true,
			Head:    []byte("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"),
			Body:    func(w io.Writer) error { *sent = true; _, err := io.WriteString(w, "body"); return err },
			Interim: func(h *http1.ResponseHead) error { *interim = h.Status; return nil },
		}
	}
	for _, tc := range []struct {
		name    string
		origin  func(net.Conn)
		status  int
		sent    bool
		interim int
	}{
		{"granted", func(c net.Conn) {
			readHead(c)
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			_, _ = io.ReadFull(c, make([]byte, 4))
			_, _ = io.WriteString(c, okReply)
		}, 200, true, 100},
		{"refused", replies("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"), 417, false, 0},
		{"ignored", func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 4+len("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")))
			_, _ = io.WriteString(c, okReply)
		}, 200, true, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			conn := dialTo(t, serve(t, tc.origin), quick())
			var sent bool
			var interim int
			head, f := conn.RoundTrip(t.Context(), upload(&sent, &interim), nil)
			if f != nil {
				t.Fatal(f)
			}
			if head.Status != tc.status || sent != tc.sent || interim != tc.interim {
				t.Errorf("status %d, body sent %v, interim %d", head.Status, sent, interim)
			}
		})
	}
}

func TestTunnel(t *testing.T) {
	addr := serve(t, func(c net.Conn) {
		readHead(c)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst")
		_, _ = io.Copy(c, c)
	})
	p := quick()
	p.Read, p.Ack = 100*time.Millisecond, 100*time.Millisecond
	conn := dialTo(t, addr, p)
	head, f := conn.RoundTrip(t.Context(), get("/"), nil)
	if f != nil || head.Status != 101 {
		t.Fatal(f)
	}
	in, out := conn.Tunnel()
	time.Sleep(250 * time.Millisecond) // longer than every timer: a tunnel may be silent
	if _, err := io.WriteString(out, "second"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 11)
	if _, err := io.ReadFull(in, got); err != nil || string(got) != "firstsecond" {
		t.Fatalf("%q, %v", got, err)
	}
}

// TestCallerGivesUp: a cancelled context ends every wait, and is no fault of the origin's.
func TestCallerGivesUp(t *testing.T) {
	conn := dialTo(t, serve(t, wait), Patient())
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, f := conn.RoundTrip(ctx, get("/"), nil)
	if f == nil || f.Type != originward.ProxyInternalError || !errors.Is(f, context.Canceled) {
		t.Fatalf("fault %v", f)
	}
	ctx, cancel = context.WithCancel(context.Background())
	cancel()
	_, f = NewDialer(Patient()).Dial(ctx, Target{Addr: netip.MustParseAddrPort("127.0.0.1:1")}, nil)
	if f == nil || !errors.Is(f, context.Canceled) {
		t.Fatalf("fault %v", f)
	}
}

// TestSlowVisitor: a visitor that pauses for longer than the read timer while the
// origin has more to give, or has given all, is no fault of the origin's.
func TestSlowVisitor(t *testing.T) {
	t.Parallel()
	size := 8 << 20
	addr := serve(t, func(c net.Conn) {
		readHead(c)
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		_, _ = c.Write(make([]byte, size))
		wait(c)
	})
	p := quick()
	p.Read, p.Ack = 100*time.Millisecond, 100*time.Millisecond
	conn := dialTo(t, addr, p)
	if _, f := conn.RoundTrip(t.Context(), get("/"), nil); f != nil {
		t.Fatal(f)
	}
	n := 0
	for {
		piece, err := conn.Body().Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		if n/(2<<20) != (n+len(piece))/(2<<20) {
			time.Sleep(250 * time.Millisecond) // the visitor's pause
		}
		n += len(piece)
	}
	if n != size {
		t.Errorf("%d bytes", n)
	}
}

// TestSpliceUnderTimers: a body moved in the kernel outlasts the read timer while
// bytes come, and is cut when they stop.
func TestSpliceUnderTimers(t *testing.T) {
	for _, stops := range []bool{false, true} {
		t.Run(fmt.Sprint("stops ", stops), func(t *testing.T) {
			t.Parallel()
			const pieces, piece = 6, 64 << 10
			addr := serve(t, func(c net.Conn) {
				readHead(c)
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", pieces*piece)
				for i := range pieces {
					if stops && i == pieces/2 {
						wait(c)
						return
					}
					time.Sleep(300 * time.Millisecond)
					_, _ = c.Write(make([]byte, piece))
				}
			})
			p := quick()
			p.Read, p.Ack = 1200*time.Millisecond, 1200*time.Millisecond
			conn := dialTo(t, addr, p)
			if _, f := conn.RoundTrip(t.Context(), get("/"), nil); f != nil {
				t.Fatal(f)
			}
			visitor, sink := net.Conn(nil), serve(t, wait)
			visitor, err := net.Dial("tcp", sink.String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = visitor.Close() }()
			n, err := conn.Body().WriteTo(visitor)
			if !stops {
				if err != nil || n != pieces*piece {
					t.Errorf("%d bytes, %v", n, err)
				}
				return
			}
			var f *originward.Fault
			if !errors.As(err, &f) || f.Type != originward.ConnectionReadTimeout || f.Phase != originward.PhaseBody || n != pieces/2*piece {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}
