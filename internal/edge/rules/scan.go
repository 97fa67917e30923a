package rules

import (
	"strconv"
	"strings"
)

// scanner walks the source; what comes next is decided by the parser, because
// an address and a number look alike until one knows the field beside it.
type scanner struct {
	src string
	pos int
}

func (s *scanner) space() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) done() bool { s.space(); return s.pos >= len(s.src) }

// take consumes text when it comes next.
func (s *scanner) take(text string) bool {
	s.space()
	if strings.HasPrefix(s.src[s.pos:], text) {
		s.pos += len(text)
		return true
	}
	return false
}

// peekWord returns the identifier that comes next without consuming it: letters,
// digits, underscores and dots, beginning with a letter.
func (s *scanner) peekWord() string {
	s.space()
	i := s.pos
	for i < len(s.src) && wordByte(s.src[i], i == s.pos) {
		i++
	}
	return s.src[s.pos:i]
}

func wordByte(c byte, first bool) bool {
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' {
		return true
	}
	return !first && (c >= '0' && c <= '9' || c == '.')
}

// takeWord consumes the keyword w.
func (s *scanner) takeWord(w string) bool {
	if s.peekWord() != w {
		return false
	}
	s.pos += len(w)
	return true
}

// symbols are the operators that are not words, longest first.
var symbols = []string{"==", "!=", "<=", ">=", "<", ">", "~"}

// peekOperator returns the comparison operator's spelling that comes next.
func (s *scanner) peekOperator() string {
	if w := s.peekWord(); w != "" {
		if _, ok := operators[w]; ok {
			return w
		}
		return ""
	}
	for _, sym := range symbols {
		if strings.HasPrefix(s.src[s.pos:], sym) {
			return sym
		}
	}
	return ""
}

// literal consumes a run of the characters of numbers and addresses.
func (s *scanner) literal() string {
	s.space()
	i := s.pos
	for i < len(s.src) {
		c := s.src[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == ':' || c == '/' || c == '-' && i == s.pos {
			i++
			continue
		}
		// One dot belongs to an address, two are a range.
		if c == '.' && !strings.HasPrefix(s.src[i:], "..") && (i == s.pos || s.src[i-1] != '.') {
			i++
			continue
		}
		break
	}
	lit := s.src[s.pos:i]
	s.pos = i
	return lit
}

// atString tells whether a string literal comes next.
func (s *scanner) atString() bool {
	s.space()
	rest := s.src[s.pos:]
	return strings.HasPrefix(rest, `"`) || strings.HasPrefix(rest, `r"`) || strings.HasPrefix(rest, "r#")
}

// regexpStr consumes a regular expression: raw, or in double quotes, where only the
// quote itself is escaped for the string and everything else for the expression.
func (s *scanner) regexpStr() (string, *SyntaxError) {
	s.space()
	if s.pos < len(s.src) && s.src[s.pos] == 'r' {
		return s.rawString()
	}
	start := s.pos
	if !s.take(`"`) {
		return "", errorAt(s.src, s.pos, "a regular expression was expected", `a string in double quotes`)
	}
	var out []byte
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		s.pos++
		switch {
		case c == '"':
			return string(out), nil
		case c == '\\' && s.pos < len(s.src):
			if s.src[s.pos] != '"' {
				out = append(out, c)
			}
			out = append(out, s.src[s.pos])
			s.pos++
		default:
			out = append(out, c)
		}
	}
	return "", errorAt(s.src, start, "this string has no end", `"`)
}

// maxHashes of a raw string's delimiters (rules-language values).
const maxHashes = 255

// str consumes a string literal: "…" with \" \\ \xHH and \OOO, or raw r"…",
// r#"…"#.
func (s *scanner) str() (string, *SyntaxError) {
	s.space()
	if s.pos < len(s.src) && s.src[s.pos] == 'r' {
		return s.rawString()
	}
	start := s.pos
	if !s.take(`"`) {
		return "", errorAt(s.src, s.pos, "a string was expected", `a string in double quotes`)
	}
	var out []byte
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		s.pos++
		switch c {
		case '"':
			return string(out), nil
		case '\\':
			b, err := s.escape()
			if err != nil {
				return "", err
			}
			out = append(out, b)
		default:
			out = append(out, c)
		}
	}
	return "", errorAt(s.src, start, "this string has no end", `"`)
}

func (s *scanner) escape() (byte, *SyntaxError) {
	rest := s.src[s.pos:]
	at := s.pos - 1
	switch {
	case strings.HasPrefix(rest, `"`), strings.HasPrefix(rest, `\`):
		s.pos++
		return rest[0], nil
	case strings.HasPrefix(rest, "x") && len(rest) >= 3:
		if v, err := strconv.ParseUint(rest[1:3], 16, 8); err == nil {
			s.pos += 3
			return byte(v), nil
		}
	case len(rest) >= 3:
		if v, err := strconv.ParseUint(rest[:3], 8, 8); err == nil {
			s.pos += 3
			return byte(v), nil
		}
	}
	return 0, errorAt(s.src, at, "unknown escape", `\"`, `\\`, `\xHH`, `\OOO`, `or a raw string r"…"`)
}

func (s *scanner) rawString() (string, *SyntaxError) {
	start := s.pos
	s.pos++
	hashes := 0
	for s.pos < len(s.src) && s.src[s.pos] == '#' {
		hashes++
		s.pos++
	}
	if hashes > maxHashes || !strings.HasPrefix(s.src[s.pos:], `"`) {
		s.pos = start
		return "", errorAt(s.src, start, "a string was expected", `a string in double quotes`)
	}
	s.pos++
	end := `"` + strings.Repeat("#", hashes)
	i := strings.Index(s.src[s.pos:], end)
	if i < 0 {
		return "", errorAt(s.src, start, "this raw string has no end", end)
	}
	v := s.src[s.pos : s.pos+i]
	s.pos += i + len(end)
	return v, nil
}
