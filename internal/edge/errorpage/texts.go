package errorpage

import (
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed texts/*.json
var textFiles embed.FS

// text is what one code says.
type text struct {
	Title    string   `json:"title"`
	State    string   `json:"state"` // what stands under the broken hop
	Happened string   `json:"happened"`
	Visitor  []string `json:"visitor"`
	Owner    []string `json:"owner"`
}

// language is everything the page says in one language.
type language struct {
	tag   string
	Dir   string            `json:"dir"` // rtl, or ltr and empty
	UI    map[string]string `json:"ui"`
	Codes map[string]text   `json:"codes"`
}

// code is what the language says about a code. What only owners read may be in
// English.
func (l *language) code(number int) text {
	t := l.Codes[strconv.Itoa(number)]
	if len(t.Owner) == 0 {
		t.Owner = english().Codes[strconv.Itoa(number)].Owner
	}
	return t
}

// ownerTag is the language of the owner's part.
func (l *language) ownerTag(number int) string {
	if len(l.Codes[strconv.Itoa(number)].Owner) == 0 {
		return "en"
	}
	return l.tag
}

// tags lists the languages of pages; to add one is its file and one word.
var tags = []string{"en", "es", "de", "fr", "pt", "zh", "ja", "ar"}

// languages are read once; the files are part of the program, so a fault in one is a
// fault of the build and is caught by a test.
var languages = sync.OnceValue(func() map[string]*language {
	out := map[string]*language{}
	for _, tag := range tags {
		l, err := readLanguage(tag)
		if err != nil {
			panic(err)
		}
		out[tag] = l
	}
	return out
})

func english() *language { return languages()["en"] }

// maxLanguages bounds how much of Accept-Language is read.
const maxLanguages = 1024

// choose is the language that the visitor wants most of those that have a text for the
// code, 0 = any code (RFC 9110 section 12.5.4; a language stands for its regions); else English.
func choose(accept string, number int) *language {
	if len(accept) > maxLanguages {
		accept = accept[:maxLanguages]
	}
	best, bestQ := english(), 0
	for item := range strings.SplitSeq(accept, ",") {
		tag, params, _ := strings.Cut(item, ";")
		base, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		l := languages()[base]
		if l == nil {
			continue
		}
		if _, has := l.Codes[strconv.Itoa(number)]; !has && number != 0 {
			continue
		}
		if q := quality(params); q > bestQ {
			best, bestQ = l, q
		}
	}
	return best
}

func readLanguage(tag string) (*language, error) {
	raw, err := textFiles.ReadFile("texts/" + tag + ".json")
	if err != nil {
		return nil, err
	}
	var l language
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, fmt.Errorf("error page text %s: %w", tag, err)
	}
	l.tag = tag
	return &l, nil
}
