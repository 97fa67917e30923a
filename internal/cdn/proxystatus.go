package cdn

import (
	"strings"

	"github.com/originward/originward"
)

// ProxyStatus is one member of a Proxy-Status field (RFC 9209): what one
// intermediary says of its handling of the response.
type ProxyStatus struct {
	Proxy   string // name of the intermediary
	Error   originward.FaultType
	Details string
	NextHop string
	Params  map[string]string // every parameter, as written without quotes
}

// maxMembers bounds a field that a hostile server sends.
const maxMembers = 32

// ParseProxyStatus reads a Proxy-Status field, several joined with commas. The
// first member is the intermediary nearest to the origin, the last the one
// nearest to the visitor. Reading stops at the first member that is not a
// structured field (RFC 8941): what came before it holds.
func ParseProxyStatus(v string) []ProxyStatus {
	var out []ProxyStatus
	s := sfReader{s: v}
	for len(out) < maxMembers {
		name, ok := s.item()
		if !ok {
			return out
		}
		m := ProxyStatus{Proxy: name, Params: map[string]string{}}
		if !s.params(m.Params) {
			return out
		}
		m.Error = originward.FaultType(m.Params["error"])
		m.Details, m.NextHop = m.Params["details"], m.Params["next-hop"]
		out = append(out, m)
		if s.space(); !s.skip(',') {
			return out
		}
		s.space()
	}
	return out
}

// sfReader reads the parts of RFC 8941 that occur here: tokens, strings,
// numbers, booleans, and their parameters.
type sfReader struct {
	s string
	i int
}

func (r *sfReader) space() {
	for r.i < len(r.s) && (r.s[r.i] == ' ' || r.s[r.i] == '\t') {
		r.i++
	}
}

func (r *sfReader) skip(c byte) bool {
	if r.i < len(r.s) && r.s[r.i] == c {
		r.i++
		return true
	}
	return false
}

func (r *sfReader) item() (string, bool) {
	if r.skip('"') {
		return r.str()
	}
	start := r.i
	for r.i < len(r.s) && isTokenByte(r.s[r.i]) {
		r.i++
	}
	return r.s[start:r.i], r.i > start
}

func (r *sfReader) str() (string, bool) {
	var b strings.Builder
	for r.i < len(r.s) {
		c := r.s[r.i]
		r.i++
		switch {
		case c == '"':
			return b.String(), true
		case c == '\\':
			if r.i == len(r.s) {
				return "", false
			}
			b.WriteByte(r.s[r.i])
			r.i++
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

func (r *sfReader) params(into map[string]string) bool {
	for {
		r.space()
		if !r.skip(';') {
			return true
		}
		r.space()
		start := r.i
		for r.i < len(r.s) && isKeyByte(r.s[r.i]) {
			r.i++
		}
		key := r.s[start:r.i]
		if key == "" {
			return false
		}
		val := "?1" // a parameter without a value is true
		if r.skip('=') {
			var ok bool
			if val, ok = r.item(); !ok {
				return false
			}
		}
		if len(into) < maxMembers {
			into[key] = val
		}
	}
}

func isKeyByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.' || c == '*'
}

func isTokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~:/?", c) >= 0
}
