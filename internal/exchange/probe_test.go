package exchange

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

func TestReuseVariant(t *testing.T) {
	probe := func(origin func(net.Conn), idle time.Duration) fact.Exchange {
		return Probe(t.Context(), ProbeSpec{Target: Target{Addr: serve(t, origin)}, Profile: quick(), Variant: fact.VariantReuse, IdleBefore: idle})
	}
	if x := probe(keeper(nil), 0); !x.Reused || x.Fault != nil || x.Response == nil || x.Phases[0].Phase != originward.PhaseWrite {
		t.Errorf("kept open: %+v", x)
	}
	if x := probe(replies("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), 0); x.Reused || x.Fault != nil || x.Response == nil {
		t.Errorf("closed after the first: %+v", x)
	}
	if x := probe(replies(okReply), 50*time.Millisecond); x.Reused || x.Fault != nil {
		t.Errorf("closed while idle, which a pool notices: %+v", x)
	}
	x := probe(keeper(func(n int, c net.Conn) bool {
		if n == 2 {
			reset(c)
		}
		return n != 2
	}), 0)
	if !x.Reused || x.Fault == nil || x.Fault.Code != 520 || x.Response != nil {
		t.Errorf("reset by the second request: %+v %+v", x, x.Fault)
	}
	s := newSite(t)
	addr := nginx(t, s, "")
	x = Probe(t.Context(), ProbeSpec{Target: s.target(addr), Profile: quick(), Variant: fact.VariantReuse})
	if !x.Reused || x.Fault != nil || x.Response.Proto != "HTTP/2.0" {
		t.Errorf("nginx, HTTP/2: %+v %+v", x, x.Fault)
	}
}

// TestNginxKeepaliveRequests: nginx ends a connection after so many requests, by
// "Connection: close" or GOAWAY; no request is lost by it.
func TestNginxKeepaliveRequests(t *testing.T) {
	s := newSite(t)
	addr := nginx(t, s, "keepalive_requests 3;")
	for _, alpn := range []ALPN{ALPNHTTP1, ALPNBoth} {
		client := NewClient(NewDialer(quick()))
		target := s.target(addr)
		target.TLS = &TLSPolicy{Trust: s.trust, ALPN: alpn, Validate: true}
		for range 20 {
			do(t, client.Endpoint(target), get("/")).Release()
		}
		client.Close()
	}
}

func TestTCPVariant(t *testing.T) {
	s := newSite(t)
	x := s.probe(t, wait, fact.VariantTCP)
	if x.Fault != nil || !x.Connected() || len(x.Phases) != 1 || x.TLS != nil || x.Host != "" {
		t.Errorf("%+v", x)
	}
	x = Probe(t.Context(), ProbeSpec{Target: s.target(serve(t, serveTLS(s.config(nil), wait))), Profile: quick(), NoRequest: true})
	if x.Fault != nil || x.TLS == nil || !x.TLS.Complete || len(x.Phases) != 2 {
		t.Errorf("%+v", x)
	}
}

func TestHeadVariants(t *testing.T) {
	heads := make(chan string, 1)
	addr := serve(t, func(c net.Conn) {
		heads <- readHead(c)
		_, _ = io.WriteString(c, okReply)
	})
	send := func(variant string) string {
		x := Probe(t.Context(), ProbeSpec{
			Target: Target{Addr: addr, Host: "shop.example"}, Profile: quick(), Variant: variant, Path: "/a?b",
			Header: [][2]string{{"Cookie", "a=b"}, {"user-agent", "mine"}, {"CF-Ray", "1"}},
		})
		if x.Fault != nil {
			t.Fatal(x.Fault)
		}
		return <-heads
	}
	plain := send("")
	want := fmt.Sprintf("GET /a?b HTTP/1.1\r\nHost: shop.example:%d\r\nAccept: */*\r\nCookie: a=b\r\nuser-agent: mine\r\nCF-Ray: 1\r\nConnection: Keep-Alive\r\n\r\n", addr.Port())
	if plain != want {
		t.Errorf("sent %q, want %q", plain, want)
	}
	if got := send(fact.VariantNoCookie); strings.Contains(got, "Cookie") || !strings.Contains(got, "CF-Ray") {
		t.Errorf("no-cookie sent %q", got)
	}
	if got := send(fact.VariantOtherHost); !strings.Contains(got, "Host: "+neutralName+"\r\n") {
		t.Errorf("host-other sent %q", got)
	}
}

// TestHostileOrigin: whatever an origin says is bounded and escaped in the
// evidence, and costs neither time nor memory beyond bounds.
func TestHostileOrigin(t *testing.T) {
	t.Run("terminal and markup", func(t *testing.T) {
		x := probeHTTP(t, serve(t, replies("HTTP/1.1 200 OK\r\nServer: \xff\xfe evil\xc2\x9b31m\r\nX-Html: <script>\r\nContent-Type: text/html\r\n\r\n<title>\x1b]0;owned\x07\u202e</title>\x1b[2J")))
		b, err := json.Marshal(x)
		if err != nil || x.Response == nil {
			t.Fatalf("%+v, %v", x.Fault, err)
		}
		for _, bad := range []string{"\x1b", "\x07", "\u202e", "\u009b", `\u001b`, `\u0007`} {
			if strings.Contains(string(b), bad) {
				t.Errorf("%q in %s", bad, b)
			}
		}
	})
	t.Run("10 MB header line", func(t *testing.T) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		x := probeHTTP(t, serve(t, func(c net.Conn) {
			readHead(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Big: ")
			_, _ = io.Copy(c, io.LimitReader(ones{}, 10<<20))
			_, _ = io.WriteString(c, "\r\n\r\n")
		}))
		runtime.ReadMemStats(&after)
		want{originward.PhaseHeaders, originward.HTTPResponseHeaderSection, 520, "head_too_large", "", ""}.check(t, x)
		if x.Fault.BytesRead > 256<<10 {
			t.Errorf("%d bytes were read of a head that is over 128 KB", x.Fault.BytesRead)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
			t.Errorf("%d bytes were allocated", grown)
		}
	})
	t.Run("many headers", func(t *testing.T) {
		x := probeHTTP(t, serve(t, replies("HTTP/1.1 200 OK\r\n"+strings.Repeat("X: "+strings.Repeat("v", 90)+"\r\n", 900)+"Content-Length: 0\r\n\r\n")))
		if x.Fault != nil || len(x.Response.Header) > maxFields || len(x.Response.Header["x"]) > maxFieldValue {
			t.Errorf("fault %+v, %d fields", x.Fault, len(x.Response.Header))
		}
	})
	t.Run("endless body", func(t *testing.T) {
		start := time.Now()
		x := probeHTTP(t, serve(t, func(c net.Conn) {
			readHead(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
			_, _ = io.Copy(c, ones{})
		}))
		if x.Fault != nil || x.Response.BodyBytes > 1<<20 || len(x.Response.Body) > maxBodyText || time.Since(start) > 5*time.Second {
			t.Errorf("fault %+v, %d bytes in %v", x.Fault, x.Response.BodyBytes, time.Since(start))
		}
	})
}

type ones struct{}

func (ones) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '1'
	}
	return len(p), nil
}
