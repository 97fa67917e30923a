package exchange

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/fact"
)

// serve listens on loopback and runs handle for every connection.
func serve(t testing.TB, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, handle)
}

func serveOn(t testing.TB, l net.Listener, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				handle(c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// readHead reads a request head and returns its text.
func readHead(c net.Conn) string {
	var b strings.Builder
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String()
		}
	}
}

// replies is an origin that reads a request and answers with raw bytes.
func replies(raw string) func(net.Conn) {
	return func(c net.Conn) {
		readHead(c)
		_, _ = io.WriteString(c, raw)
	}
}

// reset closes with RST.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// quick is a profile with short timers, in the proportions of the documented ones.
func quick() Profile {
	p := Patient()
	p.Name = "quick"
	p.Connect = 1500 * time.Millisecond // one SYN may be lost while a new link comes up
	p.SynCount = 0
	p.Handshake = time.Second
	p.Ack = 600 * time.Millisecond
	p.Read = 800 * time.Millisecond
	p.Write = 500 * time.Millisecond
	return p
}

func probeHTTP(t testing.TB, addr netip.AddrPort) fact.Exchange {
	t.Helper()
	return Probe(t.Context(), ProbeSpec{Target: Target{Addr: addr, Host: "origin.example"}, Profile: quick()})
}

func TestProbeWholeResponse(t *testing.T) {
	addr := serve(t, replies("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: sid=secret\r\nContent-Length: 39\r\n\r\n<html><title>Hello \n you</title></html>"))
	x := probeHTTP(t, addr)
	if x.Fault != nil {
		t.Fatalf("fault: %+v", x.Fault)
	}
	if x.Response == nil || x.Response.Status != 200 || x.Response.Title != "Hello you" || x.Response.BodyBytes != 39 {
		t.Fatalf("response: %+v", x.Response)
	}
	if got := x.Response.Header["set-cookie"]; got != "sid" {
		t.Fatalf("cookie shown as %q", got)
	}
	var names []string
	for _, p := range x.Phases {
		if !p.Done {
			t.Errorf("phase %s not done", p.Phase)
		}
		names = append(names, string(p.Phase))
	}
	if got := strings.Join(names, " "); got != "connect write first_byte headers body" {
		t.Errorf("phases %q", got)
	}
	if !x.Connected() || !x.Source.IsLoopback() {
		t.Errorf("connected %v from %v", x.Connected(), x.Source)
	}
}

func TestProbeRefusalIsKnownAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	_ = l.Close()
	start := time.Now()
	x := Probe(context.Background(), ProbeSpec{Target: Target{Addr: addr}})
	if x.Fault == nil || x.Fault.Code != 521 || x.Fault.Errno != "ECONNREFUSED" || x.Fault.Phase != "connect" {
		t.Fatalf("fault: %+v", x.Fault)
	}
	if d := time.Since(start); d > time.Second {
		t.Fatalf("took %v", d)
	}
}

type exchangeFact = fact.Exchange

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func get(path string) *Request {
	return &Request{Method: "GET", Head: []byte("GET " + path + " HTTP/1.1\r\nHost: origin.example\r\n\r\n"), Replayable: true}
}
