package http1

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestPipelined: requests that arrive together are read one by one, with their bodies,
// and it is known without I/O whether another waits.
func TestPipelined(t *testing.T) {
	raw := "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" +
		"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" +
		"\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n" +
		"GET /4 HTTP/1.1\r\nHo"
	for _, s := range sources {
		r := NewReader(s.make(raw))
		for i, want := range []string{"/1 abc", "/2 hi", "/3 "} {
			h, err := r.ReadRequestHead(Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if got := string(h.Target) + " " + readAll(t, r.Body()); got != want {
				t.Errorf("%s: got %q, want %q", s.name, got, want)
			}
			if s.name == "whole" && r.HeadComplete() != (i < 2) {
				t.Errorf("after request %d: head complete: %v", i+1, r.HeadComplete())
			}
		}
		_, err := r.ReadRequestHead(Limits{})
		wantFault(t, err, "GET /4 HTTP/1.1\r\nHo", HeadTruncated, PartFields, 19)
	}
	if NewReader(strings.NewReader("")).HeadComplete() {
		t.Error("a head is complete before anything was read")
	}
}

// TestReset: a reader can be used for the next connection, with nothing left of the last.
func TestReset(t *testing.T) {
	r := NewReader(strings.NewReader(okHead + "Content-Length: 100\r\n\r\nabc"))
	if _, err := r.ReadResponseHead(Limits{}, "GET"); err != nil {
		t.Fatal(err)
	}
	r.Reset(strings.NewReader(getHead + "\r\n"))
	if r.Buffered() != 0 || r.Received() != 0 || !r.Body().Done() || r.Body().Remaining() != 0 {
		t.Error("something is left")
	}
	if h, err := r.ReadRequestHead(Limits{}); err != nil || string(h.Host) != "a" {
		t.Error(err)
	}
	r.Reset(nil)
}

// TestReleaseKeepsUnread: what has arrived and was not asked for is not lost.
func TestReleaseKeepsUnread(t *testing.T) {
	r := NewReader(strings.NewReader(getHead + "\r\n" + getHead + "\r\n"))
	for range 2 {
		h, err := r.ReadRequestHead(Limits{})
		if err != nil || string(h.Target) != "/" {
			t.Fatal(err)
		}
		r.Release()
		if h.Method != nil || h.Fields != nil {
			t.Error("the head can still be used")
		}
	}
	if r.cur != nil {
		t.Error("a buffer is held")
	}
}

func TestDrainFails(t *testing.T) {
	r := NewReader(strings.NewReader(chunkedHead + "5\r\nhello\r\n5\r\nhello\r\nX"))
	if _, err := r.ReadResponseHead(Limits{}, "GET"); err != nil {
		t.Fatal(err)
	}
	if r.Body().Remaining() != -1 {
		t.Error("the length of a chunked body is known")
	}
	if done, err := r.Body().Drain(7); done || err != nil {
		t.Errorf("beyond the bound: %v %v", done, err)
	}
	done, err := r.Body().Drain(100)
	if done {
		t.Error("done")
	}
	wantKind(t, err, BadChunkSize)
}

// TestNoProgress: a source that gives neither bytes nor an error does not hang the reader.
func TestNoProgress(t *testing.T) {
	_, err := NewReader(iotest.ErrReader(nil)).ReadRequestHead(Limits{})
	wantKind(t, err, NoRequest)
	if !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

// TestValid: what the checks accept, the parser accepts, and the other way round.
func TestValid(t *testing.T) {
	parse := func(raw string) bool {
		_, err := NewReader(strings.NewReader(raw)).ReadRequestHead(Limits{})
		return err == nil
	}
	for c := range 256 {
		s := "a" + string([]byte{byte(c)}) + "b"
		if got, want := ValidFieldName(s), parse(getHead+s+": x\r\n\r\n"); got != want && c != ':' {
			t.Errorf("field name %q: %v, parser %v", s, got, want)
		}
		if got, want := ValidFieldValue(s), parse(getHead+"X: "+s+"\r\n\r\n"); got != want {
			t.Errorf("field value %q: %v, parser %v", s, got, want)
		}
		if got, want := ValidHost(s), parse("GET / HTTP/1.1\r\nHost: "+s+"\r\n\r\n"); got != want {
			t.Errorf("host %q: %v, parser %v", s, got, want)
		}
		if got, want := ValidTarget("/?"+s), parse("GET /?"+s+" HTTP/1.1\r\nHost: a\r\n\r\n"); got != want {
			t.Errorf("target %q: %v, parser %v", s, got, want)
		}
		if got, want := ValidMethod(s), parse(s+" / HTTP/1.1\r\nHost: a\r\n\r\n"); got != want {
			t.Errorf("method %q: %v, parser %v", s, got, want)
		}
	}
	for _, s := range []string{"", strings.Repeat("m", 33)} {
		if ValidMethod(s) {
			t.Errorf("method %q", s)
		}
	}
	if ValidTarget("") || ValidFieldName("") || ValidHost("") || !ValidFieldValue("") {
		t.Error("the empty string")
	}
}

func TestMethodString(t *testing.T) {
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "PROPFIND"} {
		h := RequestHead{Method: []byte(m)}
		if h.MethodString() != m {
			t.Error(m)
		}
	}
}

func TestStatusText(t *testing.T) {
	for status, want := range map[int]string{
		200: "OK", 502: "Bad Gateway", 199: "Informational", 299: "Success", 399: "Redirection",
		499: "Client Error", 522: "Server Error", 999: "Unknown",
	} {
		if got := StatusText(status); got != want {
			t.Errorf("%d: %q", status, got)
		}
	}
}

func TestSniff(t *testing.T) {
	for raw, want := range map[string]Protocol{
		"": LooksUnknown, "\x16": LooksTLS, "\x15\x03\x03\x00\x02\x02\x28": LooksTLS, "\x16\x02": LooksUnknown,
		"PRI * HTTP/2.0\r\n\r\n":                   LooksHTTP2,
		"\x00\x00\x00\x04\x00\x00\x00\x00\x00":     LooksHTTP2,
		"\x00\x00\x08\x06\x00\x00\x00\x00\x00":     LooksHTTP2,
		"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f": LooksHTTP2,
		"\x00\x00\x05\x04\x00\x00\x00\x00\x00":     LooksUnknown, // a SETTINGS frame is made of pairs of 6 bytes
		"\x00\x00\x06\x04\x00\x00\x00\x00\x01":     LooksUnknown, // and belongs to stream 0
		"\x00\x00\x06\x00\x00\x00\x00\x00\x00":     LooksUnknown,
		proxyV2:                                    LooksProxyV2,
		"PROXY TCP6 ::1 ::1 1 2\r\n":               LooksProxyV1,
		"HTTP/1.1 200 OK\r\n":                      LooksReply,
		"GET /x HTTP/1.0\r\n":                      LooksRequest,
		"<!DOCTYPE html>":                          LooksHTML,
		"220 ready\r\n":                            LooksGreeter,
		"999 no\r\n":                               LooksUnknown,
		"\r\n\r\n":                                 LooksBlank,
		"hello":                                    LooksUnknown,
		"SSH-2.0-x\r\n":                            LooksSSH,
		"ICY 200 OK\r\n":                           LooksICY,
	} {
		if got := Sniff([]byte(raw)); got != want {
			t.Errorf("%q: got %v, want %v", raw, got, want)
		}
	}
}
