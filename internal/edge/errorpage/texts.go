package errorpage

import (
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
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
	UI    map[string]string `json:"ui"`
	Codes map[string]text   `json:"codes"`
}

func (l *language) code(number int) text { return l.Codes[strconv.Itoa(number)] }

// english is the language of the page; its file is part of the program, so a
// fault in it is a fault of the build and is caught by a test.
var english = sync.OnceValue(func() *language {
	l, err := readLanguage("en")
	if err != nil {
		panic(err)
	}
	return l
})

func readLanguage(tag string) (*language, error) {
	raw, err := textFiles.ReadFile("texts/" + tag + ".json")
	if err != nil {
		return nil, err
	}
	var l language
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, fmt.Errorf("error page text %s: %w", tag, err)
	}
	return &l, nil
}
