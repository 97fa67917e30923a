package cdn

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// Response is a response to be recognised. Header names are lower-case; several
// fields of one name are joined with ", ". Body may be the beginning only, and
// may have passed through the escape package.
type Response struct {
	Status int
	Header map[string]string
	Body   []byte
	// By is the CDN in whose range the address lies that answered, when it is
	// known. Of two CDNs in a row, whose marks look alike in either order, it
	// tells the one that spoke to the visitor.
	By ID
}

// ResponseOf takes a response from evidence.
func ResponseOf(r *fact.Response) Response {
	if r == nil {
		return Response{}
	}
	return Response{Status: r.Status, Header: r.Header, Body: []byte(r.Body)}
}

// bodyLimit bounds how much of a body is read for fingerprints: the marks of
// every known page stand within its first 16 KiB.
const bodyLimit = 16 << 10

// textLimit bounds foreign text in the answer.
const textLimit = 200

// Recognise says which CDN answered, whether the CDN made the answer itself or
// passed the origin's on, and what the answer tells: error number, fault, ray,
// place, cache. It fills those fields of the answer and leaves the rest zero.
// What the response does not show stays unknown: a status 521 alone does not
// make an answer the edge's, for an origin may send it too.
func Recognise(r Response) fact.EdgeAnswer {
	if len(r.Body) > bodyLimit {
		r.Body = r.Body[:bodyLimit]
	}
	p := page{Response: r, text: pageText(r.Body)}
	p.kind = pageKind(p)
	a := fact.EdgeAnswer{Status: r.Status, Page: p.kind}
	if id, read := identify(p); id != "" {
		a.CDN = string(id)
		read(p, &a)
	}
	common(p, &a)
	return a
}

// page is a response with what is worked out once for all readers.
type page struct {
	Response
	text string
	kind string // html, json, markdown, plain; empty = none of them
}

func (p page) header(name string) string { return p.Header[name] }

func (p page) has(marks ...string) bool {
	for _, m := range marks {
		if strings.Contains(p.text, m) {
			return true
		}
	}
	return false
}

// pageText is the body as text. A body that was escaped to one line has its
// line breaks back: a page's marks do not depend on them, front matter does.
func pageText(b []byte) string {
	s := string(b)
	if !strings.Contains(s, "\n") && strings.Contains(s, `\n`) {
		s = strings.NewReplacer(`\r\n`, "\n", `\n`, "\n", `\t`, "\t").Replace(s)
	}
	return s
}

func pageKind(p page) string {
	media, _, _ := strings.Cut(strings.ToLower(p.header("content-type")), ";")
	switch media = strings.TrimSpace(media); {
	case media == "application/json", strings.HasSuffix(media, "+json"):
		return "json"
	case media == "text/markdown":
		return "markdown"
	case media == "text/html", media == "application/xhtml+xml":
		return "html"
	case media == "text/plain":
		return "plain"
	case media != "":
		return ""
	}
	switch t := strings.ToLower(strings.TrimSpace(p.text)); {
	case strings.HasPrefix(t, "<!doctype html"), strings.HasPrefix(t, "<html"):
		return "html"
	case strings.HasPrefix(t, "{"):
		return "json"
	}
	return ""
}

// common fills what every HTTP cache may say.
func common(p page, a *fact.EdgeAnswer) {
	if a.Cache == "" {
		a.Cache = cacheWord(p.header("x-cache"))
	}
	if n, err := strconv.Atoi(strings.TrimSpace(p.header("age"))); err == nil && n >= 0 {
		a.Age = &n
	}
	if t, err := http.ParseTime(p.header("date")); err == nil {
		a.ServerTime = t.UTC()
	}
}

// cacheWords are what X-Cache values come down to, first match wins: vendors
// write "Hit from cloudfront", "TCP_MISS from …", "HIT, MISS".
var cacheWords = []string{"STALE", "REVALIDATED", "EXPIRED", "UPDATING", "BYPASS", "DYNAMIC", "ERROR", "PASS", "MISS", "HIT", "NOCACHE"}

// cacheWord is the state of the cache nearest to the visitor, which is named
// last.
func cacheWord(v string) string {
	if i := strings.LastIndexByte(v, ','); i >= 0 {
		v = v[i+1:]
	}
	v = strings.ToUpper(v)
	for _, w := range cacheWords {
		if strings.Contains(v, w) {
			return w
		}
	}
	return ""
}

// short makes foreign text fit for evidence.
func short(s string) string { return escape.Line(strings.TrimSpace(s), textLimit) }
