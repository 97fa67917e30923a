package exchange

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/originward/originward"
)

// TestTimersOverTLS: the timers of plain HTTP hold over TLS, where the codec reads
// through crypto/tls.
func TestTimersOverTLS(t *testing.T) {
	s := newSite(t)
	head := "HTTP/1.1 200 OK\r\n"
	for _, tc := range []struct {
		name   string
		origin func(net.Conn)
		want   want
	}{
		{"silent", func(c net.Conn) { readHead(c); wait(c) }, want{originward.PhaseFirstByte, originward.HTTPResponseTimeout, 524, "", "timeout", ""}},
		{"silent in the head", func(c net.Conn) { readHead(c); _, _ = io.WriteString(c, head); wait(c) },
			want{originward.PhaseHeaders, originward.ConnectionReadTimeout, 524, "", "timeout", ""}},
		{"silent in the body", func(c net.Conn) { readHead(c); _, _ = io.WriteString(c, head+"Content-Length: 9\r\n\r\nab"); wait(c) },
			want{originward.PhaseBody, originward.ConnectionReadTimeout, 0, "", "timeout", ""}},
		{"closes", func(c net.Conn) { readHead(c) }, want{originward.PhaseFirstByte, originward.ConnectionTerminated, 520, "empty_reply", "closed", ""}},
		{"broken chunk with the head", replies(head + "Transfer-Encoding: chunked\r\n\r\nZZ\r\n"),
			want{originward.PhaseHeaders, originward.HTTPResponseTransfer, 502, "bad_chunk_size", "", ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.want.check(t, s.probe(t, serveTLS(s.config(nil), tc.origin), ""))
		})
	}
	t.Run("slow but alive", func(t *testing.T) {
		t.Parallel()
		x := s.probe(t, serveTLS(s.config(nil), func(c net.Conn) {
			readHead(c)
			for _, piece := range []string{head, "Content-Le", "ngth: 2\r\n\r\n", "o", "k"} {
				time.Sleep(quick().Read / 2)
				_, _ = io.WriteString(c, piece)
			}
		}), "")
		if x.Fault != nil || x.Response.BodyBytes != 2 {
			t.Errorf("fault %+v", x.Fault)
		}
	})
	t.Run("request not taken", func(t *testing.T) {
		t.Parallel()
		conn, f := NewDialer(quick()).Dial(t.Context(), s.target(serve(t, serveTLS(s.config(nil), func(net.Conn) { time.Sleep(3 * time.Second) }))), nil)
		if f != nil {
			t.Fatal(f)
		}
		const size = 64 << 20
		_, f = conn.RoundTrip(t.Context(), &Request{
			Method: "POST", Head: []byte(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size)),
			Body: func(w io.Writer) error { _, err := io.Copy(w, io.LimitReader(zeros{}, size)); return err },
		}, nil)
		if f == nil || f.Phase != originward.PhaseWrite || f.Type != originward.ConnectionWriteTimeout {
			t.Errorf("fault %v", f)
		}
	})
	t.Run("reuse", func(t *testing.T) {
		client := NewClient(NewDialer(quick()))
		defer client.Close()
		ep := client.Endpoint(s.target(serve(t, serveTLS(s.config(nil), keeper(nil)))))
		for i := range 3 {
			c := do(t, ep, get("/"))
			if c.Served() != i {
				t.Errorf("served %d, want %d", c.Served(), i)
			}
			c.Release()
		}
	})
}

// TestReuseAllocatesNothing holds the edge's hot path to it.
func TestReuseAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("skipped: the race detector allocates")
	}
	client := NewClient(NewDialer(Patient()))
	defer client.Close()
	ep := client.Endpoint(Target{Addr: serve(t, canned(reply(1024)))})
	req := get("/")
	var tr Trace
	one := func() {
		tr.Reset()
		c, _, f := ep.Do(context.Background(), req, &tr) // a context that can end costs its watcher
		if f != nil {
			t.Fatal(f)
		}
		for {
			if _, err := c.Body().Next(); err != nil {
				break
			}
		}
		c.Release()
	}
	one()
	if n := testing.AllocsPerRun(200, one); n >= 1 {
		t.Errorf("%v allocations per exchange", n)
	}
}
