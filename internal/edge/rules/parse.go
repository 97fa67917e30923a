package rules

import (
	"fmt"
)

type parser struct {
	scanner
	options Options
	depth   int
	inside  int  // any() and all() around the current place
	rewrite bool // functions of rewrites are allowed
	once    bool // a function that may stand once only has been used
}

func (p *parser) fail(msg string, want ...string) *SyntaxError {
	p.space()
	return errorAt(p.src, p.pos, msg, want...)
}

// deeper bounds nesting; shallower undoes it.
func (p *parser) deeper() *SyntaxError {
	if p.depth++; p.depth > maxDepth {
		return p.fail(fmt.Sprintf("nested more than %d deep", maxDepth))
	}
	return nil
}

func (p *parser) shallower() { p.depth-- }

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

func (p *parser) or() (*node, *SyntaxError) { return p.chain(p.xor, logicOr, "or", "||") }

func (p *parser) xor() (*node, *SyntaxError) { return p.chain(p.and, logicXor, "xor", "^^") }

func (p *parser) and() (*node, *SyntaxError) { return p.chain(p.not, logicAnd, "and", "&&") }

func (p *parser) chain(sub func() (*node, *SyntaxError), l logic, word, symbol string) (*node, *SyntaxError) {
	out, err := sub()
	if err != nil {
		return nil, err
	}
	for p.takeWord(word) || p.take(symbol) {
		p.space()
		at := p.pos
		r, err := sub()
		if err != nil {
			return nil, err
		}
		if out, err = p.join(l, out, r, at); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// join makes one condition of two. Both must hold of the request, or both of the
// elements of one array.
func (p *parser) join(l logic, a, b *node, at int) (*node, *SyntaxError) {
	switch {
	case a.over == nil && b.over == nil:
	case a.over == nil || b.over == nil:
		return nil, errorAt(p.src, at, "a condition on the elements of an array cannot be joined with one on the request inside any() or all()", "the join outside of any() or all()")
	case a.over.text != b.over.text:
		return nil, errorAt(p.src, at, fmt.Sprintf("[*] goes through %s here and through %s before", b.over.text, a.over.text), "the same array")
	}
	return &node{logic: l, l: a, r: b, over: a.over}, nil
}

func (p *parser) not() (*node, *SyntaxError) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer p.shallower()
	if p.takeWord("not") || p.take("!") {
		n, err := p.not()
		if err != nil {
			return nil, err
		}
		return &node{logic: logicNot, l: n, over: n.over}, nil
	}
	if p.take("(") {
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, p.fail("unexpected "+p.next(), ")", "and", "or", "xor")
		}
		return n, nil
	}
	return p.comparison()
}

func (p *parser) comparison() (*node, *SyntaxError) {
	if p.takeWord("true") {
		return &node{test: func(*Request) bool { return true }}, nil
	}
	if p.takeWord("false") {
		return &node{test: func(*Request) bool { return false }}, nil
	}
	p.space()
	start := p.pos
	l, err := p.operand()
	if err != nil {
		return nil, err
	}
	spelling := p.peekOperator()
	if spelling == "" {
		return p.alone(l, start)
	}
	if err := p.single(l, start); err != nil {
		return nil, err
	}
	at := p.pos
	o := operators[spelling]
	p.pos += len(spelling)
	if o == opStrictWildcard && !p.takeWord("wildcard") {
		return nil, p.fail(`"strict" must be followed by "wildcard"`, "wildcard")
	}
	if !allowed(l.kind, o) {
		return nil, errorAt(p.src, at, fmt.Sprintf("%q does not apply to %s, a %s", spelling, l.name, l.kind), applies[l.kind]...)
	}
	test, err := p.right(&l, o)
	if err != nil {
		return nil, err
	}
	return &node{test: test, needs: l.needs, over: l.over}, nil
}

// alone is an operand without a comparison: a boolean, or a mistake.
func (p *parser) alone(l operand, start int) (*node, *SyntaxError) {
	if l.kind == kindBool && l.form == formOne && (l.over == nil || p.inside > 0) {
		return &node{test: l.b, needs: l.needs, over: l.over}, nil
	}
	if err := p.single(l, start); err != nil {
		return nil, err
	}
	if w := p.peekWord(); w != "" && w != "and" && w != "or" && w != "xor" {
		return nil, p.fail(fmt.Sprintf("%q is no operator", w), applies[l.kind]...)
	}
	p.space()
	return nil, errorAt(p.src, max(start, p.pos), fmt.Sprintf("%s is a %s and needs a comparison", l.name, l.kind), applies[l.kind]...)
}

// single refuses an operand that is not one value, or not one per element within
// any() or all().
func (p *parser) single(l operand, at int) *SyntaxError {
	switch {
	case l.form == formMap:
		return errorAt(p.src, at, fmt.Sprintf("%s is a map", l.name), l.name+`["key"]`)
	case l.form == formArray:
		return errorAt(p.src, at, fmt.Sprintf("%s is an array", l.name), l.name+"[0]", "any("+l.name+"[*] …)")
	case l.over != nil && !l.unpacked:
		return errorAt(p.src, at, fmt.Sprintf("%s is an array of %ss", l.name, l.kind), "[*] behind it")
	case l.over != nil && p.inside == 0:
		return errorAt(p.src, at, "[*] gives a value per element and needs a function around the comparison", "any(…)", "all(…)")
	}
	return nil
}
