package errorpage

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html"
	"html/template"
	"strings"
	"sync"
	"unicode/utf8"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var pageStyle string

// pageTemplate escapes by context: what a visitor's request says is hostile.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{"parts": parts}).Parse(pageSource))
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

// Lang is the page's language, Dir the direction in which it is written.
func (v *view) Lang() string { return v.lang.tag }

// Dir is ltr or rtl.
func (v *view) Dir() string {
	if v.lang.Dir == "" {
		return "ltr"
	}
	return v.lang.Dir
}

// OwnerLang is the language of the part for the owner.
func (v *view) OwnerLang() string { return v.lang.ownerTag(v.number) }

// Hops are the three places with the broken one marked; those behind it were not asked.
func (v *view) Hops() []hopView {
	hops := []hopView{
		{Icon: "you", Name: v.UI["you"], Detail: v.UI["browser"]},
		{Icon: "edge", Name: v.UI["edge"], Detail: v.Colo},
		{Icon: "host", Name: v.UI["host"], Detail: string(slotLabels)},
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

// Slots stand in the cached page where each request has its own text. They are
// characters that no text of ours has.
const (
	slotHost    = '\uE001' // the host name
	slotLabels  = '\uE002' // the same, with places where a line may break
	slotRay     = '\uE003'
	slotStamp   = '\uE004'
	slotISO     = '\uE005'
	slotAddress = '\uE006'
)

// skeleton is a page of one code at one place: text, slot, text, slot … text. A
// template takes a tenth of a millisecond, too long while a busy origin is down.
type skeleton struct {
	text  []string
	slots []rune
}

type skeletonKey struct {
	number     int
	lang       string
	colo       string
	hasAddress bool
}

// skeletons holds a skeleton for each code, place and presence of an address: some
// hundred for one edge.
var skeletons sync.Map // of skeletonKey to *skeleton

func (v *view) skeleton() *skeleton {
	key := skeletonKey{v.number, v.lang.tag, v.Colo, v.Address != ""}
	if s, ok := skeletons.Load(key); ok {
		return s.(*skeleton)
	}
	x := *v
	x.Host, x.Ray, x.Stamp, x.ISO = string(slotHost), string(slotRay), string(slotStamp), string(slotISO)
	if x.Address != "" {
		x.Address = string(slotAddress)
	}
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, &x); err != nil {
		panic(err) // the template and its data are ours; a test renders every code
	}
	s := &skeleton{}
	rest := b.String()
	for {
		i := strings.IndexFunc(rest, func(r rune) bool { return r >= slotHost && r <= slotAddress })
		if i < 0 {
			break
		}
		slot, n := utf8.DecodeRuneInString(rest[i:])
		s.text, s.slots = append(s.text, rest[:i]), append(s.slots, slot)
		rest = rest[i+n:]
	}
	s.text = append(s.text, rest)
	skeletons.Store(key, s)
	return s
}

func (v *view) html() []byte {
	s := v.skeleton()
	host := html.EscapeString(v.Host)
	b := make([]byte, 0, 8<<10)
	for i, slot := range s.slots {
		b = append(b, s.text[i]...)
		switch slot {
		case slotHost:
			b = append(b, host...)
		case slotLabels:
			b = append(b, strings.ReplaceAll(host, ".", ".<wbr>")...)
		case slotRay:
			b = append(b, html.EscapeString(v.Ray)...)
		case slotStamp:
			b = append(b, v.Stamp...)
		case slotISO:
			b = append(b, v.ISO...)
		case slotAddress:
			b = append(b, html.EscapeString(v.Address)...)
		}
	}
	return append(b, s.text[len(s.slots)]...)
}
