package apache

import (
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// node is one directive or section. Names are lower case: Apache does not part
// them by case.
type node struct {
	name string
	args []string
	raw  string // the line as written, without continuations
	file string
	line int
	kids []*node
	sect bool
}

func (n *node) arg(i int) string {
	if n == nil || i < 0 || i >= len(n.args) {
		return ""
	}
	return n.args[i]
}

func (n *node) on() bool { return strings.EqualFold(n.arg(0), "on") }

func (n *node) place() fact.Place {
	return fact.Place{File: n.file, Line: n.line, Text: conf.Show(n.raw)}
}

// own are the directives of one name directly in the section.
func (n *node) own(name string) []*node {
	var out []*node
	for _, k := range n.kids {
		if k.name == name {
			out = append(out, k)
		}
	}
	return out
}

// line is one logical line of a file.
type line struct {
	text string
	no   int
}

// lines joins continued lines and leaves out comments and empty ones.
func lines(b []byte) []line {
	var out []line
	part, start := "", 0
	for i, l := range strings.Split(string(b), "\n") {
		l = strings.TrimRight(l, "\r")
		if part == "" {
			start = i + 1
		}
		if strings.HasSuffix(l, `\`) {
			part += l[:len(l)-1]
			continue
		}
		text := strings.TrimSpace(part + l)
		part = ""
		if text != "" && text[0] != '#' {
			out = append(out, line{text, start})
		}
	}
	if text := strings.TrimSpace(part); text != "" && text[0] != '#' {
		out = append(out, line{text, start})
	}
	return out
}

// words splits a line into words as Apache does: quotes hold together, a
// backslash before a quote or a backslash takes its meaning inside them.
func words(s string) []string {
	var out []string
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" {
			return out
		}
		if q := s[0]; q == '"' || q == '\'' {
			var b strings.Builder
			i := 1
			for i < len(s) && s[i] != q {
				if s[i] == '\\' && i+1 < len(s) && (s[i+1] == q || s[i+1] == '\\') {
					if s[i+1] == '\\' {
						b.WriteByte('\\') // kept: regular expressions need it
					}
					i++
				}
				b.WriteByte(s[i])
				i++
			}
			out = append(out, b.String())
			s = s[min(i+1, len(s)):]
			continue
		}
		i := strings.IndexAny(s, " \t")
		if i < 0 {
			i = len(s)
		}
		out = append(out, s[:i])
		s = s[i:]
	}
}

// section parts "<Name args>" and "</Name>".
func section(s string) (name, args string, closing, ok bool) {
	if !strings.HasPrefix(s, "<") {
		return "", "", false, false
	}
	s = strings.TrimSuffix(strings.TrimSpace(s[1:]), ">")
	if rest, found := strings.CutPrefix(s, "/"); found {
		return strings.ToLower(strings.TrimSpace(rest)), "", true, true
	}
	name, args, _ = strings.Cut(s, " ")
	if n, a, found := strings.Cut(s, "\t"); found && len(n) < len(name) {
		name, args = n, a
	}
	return strings.ToLower(name), strings.TrimSpace(args), false, true
}
