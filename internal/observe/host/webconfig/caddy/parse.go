package caddy

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// node is one directive with its block.
type node struct {
	name string
	args []string
	file string
	line int
	kids []*node
}

func (n *node) arg(i int) string {
	if n == nil || i < 0 || i >= len(n.args) {
		return ""
	}
	return n.args[i]
}

func (n *node) text() string { return strings.TrimSpace(n.name + " " + strings.Join(n.args, " ")) }

func (n *node) place() fact.Place {
	return fact.Place{File: n.file, Line: n.line, Text: conf.Show(n.text())}
}

func (n *node) own(name string) []*node {
	var out []*node
	for _, k := range n.kids {
		if k.name == name {
			out = append(out, k)
		}
	}
	return out
}

// Bounds of hostile configurations.
const (
	maxDepth = 24
	maxNodes = 200_000
)

type token struct {
	text   string
	line   int
	quoted bool
	brk    bool // first on its line
}

// lex splits a Caddyfile into tokens: quotes, backquotes, comments, and a
// backslash that continues a line.
func lex(s string) []token {
	var out []token
	line, first := 1, true
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\n':
			line++
			first = true
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case c == '\\' && i+1 < len(s) && s[i+1] == '\n':
			line++
			i += 2
		case c == '#':
			for i < len(s) && s[i] != '\n' {
				i++
			}
		case c == '"' || c == '`':
			var b strings.Builder
			start := line
			i++
			for i < len(s) && s[i] != c {
				if c == '"' && s[i] == '\\' && i+1 < len(s) && s[i+1] == '"' {
					i++
				}
				if s[i] == '\n' {
					line++
				}
				b.WriteByte(s[i])
				i++
			}
			i++
			out = append(out, token{b.String(), start, true, first})
			first = false
		default:
			n := i
			for n < len(s) && !strings.ContainsRune(" \t\r\n", rune(s[n])) {
				n++
			}
			out = append(out, token{s[i:n], line, false, first})
			first = false
			i = n
		}
	}
	return out
}

type parser struct {
	*conf.Loader
	env      map[string]string
	open     []string
	snippets map[string]*node
	nodes    int
}

// file reads the blocks of one file into top.
func (p *parser) file(name string, from fact.Place, top *node, args []string) {
	if slices.Contains(p.open, name) || len(p.open) >= maxDepth {
		p.Fail(from, name+": imported in a circle or too deeply")
		return
	}
	b, ok := p.Read(name, from)
	if !ok {
		return
	}
	p.open = append(p.open, name)
	t := lex(string(b))
	if i := p.block(name, t, 0, top, 0, args); i < len(t) {
		p.Fail(fact.Place{File: name, Line: t[i].line}, `unexpected "}"`)
	}
	p.open = p.open[:len(p.open)-1]
}

// block reads directives from token i until "}" or the end and gives the index
// behind. One file may hold a single site without braces.
func (p *parser) block(file string, t []token, i int, into *node, depth int, args []string) int {
	for i < len(t) {
		if t[i].text == "}" && !t[i].quoted {
			return i
		}
		if p.nodes++; p.nodes > maxNodes || depth > maxDepth {
			p.Fail(fact.Place{File: file, Line: t[i].line}, "the configuration has more directives or levels than are read")
			return len(t)
		}
		n := &node{file: file, line: t[i].line}
		var ws []string
		opened := false
		for first := true; i < len(t) && (first || !t[i].brk || strings.HasSuffix(ws[len(ws)-1], ",")); first = false {
			if t[i].text == "}" && !t[i].quoted {
				break
			}
			if t[i].text == "{" && !t[i].quoted {
				opened = true
				i++
				break
			}
			ws = append(ws, p.fill(t[i].text, args))
			i++
		}
		if len(ws) > 0 {
			n.name, n.args = ws[0], ws[1:]
		}
		if opened {
			i = p.block(file, t, i, n, depth+1, args)
			if i >= len(t) {
				p.Fail(n.place(), "a block is not closed")
			}
			i++
		}
		p.keep(n, into, depth)
	}
	return i
}

// fill puts environment variables and import arguments in.
func (p *parser) fill(s string, args []string) string {
	if !strings.Contains(s, "{") {
		return s
	}
	for n, a := range args {
		s = strings.ReplaceAll(s, "{args["+string(rune('0'+n%10))+"]}", a)
		s = strings.ReplaceAll(s, "{args."+string(rune('0'+n%10))+"}", a)
		if len(s) > 64<<10 {
			return ""
		}
	}
	for from := 0; ; {
		a := strings.Index(s[from:], "{$")
		if a < 0 {
			return s
		}
		a += from
		b := strings.IndexByte(s[a:], '}')
		if b < 0 || len(s) > 64<<10 {
			return s
		}
		name, def, _ := strings.Cut(s[a+2:a+b], ":")
		v, ok := p.env[name]
		if !ok {
			v = def
		}
		s = s[:a] + v + s[a+b+1:]
		from = a + len(v)
	}
}

// keep puts a directive into its block: snippets are kept for imports, imports
// are followed.
func (p *parser) keep(n, into *node, depth int) {
	if depth == 0 && strings.HasPrefix(n.name, "(") && strings.HasSuffix(n.name, ")") {
		p.snippets[strings.Trim(n.name, "()")] = n
		return
	}
	if n.name != "import" || len(n.args) == 0 {
		into.kids = append(into.kids, n)
		return
	}
	if s, ok := p.snippets[n.args[0]]; ok {
		// Already parsed; arguments in it stay as written.
		into.kids = append(into.kids, s.kids...)
		return
	}
	path := filepath.Clean(conf.Abs(n.args[0], filepath.Dir(n.file)))
	names := []string{path}
	if rootfs.Magic(path) {
		names = p.Glob(path, n.place())
	}
	for _, name := range names {
		p.file(name, n.place(), into, n.args[1:])
	}
}
