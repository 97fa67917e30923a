package edge

import (
	"bytes"
	"errors"
	"io"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/edge/cache"
	"github.com/originward/originward/internal/edge/errorpage"
	"github.com/originward/originward/internal/http1"
)

// bannered tells whether a kept page that stands in for a failing origin is to say so.
func (v *visit) bannered(e *cache.Entry, a cache.Answer) bool {
	if v.cache.status != "STALE" || !v.cache.set.Banner || v.method != "GET" || a.Status != 200 {
		return false
	}
	kind, _, _ := bytes.Cut(e.Head.GetID(http1.FieldContentType), []byte(";"))
	coding := e.Head.GetID(http1.FieldContentEncoding)
	return bytes.EqualFold(bytes.TrimSpace(kind), []byte("text/html")) && (coding == nil || decodable(coding))
}

// forwardBannered sends a kept page with the banner behind its <body> tag. A page whose
// first 64 KiB have no such tag goes out as it is.
func (v *visit) forwardBannered(h *http1.ResponseHead, c *content, e *cache.Entry) error {
	var r io.Reader = &rawReader{c: c}
	if coding := e.Head.GetID(http1.FieldContentEncoding); coding != nil {
		var err error
		if r, err = newDecoder(coding, r); err != nil {
			return contentFault(originward.PhaseHeaders, err)
		}
	}
	begin := make([]byte, decodeAhead)
	n, err := io.ReadFull(r, begin)
	switch {
	case err == nil:
		c.rest = r
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return contentFault(originward.PhaseHeaders, err)
	}
	c.decoded, c.begin = true, begin[:n]
	if at := bodyTag(c.begin); at > 0 {
		banner := errorpage.Banner(string(v.head.Get("Accept-Language")), v.edge.now().Add(-e.Age(v.edge.now())))
		c.begin = append(append(append(make([]byte, 0, n+len(banner)), c.begin[:at]...), banner...), c.begin[at:]...)
	}
	h.ContentLength = -1
	return v.out.forward(h, c)
}

// bodyTag is the index behind a page's <body> tag, 0 when it is not there.
func bodyTag(page []byte) int {
	low := bytes.ToLower(page)
	for from := 0; ; {
		i := bytes.Index(low[from:], []byte("<body"))
		if i < 0 {
			return 0
		}
		from += i + len("<body")
		if from < len(low) && (low[from] == '>' || low[from] == ' ' || low[from] == '\t' || low[from] == '\n' || low[from] == '\r') {
			if end := bytes.IndexByte(low[from:], '>'); end >= 0 {
				return from + end + 1
			}
			return 0
		}
	}
}
