package incident

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Error is a mistake in a report, with the place where it stands.
type Error struct {
	File string
	Line int
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap gives the mistake itself.
func (e *Error) Unwrap() error { return e.Err }

// maxLine bounds a line of a report.
const maxLine = 16 << 10

// line is one line of a section: "VANTAGE WHAT …: WORDS key=value …".
type line struct {
	n     int
	head  []string // before the colon
	words []string // after it, without the options
	opts  map[string]string
	json  string   // what stands after the colon, where it is a JSON object
	known []string // options that were asked for
}

// readLine splits a line at its first ": " and into tokens. Double quotes hold
// a token together; a backslash in them escapes a quote.
func readLine(n int, text string) (*line, error) {
	if len(text) > maxLine {
		return nil, fmt.Errorf("the line is longer than %d bytes", maxLine)
	}
	head, value, ok := strings.Cut(text, ": ")
	if !ok {
		if head, ok = strings.CutSuffix(text, ":"); !ok {
			return nil, fmt.Errorf("%q has no colon; a line is WHAT: VALUE", text)
		}
	}
	l := &line{n: n, head: strings.Fields(head), opts: map[string]string{}}
	if len(l.head) == 0 {
		return nil, fmt.Errorf("nothing stands before the colon")
	}
	value = strings.TrimSpace(value)
	if strings.HasPrefix(value, "{") {
		l.json = value
		return l, nil
	}
	tokens, err := split(value)
	if err != nil {
		return nil, err
	}
	for _, t := range tokens {
		if t.key == "" {
			l.words = append(l.words, t.text)
			continue
		}
		if _, twice := l.opts[t.key]; twice {
			return nil, fmt.Errorf("%s= stands twice", t.key)
		}
		l.opts[t.key] = t.text
	}
	return l, nil
}

type token struct{ key, text string }

func split(s string) ([]token, error) {
	var out []token
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		var t token
		if key, rest, ok := strings.Cut(s, "="); ok && isKey(key) {
			t.key, s = key, rest
		}
		if strings.HasPrefix(s, `"`) {
			end := closing(s)
			if end < 0 {
				return nil, fmt.Errorf("the quote before %q is not closed", s[1:])
			}
			t.text, s = strings.ReplaceAll(s[1:end], `\"`, `"`), s[end+1:]
		} else if i := strings.IndexAny(s, " \t"); i >= 0 {
			t.text, s = s[:i], s[i:]
		} else {
			t.text, s = s, ""
		}
		out = append(out, t)
	}
	return out, nil
}

// isKey reports whether a text can be an option's name.
func isKey(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// closing is the index of the quote that closes the one at the beginning.
func closing(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// opt is an option's value; empty when it is not given.
func (l *line) opt(name string) string {
	l.known = append(l.known, name)
	return l.opts[name]
}

// has takes a word off the line, if it is there.
func (l *line) has(word string) bool {
	i := slices.Index(l.words, word)
	if i < 0 {
		return false
	}
	l.words = slices.Delete(l.words, i, i+1)
	return true
}

// word takes the first word off the line.
func (l *line) word() string {
	if len(l.words) == 0 {
		return ""
	}
	w := l.words[0]
	l.words = l.words[1:]
	return w
}

// number reads an option as a whole number; 0 when it is not given.
func (l *line) number(name string) (int, error) {
	v := l.opt(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s=%s: allowed are whole numbers from 0", name, v)
	}
	return n, nil
}

// list is an option that holds several values between commas.
func (l *line) list(name string) []string {
	v := l.opt(name)
	if v == "" {
		return nil
	}
	return strings.Split(v, ",")
}

// done reports what nobody asked for.
func (l *line) done() error {
	if len(l.words) > 0 {
		return fmt.Errorf("%q means nothing here", strings.Join(l.words, " "))
	}
	for k := range l.opts {
		if !slices.Contains(l.known, k) {
			return fmt.Errorf("unknown option %s=; allowed are %s", k, orNone(l.known))
		}
	}
	return nil
}

func orNone(s []string) string {
	if len(s) == 0 {
		return "none"
	}
	s = slices.Clone(s)
	slices.Sort(s)
	return strings.Join(slices.Compact(s), ", ")
}
