package rules

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// SyntaxError says what is wrong with an expression, and where.
type SyntaxError struct {
	Offset int      // bytes from the beginning of the expression
	Line   int      // from 1
	Column int      // characters, from 1
	Msg    string   // what is wrong
	Want   []string // what could stand there, when the list is short enough to help
}

// Error gives place, fault and what was expected.
func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Msg)
	if len(e.Want) > 0 {
		s += "; expected " + strings.Join(e.Want, ", ")
	}
	return s
}

func errorAt(src string, offset int, msg string, want ...string) *SyntaxError {
	offset = min(offset, len(src))
	before := src[:offset]
	line := strings.Count(before, "\n")
	start := strings.LastIndexByte(before, '\n') + 1
	return &SyntaxError{
		Offset: offset,
		Line:   line + 1,
		Column: utf8.RuneCountInString(before[start:]) + 1,
		Msg:    msg,
		Want:   want,
	}
}

// Place is the line and column, from 1, of the fault within the expression.
func (e *SyntaxError) Place() (line, column int) { return e.Line, e.Column }
