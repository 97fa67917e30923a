package exchange

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
)

// canned answers every request of a connection with the same bytes, and costs next
// to nothing itself.
func canned(reply []byte) func(net.Conn) {
	return func(c net.Conn) {
		buf := make([]byte, 4096)
		n := 0
		for {
			m, err := c.Read(buf[n:])
			if err != nil {
				return
			}
			n += m
			if bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
				n = 0
				if _, err := c.Write(reply); err != nil {
					return
				}
			}
		}
	}
}

func reply(size int) []byte {
	return append([]byte("HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/html\r\nContent-Length: "+strconv.Itoa(size)+"\r\n\r\n"), make([]byte, size)...)
}

func benchReuse(b *testing.B, target Target) {
	client := NewClient(NewDialer(Patient()))
	defer client.Close()
	ep := client.Endpoint(target)
	req := get("/")
	ctx := context.Background()
	var tr Trace
	b.ReportAllocs()
	for b.Loop() {
		tr.Reset()
		c, _, f := ep.Do(ctx, req, &tr)
		if f != nil {
			b.Fatal(f)
		}
		for {
			if _, err := c.Body().Next(); err != nil {
				break
			}
		}
		c.Release()
	}
	if n := client.Idle(); n != 1 {
		b.Fatalf("%d connections were used", n)
	}
}

// BenchmarkReuse is an exchange on a pooled connection; the origin in the same
// process takes about half of the time.
func BenchmarkReuse(b *testing.B) {
	b.Run("plain 1 KiB", func(b *testing.B) { benchReuse(b, Target{Addr: serve(b, canned(reply(1024)))}) })
	b.Run("plain 100 KiB", func(b *testing.B) { benchReuse(b, Target{Addr: serve(b, canned(reply(100<<10)))}) })
	s := newSite(b)
	b.Run("TLS 1 KiB", func(b *testing.B) {
		t := s.target(serve(b, serveTLS(s.config(nil), canned(reply(1024)))))
		benchReuse(b, t)
	})
	b.Run("HTTP/2 1 KiB", func(b *testing.B) {
		body := make([]byte, 1024)
		benchReuse(b, serveH2(b, s, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })))
	})
}

// BenchmarkNetHTTP is the same exchange with the standard library's transport.
func BenchmarkNetHTTP(b *testing.B) {
	url := "http://" + serve(b, canned(reply(1024))).String() + "/"
	t := &http.Transport{}
	defer t.CloseIdleConnections()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		res, err := t.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
}

func BenchmarkDial(b *testing.B) {
	s := newSite(b)
	for name, t := range map[string]Target{
		"plain": {Addr: serve(b, canned(reply(10)))},
		"TLS":   s.target(serve(b, serveTLS(s.config(nil), canned(reply(10))))),
		"strict": func() Target {
			t := s.target(serve(b, serveTLS(s.config(nil), canned(reply(10)))))
			t.TLS.Validate = true
			return t
		}(),
	} {
		b.Run(name, func(b *testing.B) {
			d := NewDialer(Patient())
			b.ReportAllocs()
			for b.Loop() {
				c, f := d.Dial(context.Background(), t, nil)
				if f != nil {
					b.Fatal(f)
				}
				_ = c.Close()
			}
		})
	}
}

// BenchmarkProbe is a whole probe of a refusing and of an answering origin.
func BenchmarkProbe(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	refuses := l.Addr().(*net.TCPAddr).AddrPort()
	_ = l.Close()
	answers := serve(b, canned(reply(1024)))
	b.Run("refused", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Probe(context.Background(), ProbeSpec{Target: Target{Addr: refuses}})
		}
	})
	b.Run("answered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Probe(context.Background(), ProbeSpec{Target: Target{Addr: answers}})
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	s := newSite(b)
	chain := (&seen{rawCerts: [][]byte{s.leaf.cert.Raw, s.inter.cert.Raw}}).chain()
	b.ReportAllocs()
	for b.Loop() {
		if v := Judge(chain, nil, []string{"shop.example"}, s.trust); len(v.Reasons) > 0 {
			b.Fatal(v.Reasons)
		}
	}
}
