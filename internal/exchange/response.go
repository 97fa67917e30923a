package exchange

import (
	"bytes"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/http1"
)

// Bounds of a response in evidence.
const (
	maxBodyText    = 2 << 10 // bytes of the body's text
	maxFields      = 64
	maxFieldValue  = 256 // bytes
	maxFieldsTotal = 8 << 10
	maxTitle       = 200
)

// responseFact is a response's head as plain data. Of cookies only the names are
// kept: their values are secrets.
func responseFact(h *http1.ResponseHead, p Proto) *fact.Response {
	r := &fact.Response{Status: h.Status, Proto: protoName(h, p), Header: make(map[string]string), HeadBytes: len(h.Raw)}
	total := 0
	for i := range h.Fields {
		f := &h.Fields[i]
		name := strings.ToLower(escape.Bytes(f.Name, 64))
		value := f.Value
		if name == "set-cookie" {
			value, _, _ = bytes.Cut(value, []byte("="))
		}
		v := escape.Bytes(value, maxFieldValue)
		if old, ok := r.Header[name]; ok {
			v = escape.Line(old+", "+v, maxFieldValue)
		}
		if total += len(name) + len(v); total > maxFieldsTotal || len(r.Header) == maxFields {
			break
		}
		r.Header[name] = v
	}
	return r
}

func protoName(h *http1.ResponseHead, p Proto) string {
	switch {
	case p == HTTP2:
		return "HTTP/2.0"
	case h.Minor == 0:
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// title is the text of a document's title element; empty when there is none in b.
func title(b []byte) string {
	low := bytes.ToLower(b)
	if len(low) != len(b) {
		return "" // bytes that are not text
	}
	at := bytes.Index(low, []byte("<title"))
	if at < 0 {
		return ""
	}
	open := bytes.IndexByte(low[at:], '>')
	if open < 0 {
		return ""
	}
	from := at + open + 1
	end := bytes.Index(low[from:], []byte("</title"))
	if end < 0 {
		return ""
	}
	text := strings.Join(strings.Fields(string(b[from:from+end])), " ")
	return escape.Line(text, maxTitle)
}
