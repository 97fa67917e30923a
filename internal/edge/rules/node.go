package rules

import (
	"slices"

	"github.com/originward/originward/fact"
)

// predicate is a compiled condition.
type predicate func(*Request) bool

// logic is what a node does with its conditions.
type logic uint8

const (
	leaf logic = iota
	logicNot
	logicAnd
	logicXor
	logicOr
)

// node is a condition as it was written: a comparison, or conditions joined.
type node struct {
	logic logic
	l, r  *node // r is nil for not; both for a comparison
	test  predicate
	needs []string // fields and lists that test looks at
	over  *array   // the condition holds per element of this array; nil = of the request
}

// predicate compiles the condition.
func (n *node) predicate() predicate {
	if n.logic == leaf {
		return n.test
	}
	l := n.l.predicate()
	if n.logic == logicNot {
		return func(q *Request) bool { return !l(q) }
	}
	r := n.r.predicate()
	switch n.logic {
	case logicAnd:
		return func(q *Request) bool { return l(q) && r(q) }
	case logicXor:
		return func(q *Request) bool { return l(q) != r(q) }
	default:
		return func(q *Request) bool { return l(q) || r(q) }
	}
}

// all adds what the whole condition looks at.
func (n *node) all(to []string) []string {
	if n == nil {
		return to
	}
	for _, x := range n.needs {
		if !slices.Contains(to, x) {
			to = append(to, x)
		}
	}
	return n.r.all(n.l.all(to))
}

// decide is Kleene's three-valued logic: what is not known makes the whole unknown
// only where the rest does not settle it.
func (n *node) decide(q *Request, known func(string) bool, open *[]string) fact.Tri {
	switch n.logic {
	case leaf:
		ok := true
		for _, x := range n.needs {
			if !known(x) {
				ok = false
				if !slices.Contains(*open, x) {
					*open = append(*open, x)
				}
			}
		}
		if !ok {
			return fact.Unknown
		}
		return fact.TriOf(n.test(q))
	case logicNot:
		return not(n.l.decide(q, known, open))
	}
	l, r := n.l.decide(q, known, open), n.r.decide(q, known, open)
	switch n.logic {
	case logicAnd:
		return and(l, r)
	case logicOr:
		return not(and(not(l), not(r)))
	}
	if l == fact.Unknown || r == fact.Unknown {
		return fact.Unknown
	}
	return fact.TriOf(l != r)
}

func not(t fact.Tri) fact.Tri {
	switch t {
	case fact.Yes:
		return fact.No
	case fact.No:
		return fact.Yes
	}
	return fact.Unknown
}

func and(a, b fact.Tri) fact.Tri {
	switch {
	case a == fact.No || b == fact.No:
		return fact.No
	case a == fact.Yes && b == fact.Yes:
		return fact.Yes
	}
	return fact.Unknown
}
