package http1

import (
	"io"
	"strings"
	"testing"
)

const okHead = "HTTP/1.1 200 OK\r\n"

// badResponses: as badRequests, "§" marks the byte of the fault.
var badResponses = []struct {
	name, raw string
	kind      Kind
	part      Part
	looks     Protocol
}{
	{"nothing", "§", EmptyReply, PartStart, 0},
	{"one byte", "H§", HeadTruncated, PartStart, 0},
	{"cut in the version", "HTTP/1§", HeadTruncated, PartStart, 0},
	{"cut in the reason", "HTTP/1.1 200 O§", HeadTruncated, PartStart, 0},
	{"cut in a field", okHead + "Content-Ty§", HeadTruncated, PartFields, 0},
	{"cut before the empty line", okHead + "A: b\r\n§", HeadTruncated, PartFields, 0},
	{"cut in the empty line", okHead + "A: b\r\n\r§", HeadTruncated, PartFields, 0},

	{"TLS alert", "§\x15\x03\x01\x00\x02\x02\x46", NotHTTP, PartStart, LooksTLS},
	{"HTTP/2 settings", "§\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80", NotHTTP, PartStart, LooksHTTP2},
	{"HTTP/2 goaway", "§\x00\x00\x22\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00", NotHTTP, PartStart, LooksHTTP2},
	{"HTTP/0.9", "§<html><body>It works!</body></html>", NotHTTP, PartStart, LooksHTML},
	{"SSH", "§SSH-2.0-OpenSSH_9.9\r\n", NotHTTP, PartStart, LooksSSH},
	{"SMTP", "§220 mail.example ESMTP\r\n", NotHTTP, PartStart, LooksGreeter},
	{"FTP", "§220-Welcome\r\n220 ready\r\n", NotHTTP, PartStart, LooksGreeter},
	{"ICY", "§ICY 200 OK\r\n\r\n", NotHTTP, PartStart, LooksICY},
	{"echo", "§GET / HTTP/1.1\r\nHost: a\r\n\r\n", NotHTTP, PartStart, LooksRequest},
	{"garbage", "§hello\r\n", NotHTTP, PartStart, LooksUnknown},
	{"binary", "§\x00\x01\x02", NotHTTP, PartStart, LooksUnknown},
	{"empty line first", "§\r\nHTTP/1.1 200 OK\r\n\r\n", NotHTTP, PartStart, LooksBlank},
	{"LF first", "§\nHTTP/1.1 200 OK\r\n\r\n", NotHTTP, PartStart, LooksBlank},
	{"lower case", "§http/1.1 200 OK\r\n\r\n", NotHTTP, PartStart, LooksUnknown},
	{"CGI answer", "§Status: 200\r\nContent-Type: text/html\r\n\r\n", NotHTTP, PartStart, LooksUnknown},

	{"HTTP/2 line", "HTTP/§2 200 OK\r\n\r\n", BadVersion, PartStart, 0},
	{"HTTP/2.0 line", "HTTP/§2.0 200 OK\r\n\r\n", BadVersion, PartStart, 0},
	{"HTTP/0.9 line", "HTTP/§0.9 200 OK\r\n\r\n", BadVersion, PartStart, 0},
	{"HTTP/1.x line", "HTTP/§1.x 200 OK\r\n\r\n", BadVersion, PartStart, 0},
	{"HTTP/1.11 line", "HTTP/§1.11 200 OK\r\n\r\n", BadVersion, PartStart, 0},
	{"no code", "HTTP/1.1§\r\n\r\n", BadStatusLine, PartStart, 0},
	{"space and no code", "HTTP/1.1 §\r\n\r\n", BadStatusLine, PartStart, 0},
	{"reason and no code", "HTTP/1.1 §OK\r\n\r\n", BadStatusLine, PartStart, 0},
	{"two digits", "HTTP/1.1 20§ OK\r\n\r\n", BadStatusLine, PartStart, 0},
	{"four digits", "HTTP/1.1 200§0 OK\r\n\r\n", BadStatusLine, PartStart, 0},
	{"IIS sub-status", "HTTP/1.1 403§.1 Forbidden\r\n\r\n", BadStatusLine, PartStart, 0},
	{"tab before the code", "HTTP/1.1§\t200 OK\r\n\r\n", BadStatusLine, PartStart, 0},
	{"tab after the code", "HTTP/1.1 200§\tOK\r\n\r\n", BadStatusLine, PartStart, 0},
	{"code below 100", "HTTP/1.1 §099 OK\r\n\r\n", BadStatusCode, PartStart, 0},
	{"code 000", "HTTP/1.1 §000 \r\n\r\n", BadStatusCode, PartStart, 0},
	{"NUL in the reason", "HTTP/1.1 200 O§\x00K\r\n\r\n", BadStatusLine, PartStart, 0},
	{"ESC in the reason", "HTTP/1.1 200 §\x1b[31mOK\r\n\r\n", BadStatusLine, PartStart, 0},

	{"bare CR in the reason", "HTTP/1.1 200 O§\rK\r\n\r\n", BareCR, PartStart, 0},
	{"bare CR in a value", okHead + "A: b§\rc\r\n\r\n", BareCR, PartFields, 0},
	{"CR CR LF", okHead + "A: b§\r\r\n\r\n", BareCR, PartFields, 0},
	{"folded", okHead + "A: b\r\n§ c\r\n\r\n", ObsFold, PartFields, 0},
	{"folded, by LF", okHead + "Content-Security-Policy: default-src 'self';\n§    img-src *\r\n\r\n", ObsFold, PartFields, 0},
	{"space first", okHead + "§ A: b\r\n\r\n", SpaceAroundName, PartFields, 0},
	{"PHP warning as a field", okHead + "PHP§ Warning\r\n\r\n", MissingColon, PartFields, 0},
	{"second status line", okHead + "HTTP§/1.1 200 OK\r\n\r\n", MissingColon, PartFields, 0},
	{"empty name", okHead + "§: b\r\n\r\n", BadFieldName, PartFields, 0},
	{"space in the name", okHead + "A§ B: c\r\n\r\n", BadFieldName, PartFields, 0},
	{"NUL in a value", okHead + "A: b§\x00\r\n\r\n", BadFieldValue, PartFields, 0},
	{"DEL in a value", okHead + "A: b§\x7f\r\n\r\n", BadFieldValue, PartFields, 0},

	{"space before a framing colon", okHead + "Content-Length§ : 5\r\n\r\n", SpaceAroundName, PartFields, 0},
	{"tab before a colon", okHead + "Server§\t: x\r\n\r\n", SpaceAroundName, PartFields, 0},
	{"length 5x", okHead + "Content-Length: §5x\r\n\r\n", BadContentLength, PartFields, 0},
	{"negative length", okHead + "Content-Length: §-1\r\n\r\n", BadContentLength, PartFields, 0},
	{"length list", okHead + "Content-Length: §5, 5\r\n\r\n", BadContentLength, PartFields, 0},
	{"lengths differ", okHead + "Content-Length: 5\r\n§Content-Length: 6\r\n\r\n", DuplicateContentLength, PartFields, 0},
	{"length and chunked", okHead + "Content-Length: 5\r\n§Transfer-Encoding: chunked\r\n\r\n", CLandTE, PartFields, 0},
	{"identity", okHead + "Transfer-Encoding: §identity\r\n\r\n", BadTransferEncoding, PartFields, 0},
	{"gzip, chunked", okHead + "Transfer-Encoding: §gzip, chunked\r\n\r\n", BadTransferEncoding, PartFields, 0},
	{"chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: §chunked\r\n\r\n", BadTransferEncoding, PartFields, 0},
}

func TestBadResponses(t *testing.T) {
	for _, c := range badResponses {
		before, after, ok := strings.Cut(c.raw, "§")
		if !ok {
			t.Fatalf("%s: no mark", c.name)
		}
		for _, s := range sources {
			t.Run(c.name+"/"+s.name, func(t *testing.T) {
				_, err := NewReader(s.make(before+after)).ReadResponseHead(Limits{}, "GET")
				e := wantFault(t, err, before+after, c.kind, c.part, int64(len(before)))
				if e.Side != Response {
					t.Errorf("side %v", e.Side)
				}
				if ended := c.kind == EmptyReply || c.kind == HeadTruncated; ended != (e.Err == io.EOF) {
					t.Errorf("error of the connection: %v", e.Err)
				}
				// What it looks like needs more than its first byte.
				if s.name != "byte by byte" && s.name != "in halves" && e.Looks != c.looks {
					t.Errorf("looks %v, want %v", e.Looks, c.looks)
				}
				if strings.ContainsAny(e.Error(), "\x00\x1b\r\n\x7f") {
					t.Errorf("unescaped: %q", e.Error())
				}
			})
		}
	}
}

var goodResponses = []struct {
	name, raw, method string
	status            int
	reason            string
	framing           Framing
	body              string
	keepAlive         bool
	quirks            Quirk
}{
	{"length", okHead + "Content-Length: 2\r\n\r\nhi", "GET", 200, "OK", Framing{LengthBody, 2}, "hi", true, 0},
	{"chunked", okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "GET", 200, "OK", Framing{Kind: ChunkedBody}, "hi", true, 0},
	{"until close", okHead + "\r\nhi", "GET", 200, "OK", Framing{Kind: UntilCloseBody}, "hi", false, 0},
	{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "GET", 200, "OK", Framing{LengthBody, 2}, "hi", false, 0},
	{"HTTP/1.0 keep-alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", "GET", 200, "OK", Framing{LengthBody, 0}, "", true, 0},
	{"close", okHead + "Connection: close\r\nContent-Length: 0\r\n\r\n", "GET", 200, "OK", Framing{LengthBody, 0}, "", false, 0},
	{"HEAD", okHead + "Content-Length: 2\r\n\r\n", "HEAD", 200, "OK", Framing{}, "", true, 0},
	{"HEAD without length", okHead + "\r\n", "HEAD", 200, "OK", Framing{}, "", true, 0},
	{"HEAD chunked", okHead + "Transfer-Encoding: chunked\r\n\r\n", "HEAD", 200, "OK", Framing{}, "", true, 0},
	{"204", "HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, "No Content", Framing{}, "", true, 0},
	{"304 with length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", 304, "Not Modified", Framing{}, "", true, 0},
	{"100", "HTTP/1.1 100 Continue\r\n\r\n", "POST", 100, "Continue", Framing{}, "", true, 0},
	{"101", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "GET", 101, "Switching Protocols", Framing{}, "", false, 0},
	{"CONNECT 200", okHead + "\r\n", "CONNECT", 200, "OK", Framing{}, "", false, 0},
	{"CONNECT 403", "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", "CONNECT", 403, "No", Framing{LengthBody, 2}, "no", true, 0},
	{"no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", 200, "", Framing{LengthBody, 0}, "", true, QuirkNoReason},
	{"empty reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "GET", 200, "", Framing{LengthBody, 0}, "", true, 0},
	{"spaces before the code", "HTTP/1.1   200 OK\r\nContent-Length: 0\r\n\r\n", "GET", 200, "OK", Framing{LengthBody, 0}, "", true, QuirkStatusSpaces},
	{"bare LF throughout", "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "GET", 200, "OK", Framing{LengthBody, 2}, "hi", true, QuirkBareLF},
	{"bytes above 0x7f", "HTTP/1.1 200 D\xe9j\xe0\r\nContent-Length: 0\r\nX: \xc3\xa9\r\n\r\n", "GET", 200, "D\xe9j\xe0", Framing{LengthBody, 0}, "", true, QuirkObsText},
	{"space before a colon", okHead + "Server : x\r\nContent-Length: 0\r\n\r\n", "GET", 200, "OK", Framing{LengthBody, 0}, "", true, QuirkNameSpace},
	{"same length twice", okHead + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "GET", 200, "OK", Framing{LengthBody, 2}, "hi", true, QuirkSameLength},
	{"status 999", "HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n", "GET", 999, "Denied", Framing{LengthBody, 0}, "", true, QuirkUnusualStatus},
	{"HTTP/1.3", "HTTP/1.3 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", 200, "OK", Framing{LengthBody, 0}, "", true, QuirkMinorVersion},
	{"tab in the reason", "HTTP/1.1 200 O\tK\r\nContent-Length: 0\r\n\r\n", "GET", 200, "O\tK", Framing{LengthBody, 0}, "", true, 0},
}

func TestGoodResponses(t *testing.T) {
	for _, c := range goodResponses {
		for _, s := range sources {
			t.Run(c.name+"/"+s.name, func(t *testing.T) {
				r := NewReader(s.make(c.raw))
				if err := r.WaitResponse(); err != nil {
					t.Fatal(err)
				}
				h, err := r.ReadResponseHead(DefaultLimits(), c.method)
				if err != nil {
					t.Fatal(err)
				}
				if h.Status != c.status || string(h.Reason) != c.reason || h.Framing != c.framing || h.KeepAlive != c.keepAlive || h.Quirks != c.quirks {
					t.Errorf("got %d %q %v keep-alive %v quirks %q", h.Status, h.Reason, h.Framing, h.KeepAlive, h.Quirks)
				}
				if got := readAll(t, r.Body()); got != c.body {
					t.Errorf("body %q, want %q", got, c.body)
				}
				if !r.Body().Done() || r.Body().Remaining() != 0 || r.Body().Consumed() != int64(len(c.body)) {
					t.Errorf("body not done, or miscounted")
				}
				if err := r.CheckIdle(); err != nil {
					t.Error(err)
				}
				if r.Received() != int64(len(c.raw)) {
					t.Errorf("received %d", r.Received())
				}
			})
		}
	}
}

func TestInterimResponses(t *testing.T) {
	const final = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
	r := NewReader(strings.NewReader("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + final))
	var seen []int
	for {
		h, err := r.ReadResponseHead(Limits{}, "POST")
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, h.Status)
		if !h.Interim() {
			if string(h.Raw)+"hi" != final {
				t.Errorf("raw %q", h.Raw)
			}
			break
		}
	}
	if len(seen) != 3 || seen[0] != 100 || seen[1] != 103 || seen[2] != 200 {
		t.Errorf("seen %v", seen)
	}
	if got := readAll(t, r.Body()); got != "hi" {
		t.Errorf("body %q", got)
	}
}

// TestOffsetsPerMessage checks that offsets count from each message's own first byte.
func TestOffsetsPerMessage(t *testing.T) {
	first := okHead + "Content-Length: 3\r\n\r\nabc"
	for _, s := range sources {
		r := NewReader(s.make(first + okHead + "A: b\x00\r\n\r\n"))
		if _, err := r.ReadResponseHead(Limits{}, "GET"); err != nil {
			t.Fatal(err)
		}
		readAll(t, r.Body())
		_, err := r.ReadResponseHead(Limits{}, "GET")
		wantFault(t, err, okHead+"A: b\x00\r\n\r\n", BadFieldValue, PartFields, int64(len(okHead)+4))
	}
}

func TestExtraBytes(t *testing.T) {
	for _, c := range []struct{ name, raw, method, extra string }{
		{"longer than its length", okHead + "Content-Length: 2\r\n\r\n", "GET", "hi there"},
		{"body behind a HEAD answer", okHead + "Content-Length: 5\r\n\r\n", "HEAD", "hello"},
		{"body behind 304", "HTTP/1.1 304 Not Modified\r\n\r\n", "GET", "<html>"},
	} {
		r := NewReader(strings.NewReader(c.raw + c.extra))
		if _, err := r.ReadResponseHead(Limits{}, c.method); err != nil {
			t.Fatal(err)
		}
		body := readAll(t, r.Body())
		e := wantFault(t, r.CheckIdle(), c.raw+c.extra, ExtraBytes, PartAfter, int64(len(c.raw)+len(body)))
		if want := c.extra[len(body):]; string(e.Got) != want || e.Have != int64(len(want)) {
			t.Errorf("%s: got %q", c.name, e.Got)
		}
	}
}

func TestUnreadBody(t *testing.T) {
	r := NewReader(strings.NewReader(okHead + "Content-Length: 2\r\n\r\nhi" + okHead + "\r\n"))
	if _, err := r.ReadResponseHead(Limits{}, "GET"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, r.CheckIdle(), BodyUnread)
	_, err := r.ReadResponseHead(Limits{}, "GET")
	wantKind(t, err, BodyUnread)
	if done, err := r.Body().Drain(1); done || err != nil {
		t.Errorf("drained beyond its bound: %v %v", done, err)
	}
	if done, err := r.Body().Drain(2); !done || err != nil {
		t.Errorf("drain: %v %v", done, err)
	}
	if _, err = r.ReadResponseHead(Limits{}, "GET"); err != nil {
		t.Error(err)
	}
}

// TestLengthNotForwarded: a Content-Length that would mislead the next hop stays behind.
func TestLengthNotForwarded(t *testing.T) {
	for raw, want := range map[string]string{
		okHead + "Content-Length: 2\r\nA: b\r\ncontent-length: 2\r\n\r\n": "Content-Length: 2\r\nA: b\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nA: b\r\n\r\n":    "A: b\r\n",
		"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n":              "",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n":          "Content-Length: 5\r\n",
	} {
		h, err := NewReader(strings.NewReader(raw)).ReadResponseHead(Limits{}, "GET")
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendFields(nil, h.Fields)); got != want {
			t.Errorf("%q: got %q", raw, got)
		}
	}
}
