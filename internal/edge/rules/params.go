package rules

import (
	"fmt"
	"slices"
)

// param is what a function takes in one place.
type param struct {
	kinds    []kind
	array    bool // an array, too
	maps     bool // a map, too
	literal  bool // must be written out
	field    bool // must not be written out
	optional bool
	rest     bool // as many as are given
}

func (p param) takes(o *operand) bool {
	switch {
	case o.form == formMap:
		return p.maps
	case o.isArray():
		return p.array
	}
	return slices.Contains(p.kinds, o.kind)
}

func (p param) wants() string {
	s := ""
	add := func(what string) {
		if s != "" {
			s += " or "
		}
		s += what
	}
	for _, k := range p.kinds {
		switch k {
		case kindInt, kindIP:
			add("an " + k.String())
		default:
			add("a " + k.String())
		}
	}
	if p.array {
		add("an array")
	}
	if p.maps {
		add("a map")
	}
	return s
}

// function is one function of the language: what it takes and how a call is built
// from its compiled arguments. build's second result says what is wrong with them.
type function struct {
	params  []param
	build   func(args []operand) (operand, string)
	rewrite bool // for rewrites and redirects only
	once    bool // at most one of these in an expression
}

// param gives the i-th parameter; false when there is none.
func (f *function) param(i int) (param, bool) {
	n := len(f.params)
	switch {
	case i < n:
		return f.params[i], true
	case n > 0 && f.params[n-1].rest:
		return f.params[n-1], true
	}
	return param{}, false
}

// arity says how many arguments there are.
func (f *function) arity() string {
	least, n := 0, len(f.params)
	for _, p := range f.params {
		if !p.optional {
			least++
		}
	}
	switch {
	case n > 0 && f.params[n-1].rest:
		return fmt.Sprintf("at least %d arguments", least)
	case least < n:
		return fmt.Sprintf("%d to %d arguments", least, n)
	}
	return fmt.Sprintf("%d arguments", least)
}

// Parameters as the list of functions writes them.
var (
	text     = param{kinds: []kind{kindString}}
	source   = param{kinds: []kind{kindString}, field: true} // a field, not a literal
	textLit  = param{kinds: []kind{kindString}, literal: true}
	textOpt  = param{kinds: []kind{kindString}, literal: true, optional: true}
	textRest = param{kinds: []kind{kindString}, literal: true, optional: true, rest: true}
	textAny  = param{kinds: []kind{kindString}, array: true}
	textAnys = param{kinds: []kind{kindString}, array: true, optional: true, rest: true}
	items    = param{array: true}
	mapping  = param{maps: true}
	number   = param{kinds: []kind{kindInt}}
	numLit   = param{kinds: []kind{kindInt}, literal: true}
	numOpt   = param{kinds: []kind{kindInt}, literal: true, optional: true}
	address  = param{kinds: []kind{kindIP}, field: true}
	scalar   = param{kinds: []kind{kindInt, kindBool, kindIP}}
	step     = param{kinds: []kind{kindString, kindInt}, literal: true}
	stepRest = param{kinds: []kind{kindString, kindInt}, literal: true, optional: true, rest: true}
)
