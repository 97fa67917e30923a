package edge

import "github.com/originward/originward/internal/http1"

// passedLines appends the field lines of the origin's response for a visitor of HTTP/2 or
// HTTP/3, where the protocol itself frames the body.
func (v *visit) passedLines(b []byte, h *http1.ResponseHead, c *content) []byte {
	b = v.responseFields(b, h, c.decoded)
	if n := declared(h, c.framing(), c.decoded); n >= 0 {
		b = http1.AppendContentLength(b, n)
	}
	return v.edgeLines(b, true)
}

// ownLines appends the field lines of an answer of the edge's own, likewise.
func (v *visit) ownLines(b []byte, a *answerHead, length int) []byte {
	b = append(b, v.edge.date.at(v.began)...)
	for _, f := range a.fields {
		b = http1.AppendHeader(b, f[0], f[1])
	}
	b = http1.AppendContentLength(b, int64(length))
	return v.edgeLines(b, false)
}

// bodiless tells a response after whose head nothing follows.
func (v *visit) bodiless(f http1.Framing) bool {
	return f.Kind == http1.NoBody || v.method == "HEAD" || f.Kind == http1.LengthBody && f.Length == 0
}
