package edge

import (
	"errors"
	"io"
	"sync"

	"github.com/originward/originward/internal/http1"
)

// serverLine names the edge; it replaces the origin's.
const serverLine = "Server: originward\r\n"

// dropped tells which fields of an origin's response do not reach the visitor:
// those that the edge writes itself, and instructions for a proxy (cloudflare
// http-headers).
func dropped(id http1.FieldID) bool {
	switch id {
	case http1.FieldContentLength, http1.FieldServer, http1.FieldCFRay, http1.FieldCFCacheStatus,
		http1.FieldXAccelBuffering, http1.FieldXAccelCharset, http1.FieldXAccelLimitRate, http1.FieldXAccelRedirect:
		return true
	}
	return false
}

// recoded tells which fields a decoded body makes wrong.
func recoded(id http1.FieldID) bool {
	return id == http1.FieldContentEncoding || id == http1.FieldETag || id == http1.FieldAcceptRanges
}

// edgeLines are the fields that the edge adds to a response: CF-Ray always, and
// beside an origin's answer its cache status and, on errors, whose answer it is.
func (v *visit) edgeLines(b []byte, fromOrigin bool) []byte {
	b = append(b, serverLine+"CF-Ray: "...)
	b = append(b, v.rayID[:]...)
	b = append(b, "\r\n"...)
	if v.zone != nil && v.conn.https {
		b = append(b, v.zone.altSvc...)
	}
	if fromOrigin {
		b = v.cookieLine(v.cache.lines(b))
		if v.status >= 500 {
			b = append(b, "Proxy-Status: originward; received-status="...)
			b = append(b, byte('0'+v.status/100), byte('0'+v.status/10%10), byte('0'+v.status%10))
			b = append(b, "\r\n"...)
		}
	}
	return b
}

// responseFields copies what passes of the origin's fields.
func (v *visit) responseFields(b []byte, h *http1.ResponseHead, decoded bool) []byte {
	date, edits := false, !v.toVisitor.Empty()
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.Hop || dropped(f.ID) || decoded && recoded(f.ID) || edits && v.toVisitor.Drops(f.Name) {
			continue
		}
		date = date || f.ID == http1.FieldDate
		b = http1.AppendField(b, f)
	}
	if decoded {
		if tag := h.GetID(http1.FieldETag); tag != nil {
			b = append(b, "ETag: "...)
			if len(tag) > 0 && tag[0] == '"' {
				b = append(b, "W/"...) // the bytes differ from the origin's
			}
			b = append(append(b, tag...), "\r\n"...)
		}
		b = append(b, "Vary: Accept-Encoding\r\n"...)
	}
	if !date {
		b = append(b, v.edge.date.at(v.began)...)
	}
	for _, f := range v.toVisitor.Add {
		b = http1.AppendHeader(b, f[0], f[1])
	}
	return b
}

// respond1 answers a visitor over HTTP/1.
type respond1 struct {
	c *visitor
	v *visit
	// buf holds the head on its way out.
	buf    []byte
	chunks http1.ChunkWriter
	close  bool // the connection ends with this response
	keep   bool // the request allows another one after it

	mu    sync.Mutex
	began bool // the final response has begun; guarded by mu until then
}

// begin marks the beginning of the final response: no interim one may follow.
func (r *respond1) begin() {
	r.c.presence.asked.Store(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began = true
}

var errAnswered = errors.New("the final response has begun")

// proceed is the edge's own 100 (Continue): a visitor that asked for it gets it when
// its body is wanted; an origin's is for the edge only.
var proceed = &http1.ResponseHead{Status: 100}

// interim passes a 1xx response on; HTTP/1.0 has none.
func (r *respond1) interim(h *http1.ResponseHead) error {
	if r.v.proto == http10 || h.Status == 100 && h != proceed {
		return nil
	}
	// The 100 may be asked for beside an exchange that has just been answered.
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began {
		return errAnswered
	}
	b := http1.AppendStatusLine(r.buf[:0], h.Status, h.Reason)
	b = http1.AppendFields(b, h.Fields)
	b = http1.AppendEnd(b)
	r.buf = b
	_, err := r.c.w.Write(b)
	return err
}

// ends decides whether the connection can carry another request.
func (r *respond1) ends(untilClose bool) bool {
	r.close = untilClose || !r.keep || r.c.edge.ending() || !r.v.upload.settled() || !r.c.reader.Body().Done()
	return r.close
}

func (r *respond1) connectionLine(b []byte, untilClose bool) []byte {
	if r.ends(untilClose) {
		return append(b, "Connection: close\r\n"...)
	}
	if r.v.proto == http10 {
		return append(b, "Connection: keep-alive\r\n"...)
	}
	return b
}

// forward sends the origin's response.
func (r *respond1) forward(h *http1.ResponseHead, c *content) error {
	v := r.v
	f := c.framing()
	r.begin()
	b := http1.AppendStatusLine(r.buf[:0], h.Status, h.Reason)
	b = v.responseFields(b, h, c.decoded)
	chunked := f.Kind == http1.ChunkedBody || f.Kind == http1.UntilCloseBody
	switch {
	case chunked && v.proto == http10:
		b = r.connectionLine(v.edgeLines(b, true), true)
	case chunked:
		b = r.connectionLine(v.edgeLines(http1.AppendChunked(b), true), false)
	default:
		if n := declared(h, f, c.decoded); n >= 0 {
			b = http1.AppendContentLength(b, n)
		}
		b = r.connectionLine(v.edgeLines(b, true), false)
	}
	b = http1.AppendEnd(b)
	r.buf = b
	switch {
	case chunked && v.proto != http10:
		return r.sendChunks(b, c)
	case f.Kind == http1.NoBody || v.method == "HEAD":
		_, err := r.c.w.Write(b)
		return err
	}
	return r.sendPlain(b, c)
}

// declared is the length to declare, -1 for none: 1xx and 204 must not have one, a
// response to HEAD or a 304 declares what the origin did.
func declared(h *http1.ResponseHead, f http1.Framing, decoded bool) int64 {
	switch {
	case f.Kind == http1.LengthBody:
		return f.Length
	case h.Status == 204 || h.Status < 200 || decoded:
		return -1
	case f.Kind == http1.NoBody:
		return h.ContentLength
	}
	return -1
}

// inOne is the most content bytes that are copied behind the head to go out with it:
// one record of TLS, and a copy that costs less than it saves.
const inOne = 16 << 10

// sendPlain sends head and content as they are; long content moves in the kernel
// where that is possible.
func (r *respond1) sendPlain(head []byte, c *content) error {
	if err := r.sendReady(head, c); err != nil {
		return err
	}
	if c.moves() {
		n, err := c.body.WriteTo(r.c.w)
		r.v.sent += n
		return err
	}
	return r.eachPiece(c, func(p []byte) error {
		_, err := r.c.w.Write(p)
		return err
	})
}

// sendReady sends the head with what is there of the content.
func (r *respond1) sendReady(head []byte, c *content) error {
	p := c.ready()
	defer c.discard(len(p))
	var n int
	var err error
	if len(p) > inOne {
		n, err = r.c.writeBoth(head, p)
	} else {
		r.buf = append(head, p...)
		r.c.last(r.close && c.whole(len(p)) && r.v.upload.settled())
		n, err = r.c.w.Write(r.buf)
	}
	r.v.sent += int64(max(0, n-len(head)))
	return err
}

func (r *respond1) sendChunks(head []byte, c *content) error {
	r.chunks.Reset(r.c.w, head)
	defer r.chunks.Abort()
	if len(c.ready()) == 0 {
		if err := r.chunks.Flush(); err != nil { // the origin thinks: the head need not wait
			return err
		}
	}
	err := r.eachPiece(c, func(p []byte) error {
		_, err := r.chunks.Write(p)
		return err
	})
	if err != nil {
		return err
	}
	return r.chunks.Close(c.trailers())
}

func (r *respond1) eachPiece(c *content, write func([]byte) error) error {
	for {
		p, err := c.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := write(p); err != nil {
			return err
		}
		r.v.sent += int64(len(p))
	}
}

// own sends an answer of the edge's own.
func (r *respond1) own(a *answerHead, body []byte) error {
	v := r.v
	r.begin()
	b := http1.AppendStatusLine(r.buf[:0], a.status, nil)
	b = append(b, v.edge.date.at(v.began)...)
	for _, f := range a.fields {
		b = http1.AppendHeader(b, f[0], f[1])
	}
	b = http1.AppendContentLength(b, int64(len(body)))
	b = v.edgeLines(b, false)
	b = r.connectionLine(b, false)
	b = http1.AppendEnd(b)
	if v.method != "HEAD" {
		b = append(b, body...)
		v.sent += int64(len(body))
	}
	r.buf = b
	_, err := r.c.w.Write(b)
	return err
}

var _ responder = (*respond1)(nil)
