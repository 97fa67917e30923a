package allowlist

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
)

// json reads a JSON document: every string that is an address, nft's
// {"prefix": {"addr": …, "len": …}} and {"range": [from, to]}. It is false when
// the text is not JSON.
func (p *parser) json(b []byte) bool {
	if !json.Valid(b) {
		return false
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	lines := lineStarts(b)
	w := jsonWalk{p: p}
	for {
		t, err := dec.Token()
		if err != nil {
			return true // the end: the text is valid
		}
		p.line = sort.SearchInts(lines, int(dec.InputOffset()))
		w.token(t)
	}
}

func lineStarts(b []byte) []int {
	starts := []int{0}
	for i, c := range b {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// jsonWalk remembers the one string that may be half of a pair.
type jsonWalk struct {
	p    *parser
	key  string // last string that could be a key
	addr string // value of the last "addr"
	from string // first address of a "range"
	in   bool   // inside the array of a "range"
}

func (w *jsonWalk) token(t json.Token) {
	switch v := t.(type) {
	case json.Delim:
		if v == '[' {
			w.in = w.key == "range"
		} else if v == ']' {
			w.in, w.from = false, ""
		}
	case string:
		w.str(v)
	case float64:
		if w.key == "len" && w.addr != "" {
			w.p.words([]string{fmt.Sprintf("%s/%d", w.addr, int(v))}, false)
			w.addr = ""
		}
	}
}

func (w *jsonWalk) str(v string) {
	switch {
	case w.in && w.from == "":
		w.from = v
	case w.in:
		w.p.words([]string{w.from + "-" + v}, false)
		w.in = false
	case w.key == "addr":
		w.addr, w.key = v, ""
	case looksLikeAddress(v):
		w.p.words([]string{v}, false)
	default:
		w.key = v
	}
}
