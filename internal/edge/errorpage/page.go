package errorpage

import (
	"html"
	"strconv"
	"time"
)

// DocsBase is where each code is explained; the code's number and ".md" follow.
const DocsBase = "https://github.com/originward/originward/blob/main/docs/codes/"

// Page is one error to be shown.
type Page struct {
	Code      int       // number on the page: 521, 1016, …; an unknown one is shown as 500
	Host      string    // as the visitor asked for it; hostile
	Ray       string    // 16 hex digits
	Colo      string    // place of the edge
	Address   string    // the visitor's; empty = not shown
	Time      time.Time // shown in UTC, to the second
	Languages string    // Accept-Language; hostile
	// RetryAfter is in seconds, when a rule knows better than the code's own value; 0 = the code's.
	RetryAfter int
	// Fault, Phase and Details say what the edge met, in words of closed lists; empty = nothing of an origin.
	Fault, Phase, Details string
}

// Rendered is an answer, ready to be sent.
type Rendered struct {
	Status      int
	ContentType string
	RetryAfter  int // seconds; 0 = no Retry-After
	Language    string
	Body        []byte
}

// Header lists the fields that go with every answer of the edge's own, beside
// Content-Type, Content-Length and Retry-After.
func (r Rendered) Header() [][2]string {
	h := [][2]string{
		{"Cache-Control", "private, max-age=0, no-store, no-cache, must-revalidate, post-check=0, pre-check=0"},
		{"Expires", "Thu, 01 Jan 1970 00:00:01 GMT"},
		{"Referrer-Policy", "same-origin"},
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "SAMEORIGIN"},
		{"Vary", "Accept, Accept-Language"},
		{"Content-Language", r.Language},
	}
	if r.ContentType == contentTypes[formHTML] {
		h = append(h, [2]string{"Content-Security-Policy", contentPolicy()})
	}
	if r.RetryAfter > 0 {
		h = append(h, [2]string{"Retry-After", strconv.Itoa(r.RetryAfter)})
	}
	return h
}

// view is a page with everything that its three forms show.
type view struct {
	Page
	code
	text
	UI    map[string]string
	lang  *language
	Docs  string
	Stamp string
	ISO   string
	Retry int
}

// Render writes the page in the form that the Accept header asks for.
func Render(p Page, accept string) Rendered {
	f := negotiate(accept)
	if f != formHTML {
		p.Languages = "" // programs and their keepers read one language
	}
	v := newView(p)
	r := Rendered{Status: v.status, ContentType: contentTypes[f], RetryAfter: v.Retry, Language: v.lang.tag}
	switch f {
	case formJSON, formProblem:
		r.Body = v.json()
	case formMarkdown:
		r.Body = v.markdown()
	default:
		r.Body = v.html()
	}
	return r
}

func newView(p Page) *view {
	c, ok := lookUp(p.Code)
	if !ok {
		c, _ = lookUp(500)
	}
	if p.Host == "" {
		p.Host = "-"
	}
	retry := c.retryAfter
	if p.RetryAfter > 0 {
		retry = p.RetryAfter
	}
	p.Time = p.Time.UTC().Truncate(time.Second)
	lang := choose(p.Languages, c.number)
	return &view{
		Page:  p,
		code:  c,
		text:  lang.code(c.number),
		UI:    lang.UI,
		lang:  lang,
		Docs:  DocsBase + strconv.Itoa(c.number) + ".md",
		Stamp: p.Time.Format("2006-01-02 15:04:05 UTC"),
		ISO:   p.Time.Format(time.RFC3339),
		Retry: retry,
	}
}

// Box is the part of a page that tells the error, for a page of one's own, and how
// long to wait in seconds (0 = not said).
func Box(p Page) (fragment string, retryAfter int) {
	v := newView(p)
	e := html.EscapeString
	return `<div class="ow-error" lang="` + v.Lang() + `" dir="` + v.Dir() + `"><h1>` + e(v.UI["error"]) + " " + strconv.Itoa(v.number) + ": " + e(v.Title) + `</h1><p>` + e(v.Happened) +
		`</p><p>` + e(v.UI["ray"]) + ` <code>` + e(v.Ray) + `</code> · ` + e(v.Stamp) + `</p></div>`, v.Retry
}
