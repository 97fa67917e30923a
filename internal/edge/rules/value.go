package rules

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// right reads the right-hand side that fits the operand's kind and builds the
// comparison.
func (p *parser) right(l *operand, o op) (predicate, *SyntaxError) {
	if o == opIn {
		return p.membership(l)
	}
	switch l.kind {
	case kindIP:
		r, err := p.ipItem()
		if err != nil {
			return nil, err
		}
		return compareIP(o == opNe, l.ip, newIPSet([]ipRange{r})), nil
	case kindInt:
		v, err := p.integer()
		if err != nil {
			return nil, err
		}
		return compareInt(o, l.i, v), nil
	case kindBool:
		want := p.peekWord()
		if want != "true" && want != "false" {
			return nil, p.fail("unexpected "+p.next(), "true", "false")
		}
		p.pos += len(want)
		v, b := (want == "true") == (o == opEq), l.b
		return func(r *Request) bool { return b(r) == v }, nil
	}
	return p.stringRight(l, o)
}

func (p *parser) stringRight(l *operand, o op) (predicate, *SyntaxError) {
	p.space()
	at := p.pos
	read := p.str
	if o == opMatches {
		read = p.regexpStr
	}
	s, serr := read()
	if serr != nil {
		return nil, serr
	}
	switch o {
	case opMatches:
		re, err := regexp.Compile(s)
		if err != nil {
			return nil, errorAt(p.src, at, "not a regular expression: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		return matchString(l.s, re), nil
	case opWildcard, opStrictWildcard:
		w, err := newWildcard(s, o == opWildcard)
		if err != nil {
			return nil, errorAt(p.src, at, err.Error())
		}
		left := l.s
		return func(r *Request) bool { v := left(r); return v != nil && w.match(v) }, nil
	}
	return compareString(o, l.s, s), nil
}

// membership reads "{…}", values separated by white space, or the name of a list.
func (p *parser) membership(l *operand) (predicate, *SyntaxError) {
	if p.take("$") {
		return p.named(l)
	}
	if !p.take("{") {
		return nil, p.fail("unexpected "+p.next(), "{", "$ and a list's name")
	}
	var ips []ipRange
	var ints intSet
	strs := map[string]struct{}{}
	for n := 0; ; n++ {
		if p.take("}") {
			if n == 0 {
				return nil, errorAt(p.src, p.pos-1, "the set is empty", "a "+l.kind.String())
			}
			break
		}
		if p.done() {
			return nil, p.fail("this set has no end", "}")
		}
		if p.src[p.pos] == ',' {
			return nil, p.fail("the values of a set are separated by spaces, not commas")
		}
		var err *SyntaxError
		switch l.kind {
		case kindIP:
			var r ipRange
			r, err = p.ipItem()
			ips = append(ips, r)
		case kindInt:
			var r [2]int64
			r, err = p.intItem()
			ints = append(ints, r)
		default:
			var s string
			s, err = p.str()
			strs[s] = struct{}{}
		}
		if err != nil {
			return nil, err
		}
	}
	return in(l, newIPSet(ips), ints, strs), nil
}

func in(l *operand, ips ipSet, ints intSet, strs map[string]struct{}) predicate {
	switch l.kind {
	case kindIP:
		return compareIP(false, l.ip, ips)
	case kindInt:
		f := l.i
		return func(r *Request) bool { v, ok := f(r); return ok && ints.contains(v) }
	}
	f := l.s
	return func(r *Request) bool {
		v := f(r)
		if v == nil {
			return false
		}
		_, ok := strs[string(v)]
		return ok
	}
}

// named reads a list's name.
func (p *parser) named(l *operand) (predicate, *SyntaxError) {
	at := p.pos
	for p.pos < len(p.src) && (wordByte(p.src[p.pos], false)) {
		p.pos++
	}
	name := p.src[at:p.pos]
	list := p.options.Lists[name]
	if list == nil {
		var have []string
		for n := range p.options.Lists {
			have = append(have, "$"+n)
		}
		return nil, errorAt(p.src, at, fmt.Sprintf("there is no list named %q", name), have...)
	}
	l.needs = append(l.needs[:len(l.needs):len(l.needs)], "$"+name)
	test := list.test(l)
	if test == nil {
		return nil, errorAt(p.src, at, fmt.Sprintf("the list %s holds %s, and %s is a %s", name, list.kind, l.name, l.kind))
	}
	return test, nil
}

// ipItem reads an address, a prefix or a range "a..b".
func (p *parser) ipItem() (ipRange, *SyntaxError) {
	p.space()
	at := p.pos
	lit := p.literal()
	bad := func(why string) (ipRange, *SyntaxError) {
		return ipRange{}, errorAt(p.src, at, why, "an address such as 192.0.2.1", "a range such as 192.0.2.0/24")
	}
	if strings.Contains(lit, "/") {
		pre, err := netip.ParsePrefix(lit)
		if err != nil {
			return bad(fmt.Sprintf("%q is no address range", lit))
		}
		if m := pre.Masked(); m != pre {
			return bad(fmt.Sprintf("%s has bits set behind its length; did you mean %s?", pre, m))
		}
		return ipRange{pre.Addr(), lastAddr(pre)}, nil
	}
	a, err := netip.ParseAddr(lit)
	if err != nil {
		if lit == "" {
			return bad("unexpected " + p.next())
		}
		return bad(fmt.Sprintf("%q is no address", lit))
	}
	if !p.take("..") {
		return ipRange{a, a}, nil
	}
	b, err := netip.ParseAddr(p.literal())
	if err != nil || b.BitLen() != a.BitLen() || b.Less(a) {
		return bad("the range has no valid end")
	}
	return ipRange{a, b}, nil
}

func (p *parser) integer() (int64, *SyntaxError) {
	p.space()
	at := p.pos
	lit := p.literal()
	v, err := strconv.ParseInt(lit, 10, 64)
	if err != nil {
		return 0, errorAt(p.src, at, fmt.Sprintf("%q is no integer", lit), "an integer")
	}
	return v, nil
}

func (p *parser) intItem() ([2]int64, *SyntaxError) {
	a, err := p.integer()
	if err != nil {
		return [2]int64{}, err
	}
	if !p.take("..") {
		return [2]int64{a, a}, nil
	}
	at := p.pos
	b, err := p.integer()
	if err != nil {
		return [2]int64{}, err
	}
	if b < a {
		return [2]int64{}, errorAt(p.src, at, "the range ends before it begins")
	}
	return [2]int64{a, b}, nil
}
