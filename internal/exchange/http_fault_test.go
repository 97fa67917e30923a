package exchange

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward"
)

// want is what a fault must be.
type want struct {
	phase originward.Phase
	typ   originward.FaultType
	code  int
	kind  string // parse kind
	ended string
	errno string
}

func (w want) check(t *testing.T, x exchangeFact) {
	t.Helper()
	f := x.Fault
	if f == nil {
		t.Fatalf("no fault; response %+v", x.Response)
	}
	if w.phase == "" { // a race of two packets: before the request, while it is written, or after it
		w.phase = f.Phase
	}
	if f.Phase != w.phase || f.Type != w.typ || f.Code != w.code {
		t.Errorf("got %s %s %d, want %s %s %d (%s)", f.Phase, f.Type, f.Code, w.phase, w.typ, w.code, f.Detail)
	}
	if w.kind != "" && f.Kind != w.kind {
		t.Errorf("kind %q, want %q", f.Kind, w.kind)
	}
	if w.ended != "" && f.Ended != w.ended {
		t.Errorf("ended %q, want %q", f.Ended, w.ended)
	}
	if w.errno != "" && f.Errno != w.errno {
		t.Errorf("errno %q, want %q", f.Errno, w.errno)
	}
	if last := x.Phases[len(x.Phases)-1]; last.Done || last.Phase != w.phase {
		t.Errorf("last phase %+v, the fault came in %s", last, w.phase)
	}
}

// TestHTTPFaults is the matrix of what an origin can do wrong once TCP stands.
func TestHTTPFaults(t *testing.T) {
	const (
		firstByte, headers, body = originward.PhaseFirstByte, originward.PhaseHeaders, originward.PhaseBody
	)
	head := "HTTP/1.1 200 OK\r\n"
	big := strings.Repeat("X-Filler: "+strings.Repeat("a", 1000)+"\r\n", 140)
	tests := []struct {
		name   string
		origin func(net.Conn)
		want   want
	}{
		{"closes at once", func(net.Conn) {}, want{firstByte, originward.ConnectionTerminated, 520, "empty_reply", "", ""}},
		{"resets at once", func(c net.Conn) { reset(c) }, want{"", originward.ConnectionTerminated, 520, "", "reset", ""}},
		{"reads, then closes", func(c net.Conn) { readHead(c) }, want{firstByte, originward.ConnectionTerminated, 520, "empty_reply", "closed", ""}},
		{"reads, then resets", func(c net.Conn) { readHead(c); reset(c) }, want{firstByte, originward.ConnectionTerminated, 520, "empty_reply", "reset", "ECONNRESET"}},
		{"garbage", replies("\x00\x01\x02\x03 garbage\r\n\r\n"), want{headers, originward.HTTPProtocolError, 520, "not_http", "", ""}},
		{"HTTP/0.9", replies("<html><body>old</body></html>"), want{headers, originward.HTTPProtocolError, 520, "not_http", "", ""}},
		{"SSH banner", replies("SSH-2.0-OpenSSH_9.2\r\n"), want{headers, originward.HTTPProtocolError, 520, "not_http", "", ""}},
		{"SMTP greeting", replies("220 mail ESMTP\r\n"), want{headers, originward.HTTPProtocolError, 520, "not_http", "", ""}},
		{"no status code", replies("HTTP/1.1 OK\r\n\r\n"), want{headers, originward.HTTPProtocolError, 520, "bad_status_line", "", ""}},
		{"HTTP/3.0", replies("HTTP/3.0 200 OK\r\n\r\n"), want{headers, originward.HTTPProtocolError, 520, "bad_version", "", ""}},
		{"truncated head", replies(head + "Content-Type: text"), want{headers, originward.HTTPResponseIncomplete, 520, "head_truncated", "closed", ""}},
		{"head cut by reset", func(c net.Conn) {
			readHead(c)
			_, _ = io.WriteString(c, head+"Server: x\r\n")
			time.Sleep(50 * time.Millisecond) // the bytes must arrive before the reset
			reset(c)
		}, want{headers, originward.HTTPResponseIncomplete, 520, "head_truncated", "reset", "ECONNRESET"}},
		{"header without colon", replies(head + "nonsense\r\n\r\n"), want{headers, originward.HTTPProtocolError, 520, "missing_colon", "", ""}},
		{"header block over 128 KB", replies(head + big + "\r\n"), want{headers, originward.HTTPResponseHeaderSection, 520, "head_too_large", "", ""}},
		{"two lengths", replies(head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), want{headers, originward.HTTPProtocolError, 520, "duplicate_content_length", "", ""}},
		{"length and chunked", replies(head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), want{headers, originward.HTTPProtocolError, 520, "content_length_and_transfer_encoding", "", ""}},
		{"chunk size is no number, with the head", replies(head + "Transfer-Encoding: chunked\r\n\r\nZZ\r\nab\r\n0\r\n\r\n"), want{headers, originward.HTTPResponseTransfer, 502, "bad_chunk_size", "", ""}},
		{"second chunk broken", func(c net.Conn) {
			readHead(c)
			_, _ = io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
			time.Sleep(20 * time.Millisecond) // another segment
			_, _ = io.WriteString(c, "nonsense\r\n")
		}, want{body, originward.HTTPResponseTransfer, 0, "bad_chunk_size", "", ""}},
		{"chunked, ends early", replies(head + "Transfer-Encoding: chunked\r\n\r\n5\r\nab"), want{body, originward.HTTPResponseIncomplete, 0, "chunked_truncated", "closed", ""}},
		{"Content-Length too large", replies(head + "Content-Length: 100\r\n\r\nshort"), want{body, originward.HTTPResponseIncomplete, 0, "body_truncated", "closed", ""}},
		{"silent", func(c net.Conn) { readHead(c); wait(c) }, want{firstByte, originward.HTTPResponseTimeout, 524, "", "timeout", ""}},
		{"silent in the head", func(c net.Conn) { readHead(c); _, _ = io.WriteString(c, head); wait(c) },
			want{headers, originward.ConnectionReadTimeout, 524, "", "timeout", ""}},
		{"silent in the body", func(c net.Conn) { readHead(c); _, _ = io.WriteString(c, head+"Content-Length: 9\r\n\r\nab"); wait(c) },
			want{body, originward.ConnectionReadTimeout, 0, "", "timeout", ""}},
		{"1xx without end", func(c net.Conn) {
			readHead(c)
			for {
				if _, err := io.WriteString(c, "HTTP/1.1 102 Processing\r\n\r\n"); err != nil {
					return
				}
			}
		}, want{headers, originward.HTTPProtocolError, 520, "", "", ""}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.want.check(t, probeHTTP(t, serve(t, tc.origin)))
		})
	}
}

// wait blocks until the peer closes.
func wait(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// TestBenignOddities are answers that an edge passes on.
func TestBenignOddities(t *testing.T) {
	tests := []struct {
		name, raw string
		status    int
		body      int64
	}{
		{"no reason phrase", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, 2},
		{"until close", "HTTP/1.1 200 OK\r\n\r\nall of this", 200, 11},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, 2},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, 0},
		{"interim first", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, 2},
		{"origin's own 502", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad", 502, 3},
		{"head just below 128 KB", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Filler: "+strings.Repeat("a", 1000)+"\r\n", 128) + "Content-Length: 0\r\n\r\n", 200, 0},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200, 3},
		{"half a chunk line with the head", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0", 200, 0},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			addr := serve(t, func(c net.Conn) {
				readHead(c)
				_, _ = io.WriteString(c, tc.raw)
				if strings.HasSuffix(tc.raw, "\r\n0") {
					time.Sleep(20 * time.Millisecond) // another segment
					_, _ = io.WriteString(c, "\r\n\r\n")
				}
			})
			x := probeHTTP(t, addr)
			if x.Fault != nil || x.Response.Status != tc.status || x.Response.BodyBytes != tc.body {
				t.Fatalf("fault %+v, response %+v", x.Fault, x.Response)
			}
		})
	}
}

// TestSlowDripIsBounded: an origin that sends a byte at a time resets the read
// timer, as documented, but never the probe's budget.
func TestSlowDripIsBounded(t *testing.T) {
	drip := func(prefix string) func(net.Conn) {
		return func(c net.Conn) {
			readHead(c)
			_, _ = io.WriteString(c, prefix)
			for {
				time.Sleep(30 * time.Millisecond)
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
			}
		}
	}
	t.Run("head", func(t *testing.T) {
		t.Parallel()
		x := Probe(t.Context(), ProbeSpec{Target: Target{Addr: serve(t, drip("HTTP/1.1 200 OK\r\nX-Drip: "))}, Profile: quick(), Budget: time.Second})
		want{originward.PhaseHeaders, originward.ConnectionReadTimeout, 524, "head_truncated", "timeout", ""}.check(t, x)
		if x.Fault.AfterMS < 900 || x.Fault.AfterMS > 3000 {
			t.Errorf("after %v ms", x.Fault.AfterMS)
		}
	})
	t.Run("body", func(t *testing.T) {
		t.Parallel()
		x := Probe(t.Context(), ProbeSpec{Target: Target{Addr: serve(t, drip("HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"))}, Profile: quick(), Budget: time.Second})
		if x.Fault != nil {
			t.Errorf("a body that keeps coming is no fault: %+v", x.Fault)
		}
		if last := x.Phases[len(x.Phases)-1]; last.Done || x.Response.BodyBytes == 0 {
			t.Errorf("last phase %+v, %d bytes", last, x.Response.BodyBytes)
		}
	})
}
