package rules

import (
	"fmt"
	"maps"
	"slices"
)

// Bounds of an expression. Cloudflare takes at most 4,096 characters; nesting
// is bounded so that a hostile expression cannot exhaust the stack.
const (
	maxExpression = 4096
	maxDepth      = 64
)

// Expression is a compiled condition.
type Expression struct {
	src   string
	match predicate
}

// String is the expression as it was written.
func (e Expression) String() string { return e.src }

// Match tells whether the condition holds for r. The zero Expression never matches.
func (e Expression) Match(r *Request) bool { return e.match != nil && e.match(r) }

// Compile parses, checks and compiles an expression. Its error is a *SyntaxError.
func Compile(src string) (Expression, error) {
	if len(src) > maxExpression {
		return Expression{}, errorAt(src, maxExpression, fmt.Sprintf("the expression has %d bytes; at most %d are allowed", len(src), maxExpression))
	}
	p := &parser{scanner: scanner{src: src}}
	if p.done() {
		return Expression{}, errorAt(src, 0, "the expression is empty", `a condition such as ip.src in {192.0.2.0/24}`)
	}
	m, err := p.or()
	if err != nil {
		return Expression{}, err
	}
	if !p.done() {
		return Expression{}, p.fail("unexpected "+p.next(), "and", "or", "xor", "the end")
	}
	return Expression{src, m}, nil
}

type parser struct {
	scanner
	depth int
}

func (p *parser) fail(msg string, want ...string) *SyntaxError {
	p.space()
	return errorAt(p.src, p.pos, msg, want...)
}

// next describes what stands at the current place, for an error.
func (p *parser) next() string {
	if p.done() {
		return "end"
	}
	if w := p.peekWord(); w != "" {
		return fmt.Sprintf("%q", w)
	}
	for _, c := range p.src[p.pos:] {
		return fmt.Sprintf("%q", c)
	}
	return "end"
}

// The precedence, weakest first: or, xor, and, not.

func (p *parser) or() (predicate, *SyntaxError) {
	return p.chain(p.xor, func(l, r predicate) predicate {
		return func(q *Request) bool { return l(q) || r(q) }
	}, "or", "||")
}

func (p *parser) xor() (predicate, *SyntaxError) {
	return p.chain(p.and, func(l, r predicate) predicate {
		return func(q *Request) bool { return l(q) != r(q) }
	}, "xor", "^^")
}

func (p *parser) and() (predicate, *SyntaxError) {
	return p.chain(p.not, func(l, r predicate) predicate {
		return func(q *Request) bool { return l(q) && r(q) }
	}, "and", "&&")
}

func (p *parser) chain(sub func() (predicate, *SyntaxError), join func(l, r predicate) predicate, word, symbol string) (predicate, *SyntaxError) {
	l, err := sub()
	if err != nil {
		return nil, err
	}
	for p.takeWord(word) || p.take(symbol) {
		r, err := sub()
		if err != nil {
			return nil, err
		}
		l = join(l, r)
	}
	return l, nil
}

func (p *parser) not() (predicate, *SyntaxError) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(fmt.Sprintf("nested more than %d deep", maxDepth))
	}
	defer func() { p.depth-- }()
	if p.takeWord("not") || p.take("!") {
		m, err := p.not()
		if err != nil {
			return nil, err
		}
		return func(r *Request) bool { return !m(r) }, nil
	}
	if p.take("(") {
		m, err := p.or()
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, p.fail("unexpected "+p.next(), ")", "and", "or", "xor")
		}
		return m, nil
	}
	return p.comparison()
}

func (p *parser) comparison() (predicate, *SyntaxError) {
	if p.takeWord("true") {
		return func(*Request) bool { return true }, nil
	}
	if p.takeWord("false") {
		return func(*Request) bool { return false }, nil
	}
	start := p.pos
	l, name, err := p.operand()
	if err != nil {
		return nil, err
	}
	spelling := p.peekOperator()
	if spelling == "" {
		if l.kind == kindBool {
			return l.b, nil
		}
		if w := p.peekWord(); w != "" && w != "and" && w != "or" && w != "xor" {
			return nil, p.fail(fmt.Sprintf("%q is no operator", w), applies[l.kind]...)
		}
		p.space()
		return nil, errorAt(p.src, max(start, p.pos), fmt.Sprintf("%s is a %s and needs a comparison", name, l.kind), applies[l.kind]...)
	}
	at := p.pos
	o := operators[spelling]
	p.pos += len(spelling)
	if o == opStrictWildcard && !p.takeWord("wildcard") {
		return nil, p.fail(`"strict" must be followed by "wildcard"`, "wildcard")
	}
	if !allowed(l.kind, o) {
		return nil, errorAt(p.src, at, fmt.Sprintf("%q does not apply to %s, a %s", spelling, name, l.kind), applies[l.kind]...)
	}
	return p.right(l, o)
}

// operand reads a field or a function call.
func (p *parser) operand() (operand, string, *SyntaxError) {
	name := p.peekWord()
	at := p.pos
	if name == "" {
		return operand{}, "", p.fail("unexpected "+p.next(), "a field", "a function", "not", "(")
	}
	p.pos += len(name)
	if p.take("(") {
		o, err := p.call(name, at)
		return o, name + "()", err
	}
	f, ok := fields[name]
	if !ok {
		return operand{}, "", errorAt(p.src, at, fmt.Sprintf("unknown field %q", name), nearest(name, fields)...)
	}
	return f, name, nil
}

func (p *parser) call(name string, at int) (operand, *SyntaxError) {
	fn, ok := functions[name]
	if !ok {
		return operand{}, errorAt(p.src, at, fmt.Sprintf("unknown function %q", name), slices.Sorted(maps.Keys(functions))...)
	}
	if p.depth++; p.depth > maxDepth {
		return operand{}, p.fail(fmt.Sprintf("nested more than %d deep", maxDepth))
	}
	defer func() { p.depth-- }()
	var args []operand
	for i, want := range fn.args {
		if i > 0 && !p.take(",") {
			return operand{}, p.fail(fmt.Sprintf("%s takes %d arguments", name, len(fn.args)), ",")
		}
		p.space()
		argAt := p.pos
		a, err := p.argument()
		if err != nil {
			return operand{}, err
		}
		if a.kind != want {
			return operand{}, errorAt(p.src, argAt, fmt.Sprintf("argument %d of %s is a %s", i+1, name, a.kind), "a "+want.String())
		}
		args = append(args, a)
	}
	if !p.take(")") {
		return operand{}, p.fail(fmt.Sprintf("unexpected %s in the arguments of %s", p.next(), name), ")")
	}
	return fn.build(args), nil
}

func (p *parser) argument() (operand, *SyntaxError) {
	p.space()
	if p.pos < len(p.src) && p.src[p.pos] == '"' {
		s, err := p.str()
		if err != nil {
			return operand{}, err
		}
		b := []byte(s)
		return stringField(func(*Request) []byte { return b }), nil
	}
	o, _, err := p.operand()
	return o, err
}
