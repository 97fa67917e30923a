package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// fuzzLimits are small, so that the fuzzer reaches them.
var fuzzLimits = Limits{Head: 2 << 10, Target: 512, Fields: 20, ChunkLine: 64, Trailer: 256}

// sane checks what holds for every fault of every input.
func sane(t *testing.T, err error, raw []byte) *ParseError {
	t.Helper()
	var e *ParseError
	if !errors.As(err, &e) {
		t.Fatalf("error of another type: %v", err)
	}
	if e.Kind == KindNone || e.Kind >= kindEnd || e.Side == SideUnknown || e.Part == PartUnknown {
		t.Fatalf("incomplete: %+v", e)
	}
	if e.Offset < 0 || e.Offset > int64(len(raw)) || len(e.Got) > MaxSample || !bytes.Contains(raw, e.Got) {
		t.Fatalf("impossible place or sample: %+v", e)
	}
	if strings.ContainsFunc(e.Error(), func(c rune) bool { return c < 0x20 || c > 0x7e }) {
		t.Fatalf("unescaped: %q", e.Error())
	}
	return e
}

// bounded checks that a reader holds no more memory than its limits ask for.
func bounded(t *testing.T, r *Reader) {
	t.Helper()
	size := 0
	for _, b := range []*buffer{r.cur, r.held} {
		if b != nil {
			size += len(b.b)
		}
	}
	if size > 16<<10+streamBuffer {
		t.Fatalf("%d bytes of buffers", size)
	}
}

// same checks that two readings of the same bytes ended alike. What is wrong with a
// start line may be judged by its first bytes alone when no more have arrived.
func same(t *testing.T, a, b error) {
	t.Helper()
	var x, y *ParseError
	if errors.As(a, &x) != errors.As(b, &y) || x != nil && x.Part != y.Part || x != nil && x.Part != PartStart && (x.Kind != y.Kind || x.Offset != y.Offset) {
		t.Fatalf("depends on how bytes arrive: %v, %v", a, b)
	}
}

func seed(f *testing.F, file string) {
	for _, c := range readCorpus(f, file) {
		if len(c.raw) < 4096 {
			f.Add(c.raw)
		}
	}
}

// requestOutcome is what is compared between two readings of a request.
type requestOutcome struct {
	line, fields, body, trailers string
	framing                      Framing
	keepAlive                    bool
	rest                         int
}

func readRequest(t *testing.T, src io.Reader, raw []byte) (o requestOutcome, h *RequestHead, err error) {
	t.Helper()
	r := NewReader(src)
	h, err = r.ReadRequestHead(fuzzLimits)
	bounded(t, r)
	if err != nil {
		sane(t, err, raw)
		return o, nil, err
	}
	o.line = strings.Join([]string{string(h.Method), string(h.Target), string(h.Path), string(h.Query), string(h.Host), string(h.Hostname), string(h.Port)}, "\n")
	o.framing, o.keepAlive = h.Framing, h.KeepAlive
	o.fields = forwarded(h.Fields)
	body, err := io.ReadAll(r.Body())
	bounded(t, r)
	if err != nil {
		sane(t, err, raw)
		return o, h, err
	}
	o.body, o.trailers = string(body), fieldString(r.Body().Trailers())
	o.rest = len(raw) - int(r.Received()) + r.Buffered()
	return o, h, nil
}

// forwarded shows the fields that are passed on.
func forwarded(fields []Field) string {
	return fieldString(slices.DeleteFunc(slices.Clone(fields), func(f Field) bool { return f.Hop }))
}

func FuzzRequest(f *testing.F) {
	seed(f, "requests.txt")
	f.Fuzz(func(t *testing.T, raw []byte) {
		whole, h, err := readRequest(t, bytes.NewReader(raw), raw)
		var again []byte
		if err == nil {
			again = AppendFields(AppendRequestLine(nil, h.Method, h.Target), h.Fields)
		}
		bytewise, _, err2 := readRequest(t, iotest.OneByteReader(bytes.NewReader(raw)), raw)
		same(t, err, err2)
		if err != nil {
			return
		}
		if whole != bytewise {
			t.Fatalf("depends on how bytes arrive:\n%+v\n%+v", whole, bytewise)
		}
		if h.Minor > 0 { // the line written says HTTP/1.1, which an HTTP/1.0 head may not satisfy
			writtenRequest(t, again, whole)
		}
		likeGoRequest(t, raw, whole)
	})
}

// writtenRequest checks that what was read, written and read again is the same.
func writtenRequest(t *testing.T, head []byte, want requestOutcome) {
	t.Helper()
	if want.framing.Kind == ChunkedBody {
		head = AppendChunked(head)
	}
	head = AppendEnd(head)
	if want.framing.Kind == ChunkedBody {
		head = AppendLastChunk(AppendChunk(head, []byte(want.body)), nil)
	} else {
		head = append(head, want.body...)
	}
	got, _, err := readRequest(t, bytes.NewReader(head), head)
	if err != nil {
		t.Fatalf("cannot read %q again: %v", head, err)
	}
	want.trailers, want.rest, want.keepAlive, got.keepAlive = "", 0, false, false
	if got != want {
		t.Fatalf("read again:\n%+v\n%+v", got, want)
	}
}

// likeGoRequest checks that Go frames an accepted request in the same way.
func likeGoRequest(t *testing.T, raw []byte, ours requestOutcome) {
	t.Helper()
	raw = bytes.TrimPrefix(raw, []byte("\r\n"))
	in := bufio.NewReader(bytes.NewReader(raw))
	req, err := http.ReadRequest(in)
	if err != nil {
		t.Fatalf("Go refuses what we accept: %v", err)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		if bytes.Contains(raw, []byte(" ;")) || bytes.Contains(raw, []byte("\t;")) {
			return // Go does not know the white space before a chunk extension
		}
		t.Fatalf("Go refuses the body that we accept: %v", err)
	}
	rest, _ := io.ReadAll(in)
	if string(body) != ours.body || len(rest) != ours.rest || req.Method != strings.SplitN(ours.line, "\n", 2)[0] {
		t.Fatalf("Go reads %s with %q and leaves %q, we %+v", req.Method, body, rest, ours)
	}
}

type responseOutcome struct {
	status, rest   int
	fields, body   string
	framing        Framing
	keepAlive      bool
	quirks, chunky Quirk
}

func readResponse(t *testing.T, src io.Reader, raw []byte, method string) (o responseOutcome, h *ResponseHead, err error) {
	t.Helper()
	r := NewReader(src)
	h, err = r.ReadResponseHead(fuzzLimits, method)
	bounded(t, r)
	if err != nil {
		sane(t, err, raw)
		return o, nil, err
	}
	o = responseOutcome{status: h.Status, fields: forwarded(h.Fields), framing: h.Framing, keepAlive: h.KeepAlive, quirks: h.Quirks}
	body, err := io.ReadAll(r.Body())
	bounded(t, r)
	if err != nil {
		sane(t, err, raw)
		return o, h, err
	}
	o.body, o.chunky = string(body), r.Body().Quirks()
	o.rest = len(raw) - int(r.Received()) + r.Buffered()
	return o, h, nil
}

func FuzzResponse(f *testing.F) {
	seed(f, "responses.txt")
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, method := range []string{"GET", "HEAD", "CONNECT"} {
			whole, h, err := readResponse(t, bytes.NewReader(raw), raw, method)
			var again []byte
			if err == nil {
				again = AppendEnd(AppendFields(AppendStatusLine(nil, h.Status, h.Reason), h.Fields))
			}
			bytewise, _, err2 := readResponse(t, iotest.OneByteReader(bytes.NewReader(raw)), raw, method)
			same(t, err, err2)
			if err != nil {
				continue
			}
			if whole != bytewise {
				t.Fatalf("depends on how bytes arrive:\n%+v\n%+v", whole, bytewise)
			}
			got, _, err := readResponse(t, bytes.NewReader(again), again, "HEAD")
			if err != nil || got.status != whole.status || got.fields != whole.fields {
				t.Fatalf("written and read again: %v\n%+v\n%+v", err, got, whole)
			}
			likeGoResponse(t, raw, method, whole)
		}
	})
}

func likeGoResponse(t *testing.T, raw []byte, method string, ours responseOutcome) {
	t.Helper()
	in := bufio.NewReader(bytes.NewReader(raw))
	resp, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("Go refuses what we accept: %v", err)
	}
	if method == "CONNECT" && ours.status/100 == 2 || ours.status == 101 {
		return // a tunnel, which Go gives as a body
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		if bytes.Contains(raw, []byte(" ;")) || bytes.Contains(raw, []byte("\t;")) {
			return
		}
		t.Fatalf("Go refuses the body that we accept: %v", err)
	}
	rest, _ := io.ReadAll(in)
	if string(body) != ours.body || len(rest) != ours.rest || resp.StatusCode != ours.status {
		t.Fatalf("Go reads %d with %q and leaves %q, we %+v", resp.StatusCode, body, rest, ours)
	}
}

func FuzzChunked(f *testing.F) {
	for _, c := range badBodies {
		f.Add([]byte(strings.Replace(c.raw, "§", "", 1)), true)
	}
	for _, c := range goodBodies {
		f.Add([]byte(c.raw), false)
	}
	f.Fuzz(func(t *testing.T, chunks []byte, request bool) {
		head := chunkedHead
		if request {
			head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		}
		raw := append([]byte(head), chunks...)
		open := func(src io.Reader) *Reader {
			r := NewReader(src)
			var err error
			if request {
				_, err = r.ReadRequestHead(fuzzLimits)
			} else {
				_, err = r.ReadResponseHead(fuzzLimits, "GET")
			}
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		r := open(bytes.NewReader(raw))
		want, wantErr := bodyReads["WriteTo"](r.Body())
		bounded(t, r)
		if wantErr != nil {
			sane(t, wantErr, raw)
		} else if !r.Body().Done() || r.Body().Consumed() != int64(len(want)) {
			t.Fatal("not done, or miscounted")
		}
		for name, read := range bodyReads {
			r := open(iotest.HalfReader(bytes.NewReader(raw)))
			got, err := read(r.Body())
			bounded(t, r)
			same(t, wantErr, err)
			if name != "CopyBody" && got != want || err == nil && got != want {
				t.Fatalf("%s reads %q, WriteTo %q", name, got, want)
			}
		}
	})
}
