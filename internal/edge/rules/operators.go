package rules

import (
	"bytes"
	"net/netip"
	"regexp"
)

// op is a comparison operator.
type op uint8

const (
	opNone op = iota
	opEq
	opNe
	opLt
	opLe
	opGt
	opGe
	opContains
	opMatches
	opIn
	opWildcard
	opStrictWildcard
)

// operators lists every spelling of every comparison operator.
var operators = map[string]op{
	"eq": opEq, "==": opEq,
	"ne": opNe, "!=": opNe,
	"lt": opLt, "<": opLt,
	"le": opLe, "<=": opLe,
	"gt": opGt, ">": opGt,
	"ge": opGe, ">=": opGe,
	"contains": opContains,
	"matches":  opMatches, "~": opMatches,
	"in":       opIn,
	"wildcard": opWildcard,
	"strict":   opStrictWildcard, // followed by "wildcard"
}

// applies lists which operators a kind takes, in the order in which an error
// shows them.
var applies = map[kind][]string{
	kindInt:    {"eq", "ne", "lt", "le", "gt", "ge", "in"},
	kindString: {"eq", "ne", "lt", "le", "gt", "ge", "contains", "matches", "wildcard", "strict wildcard", "in"},
	kindIP:     {"eq", "ne", "in"},
	kindBool:   {"eq", "ne"},
}

func allowed(k kind, o op) bool {
	for _, name := range applies[k] {
		if operators[firstWord(name)] == o {
			return true
		}
	}
	return false
}

func firstWord(s string) string {
	w, _, _ := bytes.Cut([]byte(s), []byte(" "))
	return string(w)
}

func compareInt(o op, l func(*Request) (int64, bool), v int64) predicate {
	switch o {
	case opEq:
		return func(r *Request) bool { x, ok := l(r); return ok && x == v }
	case opNe:
		return func(r *Request) bool { x, ok := l(r); return ok && x != v }
	case opLt:
		return func(r *Request) bool { x, ok := l(r); return ok && x < v }
	case opLe:
		return func(r *Request) bool { x, ok := l(r); return ok && x <= v }
	case opGt:
		return func(r *Request) bool { x, ok := l(r); return ok && x > v }
	default:
		return func(r *Request) bool { x, ok := l(r); return ok && x >= v }
	}
}

func compareString(o op, l func(*Request) []byte, s string) predicate {
	v := []byte(s)
	switch o {
	case opEq:
		return func(r *Request) bool { x := l(r); return x != nil && string(x) == s }
	case opNe:
		return func(r *Request) bool { x := l(r); return x != nil && string(x) != s }
	case opLt:
		return func(r *Request) bool { x := l(r); return x != nil && bytes.Compare(x, v) < 0 }
	case opLe:
		return func(r *Request) bool { x := l(r); return x != nil && bytes.Compare(x, v) <= 0 }
	case opGt:
		return func(r *Request) bool { x := l(r); return x != nil && bytes.Compare(x, v) > 0 }
	case opGe:
		return func(r *Request) bool { x := l(r); return x != nil && bytes.Compare(x, v) >= 0 }
	default:
		return func(r *Request) bool { x := l(r); return x != nil && bytes.Contains(x, v) }
	}
}

func matchString(l func(*Request) []byte, re *regexp.Regexp) predicate {
	return func(r *Request) bool { x := l(r); return x != nil && re.Match(x) }
}

func compareIP(negate bool, l func(*Request) netip.Addr, set ipSet) predicate {
	return func(r *Request) bool { x := l(r); return x.IsValid() && set.contains(x) != negate }
}
