package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	"github.com/originward/originward"
)

// The two pages and the style that they share.
var (
	//go:embed style.css
	styleCSS string
	//go:embed page.html
	pageHTML string
	//go:embed sheet.html
	sheetHTML string
)

var pages = func() *template.Template {
	t := template.New("pages").Funcs(template.FuncMap{
		"mark": hopMark,
		"class": func(s State) string {
			return [...]string{"unseen", "working", "broken"}[s]
		},
		"proved": func(s originward.Standing) bool { return s == originward.Proved },
		"join":   func(w []string) string { return strings.Join(w, ", ") },
	})
	template.Must(t.New("style").Parse(styleCSS))
	template.Must(t.New("page").Parse(pageHTML))
	return template.Must(t.New("sheet").Parse(sheetHTML))
}()

// HTML writes one self-contained page: no script, nothing fetched.
func HTML(w io.Writer, d *originward.Diagnosis) error {
	return pages.ExecuteTemplate(w, "page", NewPage(d))
}

// HTML writes the sheet as one self-contained page that also prints well.
func (s Sheet) HTML(w io.Writer) error { return pages.ExecuteTemplate(w, "sheet", s) }
