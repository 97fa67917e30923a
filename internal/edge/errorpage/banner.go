package errorpage

import (
	"html"
	"strings"
	"time"
)

// Banner is a strip of HTML for the top of a page that is served in place of a site that
// cannot be reached: that it is a copy, and from when. accept is the visitor's
// Accept-Language.
func Banner(accept string, saved time.Time) []byte {
	l := choose(accept, 0)
	at := saved.UTC().Format("2006-01-02 15:04 UTC")
	text := strings.Replace(html.EscapeString(l.UI["saved"]), "{time}", `<time datetime="`+saved.UTC().Format(time.RFC3339)+`" dir="ltr">`+at+"</time>", 1)
	dir := l.Dir
	if dir == "" {
		dir = "ltr"
	}
	return []byte(`<div role="status" lang="` + l.tag + `" dir="` + dir + `" style="all:initial;display:block;box-sizing:border-box;` +
		`width:100%;padding:10px 16px;background:#fff4d6;color:#3d2f00;border-bottom:1px solid #d9b54a;` +
		`font:15px/1.45 system-ui,sans-serif;text-align:center">` + text + "</div>")
}
