package rules

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxRounds bounds recursive decoding.
const maxRounds = 8

func urlDecode(a []operand) (operand, string) {
	recursive, unicode := false, false
	if len(a) > 1 {
		for _, c := range a[1].text {
			switch c {
			case 'r':
				recursive = true
			case 'u':
				unicode = true
			default:
				return operand{}, fmt.Sprintf("the options of url_decode() are r and u, not %q", c)
			}
		}
	}
	return mapText(func(v []byte) []byte {
		out := percentDecode(v, unicode)
		for range maxRounds {
			if !recursive || bytes.Equal(out, v) {
				break
			}
			v = out
			out = percentDecode(v, unicode)
		}
		return out
	})(a)
}

// percentDecode decodes %XX, "+" and, where asked for, %uXXXX; what is malformed
// stays as it is.
func percentDecode(v []byte, unicode bool) []byte {
	if bytes.IndexByte(v, '%') < 0 && bytes.IndexByte(v, '+') < 0 {
		return v
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		switch {
		case v[i] == '+':
			out = append(out, ' ')
			continue
		case v[i] == '%' && unicode && i+5 < len(v) && v[i+1] == 'u':
			if n, err := strconv.ParseUint(string(v[i+2:i+6]), 16, 16); err == nil {
				out = utf8.AppendRune(out, rune(n)) //nolint:gosec // 16 bits
				i += 5
				continue
			}
		case v[i] == '%' && i+2 < len(v):
			if n, err := strconv.ParseUint(string(v[i+1:i+3]), 16, 8); err == nil {
				out = append(out, byte(n))
				i += 2
				continue
			}
		}
		out = append(out, v[i])
	}
	return out
}

// decodeBase64 takes padded and unpadded input; what is no base64 is missing.
func decodeBase64(a []operand) (operand, string) {
	return mapText(func(v []byte) []byte {
		out, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(string(v), "="))
		if err != nil {
			return nil
		}
		return present(out)
	})(a)
}

func encodeBase64(a []operand) (operand, string) {
	alphabet, padded := base64.RawStdEncoding, false
	if len(a) > 1 {
		for _, c := range a[1].text {
			switch c {
			case 'u':
				alphabet = base64.RawURLEncoding
			case 'p':
				padded = true
			default:
				return operand{}, fmt.Sprintf("the flags of encode_base64() are u and p, not %q", c)
			}
		}
	}
	if padded {
		alphabet = alphabet.WithPadding(base64.StdPadding)
	}
	return mapText(func(v []byte) []byte { return alphabet.AppendEncode(emptyText, v) })(a)
}

func sha256Of(a []operand) (operand, string) {
	return mapText(func(v []byte) []byte { s := sha256.Sum256(v); return s[:] })(a)
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// uuid4 gives a random UUID; the edge has randomness of its own, so the argument
// only has to be there.
func uuid4([]operand) (operand, string) {
	return stringOf(func(*Request) []byte {
		b := randomBytes(16)
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		return fmt.Appendf(nil, "%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	}), ""
}

// removeQueryArgs leaves arguments out of a query, the order of the others kept.
func removeQueryArgs(a []operand) (operand, string) {
	if strings.TrimPrefix(a[0].field, "raw.") != "http.request.uri.query" {
		return operand{}, "remove_query_args() takes http.request.uri.query or raw.http.request.uri.query"
	}
	drop := map[string]bool{}
	for _, x := range a[1:] {
		drop[x.text] = true
	}
	return mapText(func(v []byte) []byte {
		out := make([]byte, 0, len(v))
		for part := range bytes.SplitSeq(v, []byte("&")) {
			if name, _, _ := bytes.Cut(part, []byte("=")); drop[string(name)] {
				continue
			}
			if len(out) > 0 {
				out = append(out, '&')
			}
			out = append(out, part...)
		}
		return out
	})(a)
}

// template is a replacement with references to what was matched.
type template []templatePart

type templatePart struct {
	text  string
	group int // 0 = text
}

// maxReferences in a replacement (functions, regex_replace).
const maxReferences = 8

func newTemplate(s string, groups int) (template, string) {
	var t template
	refs := 0
	var lit strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' {
			lit.WriteByte(s[i])
			continue
		}
		rest := s[i+1:]
		end := strings.IndexByte(rest, '}')
		switch {
		case strings.HasPrefix(rest, "$"):
			lit.WriteByte('$')
			i++
		case strings.HasPrefix(rest, "{") && end > 0:
			n, err := strconv.Atoi(rest[1:end])
			if err != nil || n < 1 || n > groups {
				return nil, fmt.Sprintf("the replacement refers to ${%s}, and there are %d groups", rest[1:end], groups)
			}
			if refs++; refs > maxReferences {
				return nil, "a replacement can have 8 references"
			}
			t = append(t, templatePart{text: lit.String()}, templatePart{group: n})
			lit.Reset()
			i += end + 1
		default:
			return nil, `"$" in a replacement must be followed by "$" or by a group as in ${1}`
		}
	}
	return append(t, templatePart{text: lit.String()}), ""
}

func (t template) fill(dst []byte, group func(int) []byte) []byte {
	for _, p := range t {
		if p.group > 0 {
			dst = append(dst, group(p.group)...)
			continue
		}
		dst = append(dst, p.text...)
	}
	return dst
}

// regexReplace replaces the first match.
func regexReplace(a []operand) (operand, string) {
	re, err := regexp.Compile(a[1].text)
	if err != nil {
		return operand{}, "not a regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	}
	t, msg := newTemplate(a[2].text, re.NumSubexp())
	if msg != "" {
		return operand{}, msg
	}
	return mapText(func(v []byte) []byte {
		m := re.FindSubmatchIndex(v)
		if m == nil {
			return v
		}
		out := append(make([]byte, 0, len(v)+64), v[:m[0]]...)
		out = t.fill(out, func(g int) []byte {
			if m[2*g] < 0 {
				return nil
			}
			return v[m[2*g]:m[2*g+1]]
		})
		return append(out, v[m[1]:]...)
	})(a)
}

func wildcardReplace(a []operand) (operand, string) {
	strict := false
	if len(a) > 3 {
		if strict = a[3].text == "s"; !strict && a[3].text != "" {
			return operand{}, `the flags of wildcard_replace() are "s"`
		}
	}
	w, err := newWildcard(a[1].text, !strict)
	if err != nil {
		return operand{}, err.Error()
	}
	t, msg := newTemplate(a[2].text, len(w.parts)-1)
	if msg != "" {
		return operand{}, msg
	}
	return mapText(func(v []byte) []byte {
		groups := w.groups(v)
		if groups == nil {
			return v
		}
		return t.fill(make([]byte, 0, len(v)+64), func(g int) []byte { return groups[g-1] })
	})(a)
}
