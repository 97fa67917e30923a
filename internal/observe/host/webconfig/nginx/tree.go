package nginx

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// node is one directive with its place. Includes are expanded already.
type node struct {
	name  string
	args  []string
	file  string
	line  int
	kids  []*node
	block bool
}

// Bounds of a hostile file; nginx itself has none, real ones nest five deep.
const (
	maxDepth = 32
	maxNodes = 400_000
)

// tree builds the directives of a configuration. The tokens are crossplane's;
// the tree is our own, because crossplane's parser gives nothing of a file
// that has one error, and a configuration on disk may be the broken one.
type tree struct {
	*conf.Loader
	dir   string // of the main file: relative includes and certificates count from here
	open  []string
	nodes int
}

// file gives the directives of one file.
func (t *tree) file(name string, from fact.Place) []*node {
	if slices.Contains(t.open, name) {
		t.Fail(from, name+": file includes itself")
		return nil
	}
	if len(t.open) >= maxDepth {
		t.Fail(from, name+": includes are nested too deeply")
		return nil
	}
	text, ok := t.Read(name, from)
	if !ok {
		return nil
	}
	t.open = append(t.open, name)
	defer func() { t.open = t.open[:len(t.open)-1] }()

	lua := &crossplane.Lua{}
	tokens := crossplane.LexWithOptions(bytes.NewReader(text), crossplane.LexOptions{
		Lexers: []crossplane.RegisterLexer{lua.RegisterLexer()},
	})
	defer func() {
		for range tokens { // the lexer's goroutine ends when all is taken
		}
	}()
	p := &parser{tree: t, file: name, tokens: tokens}
	kids, closed := p.block(0)
	if closed {
		t.Fail(fact.Place{File: name, Line: p.line}, `unexpected "}"`)
	}
	return kids
}

// parser turns the tokens of one file into directives.
type parser struct {
	*tree
	file   string
	tokens <-chan crossplane.NgxToken
	line   int
	failed bool
}

// next is the next token that is no comment; ok is false at the end or after
// an error, which is kept.
func (p *parser) next() (tok crossplane.NgxToken, ok bool) {
	for tok := range p.tokens {
		p.line = tok.Line
		if tok.Error != nil {
			if !p.failed {
				p.failed = true
				p.Fail(fact.Place{File: p.file, Line: tok.Line}, what(tok.Error))
			}
			return tok, false
		}
		if strings.HasPrefix(tok.Value, "#") && !tok.IsQuoted {
			continue
		}
		return tok, true
	}
	return tok, false
}

func what(err error) string {
	if pe, ok := err.(*crossplane.ParseError); ok {
		return pe.What
	}
	return err.Error()
}

func is(tok crossplane.NgxToken, s string) bool { return !tok.IsQuoted && tok.Value == s }

// block reads directives until "}" (closed) or the end.
func (p *parser) block(depth int) (kids []*node, closed bool) {
	for {
		tok, ok := p.next()
		if !ok {
			return kids, false
		}
		if is(tok, "}") {
			return kids, true
		}
		if is(tok, ";") || is(tok, "{") {
			p.Fail(fact.Place{File: p.file, Line: tok.Line}, `unexpected "`+tok.Value+`"`)
			continue
		}
		n := &node{name: tok.Value, file: p.file, line: tok.Line}
		if p.nodes++; p.nodes > maxNodes || depth > maxDepth {
			p.Fail(n.place(), "the configuration has more directives or levels than are read")
			return kids, false
		}
		end := p.rest(n, depth)
		kids = append(kids, p.keep(n)...)
		if end != ended {
			return kids, end == endedBlock
		}
	}
}

// How a directive ended: well, by the brace that closes the block around it,
// or with the file.
const (
	ended = iota
	endedBlock
	endedFile
)

// rest reads a directive's arguments and block.
func (p *parser) rest(n *node, depth int) int {
	for {
		tok, ok := p.next()
		switch {
		case !ok:
			p.unterminated(n)
			return endedFile
		case is(tok, ";"):
			return ended
		case is(tok, "}"):
			p.unterminated(n)
			return endedBlock
		case is(tok, "{"):
			n.block = true
			var closed bool
			if n.kids, closed = p.block(depth + 1); !closed {
				return endedFile
			}
			return ended
		default:
			n.args = append(n.args, tok.Value)
		}
	}
}

func (p *parser) unterminated(n *node) {
	if !p.failed {
		p.Fail(n.place(), `directive "`+n.name+`" is not terminated by ";"`)
	}
}

// keep gives the directive, or what it includes.
func (p *parser) keep(n *node) []*node {
	if n.name == "if" {
		n.args = bare(n.args)
	}
	if n.name != "include" || len(n.args) != 1 {
		return []*node{n}
	}
	pattern := conf.Abs(n.args[0], p.dir)
	names := []string{filepath.Clean(pattern)}
	if rootfs.Magic(pattern) {
		names = p.Glob(pattern, n.place())
	}
	var kids []*node
	for _, name := range names {
		kids = append(kids, p.tree.file(name, n.place())...)
	}
	return kids
}

// bare takes the parentheses off a condition.
func bare(args []string) []string {
	if len(args) == 0 {
		return nil
	}
	last := len(args) - 1
	args[0] = strings.TrimPrefix(args[0], "(")
	args[last] = strings.TrimSuffix(args[last], ")")
	if args[last] == "" {
		args = args[:last]
	}
	if len(args) > 0 && args[0] == "" {
		args = args[1:]
	}
	return args
}

// place is where the directive stands, with its text.
func (n *node) place() fact.Place {
	return fact.Place{File: n.file, Line: n.line, Text: conf.Show(n.text())}
}

// text is the directive as one would write it.
func (n *node) text() string {
	var b strings.Builder
	b.WriteString(n.name)
	if n.name == "if" {
		return "if (" + strings.Join(n.args, " ") + ")"
	}
	for _, a := range n.args {
		b.WriteByte(' ')
		if a == "" || strings.ContainsAny(a, " \t;{}") {
			a = `"` + a + `"`
		}
		b.WriteString(a)
		if b.Len() > 1000 {
			break
		}
	}
	if n.block {
		b.WriteString(" {…}")
	} else {
		b.WriteByte(';')
	}
	return b.String()
}

func (n *node) arg(i int) string {
	if n == nil || i >= len(n.args) {
		return ""
	}
	return n.args[i]
}

// on reports whether a flag directive is switched on.
func (n *node) on() bool { return strings.EqualFold(n.arg(0), "on") }
