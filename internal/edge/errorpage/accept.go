package errorpage

import "strings"

// form is how an error is written.
type form uint8

const (
	formHTML form = iota
	formJSON
	formProblem // JSON under its RFC 9457 type: the same bytes
	formMarkdown
)

// contentTypes of the forms (cloudflare error-responses).
var contentTypes = [...]string{
	formHTML:     "text/html; charset=utf-8",
	formJSON:     "application/json; charset=utf-8",
	formProblem:  "application/problem+json",
	formMarkdown: "text/markdown; charset=utf-8",
}

// media lists which media range asks for which form.
var media = map[string]form{
	"text/html":                formHTML,
	"application/xhtml+xml":    formHTML,
	"*/*":                      formHTML,
	"application/json":         formJSON,
	"application/*":            formJSON,
	"application/problem+json": formProblem,
	"text/markdown":            formMarkdown,
	"text/*":                   formMarkdown,
}

// maxAccept bounds how much of an Accept header is read.
const maxAccept = 2048

// negotiate chooses the form by the highest q-value; the first of equals wins.
// Nothing acceptable, or nothing said, is HTML.
func negotiate(accept string) form {
	if len(accept) > maxAccept {
		accept = accept[:maxAccept]
	}
	best, bestQ := formHTML, 0
	for item := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(item, ";")
		f, ok := media[strings.ToLower(strings.TrimSpace(name))]
		if !ok {
			continue
		}
		if q := quality(params); q > bestQ {
			best, bestQ = f, q
		}
	}
	return best
}

// WantsHTML tells whether a client that sends this Accept gets a page.
func WantsHTML(accept string) bool { return negotiate(accept) == formHTML }

// quality is the q parameter in thousandths: 1000 when there is none, 0 when it
// is not a valid one (RFC 9110 section 12.4.2).
func quality(params string) int {
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(k, "q") {
			continue
		}
		whole, frac, _ := strings.Cut(v, ".")
		if len(whole) != 1 || whole != "0" && whole != "1" || len(frac) > 3 {
			return 0
		}
		q := int(whole[0]-'0') * 1000
		unit := 100
		for _, c := range []byte(frac) {
			if c < '0' || c > '9' {
				return 0
			}
			q += int(c-'0') * unit
			unit /= 10
		}
		return min(q, 1000)
	}
	return 1000
}
