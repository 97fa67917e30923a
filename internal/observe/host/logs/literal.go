package logs

import (
	"regexp/syntax"
	"strings"
)

// literals are texts of which every match of an expression holds one; none
// when that is not known. Looking for them first is many times cheaper than
// the expression, and most lines match nothing.
func literals(expr string) []string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	return needed(re)
}

func needed(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return []string{string(re.Rune)}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return needed(re.Sub[0])
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			s := needed(sub)
			if len(s) == 0 {
				return nil
			}
			all = append(all, s...)
		}
		return all
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if s := needed(sub); shortest(s) > shortest(best) {
				best = s
			}
		}
		return best
	}
	return nil
}

// shortest is the length of the shortest text: what the set is worth.
func shortest(list []string) int {
	if len(list) == 0 {
		return 0
	}
	n := len(list[0])
	for _, s := range list[1:] {
		n = min(n, len(s))
	}
	return n
}

func holdsOne(line string, list []string) bool {
	for _, s := range list {
		if strings.Contains(line, s) {
			return true
		}
	}
	return len(list) == 0
}
