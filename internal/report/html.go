package report

import (
	_ "embed"
	"html/template"
	"io"

	"github.com/originward/originward"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"mark": hopMark,
	"class": func(s State) string {
		return [...]string{"unseen", "working", "broken"}[s]
	},
	"proved": func(s originward.Standing) bool { return s == originward.Proved },
}).Parse(pageHTML))

// HTML writes one self-contained page: no script, nothing fetched.
func HTML(w io.Writer, d *originward.Diagnosis) error {
	return pageTemplate.Execute(w, NewPage(d))
}
