package edge

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/edge/cache"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/http1"
)

// content is a response's body on its way to the visitor: the origin's as it
// comes, or decoded because the visitor does not take the coding that origins are
// asked for.
type content struct {
	body    *exchange.Body
	kept    *cache.Reader // instead of body: from the cache
	frame   http1.Framing // of kept
	tap     func([]byte)  // sees every raw piece on its way; nil = nobody
	decoded bool
	none    bool      // decoded, and only its fields are sent
	begin   []byte    // decoded bytes that are ready
	rest    io.Reader // what follows begin; nil = nothing
	buf     []byte
}

// decodeAhead is how much is decoded before the head goes out: a body that proves
// broken by then can still be answered with 502.
const decodeAhead = 64 << 10

// framing is how the body is framed for the visitor.
func (c *content) framing() http1.Framing {
	switch {
	case !c.decoded && c.kept != nil:
		return c.frame
	case !c.decoded:
		return c.body.Framing()
	case c.none:
		return http1.Framing{}
	case c.rest == nil:
		return http1.Framing{Kind: http1.LengthBody, Length: int64(len(c.begin))}
	}
	return http1.Framing{Kind: http1.ChunkedBody}
}

// ready returns bytes that are there without waiting.
func (c *content) ready() []byte {
	switch {
	case c.decoded:
		return c.begin
	case c.kept != nil:
		return c.kept.Ready()
	case c.tap != nil:
		return nil
	}
	return c.body.Buffered()
}

// whole tells that n bytes are all of it.
func (c *content) whole(n int) bool {
	f := c.framing()
	return f.Kind == http1.LengthBody && f.Length == int64(n)
}

// discard consumes the first n bytes of ready.
func (c *content) discard(n int) {
	switch {
	case c.decoded:
		c.begin = c.begin[n:]
	case c.kept != nil:
		c.kept.Discard(n)
	case n > 0:
		c.body.Discard(n)
	}
}

// next returns the next piece; io.EOF is the proper end. Its other errors are
// faults of the body phase.
func (c *content) next() ([]byte, error) {
	if !c.decoded {
		return c.raw()
	}
	if p := c.begin; len(p) > 0 {
		c.begin = nil
		return p, nil
	}
	if c.rest == nil {
		return nil, io.EOF
	}
	if c.buf == nil {
		c.buf = make([]byte, 32<<10)
	}
	n, err := c.rest.Read(c.buf)
	switch {
	case n > 0:
		return c.buf[:n], nil
	case err == io.EOF:
		return nil, io.EOF
	case err == nil:
		return nil, io.ErrNoProgress
	}
	return nil, contentFault(originward.PhaseBody, err)
}

// raw returns the next piece as it came.
func (c *content) raw() ([]byte, error) {
	if c.kept != nil {
		return c.kept.Next()
	}
	p, err := c.body.Next()
	if c.tap != nil && len(p) > 0 {
		c.tap(p)
	}
	return p, err
}

// moves tells that the body can be moved to the visitor in the kernel: nobody
// has to see it.
func (c *content) moves() bool { return !c.decoded && c.kept == nil && c.tap == nil }

// rawReader reads the raw pieces for a decoder.
type rawReader struct {
	c    *content
	left []byte
}

func (r *rawReader) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		var err error
		if r.left, err = r.c.raw(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// trailers are the origin's, once the body has ended.
func (c *content) trailers() []http1.Field {
	if c.decoded || c.kept != nil {
		return nil
	}
	return c.body.Trailers()
}

// contentFault is a body that cannot be decoded; a fault of the origin's
// connection stays what it is.
func contentFault(p originward.Phase, err error) *originward.Fault {
	var f *originward.Fault
	if errors.As(err, &f) && p == originward.PhaseBody {
		return f
	}
	return &originward.Fault{Phase: p, Type: originward.HTTPResponseContent, Err: fmt.Errorf("content coding: %w", err)}
}

// decoded passes the response on, decoding it first when it must be.
func (v *visit) decoded(conn *exchange.Conn, h *http1.ResponseHead) error {
	c := &v.content
	*c = content{body: conn.Body(), tap: c.tap, buf: c.buf}
	coding := h.GetID(http1.FieldContentEncoding)
	if coding == nil || !v.mustDecode(h, coding) {
		return v.out.forward(h, c)
	}
	return v.decode(h, c, coding)
}

// decode passes a response on in plain.
func (v *visit) decode(h *http1.ResponseHead, c *content, coding []byte) error {
	c.decoded = true
	if v.method == "HEAD" {
		c.none = true
		return v.out.forward(h, c)
	}
	r, err := newDecoder(coding, &rawReader{c: c})
	if err == nil {
		c.begin, err = io.ReadAll(io.LimitReader(r, decodeAhead))
	}
	if err != nil {
		return contentFault(originward.PhaseHeaders, err)
	}
	if len(c.begin) == decodeAhead {
		c.rest = r
	}
	return v.out.forward(h, c)
}

// mustDecode tells whether the visitor would not understand the response's coding.
func (v *visit) mustDecode(h *http1.ResponseHead, coding []byte) bool {
	switch {
	case !decodable(coding):
		return false
	case h.Status == 206 || v.head.Has("Range"):
		return false
	}
	return !accepts(v.head, string(bytes.ToLower(coding)))
}

func decodable(coding []byte) bool {
	return bytes.EqualFold(coding, []byte("gzip")) || bytes.EqualFold(coding, []byte("br"))
}

func newDecoder(coding []byte, body io.Reader) (io.Reader, error) {
	if bytes.EqualFold(coding, []byte("br")) {
		return brotli.NewReader(body), nil
	}
	// gzip reads byte by byte where its source allows; a buffer keeps that cheap.
	return gzip.NewReader(bufio.NewReaderSize(body, 16<<10))
}

// accepts tells whether a visitor's Accept-Encoding takes a coding (RFC 9110
// section 12.5.3). Without the field the visitor gets no coding: that any is allowed
// then is true in theory only.
func accepts(h *http1.Head, coding string) bool {
	best, star := -1, -1
	for list := range h.Values("Accept-Encoding") {
		for item := range bytes.SplitSeq(list, []byte(",")) {
			name, params, _ := bytes.Cut(item, []byte(";"))
			name = bytes.TrimSpace(name)
			q := 1
			if k, val, ok := bytes.Cut(bytes.TrimSpace(params), []byte("=")); ok && bytes.EqualFold(bytes.TrimSpace(k), []byte("q")) && zeroQ(val) {
				q = 0
			}
			switch {
			case bytes.EqualFold(name, []byte(coding)), coding == "gzip" && bytes.EqualFold(name, []byte("x-gzip")):
				best = max(best, q)
			case string(name) == "*":
				star = max(star, q)
			}
		}
	}
	if best >= 0 {
		return best > 0
	}
	return star > 0
}

// zeroQ tells a q-value of nought: "0", "0.0" …
func zeroQ(v []byte) bool {
	v = bytes.TrimSpace(v)
	return len(v) > 0 && len(bytes.Trim(v, "0.")) == 0
}
