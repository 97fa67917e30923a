package cdn

import (
	"encoding/json"
	"regexp"
	"strings"
)

// found is what an error answer says of itself, in whichever form it came.
type found struct {
	kind   string // json, markdown, plain, html; empty = no edge's error page
	number int    // 521, 1016 …; 0 = none
	ray    string // on the page
	detail string
}

// errorPage reads the four forms of an edge's error answer (cloudflare.md
// §11, §12). marker is the member that is true in answers of the edge.
func errorPage(p page, marker string) found {
	if p.Status > 0 && p.Status < 400 {
		return found{}
	}
	switch p.kind {
	case "json":
		return jsonError(p.text, marker)
	case "markdown":
		return markdownError(p.text, marker)
	case "plain":
		return plainError(p.text)
	case "html":
		return htmlError(p.text)
	}
	return found{}
}

// jsonError reads the flat object. It may be cut off: what came holds.
func jsonError(text, marker string) found {
	f := found{kind: "json"}
	marked := false
	dec := json.NewDecoder(strings.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return found{}
	}
	for {
		key, err := dec.Token()
		name, isKey := key.(string)
		if err != nil || !isKey {
			break
		}
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			break
		}
		f.member(name, raw, marker, &marked)
	}
	if !marked {
		return found{}
	}
	return f
}

func (f *found) member(name string, raw json.RawMessage, marker string, marked *bool) {
	switch name {
	case marker:
		_ = json.Unmarshal(raw, marked) // another type is no mark
	case "error_code":
		var n int
		if json.Unmarshal(raw, &n) == nil && errorNumber(n) {
			f.number = n
		}
	case "ray_id", "instance":
		var s string
		if json.Unmarshal(raw, &s) == nil && rayForm.MatchString(s) {
			f.ray = rayForm.FindStringSubmatch(s)[1]
		}
	case "error_name":
		_ = json.Unmarshal(raw, &f.detail)
	}
}

// markdownError reads the front matter: the same fields as "key: value" lines
// between two lines of dashes.
func markdownError(text, marker string) found {
	f := found{kind: "markdown"}
	marked := false
	lines := strings.Split(text, "\n")
	if strings.TrimSpace(lines[0]) != "---" {
		return found{}
	}
	for _, l := range lines[1:] {
		if strings.TrimSpace(l) == "---" {
			break
		}
		k, v, ok := strings.Cut(l, ":")
		if !ok {
			continue
		}
		k, v = strings.TrimSpace(k), strings.Trim(strings.TrimSpace(v), `"'`)
		switch k {
		case marker:
			marked = v == "true"
		case "error_code":
			f.number, _ = number(v)
		case "ray_id":
			if m := rayForm.FindStringSubmatch(v); m != nil {
				f.ray = m[1]
			}
		case "error_name":
			f.detail = v
		}
	}
	if !marked {
		return found{}
	}
	return f
}

var plainForm = regexp.MustCompile(`^error code: (\d{3,4})$`)

// plainError reads the bare form "error code: 1015".
func plainError(text string) found {
	if m := plainForm.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
		if n, ok := number(m[1]); ok {
			return found{kind: "plain", number: n}
		}
	}
	return found{}
}

// pageMarks are ids and paths in an edge's HTML error pages, of which text that
// an origin writes about errors has none (cloudflare.md §12).
var pageMarks = []string{
	`id="cf-wrapper"`, `id="cf-error-details"`, `id='cf-wrapper'`, `class="cf-error-code"`, `class="cf-wrapper`,
	"/cdn-cgi/styles/", "utm_source=errorcode_", `data-translate="block_headline"`,
	`<ol class="way"`, // Originward's own page
}

// pageNumbers are the places at which an HTML page shows its number, the most
// certain first.
var pageNumbers = []*regexp.Regexp{
	regexp.MustCompile(`class="code-label"[^>]*>\s*(?:<[^>]*>\s*)*Error code\s*(\d{3,4})`),
	regexp.MustCompile(`class="cf-error-code"[^>]*>\s*(\d{3,4})\s*<`),
	regexp.MustCompile(`<p class="code"><span>[^<]*</span>\s*(\d{3,4})`),
	regexp.MustCompile(`utm_source=errorcode_(\d{3,4})`),
	regexp.MustCompile(`<title>[^<]{0,300}\|\s*(\d{3,4}): `),
	regexp.MustCompile(`Error code:?\s*(\d{3,4})`),
	regexp.MustCompile(`Error\s+(\d{4})\b`),
}

var pageRay = regexp.MustCompile(`(?i)ray id:?\s*(?:</?[a-z][^>]*>\s*)*([0-9a-f]{16})\b`)

func htmlError(text string) found {
	if !marked(text) {
		return found{}
	}
	f := found{kind: "html"}
	for _, re := range pageNumbers {
		if m := re.FindStringSubmatch(text); m != nil {
			if n, ok := number(m[1]); ok {
				f.number = n
				break
			}
		}
	}
	if m := pageRay.FindStringSubmatch(text); m != nil {
		f.ray = strings.ToLower(m[1])
	}
	if strings.Contains(text, `data-translate="block_headline"`) && f.number == 0 {
		f.detail = "blocked by a rule of the edge"
	}
	return f
}

func marked(text string) bool {
	for _, m := range pageMarks {
		if strings.Contains(text, m) {
			return true
		}
	}
	return false
}
