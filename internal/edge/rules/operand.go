package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// operand reads a field or a function call, with the indexes behind it.
func (p *parser) operand() (operand, *SyntaxError) {
	name := p.peekWord()
	at := p.pos
	if name == "" {
		return operand{}, p.fail("unexpected "+p.next(), "a field", "a function", "not", "(")
	}
	p.pos += len(name)
	var o operand
	var err *SyntaxError
	if p.take("(") {
		o, err = p.call(name, at)
		o.name = name + "()"
	} else {
		o, err = p.field(name, at)
	}
	if err != nil {
		return operand{}, err
	}
	for p.pos < len(p.src) && p.src[p.pos] == '[' {
		if o, err = p.index(o, at); err != nil {
			return operand{}, err
		}
	}
	return o, nil
}

func (p *parser) field(name string, at int) (operand, *SyntaxError) {
	f, ok := fields[strings.TrimPrefix(name, "raw.")]
	if raw := strings.HasPrefix(name, "raw."); ok && raw {
		f, ok = rawField(f)
	}
	if !ok {
		if why := elsewhere(name); why != "" {
			return operand{}, errorAt(p.src, at, fmt.Sprintf("this edge does not have the field %s: %s", name, why))
		}
		return operand{}, errorAt(p.src, at, fmt.Sprintf("unknown field %q", name), near(name, p.fieldNames())...)
	}
	switch {
	case f.response && !p.options.Response:
		return operand{}, errorAt(p.src, at, fmt.Sprintf("%s is a field of the response, and this expression is about a request", name))
	case f.place && p.options.NoPlaces:
		return operand{}, errorAt(p.src, at, fmt.Sprintf("%s needs a database of addresses", name), "geo: {country: FILE.mmdb, asn: FILE.mmdb} in the configuration")
	}
	o := f.operand
	o.name, o.field, o.needs = name, name, []string{name}
	return o, nil
}

// index reads "[*]", "[0]" or "["key"]".
func (p *parser) index(o operand, start int) (operand, *SyntaxError) {
	at := p.pos
	p.take("[")
	var out operand
	p.space()
	switch {
	case p.take("*"):
		switch {
		case o.form == formArray:
			out = stringOf(func(r *Request) []byte { return r.element })
			out.over = &array{p.src[start:at], o.list}
		case o.over != nil && !o.unpacked:
			out = o
		default:
			return operand{}, errorAt(p.src, at, fmt.Sprintf("%s is a %s, and [*] unpacks arrays", o.name, o.describe()))
		}
		out.unpacked = true
	case p.pos < len(p.src) && (p.src[p.pos] == '"' || p.src[p.pos] == 'r'):
		key, err := p.str()
		if err != nil {
			return operand{}, err
		}
		if o.form != formMap {
			return operand{}, errorAt(p.src, at, fmt.Sprintf("%s is a %s, and keys belong to maps", o.name, o.describe()))
		}
		look := o.look
		out = operand{kind: kindString, form: formArray, list: func(r *Request) [][]byte { return look(r, key) }}
	default:
		n, err := p.integer()
		if err != nil {
			return operand{}, errorAt(p.src, p.pos, "unexpected "+p.next()+" in an index", "*", "a number", `a key in double quotes`)
		}
		if out, err = elementAt(p, o, n, at); err != nil {
			return operand{}, err
		}
	}
	if !p.take("]") {
		return operand{}, p.fail("unexpected "+p.next()+" in an index", "]")
	}
	out.name, out.needs = p.src[start:p.pos], o.needs
	return out, nil
}

// elementAt is the n-th element of an array.
func elementAt(p *parser, o operand, n int64, at int) (operand, *SyntaxError) {
	switch {
	case n < 0 || n > 1<<16:
		return operand{}, errorAt(p.src, at, "an index counts from 0", "[0]")
	case o.form == formArray:
		list := o.list
		return stringOf(func(r *Request) []byte {
			if l := list(r); int(n) < len(l) {
				return l[n]
			}
			return nil
		}), nil
	case o.over == nil || o.unpacked:
		return operand{}, errorAt(p.src, at, fmt.Sprintf("%s is a %s, and indexes belong to arrays", o.name, o.describe()))
	}
	list := o.over.list
	enter := func(r *Request) bool {
		l := list(r)
		if int(n) >= len(l) {
			return false
		}
		r.element = l[n]
		return true
	}
	out := operand{kind: o.kind}
	switch o.kind {
	case kindString:
		out.s = func(r *Request) []byte {
			if !enter(r) {
				return nil
			}
			return o.s(r)
		}
	case kindInt:
		out.i = func(r *Request) (int64, bool) {
			if !enter(r) {
				return 0, false
			}
			return o.i(r)
		}
	default:
		out.b = func(r *Request) bool { return enter(r) && o.b(r) }
	}
	return out, nil
}

// argument reads an argument of a function: a literal, a field or a call.
func (p *parser) argument() (operand, *SyntaxError) {
	p.space()
	if p.atString() {
		s, err := p.str()
		if err != nil {
			return operand{}, err
		}
		b := []byte(s)
		o := stringOf(func(*Request) []byte { return b })
		o.literal, o.text, o.name = true, s, "the text"
		return o, nil
	}
	if p.pos < len(p.src) && (p.src[p.pos] == '-' || p.src[p.pos] >= '0' && p.src[p.pos] <= '9') {
		n, err := p.integer()
		if err != nil {
			return operand{}, err
		}
		o := intOf(func(*Request) (int64, bool) { return n, true })
		o.literal, o.number, o.name = true, n, "the number"
		return o, nil
	}
	return p.operand()
}

// call reads a function's arguments and builds the call.
func (p *parser) call(name string, at int) (operand, *SyntaxError) {
	if err := p.deeper(); err != nil {
		return operand{}, err
	}
	defer p.shallower()
	if name == "any" || name == "all" {
		return p.quantifier(name)
	}
	fn, ok := functions[name]
	if !ok {
		known := append(slices.Sorted(maps.Keys(functions)), "any", "all")
		return operand{}, errorAt(p.src, at, fmt.Sprintf("unknown function %q", name), near(name, known)...)
	}
	if fn.rewrite && !p.rewrite {
		return operand{}, errorAt(p.src, at, fmt.Sprintf("%s() belongs to rewrites and redirects, not to conditions", name))
	}
	if fn.once {
		if p.once {
			return operand{}, errorAt(p.src, at, "regex_replace() and wildcard_replace() can stand only once in an expression")
		}
		p.once = true
	}
	var args []operand
	for i := 0; ; i++ {
		spec, more := fn.param(i)
		if i > 0 && !p.take(",") {
			if more && !spec.optional {
				return operand{}, p.fail(fmt.Sprintf("%s takes %s", name, fn.arity()), ",")
			}
			break
		}
		if !more {
			return operand{}, p.fail(fmt.Sprintf("%s takes %s", name, fn.arity()), ")")
		}
		a, err := p.checkedArgument(name, i, spec)
		if err != nil {
			return operand{}, err
		}
		args = append(args, a)
	}
	if !p.take(")") {
		return operand{}, p.fail(fmt.Sprintf("unexpected %s in the arguments of %s", p.next(), name), ")")
	}
	return p.build(fn, args, at)
}

func (p *parser) checkedArgument(name string, i int, spec param) (operand, *SyntaxError) {
	p.space()
	at := p.pos
	a, err := p.argument()
	if err != nil {
		return operand{}, err
	}
	what := fmt.Sprintf("argument %d of %s", i+1, name)
	switch {
	case !spec.takes(&a):
		return operand{}, errorAt(p.src, at, fmt.Sprintf("%s is a %s", what, a.describe()), spec.wants())
	case spec.literal && !a.literal:
		return operand{}, errorAt(p.src, at, what+" must be written out", "a literal "+spec.wants()[2:])
	case spec.field && a.literal:
		return operand{}, errorAt(p.src, at, what+" must be a field, not a literal")
	case i > 0 && a.over != nil && a.unpacked:
		return operand{}, errorAt(p.src, at, "[*] can stand in the first argument of a function only")
	}
	return a, nil
}

// build makes the call; over the elements of an array when its first argument was
// unpacked.
func (p *parser) build(fn function, args []operand, at int) (operand, *SyntaxError) {
	out, msg := fn.build(args)
	if msg != "" {
		return operand{}, errorAt(p.src, at, msg)
	}
	if len(args) > 0 && args[0].over != nil && args[0].unpacked {
		out.over, out.unpacked = args[0].over, false
	}
	for i := range args {
		for _, n := range args[i].needs {
			if !slices.Contains(out.needs, n) {
				out.needs = append(out.needs, n)
			}
		}
	}
	return out, nil
}

// quantifier reads the condition inside any() or all().
func (p *parser) quantifier(name string) (operand, *SyntaxError) {
	p.space()
	at := p.pos
	if p.inside > 0 {
		return operand{}, errorAt(p.src, at, "any() and all() do not nest")
	}
	p.inside++
	n, err := p.or()
	p.inside--
	if err != nil {
		return operand{}, err
	}
	if n.over == nil {
		return operand{}, errorAt(p.src, at, name+"() takes a condition on the elements of an array", name+`(http.request.headers["accept"][*] contains "json")`)
	}
	if !p.take(")") {
		return operand{}, p.fail("unexpected "+p.next(), ")", "and", "or", "xor")
	}
	list, test, every := n.over.list, n.predicate(), name == "all"
	o := boolOf(func(r *Request) bool {
		items := list(r)
		for _, e := range items {
			r.element = e
			if test(r) != every {
				return !every
			}
		}
		return every && items != nil
	})
	o.needs = n.all(nil)
	return o, nil
}
