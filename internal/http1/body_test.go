package http1

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const chunkedHead = okHead + "Transfer-Encoding: chunked\r\n\r\n"

// badBodies: the head is chunkedHead (for requests the same as a POST), "§" marks the byte of the fault.
var badBodies = []struct {
	name, raw string
	kind      Kind
	part      Part
	side      Side // unknown: the same on both sides
}{
	{"cut before a chunk", "§", ChunkedTruncated, PartBody, 0},
	{"cut in the size", "5§", ChunkedTruncated, PartBody, 0},
	{"cut in the data", "5\r\nhel§", ChunkedTruncated, PartBody, 0},
	{"cut behind the data", "5\r\nhello§", ChunkedTruncated, PartBody, 0},
	{"cut between chunks", "5\r\nhello\r\n§", ChunkedTruncated, PartBody, 0},
	{"cut after the last chunk", "5\r\nhello\r\n0\r\n§", ChunkedTruncated, PartTrailer, 0},
	{"cut in the trailers", "0\r\nA: b\r\n§", ChunkedTruncated, PartTrailer, 0},

	{"no size", "§\r\nhello", BadChunkSize, PartBody, 0},
	{"not chunked at all", "§<html>", BadChunkSize, PartBody, 0},
	{"negative size", "§-5\r\nhello\r\n", BadChunkSize, PartBody, 0},
	{"0x size", "0§x5\r\nhello\r\n", BadChunkSize, PartBody, 0},
	{"size with an underscore", "1§_0\r\n", BadChunkSize, PartBody, 0},
	{"size with a letter", "5§g\r\nhello\r\n", BadChunkSize, PartBody, 0},
	{"17 digits", "0000000000000000§5\r\nhello\r\n", BadChunkSize, PartBody, 0},
	{"size overflow", "800000000000000§00\r\n", BadChunkSize, PartBody, 0},
	{"size of 64 bits", "fffffffffffffff§f\r\n", BadChunkSize, PartBody, 0},
	{"huge chunk", "§1000000000000001\r\n", ChunkTooLong, PartBody, 0},
	{"space before the size", "§ 5\r\nhello\r\n", BadChunkSize, PartBody, 0},

	{"LF after the size", "5§\nhello\r\n", BareLF, PartBody, 0},
	{"LF in an extension", "5;a§\n5\r\nhello\r\n", BareLF, PartBody, 0},
	{"CR in an extension", "5;a§\rb\r\nhello\r\n", BareCR, PartBody, 0},
	{"CR after the size", "5§\rX\r\nhello\r\n", BareCR, PartBody, 0},
	{"words after the size", "5 §x\r\nhello\r\n", BadChunkExtension, PartBody, 0},
	{"extension without a name", "5;§\r\nhello\r\n", BadChunkExtension, PartBody, Request},
	{"extension value missing", "5;a=§\r\nhello\r\n", BadChunkExtension, PartBody, Request},
	{"open quote", "5;a=§\"b\r\nhello\r\n", BadChunkExtension, PartBody, Request},
	{"control byte in quotes", "5;a=\"§\x01\"\r\nhello\r\n", BadChunkExtension, PartBody, 0},
	{"padded size", "5 §\r\nhello\r\n", BadChunkExtension, PartBody, Request},

	{"data longer than the size", "3\r\nhel§lo\r\n0\r\n\r\n", BadChunkEnd, PartBody, 0},
	{"data shorter than the size", "7\r\nhello\r\n§0\r\n\r\n", BadChunkEnd, PartBody, 0},
	{"LF after the data", "5\r\nhello§\n0\r\n\r\n", BadChunkEnd, PartBody, 0},
	{"CR X after the data", "5\r\nhello\r§X0\r\n\r\n", BadChunkEnd, PartBody, 0},

	{"trailer without a colon", "0\r\nA§\r\n\r\n", MissingColon, PartTrailer, 0},
	{"folded trailer", "0\r\nA: b\r\n§ c\r\n\r\n", ObsFold, PartTrailer, 0},
	{"control byte in a trailer", "0\r\nA: §\x00\r\n\r\n", BadFieldValue, PartTrailer, 0},
	{"LF in the trailers", "0\r\nA: b§\n\r\n", BareLF, PartTrailer, 0},
	{"LF as the end", "0\r\n§\n", BareLF, PartTrailer, 0},
}

func TestBadBodies(t *testing.T) {
	for _, c := range badBodies {
		for _, side := range []Side{Request, Response} {
			if c.side != SideUnknown && c.side != side {
				continue
			}
			before, after, ok := strings.Cut(c.raw, "§")
			if !ok {
				t.Fatalf("%s: no mark", c.name)
			}
			for _, s := range sources {
				t.Run(c.name+"/"+side.String()+"/"+s.name, func(t *testing.T) {
					raw, r := openBody(t, side, s.make, before+after)
					_, err := r.Body().WriteTo(io.Discard)
					e := wantFault(t, err, raw, c.kind, c.part, int64(len(raw)-len(after)))
					if e.Side != side {
						t.Errorf("side %v", e.Side)
					}
					if ended := c.kind == ChunkedTruncated; ended != errors.Is(err, io.EOF) {
						t.Errorf("error of the connection: %v", e.Err)
					}
					if _, again := r.Body().Next(); again != err {
						t.Errorf("second error %v", again)
					}
				})
			}
		}
	}
}

// openBody reads a head with a chunked body of that side. It returns the whole message.
func openBody(t *testing.T, side Side, source func(string) io.Reader, body string) (string, *Reader) {
	t.Helper()
	raw := chunkedHead + body
	if side == Request {
		raw = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body
	}
	r := NewReader(source(raw))
	var err error
	if side == Request {
		_, err = r.ReadRequestHead(Limits{})
	} else {
		_, err = r.ReadResponseHead(Limits{}, "GET")
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw, r
}

var goodBodies = []struct {
	name, raw, content, trailers string
	quirks                       Quirk
	side                         Side
}{
	{"empty", "0\r\n\r\n", "", "", 0, 0},
	{"one", "5\r\nhello\r\n0\r\n\r\n", "hello", "", 0, 0},
	{"upper and lower case", "A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n", "01234567890123456789", "", 0, 0},
	{"leading zeros", "0000000000000005\r\nhello\r\n0\r\n\r\n", "hello", "", 0, 0},
	{"extensions", "5;a;b=c ; d = \"e\\\"; f\"\r\nhello\r\n0;x\r\n\r\n", "hello", "", 0, 0},
	{"data that looks like framing", "7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n", "", 0, 0},
	{"trailers", "2\r\nhi\r\n0\r\nX-Sum: 1\r\nx-other:2 \r\n\r\n", "hi", "X-Sum=1;x-other=2;", 0, 0},
	{"forbidden trailers", "0\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nHost: b\r\nX: y\r\n\r\n", "", "X=y;", 0, 0},
	{"padded", "5  \r\nhello\r\n0\t\r\n\r\n", "hello", "", QuirkChunkSpace, Response},
	{"malformed extension", "5;=\"\r\nhello\r\n0;\r\n\r\n", "hello", "", QuirkChunkExtension, Response},
}

func TestGoodBodies(t *testing.T) {
	for _, c := range goodBodies {
		for _, side := range []Side{Request, Response} {
			if c.side != SideUnknown && c.side != side {
				continue
			}
			for _, s := range sources {
				t.Run(c.name+"/"+side.String()+"/"+s.name, func(t *testing.T) {
					for name, read := range bodyReads {
						_, r := openBody(t, side, s.make, c.raw)
						b := r.Body()
						got, err := read(b)
						if err != nil || got != c.content {
							t.Errorf("%s: %q, %v; want %q", name, got, err, c.content)
						}
						if !b.Done() || b.Consumed() != int64(len(c.content)) || r.Buffered() != 0 {
							t.Errorf("%s: done %v, consumed %d, left %d", name, b.Done(), b.Consumed(), r.Buffered())
						}
						if got := fieldString(b.Trailers()); got != c.trailers || b.Quirks() != c.quirks {
							t.Errorf("%s: trailers %q, quirks %v", name, got, b.Quirks())
						}
					}
				})
			}
		}
	}
}

// bodyReads are the ways to read a body, which must all agree.
var bodyReads = map[string]func(*Body) (string, error){
	"Read":          func(b *Body) (string, error) { p, err := io.ReadAll(struct{ io.Reader }{b}); return string(p), err },
	"one byte Read": func(b *Body) (string, error) { p, err := io.ReadAll(iotest.OneByteReader(b)); return string(p), err },
	"WriteTo": func(b *Body) (string, error) {
		var out bytes.Buffer
		_, err := b.WriteTo(&out)
		return out.String(), err
	},
	"Next": func(b *Body) (string, error) {
		var out []byte
		for {
			p, err := b.Next()
			out = append(out, p...)
			if err == io.EOF {
				return string(out), nil
			} else if err != nil {
				return string(out), err
			}
		}
	},
	"CopyBody": func(b *Body) (string, error) {
		var out bytes.Buffer
		if _, err := NewChunkWriter(&out, []byte(chunkedHead)).CopyBody(b); err != nil {
			return "", err
		}
		r := NewReader(&out)
		if _, err := r.ReadResponseHead(Limits{}, "GET"); err != nil {
			return "", err
		}
		p, err := io.ReadAll(r.Body())
		return string(p), err
	},
}

// TestLargeBodies reads bodies far beyond every buffer, by each framing and in each way.
func TestLargeBodies(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 20000)
	var chunked []byte
	for rest := content; len(rest) > 0; {
		n := min(len(rest), 1+len(rest)%7001)
		chunked = AppendChunk(chunked, []byte(rest[:n]))
		rest = rest[n:]
	}
	chunked = AppendLastChunk(chunked, nil)
	for name, raw := range map[string]string{
		"length":      string(AppendContentLength([]byte(okHead), int64(len(content)))) + "\r\n" + content,
		"until close": okHead + "\r\n" + content,
		"chunked":     chunkedHead + string(chunked),
	} {
		for how, read := range bodyReads {
			for _, s := range sources {
				r := NewReader(s.make(raw))
				h, err := r.ReadResponseHead(Limits{}, "GET")
				if err != nil {
					t.Fatal(err)
				}
				got, err := read(r.Body())
				if err != nil || got != content {
					t.Errorf("%s, %s, %s: %d bytes, %v", name, how, s.name, len(got), err)
				}
				// The head outlives the body.
				if !strings.HasPrefix(raw, string(h.Raw)) || string(h.Reason) != "OK" || r.Received() != int64(len(raw)) {
					t.Errorf("%s, %s, %s: head %q, received %d", name, how, s.name, h.Raw, r.Received())
				}
				r.Reset(nil)
			}
		}
	}
}

func TestBodyTruncated(t *testing.T) {
	for _, s := range sources {
		raw := okHead + "Content-Length: 10\r\n\r\n1234567"
		r := NewReader(s.make(raw))
		if _, err := r.ReadResponseHead(Limits{}, "GET"); err != nil {
			t.Fatal(err)
		}
		n, err := r.Body().WriteTo(io.Discard)
		e := wantFault(t, err, raw, BodyTruncated, PartBody, int64(len(raw)))
		if n != 7 || e.Want != 10 || e.Have != 7 || e.Err != io.EOF {
			t.Errorf("%d: %+v", n, e)
		}
	}
}

// TestTimeoutResumes: a read that timed out may be tried again, on head and body.
func TestTimeoutResumes(t *testing.T) {
	raw := okHead + "Content-Length: 4\r\n\r\nabcd"
	for cut := 1; cut < len(raw); cut++ {
		r := NewReader(io.MultiReader(strings.NewReader(raw[:cut]), &timeoutOnce{}, strings.NewReader(raw[cut:])))
		h, err := r.ReadResponseHead(Limits{}, "GET")
		if cut < len(raw)-4 {
			wantKind(t, err, HeadTruncated)
			if !errors.Is(err, iotest.ErrTimeout) {
				t.Fatalf("cut %d: %v", cut, err)
			}
			h, err = r.ReadResponseHead(Limits{}, "GET")
		}
		if err != nil || h.Status != 200 {
			t.Fatalf("cut %d: %v", cut, err)
		}
		p, err := io.ReadAll(r.Body())
		if cut >= len(raw)-4 {
			wantKind(t, err, BodyTruncated)
			var rest []byte
			rest, err = io.ReadAll(r.Body())
			p = append(p, rest...)
		}
		if err != nil || string(p) != "abcd" {
			t.Fatalf("cut %d: %q %v", cut, p, err)
		}
	}
}

// timeoutOnce fails once as a deadline does, then ends.
type timeoutOnce struct{ done bool }

func (o *timeoutOnce) Read([]byte) (int, error) {
	if o.done {
		return 0, io.EOF
	}
	o.done = true
	return 0, iotimeout{}
}

type iotimeout struct{}

func (iotimeout) Error() string        { return "timeout" }
func (iotimeout) Timeout() bool        { return true }
func (iotimeout) Is(target error) bool { return target == iotest.ErrTimeout }

func TestChunkLimits(t *testing.T) {
	open := func(limits Limits, body string) *Body {
		r := NewReader(strings.NewReader(chunkedHead + body))
		if _, err := r.ReadResponseHead(limits, "GET"); err != nil {
			t.Fatal(err)
		}
		return r.Body()
	}
	for _, c := range []struct {
		name   string
		limits Limits
		body   string
		kind   Kind
	}{
		{"line", Limits{ChunkLine: 20}, "5;" + strings.Repeat("a", 30) + "\r\nhello\r\n", ChunkLineTooLong},
		{"line without an end", Limits{ChunkLine: 20}, "5;" + strings.Repeat("a", 100), ChunkLineTooLong},
		{"chunk", Limits{Chunk: 4}, "5\r\nhello\r\n", ChunkTooLong},
		{"trailers", Limits{Trailer: 20}, "0\r\nA: " + strings.Repeat("a", 30) + "\r\n\r\n", TrailerTooLarge},
		{"trailers without an end", Limits{Trailer: 20}, "0\r\nA: " + strings.Repeat("a", 100), TrailerTooLarge},
		{"trailer lines", Limits{Fields: 1}, "0\r\nA: b\r\nA: b\r\n\r\n", TooManyFields},
		{"wasteful extensions", Limits{}, strings.Repeat("1;"+strings.Repeat("a", 500)+"\r\nx\r\n", 100), ChunkLineTooLong},
	} {
		_, err := io.ReadAll(open(c.limits, c.body))
		wantKind(t, err, c.kind)
		if e, ok := err.(*ParseError); ok && e.Want >= e.Have {
			t.Errorf("%s: want %d, have %d", c.name, e.Want, e.Have)
		}
	}
	// Many small chunks are legal.
	if _, err := io.ReadAll(open(Limits{}, strings.Repeat("1\r\nx\r\n", 100000)+"0\r\n\r\n")); err != nil {
		t.Error(err)
	}
	exact := "5;" + strings.Repeat("a", 18) + "\r\nhello\r\n0\r\n\r\n"
	if _, err := io.ReadAll(open(Limits{ChunkLine: 20}, exact)); err != nil {
		t.Errorf("a line of exactly the limit: %v", err)
	}
}

func TestTunnel(t *testing.T) {
	for _, s := range sources {
		r := NewReader(s.make("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n" + "raw\x00bytes"))
		h, err := r.ReadResponseHead(Limits{}, "GET")
		if err != nil || string(h.Upgrade) != "x" || !r.Body().Done() {
			t.Fatalf("%v", err)
		}
		b := r.Tunnel()
		if b.Framing().Kind != TunnelBody || b.Done() {
			t.Errorf("framing %v", b.Framing().Kind)
		}
		if got := readAll(t, b); got != "raw\x00bytes" {
			t.Errorf("tunnel %q", got)
		}
		if string(h.Upgrade) != "x" {
			t.Errorf("head overwritten: %q", h.Upgrade)
		}
		r.Release()
	}
}
