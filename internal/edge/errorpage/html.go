package errorpage

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"strings"
	"sync"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var pageStyle string

// pageTemplate escapes by context: what a visitor's request says is hostile.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{"parts": parts, "labels": labels}).Parse(pageSource))
})

// contentPolicy allows the page its own style and nothing else.
var contentPolicy = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
})

// hopView is one of the three places as the page shows it.
type hopView struct {
	Icon, Name, Detail, State string
	Class                     string // ok, bad or idle
}

// Style is the inline style; the template must not escape it.
func (v *view) Style() template.CSS { return template.CSS(pageStyle) }

// Number is the code on the page.
func (v *view) Number() int { return v.number }

// Hops are the three places with the broken one marked; those behind it were not asked.
func (v *view) Hops() []hopView {
	hops := []hopView{
		{Icon: "you", Name: v.UI["you"], Detail: v.UI["browser"]},
		{Icon: "edge", Name: v.UI["edge"], Detail: v.Colo},
		{Icon: "host", Name: v.UI["host"], Detail: v.Host},
	}
	for i := range hops {
		switch at := hop(i + 1); {
		case at < v.hop:
			hops[i].Class, hops[i].State = "ok", v.UI["working"]
		case at == v.hop:
			hops[i].Class, hops[i].State = "bad", v.State
		default:
			hops[i].Class, hops[i].State = "idle", v.UI["not_reached"]
		}
	}
	return hops
}

// part is a run of text, or of code, which the texts put in backquotes.
type part struct {
	Text string
	Code bool
}

func parts(s string) []part {
	var out []part
	code := false
	for run := range strings.SplitSeq(s, "`") {
		if run != "" {
			out = append(out, part{run, code})
		}
		code = !code
	}
	return out
}

// labels cuts a host name behind each dot, where it may be broken into lines.
func labels(s string) []string { return strings.SplitAfter(s, ".") }

func (v *view) html() []byte {
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, v); err != nil {
		panic(err) // the template and its data are ours; a test renders every code
	}
	return b.Bytes()
}
