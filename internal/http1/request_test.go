package http1

import (
	"io"
	"strings"
	"testing"
)

// badRequests: raw bytes, and the fault that must be named with its byte. The offset
// is the length of the part of raw before the mark "§", which is cut out.
var badRequests = []struct {
	name string
	raw  string
	kind Kind
	part Part
}{
	{"nothing", "§", NoRequest, PartStart},
	{"only an empty line", "\r\n§", NoRequest, PartStart},
	{"cut in the request line", "GET / HT§", HeadTruncated, PartStart},
	{"cut in a field", getHead + "Accept: */§", HeadTruncated, PartFields},
	{"cut before the empty line", getHead + "§", HeadTruncated, PartFields},

	{"TLS client hello", "§\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", NotHTTP, PartStart},
	{"TLS without a line end", "§\x16", NotHTTP, PartStart},
	{"HTTP/2 preface", "§PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NotHTTP, PartStart},
	{"PROXY v1", "§PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", NotHTTP, PartStart},
	{"PROXY v2", "\r\n§\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c", NotHTTP, PartStart},
	{"SSH", "§SSH-2.0-OpenSSH_9.9\r\n", NotHTTP, PartStart},
	{"a response", "§HTTP/1.1 200 OK\r\n\r\n", NotHTTP, PartStart},
	{"high bytes", "§\xff\xfe\xfd\r\n\r\n", NotHTTP, PartStart},
	{"NUL first", "§\x00GET / HTTP/1.1\r\n", NotHTTP, PartStart},

	{"leading space", "§ GET / HTTP/1.1\r\nHost: a\r\n\r\n", BadMethod, PartStart},
	{"method with a slash", "GE§/T / HTTP/1.1\r\nHost: a\r\n\r\n", BadMethod, PartStart},
	{"long method", "§" + strings.Repeat("A", 33) + " / HTTP/1.1\r\nHost: a\r\n\r\n", BadMethod, PartStart},
	{"tab for the first space", "GET§\t/ HTTP/1.1\r\nHost: a\r\n\r\n", BadMethod, PartStart},
	{"second empty line", "\r\n§\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine, PartStart},
	{"method alone", "GET§\r\nHost: a\r\n\r\n", BadRequestLine, PartStart},
	{"HTTP/0.9", "GET /§\r\n", BadRequestLine, PartStart},
	{"two spaces", "GET § / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine, PartStart},
	{"two spaces before the version", "GET / § HTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine, PartStart},
	{"space at the end", "GET / §HTTP/1.1 \r\nHost: a\r\n\r\n", BadRequestLine, PartStart},
	{"space in the target", "GET /a §b HTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine, PartStart},
	{"lower-case version", "GET / §http/1.1\r\nHost: a\r\n\r\n", BadRequestLine, PartStart},
	{"HTTP/2.0", "GET / §HTTP/2.0\r\nHost: a\r\n\r\n", BadVersion, PartStart},
	{"HTTP/1", "GET / §HTTP/1\r\nHost: a\r\n\r\n", BadVersion, PartStart},
	{"HTTP/1.10", "GET / §HTTP/1.10\r\nHost: a\r\n\r\n", BadVersion, PartStart},
	{"HTTP/01.1", "GET / §HTTP/01.1\r\nHost: a\r\n\r\n", BadVersion, PartStart},

	{"fragment", "GET /a§#b HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},
	{"control byte in the target", "GET /a§\x01 HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},
	{"NUL in the target", "GET /a§\x00 HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},
	{"tab in the target", "GET /a§\tb HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},
	{"DEL in the target", "GET /§\x7f HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},
	{"short escape", "GET /a§%2 HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},
	{"bad escape", "GET /%20§%zz HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},
	{"no slash", "GET §index.html HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},
	{"asterisk with GET", "GET §* HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},
	{"unknown scheme", "GET §ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},
	{"user in the authority", "GET http://§u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},
	{"empty authority", "GET http://§/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},
	{"CONNECT without a port", "CONNECT §a HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},
	{"authority-form with GET", "GET §a:80 HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget, PartStart},

	{"bare LF after the request line", "GET / HTTP/1.1§\nHost: a\r\n\r\n", BareLF, PartStart},
	{"bare LF after a field", "GET / HTTP/1.1\r\nHost: a§\n\r\n", BareLF, PartFields},
	{"bare LF as the empty line", getHead + "§\n", BareLF, PartFields},
	{"bare CR in the target", "GET /§\rx HTTP/1.1\r\nHost: a\r\n\r\n", BareCR, PartStart},
	{"bare CR after the version", "GET / HTTP/1.1§\r\r\nHost: a\r\n\r\n", BareCR, PartStart},
	{"bare CR in a value", getHead + "X: a§\rTransfer-Encoding: chunked\r\n\r\n", BareCR, PartFields},
	{"CR CR LF", getHead + "X: a§\r\r\n\r\n", BareCR, PartFields},
	{"bare CR in a name", getHead + "X§\rY: a\r\n\r\n", BareCR, PartFields},

	{"folded", getHead + "X: a\r\n§ b\r\n\r\n", ObsFold, PartFields},
	{"folded with a tab", getHead + "X: a\r\n§\tb\r\n\r\n", ObsFold, PartFields},
	{"space line", getHead + "§ \r\n\r\n", ObsFold, PartFields},
	{"space before the first field", "GET / HTTP/1.1\r\n§ Host: a\r\n\r\n", SpaceAroundName, PartFields},
	{"space before the colon", "GET / HTTP/1.1\r\nHost§ : a\r\n\r\n", SpaceAroundName, PartFields},
	{"tab before the colon", getHead + "Transfer-Encoding§\t: chunked\r\n\r\n", SpaceAroundName, PartFields},
	{"no colon", getHead + "Garbage§\r\n\r\n", MissingColon, PartFields},
	{"no colon, two words", getHead + "Some§ garbage\r\n\r\n", MissingColon, PartFields},
	{"empty name", getHead + "§: a\r\n\r\n", BadFieldName, PartFields},
	{"space in the name", getHead + "X§ Y: a\r\n\r\n", BadFieldName, PartFields},
	{"high byte in the name", getHead + "X§\xc3\xa9: a\r\n\r\n", BadFieldName, PartFields},
	{"NUL in the name", getHead + "X§\x00: a\r\n\r\n", BadFieldName, PartFields},
	{"NUL in a value", getHead + "X: a§\x00b\r\n\r\n", BadFieldValue, PartFields},
	{"ESC in a value", getHead + "X: 12345678901234567890§\x1b[31m\r\n\r\n", BadFieldValue, PartFields},
	{"DEL in a value", getHead + "X: a\tb§\x7f\r\n\r\n", BadFieldValue, PartFields},
	{"vertical tab before chunked", getHead + "Transfer-Encoding: §\x0bchunked\r\n\r\n", BadFieldValue, PartFields},

	{"no Host", "GET / HTTP/1.1\r\nAccept: */*\r\n\r\n§", MissingHost, PartFields},
	{"two Hosts", getHead + "§Host: a\r\n\r\n", MultipleHost, PartFields},
	{"empty Host", "GET / HTTP/1.1\r\nHost:§\r\n\r\n", BadHost, PartFields},
	{"Host with a path", "GET / HTTP/1.1\r\nHost: §a/b\r\n\r\n", BadHost, PartFields},
	{"Host with a user", "GET / HTTP/1.1\r\nHost: §u@a\r\n\r\n", BadHost, PartFields},
	{"Host with a space", "GET / HTTP/1.1\r\nHost: §a b\r\n\r\n", BadHost, PartFields},
	{"Host list", "GET / HTTP/1.1\r\nHost: §a, b\r\n\r\n", BadHost, PartFields},
	{"Host with dots", "GET / HTTP/1.1\r\nHost: §a..b\r\n\r\n", BadHost, PartFields},
	{"Host with a dot first", "GET / HTTP/1.1\r\nHost: §.a\r\n\r\n", BadHost, PartFields},
	{"Host with a bad port", "GET / HTTP/1.1\r\nHost: §a:8a\r\n\r\n", BadHost, PartFields},
	{"Host with a large port", "GET / HTTP/1.1\r\nHost: §a:65536\r\n\r\n", BadHost, PartFields},
	{"Host with port 0", "GET / HTTP/1.1\r\nHost: §a:0\r\n\r\n", BadHost, PartFields},
	{"Host with two ports", "GET / HTTP/1.1\r\nHost: §a:80:80\r\n\r\n", BadHost, PartFields},
	{"open bracket", "GET / HTTP/1.1\r\nHost: §[::1\r\n\r\n", BadHost, PartFields},
	{"bracket around a name", "GET / HTTP/1.1\r\nHost: §[a]\r\n\r\n", BadHost, PartFields},
	{"IPv6 zone", "GET / HTTP/1.1\r\nHost: §[fe80::1%25eth0]\r\n\r\n", BadHost, PartFields},
	{"behind the bracket", "GET / HTTP/1.1\r\nHost: §[::1]a\r\n\r\n", BadHost, PartFields},
	{"escape in Host", "GET / HTTP/1.1\r\nHost: §a%2eb\r\n\r\n", BadHost, PartFields},
	{"long Host", "GET / HTTP/1.1\r\nHost: §" + strings.Repeat("a", 256) + "\r\n\r\n", BadHost, PartFields},
	{"other Host", "GET http://b/ HTTP/1.1\r\nHost: §a\r\n\r\n", HostMismatch, PartFields},
	{"other port", "GET http://a:8080/ HTTP/1.1\r\nHost: §a\r\n\r\n", HostMismatch, PartFields},
	{"CONNECT elsewhere", "CONNECT a:443 HTTP/1.1\r\nHost: §b:443\r\n\r\n", HostMismatch, PartFields},

	{"length with a sign", getHead + "Content-Length: §+5\r\n\r\n", BadContentLength, PartFields},
	{"negative length", getHead + "Content-Length: §-1\r\n\r\n", BadContentLength, PartFields},
	{"hexadecimal length", getHead + "Content-Length: §0x5\r\n\r\n", BadContentLength, PartFields},
	{"length with a space", getHead + "Content-Length: §1 0\r\n\r\n", BadContentLength, PartFields},
	{"length list", getHead + "Content-Length: §5, 5\r\n\r\n", BadContentLength, PartFields},
	{"empty length", getHead + "Content-Length:§\r\n\r\n", BadContentLength, PartFields},
	{"length overflow", getHead + "Content-Length: §9223372036854775808\r\n\r\n", BadContentLength, PartFields},
	{"two lengths", getHead + "Content-Length: 5\r\n§Content-Length: 6\r\n\r\n", DuplicateContentLength, PartFields},
	{"same length twice", getHead + "Content-Length: 5\r\n§Content-Length: 5\r\n\r\n", DuplicateContentLength, PartFields},
	{"length then chunked", getHead + "Content-Length: 5\r\n§Transfer-Encoding: chunked\r\n\r\n", CLandTE, PartFields},
	{"chunked then length", getHead + "Transfer-Encoding: chunked\r\n§Content-Length: 5\r\n\r\n", CLandTE, PartFields},
	{"gzip, chunked", getHead + "Transfer-Encoding: §gzip, chunked\r\n\r\n", BadTransferEncoding, PartFields},
	{"identity", getHead + "Transfer-Encoding: §identity\r\n\r\n", BadTransferEncoding, PartFields},
	{"xchunked", getHead + "Transfer-Encoding: §xchunked\r\n\r\n", BadTransferEncoding, PartFields},
	{"chunked list", getHead + "Transfer-Encoding: §chunked,\r\n\r\n", BadTransferEncoding, PartFields},
	{"quoted chunked", getHead + "Transfer-Encoding: §\"chunked\"\r\n\r\n", BadTransferEncoding, PartFields},
	{"chunked with a parameter", getHead + "Transfer-Encoding: §chunked;q=1\r\n\r\n", BadTransferEncoding, PartFields},
	{"empty transfer encoding", getHead + "Transfer-Encoding:§\r\n\r\n", BadTransferEncoding, PartFields},
	{"chunked twice", getHead + "Transfer-Encoding: chunked\r\nTransfer-Encoding: §chunked\r\n\r\n", BadTransferEncoding, PartFields},
	{"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: §chunked\r\n\r\n", BadTransferEncoding, PartFields},

	{"flood of nominations", getHead + "Connection: §" + strings.Repeat("x,", 33) + "x\r\n\r\n", BadConnection, PartFields},
}

func TestBadRequests(t *testing.T) {
	for _, c := range badRequests {
		before, after, ok := strings.Cut(c.raw, "§")
		if !ok {
			t.Fatalf("%s: no mark", c.name)
		}
		raw, offset := before+after, int64(len(before))
		if strings.HasPrefix(raw, "\r\n") {
			raw = raw[2:] // the tolerated empty line is no part of the message
			offset -= 2
		}
		for _, s := range sources {
			t.Run(c.name+"/"+s.name, func(t *testing.T) {
				r := NewReader(s.make(before + after))
				_, err := r.ReadRequestHead(Limits{})
				if c.name == "PROXY v2" {
					// Its signature begins with empty lines, whatever has arrived of it.
					wantKind(t, err, NotHTTP, BadRequestLine)
					return
				}
				e := wantFault(t, err, raw, c.kind, c.part, offset)
				if e.Side != Request {
					t.Errorf("side %v", e.Side)
				}
				if ended := c.kind == NoRequest || c.kind == HeadTruncated; ended != (e.Err == io.EOF) {
					t.Errorf("error of the connection: %v", e.Err)
				}
			})
		}
	}
}

var goodRequests = []struct {
	name, raw                string
	method, target, host     string
	path, query, name2, port string
	framing                  Framing
	keepAlive                bool
	check                    func(*RequestHead) bool
}{
	{name: "plain", raw: getHead + "\r\n", method: "GET", target: "/", host: "a", path: "/", name2: "a", keepAlive: true},
	{name: "empty line first", raw: "\r\n" + getHead + "\r\n", method: "GET", target: "/", host: "a", path: "/", name2: "a", keepAlive: true,
		check: func(h *RequestHead) bool { return h.Quirks == QuirkBlankLine }},
	{name: "query", raw: "GET /a/%20?b=%zz?c HTTP/1.1\r\nhOST:\tExample.com:8080 \r\n\r\n", method: "GET", target: "/a/%20?b=%zz?c",
		host: "Example.com:8080", path: "/a/%20", query: "b=%zz?c", name2: "Example.com", port: "8080", keepAlive: true},
	{name: "HTTP/1.0", raw: "GET / HTTP/1.0\r\n\r\n", method: "GET", target: "/", path: "/"},
	{name: "HTTP/1.0 keep-alive", raw: "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", method: "GET", target: "/", path: "/", keepAlive: true},
	{name: "close", raw: getHead + "Connection: foo, CLOSE\r\n\r\n", method: "GET", target: "/", host: "a", path: "/", name2: "a"},
	{name: "length", raw: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\n\r\n", method: "POST", target: "/", host: "a", path: "/", name2: "a",
		keepAlive: true, framing: Framing{LengthBody, 7}},
	{name: "chunked", raw: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked \r\n\r\n", method: "POST", target: "/", host: "a", path: "/", name2: "a",
		keepAlive: true, framing: Framing{Kind: ChunkedBody}},
	{name: "absolute", raw: "GET HTTP://A:80/b?c HTTP/1.1\r\nHost: a\r\n\r\n", method: "GET", target: "/b?c", host: "a", path: "/b", query: "c", name2: "a",
		keepAlive: true, check: func(h *RequestHead) bool { return h.Absolute && string(h.Scheme) == "HTTP" }},
	{name: "absolute without path", raw: "GET https://a HTTP/1.1\r\nHost: a:443\r\n\r\n", method: "GET", target: "/", host: "a:443", path: "/", name2: "a", port: "443", keepAlive: true},
	{name: "absolute with query only", raw: "GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", method: "GET", target: "/?b", host: "a", path: "/", query: "b", name2: "a", keepAlive: true},
	{name: "absolute in HTTP/1.0", raw: "GET http://a:81/ HTTP/1.0\r\n\r\n", method: "GET", target: "/", host: "a:81", path: "/", name2: "a", port: "81"},
	{name: "absolute OPTIONS", raw: "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", method: "OPTIONS", target: "*", host: "a", path: "*", name2: "a", keepAlive: true},
	{name: "asterisk", raw: "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", method: "OPTIONS", target: "*", host: "a", path: "*", name2: "a", keepAlive: true},
	{name: "CONNECT", raw: "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", method: "CONNECT", target: "a:443", host: "a:443", path: "a:443", name2: "a", port: "443", keepAlive: true},
	{name: "IPv6", raw: "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n", method: "GET", target: "/", host: "[2001:db8::1]:8080", path: "/", name2: "2001:db8::1", port: "8080", keepAlive: true},
	{name: "empty port", raw: "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", method: "GET", target: "/", host: "a:", path: "/", name2: "a", keepAlive: true},
	{name: "trailing dot", raw: "GET / HTTP/1.1\r\nHost: a.b.\r\n\r\n", method: "GET", target: "/", host: "a.b.", path: "/", name2: "a.b.", keepAlive: true},
	{name: "upgrade", raw: getHead + "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", method: "GET", target: "/", host: "a", path: "/", name2: "a",
		keepAlive: true, check: func(h *RequestHead) bool { return string(h.Upgrade) == "websocket" && h.Fields[2].Hop }},
	{name: "upgrade not in Connection", raw: getHead + "Upgrade: websocket\r\n\r\n", method: "GET", target: "/", host: "a", path: "/", name2: "a",
		keepAlive: true, check: func(h *RequestHead) bool { return h.Upgrade == nil }},
	{name: "expect", raw: getHead + "Expect: 100-Continue\r\n\r\n", method: "GET", target: "/", host: "a", path: "/", name2: "a",
		keepAlive: true, check: func(h *RequestHead) bool { return h.ExpectContinue && !h.ExpectOther }},
	{name: "expect something", raw: getHead + "Expect: tea\r\n\r\n", method: "GET", target: "/", host: "a", path: "/", name2: "a",
		keepAlive: true, check: func(h *RequestHead) bool { return !h.ExpectContinue && h.ExpectOther }},
	{name: "expect in HTTP/1.0", raw: "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", method: "GET", target: "/", path: "/",
		check: func(h *RequestHead) bool { return !h.ExpectContinue && !h.ExpectOther }},
	{name: "nominated", raw: getHead + "X-One: 1\r\nAge: 1\r\nCookie: c\r\nX-Two: 2\r\nContent-Length: 0\r\nConnection: x-one, AGE, host, content-length\r\n\r\n", method: "GET", target: "/", host: "a",
		path: "/", name2: "a", keepAlive: true, framing: Framing{LengthBody, 0}, check: func(h *RequestHead) bool {
			hops := ""
			for _, f := range h.Fields {
				if f.Hop {
					hops += string(f.Name) + ";"
				}
			}
			return hops == "X-One;Age;Connection;"
		}},
	{name: "odd names", raw: getHead + "X_Y: 1\r\nX.Y: 2\r\nX-Y: 3\r\n\r\n", method: "GET", target: "/", host: "a", path: "/", name2: "a", keepAlive: true,
		check: func(h *RequestHead) bool { return h.Fields[1].Odd && h.Fields[2].Odd && !h.Fields[3].Odd }},
	{name: "HTTP/1.7", raw: "GET / HTTP/1.7\r\nHost: a\r\n\r\n", method: "GET", target: "/", host: "a", path: "/", name2: "a", keepAlive: true,
		check: func(h *RequestHead) bool { return h.Minor == 7 && h.Quirks == QuirkMinorVersion }},
	{name: "bytes above 0x7f and tab", raw: "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\nX: \xe9\tb\r\n\r\n", method: "GET", target: "/\xc3\xa9", host: "a", path: "/\xc3\xa9", name2: "a", keepAlive: true,
		check: func(h *RequestHead) bool { return string(h.Get("x")) == "\xe9\tb" && h.Quirks == QuirkObsText }},
}

func TestGoodRequests(t *testing.T) {
	for _, c := range goodRequests {
		for _, s := range sources {
			t.Run(c.name+"/"+s.name, func(t *testing.T) {
				r := NewReader(s.make(c.raw))
				h, err := r.ReadRequestHead(DefaultLimits())
				if err != nil {
					t.Fatal(err)
				}
				got := []string{string(h.Method), string(h.Target), string(h.Host), string(h.Path), string(h.Query), string(h.Hostname), string(h.Port)}
				want := []string{c.method, c.target, c.host, c.path, c.query, c.name2, c.port}
				for i := range want {
					if got[i] != want[i] {
						t.Errorf("part %d: got %q, want %q", i, got[i], want[i])
					}
				}
				if h.Framing != c.framing || r.Body().Framing() != c.framing {
					t.Errorf("framing %v, want %v", h.Framing, c.framing)
				}
				if h.KeepAlive != c.keepAlive {
					t.Errorf("keep-alive %v", h.KeepAlive)
				}
				if string(h.Raw) != strings.TrimPrefix(c.raw, "\r\n") {
					t.Errorf("raw %q", h.Raw)
				}
				if h.MethodString() != c.method {
					t.Errorf("method %q", h.MethodString())
				}
				if c.check != nil && !c.check(h) {
					t.Errorf("check failed: %+v", h)
				}
			})
		}
	}
}

func wantKind(t *testing.T, err error, kinds ...Kind) {
	t.Helper()
	e, ok := err.(*ParseError)
	if ok {
		for _, k := range kinds {
			if e.Kind == k {
				return
			}
		}
	}
	t.Errorf("got %v, want one of %v", err, kinds)
}

func TestRequestLimits(t *testing.T) {
	limits := Limits{Head: 200, Target: 50, Fields: 3}
	for _, c := range []struct {
		name, raw  string
		kind       Kind
		offset     int64
		want, have int64
	}{
		{"target", "GET /" + strings.Repeat("a", 50) + " HTTP/1.1\r\n", TargetTooLong, 54, 50, 51},
		{"target without an end", "GET /" + strings.Repeat("a", 100), TargetTooLong, 54, 50, 0},
		{"one long line", getHead + "X: " + strings.Repeat("b", 300), HeadTooLarge, 200, 200, 0},
		{"many short lines", getHead + "X: " + strings.Repeat("b", 80) + "\r\nY: " + strings.Repeat("b", 120) + "\r\n\r\n", HeadTooLarge, 200, 200, 0},
		{"fields", getHead + "A: b\r\nB: b\r\nC: b\r\n\r\n", TooManyFields, int64(len(getHead) + 12), 3, 4},
	} {
		for _, s := range sources {
			t.Run(c.name+"/"+s.name, func(t *testing.T) {
				_, err := NewReader(s.make(c.raw)).ReadRequestHead(limits)
				e := wantFault(t, err, c.raw, c.kind, PartUnknown, c.offset)
				if e.Want != c.want || c.have != 0 && e.Have != c.have || e.Have <= e.Want {
					t.Errorf("want %d, have %d", e.Want, e.Have)
				}
			})
		}
	}
	exact := getHead + "X: " + strings.Repeat("b", 200-len(getHead)-len("X: \r\n\r\n")) + "\r\n\r\n"
	if _, err := NewReader(strings.NewReader(exact)).ReadRequestHead(limits); err != nil || len(exact) != 200 {
		t.Errorf("a head of exactly the limit: %v", err)
	}
}

// TestDefaultLimits checks the documented limits: 128 KiB of head, 16 KiB of URL.
func TestDefaultLimits(t *testing.T) {
	fill := func(n int) string {
		line := "X: " + strings.Repeat("c", 1000) + "\r\n"
		head := getHead
		for len(head)+len(line)+100 < n {
			head += line
		}
		return head + "Y: " + strings.Repeat("d", n-len(head)-len("Y: \r\n\r\n")) + "\r\n\r\n"
	}
	for _, s := range sources {
		if h, err := NewReader(s.make(fill(128 << 10))).ReadRequestHead(Limits{}); err != nil || len(h.Raw) != 128<<10 {
			t.Errorf("%s: 128 KiB: %v", s.name, err)
		}
		_, err := NewReader(s.make(fill(128<<10 + 1))).ReadRequestHead(Limits{})
		if e := wantFault(t, err, fill(128<<10+1), HeadTooLarge, PartFields, 128<<10); e.Have <= 128<<10 {
			t.Errorf("have %d", e.Have)
		}
		url := "/" + strings.Repeat("u", 16<<10-1)
		if _, err := NewReader(s.make("GET " + url + " HTTP/1.1\r\nHost: a\r\n\r\n")).ReadRequestHead(Limits{}); err != nil {
			t.Error(err)
		}
		_, err = NewReader(s.make("GET " + url + "u HTTP/1.1\r\nHost: a\r\n\r\n")).ReadRequestHead(Limits{})
		wantKind(t, err, TargetTooLong)
	}
}
