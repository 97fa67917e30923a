package lighttpd

import (
	"strings"

	"github.com/originward/originward/fact"
)

// kind is the kind of a token. Operators and brackets are words.
type kind int

const (
	word kind = iota
	text      // a quoted text
	end
)

type token struct {
	kind kind
	text string
	line int
}

func (t token) is(s string) bool { return t.kind == word && t.text == s }

// stream gives the tokens of one file.
type stream struct {
	file string
	toks []token
	i    int
}

func (s *stream) peek() token {
	if s.i >= len(s.toks) {
		line := 0
		if len(s.toks) > 0 {
			line = s.toks[len(s.toks)-1].line
		}
		return token{kind: end, line: line}
	}
	return s.toks[s.i]
}

func (s *stream) next() token {
	t := s.peek()
	s.i++
	return t
}

func (s *stream) at(t token) fact.Place { return fact.Place{File: s.file, Line: t.line} }

// operators, the longest first.
var operators = []string{"=>", "==", "=~", "=^", "=$", "!=", "!~", "+=", ":=", "=", "+", "(", ")", "{", "}", "[", "]", ","}

// lex splits a file into tokens.
func lex(s string) []token {
	var out []token
	line := 1
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '\n':
			line++
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case c == '#':
			for i < len(s) && s[i] != '\n' {
				i++
			}
		case c == '"' || c == '\'':
			var b strings.Builder
			start := line
			i++
			for i < len(s) && s[i] != c {
				if s[i] == '\\' && i+1 < len(s) && c == '"' && (s[i+1] == '"' || s[i+1] == '\\') {
					i++
				}
				if s[i] == '\n' {
					line++
				}
				b.WriteByte(s[i])
				i++
			}
			i++
			out = append(out, token{text, b.String(), start})
		default:
			n := operator(s[i:])
			if n == 0 {
				for i+n < len(s) && !strings.ContainsRune(" \t\r\n\"'#(){}[],+=!", rune(s[i+n])) {
					n++
				}
				if n == 0 {
					n = 1 // a lone "!"
				}
			}
			out = append(out, token{word, s[i : i+n], line})
			i += n
		}
	}
	return out
}

func operator(s string) int {
	for _, o := range operators {
		if strings.HasPrefix(s, o) {
			return len(o)
		}
	}
	return 0
}
