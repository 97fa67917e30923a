package lighttpd

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// value is a setting's value: strings and numbers are one item, lists are all
// their items with keys in front ("" where there is none).
type value struct {
	items []item
}

type item struct {
	key, text string
	list      *value
}

// first is the value as one text.
func (v value) first() string {
	if len(v.items) == 0 {
		return ""
	}
	return v.items[0].text
}

// strings are all texts in the value, those of inner lists too.
func (v value) strings() []string {
	var out []string
	for _, i := range v.items {
		if i.list != nil {
			out = append(out, i.list.strings()...)
		} else {
			out = append(out, i.text)
		}
	}
	return out
}

// setting is "name = value" with the conditions around it.
type setting struct {
	name  string
	val   value
	place fact.Place
	conds []cond
}

// cond is $HTTP["host"] == "shop.example".
type cond struct {
	field string // SERVER["socket"], HTTP["remoteip"], …
	op    string // ==, !=, =~, !~, =^, =$, else
	text  string
	place fact.Place
}

// Bounds of hostile configurations.
const (
	maxDepth = 24
	maxItems = 200_000
	maxList  = 20_000 // items of one list; "a += a" doubles it
)

type parser struct {
	*conf.Loader
	dir      string
	open     []string
	vars     map[string]value
	settings []setting
	count    int
}

// file reads one file; what it sets holds under the conditions given.
func (p *parser) file(name string, from fact.Place, conds []cond) {
	if slices.Contains(p.open, name) || len(p.open) >= maxDepth {
		p.Fail(from, name+": included in a circle or too deeply")
		return
	}
	b, ok := p.Read(name, from)
	if !ok {
		return
	}
	p.open = append(p.open, name)
	s := &stream{file: name, toks: lex(string(b))}
	p.block(s, conds, 0)
	p.open = p.open[:len(p.open)-1]
}

// block reads statements until "}" or the end.
func (p *parser) block(s *stream, conds []cond, depth int) {
	var last []cond // condition of the block before, for else
	for {
		t := s.next()
		if p.count++; p.count > maxItems || depth > maxDepth {
			p.Fail(s.at(t), "the configuration has more settings or levels than are read")
			s.toks = nil
			return
		}
		switch {
		case t.kind == end:
			if depth > 0 {
				p.Fail(s.at(t), "a block is not closed")
			}
			return
		case t.is("}"):
			if depth == 0 {
				p.Fail(s.at(t), `unexpected "}"`)
				continue
			}
			return
		case t.is("include"), t.is("include_shell"):
			p.include(s, t, conds)
		case t.kind == word && strings.HasPrefix(t.text, "$"):
			last = p.conditional(s, t, conds, depth)
		case t.is("else"):
			n := s.next()
			c := append(slices.Clone(conds), negate(last)...)
			if strings.HasPrefix(n.text, "$") {
				last = p.conditional(s, n, c, depth)
			} else if n.is("{") {
				p.block(s, c, depth+1)
			}
		case t.kind == word:
			p.assign(s, t, conds)
		}
	}
}

// negate marks the last condition as not held.
func negate(list []cond) []cond {
	var out []cond
	for _, c := range list {
		c.op = map[string]string{"==": "!=", "!=": "==", "=~": "!~", "!~": "=~"}[c.op]
		if c.op == "" {
			c.op = "else"
		}
		out = append(out, c)
	}
	return out
}

// conditional reads $FIELD["name"] op "text" { … }.
func (p *parser) conditional(s *stream, t token, conds []cond, depth int) []cond {
	field := strings.TrimPrefix(t.text, "$")
	if n := s.peek(); n.is("[") {
		s.next()
		field += `["` + s.next().text + `"]`
		s.next() // ]
	}
	op := s.next()
	text := p.value(s)
	c := cond{field: field, op: op.text, text: text.first(), place: s.at(t)}
	c.place.Text = conf.Show("$" + field + " " + op.text + ` "` + c.text + `"`)
	if !s.next().is("{") {
		p.Fail(s.at(t), c.place.Text+": a block must follow")
		return nil
	}
	p.block(s, append(slices.Clone(conds), c), depth+1)
	return []cond{c}
}

func (p *parser) include(s *stream, t token, conds []cond) {
	v := p.value(s)
	at := s.at(t)
	at.Text = conf.Show(t.text + ` "` + v.first() + `"`)
	if t.is("include_shell") {
		// Running what a configuration names is not looking.
		if !harmless(v.first()) && len(p.Unread) < 64 {
			p.Unread = append(p.Unread, fact.Place{File: at.File, Line: at.Line, Text: conf.Show(at.Text + ": the output of a program is not read")})
		}
		return
	}
	for _, name := range v.strings() {
		path := filepath.Clean(conf.Abs(name, p.dir))
		names := []string{path}
		if rootfs.Magic(path) {
			names = p.Glob(path, at)
		}
		for _, n := range names {
			p.file(n, at, conds)
		}
	}
}

// harmless are Debian's own helpers, whose output says nothing about the hop
// but the IPv6 socket, which the list of listening sockets shows.
func harmless(cmd string) bool {
	return strings.Contains(cmd, "create-mime") || strings.Contains(cmd, "use-ipv6.pl") || strings.Contains(cmd, "include-conf-enabled.pl") || strings.Contains(cmd, "/dev/null")
}

func (p *parser) assign(s *stream, t token, conds []cond) {
	op := s.next()
	if !op.is("=") && !op.is("+=") && !op.is(":=") {
		p.Fail(s.at(t), t.text+`: "=" is expected`)
		return
	}
	start := t.line
	v := p.value(s)
	name := t.text
	if op.is("+=") {
		v = value{append(slices.Clone(p.vars[name].items), v.items...)}
		if len(v.items) > maxList {
			v.items = v.items[:maxList]
		}
	}
	p.vars[name] = v
	p.vars[strings.TrimPrefix(name, "var.")] = v
	place := fact.Place{File: s.file, Line: start, Text: conf.Show(name + " = " + strings.Join(v.strings(), ", "))}
	p.settings = append(p.settings, setting{name, v, place, conds})
}

// value reads a text, number, name or list, joined by "+".
func (p *parser) value(s *stream) value {
	v := p.operand(s, 0)
	for s.peek().is("+") {
		s.next()
		w := p.operand(s, 0)
		if len(v.items) == 1 && len(w.items) == 1 && v.items[0].list == nil && w.items[0].list == nil {
			v = value{[]item{{text: v.items[0].text + w.items[0].text}}}
			if len(v.items[0].text) > 64<<10 {
				return value{}
			}
		} else {
			v = value{append(slices.Clone(v.items), w.items...)}
		}
	}
	return v
}

func (p *parser) operand(s *stream, depth int) value {
	t := s.next()
	switch {
	case t.kind == text:
		return value{[]item{{text: t.text}}}
	case t.is("("):
		return p.list(s, depth)
	case t.kind == word:
		if name, ok := strings.CutPrefix(t.text, "env."); ok {
			return value{[]item{{text: "${" + name + "}"}}}
		}
		if v, ok := p.vars[t.text]; ok {
			return v
		}
		return value{[]item{{text: t.text}}}
	}
	return value{}
}

func (p *parser) list(s *stream, depth int) value {
	var v value
	if depth > maxDepth {
		return v
	}
	for {
		t := s.peek()
		switch {
		case t.kind == end:
			return v
		case t.is(")"):
			s.next()
			return v
		case t.is(","):
			s.next()
			continue
		}
		one := p.operand(s, depth+1)
		key := ""
		if s.peek().is("=>") {
			s.next()
			key = one.first()
			one = p.operand(s, depth+1)
		}
		for s.peek().is("+") {
			s.next()
			w := p.operand(s, depth+1)
			one = value{[]item{{text: one.first() + w.first()}}}
		}
		if len(one.items) == 1 && one.items[0].list == nil && !t.is("(") {
			v.items = append(v.items, item{key: key, text: one.items[0].text})
		} else {
			inner := one
			v.items = append(v.items, item{key: key, list: &inner})
		}
		if len(v.items) > maxItems {
			return v
		}
	}
}
