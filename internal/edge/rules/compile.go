package rules

import (
	"fmt"

	"github.com/originward/originward/fact"
)

// Bounds of an expression. Cloudflare takes at most 4,096 characters; nesting
// is bounded so that a hostile expression cannot exhaust the stack.
const (
	maxExpression = 4096
	maxDepth      = 64
)

// Options are what an expression may use. The zero Options are those of a
// condition on a request, without lists.
type Options struct {
	// Lists are the named lists, without "$".
	Lists map[string]*List
	// Response allows the fields of a response.
	Response bool
	// NoPlaces refuses the fields that need a database of addresses (country, network …).
	NoPlaces bool
}

// Expression is a compiled condition.
type Expression struct {
	src   string
	match predicate
	root  *node
}

// String is the expression as it was written.
func (e Expression) String() string { return e.src }

// Match tells whether the condition holds for r. The zero Expression never matches.
func (e Expression) Match(r *Request) bool {
	if e.match == nil {
		return false
	}
	r.arena = r.arena[:0]
	return e.match(r)
}

// Decide tells whether the condition holds for a request of which not all is known:
// known tells for a field's name, or a list's with its "$", whether r has it. Where
// that leaves the answer open it is fact.Unknown and depends names what is missing.
func (e Expression) Decide(r *Request, known func(field string) bool) (holds fact.Tri, depends []string) {
	if e.root == nil {
		return fact.No, nil
	}
	r.arena = r.arena[:0]
	holds = e.root.decide(r, known, &depends)
	if holds != fact.Unknown {
		return holds, nil
	}
	return holds, depends
}

// Needs lists the fields and named lists that the expression looks at.
func (e Expression) Needs() []string { return e.root.all(nil) }

// Compile parses, checks and compiles a condition. Its error is a *SyntaxError.
func Compile(src string) (Expression, error) { return CompileWith(src, Options{}) }

// CompileWith is Compile with lists and fields of responses.
func CompileWith(src string, o Options) (Expression, error) {
	p, err := newParser(src, o, `a condition such as ip.src in {192.0.2.0/24}`)
	if err != nil {
		return Expression{}, err
	}
	n, err := p.or()
	if err != nil {
		return Expression{}, err
	}
	if !p.done() {
		return Expression{}, p.fail("unexpected "+p.next(), "and", "or", "xor", "the end")
	}
	return Expression{src: src, match: n.predicate(), root: n}, nil
}

// Value is a compiled expression that gives a string.
type Value struct {
	src   string
	s     func(*Request) []byte
	needs []string
	plain bool
}

// Literal tells a value that is a text and no expression.
func (v Value) Literal() bool { return v.plain }

// String is the expression, or the text, as it was written.
func (v Value) String() string { return v.src }

// Needs lists the fields that the expression looks at.
func (v Value) Needs() []string { return v.needs }

// Of works the value out for a request; ok is false for a missing value.
func (v Value) Of(r *Request) (text []byte, ok bool) {
	if v.s == nil {
		return nil, false
	}
	r.arena = r.arena[:0]
	b := v.s(r)
	return b, b != nil
}

// CompileValue compiles an expression that gives a string, as rewrites and
// redirects have; the functions that only those may use are allowed. Its error is a
// *SyntaxError.
func CompileValue(src string, o Options) (Value, error) {
	p, err := newParser(src, o, `a string such as concat("/new", http.request.uri.path)`)
	if err != nil {
		return Value{}, err
	}
	p.rewrite = true
	p.space()
	at := p.pos
	x, err := p.argument()
	if err != nil {
		return Value{}, err
	}
	if x.kind != kindString || x.form != formOne || x.over != nil {
		return Value{}, errorAt(src, at, "the expression gives a "+x.describe(), "a string", "to_string(…)")
	}
	if !p.done() {
		return Value{}, p.fail("unexpected "+p.next(), "the end")
	}
	return Value{src: src, s: x.s, needs: x.needs}, nil
}

// Text is a Value that is always the same.
func Text(s string) Value {
	b := []byte(s)
	return Value{src: s, s: func(*Request) []byte { return b }, plain: true}
}

func newParser(src string, o Options, example string) (*parser, *SyntaxError) {
	if len(src) > maxExpression {
		return nil, errorAt(src, maxExpression, fmt.Sprintf("the expression has %d bytes; at most %d are allowed", len(src), maxExpression))
	}
	p := &parser{scanner: scanner{src: src}, options: o}
	if p.done() {
		return nil, errorAt(src, 0, "the expression is empty", example)
	}
	return p, nil
}
