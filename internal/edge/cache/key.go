package cache

import (
	"bytes"
	"strings"

	"github.com/originward/originward/internal/http1"
)

// Request is what the cache must know of a request.
type Request struct {
	Scheme string // http or https, as the visitor used it
	Host   []byte // lower case, with the port where it is not the scheme's own
	Path   []byte
	Query  []byte // nil = none
	Method string
	Head   *http1.Head
}

// AppendKey appends what names a response beside Vary: scheme, host, path and,
// unless the zone ignores it, query.
func (s *Settings) AppendKey(b []byte, r *Request) []byte {
	b = append(append(b, r.Scheme...), "://"...)
	b = append(append(b, r.Host...), r.Path...)
	if r.Query != nil && !s.IgnoreQuery {
		b = append(append(b, '?'), r.Query...)
	}
	for _, name := range steering {
		if v := r.Head.Get(name); len(v) > 0 {
			b = append(append(append(append(b, '\n'), name...), ':'), v...)
		}
	}
	return b
}

// steering are request fields by which applications choose another response
// without saying so in Vary; they are part of the key, lest one visitor's choice
// be served to all (cloudflare cache-keys, read 2026-11-22).
var steering = []string{
	"Origin", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Forwarded-Host", "X-Host", "X-Forwarded-Scheme",
	"X-Original-URL", "X-Rewrite-URL", "Forwarded",
}

// varied are the request's values of the fields that a response varies by, in a
// fixed form: lists without spaces that do not matter. Names are lower case,
// parted by spaces.
func varied(vary string, h *http1.Head) string {
	if vary == "" {
		return ""
	}
	var b strings.Builder
	for name := range strings.FieldsSeq(vary) {
		b.WriteString(name)
		b.WriteByte(':')
		first := true
		for v := range h.Values(name) {
			for item := range bytes.SplitSeq(v, []byte(",")) {
				if !first {
					b.WriteByte(',')
				}
				first = false
				b.Write(bytes.TrimSpace(item))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// varyOf lists the fields that a response varies by. Accept-Encoding is left
// out: the edge asks origins for the same codings whatever the visitor takes.
func varyOf(h *http1.Head) string {
	var names []string
	for v := range h.Values("Vary") {
		for item := range bytes.SplitSeq(v, []byte(",")) {
			n := strings.ToLower(string(bytes.TrimSpace(item)))
			if n != "" && n != "accept-encoding" {
				names = append(names, n)
			}
		}
	}
	return strings.Join(names, " ")
}
