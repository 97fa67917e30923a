package remedy

import (
	"fmt"
	"strings"
)

// context lines around a change.
const diffContext = 3

// maxDiff bounds the part that is compared line by line; beyond it the whole
// part is shown as replaced.
const maxDiff = 2000

// line of a diff: its mark and text.
type diffLine struct {
	mark byte // ' ', '-', '+'
	text string
}

// unifiedDiff writes the change of a text as diff -u does.
func unifiedDiff(path, before, after string) []string {
	if before == after {
		return nil
	}
	lines := diffLines(splitLines(before), splitLines(after))
	from, to := "a"+path, "b"+path
	if before == "" {
		from = "/dev/null"
	}
	if after == "" {
		to = "/dev/null"
	}
	out := []string{"--- " + from, "+++ " + to}
	for at := 0; at < len(lines); {
		if lines[at].mark == ' ' {
			at++
			continue
		}
		start := max(0, at-diffContext)
		end, quiet := at, 0
		for ; end < len(lines) && quiet <= 2*diffContext; end++ {
			if lines[end].mark == ' ' {
				quiet++
			} else {
				quiet = 0
			}
		}
		end -= max(0, quiet-diffContext)
		out = append(out, hunk(lines, start, end)...)
		at = end
	}
	return out
}

func hunk(lines []diffLine, start, end int) []string {
	oldAt, newAt, oldN, newN := 1, 1, 0, 0
	for i, l := range lines[:end] {
		if l.mark != '+' {
			if i < start {
				oldAt++
			} else {
				oldN++
			}
		}
		if l.mark != '-' {
			if i < start {
				newAt++
			} else {
				newN++
			}
		}
	}
	if oldN == 0 { // of a side without lines, the line before is named: 0 of a new file
		oldAt--
	}
	if newN == 0 {
		newAt--
	}
	out := []string{fmt.Sprintf("@@ -%d,%d +%d,%d @@", oldAt, oldN, newAt, newN)}
	for _, l := range lines[start:end] {
		out = append(out, string(l.mark)+l.text)
	}
	return out
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// diffLines compares by the longest common subsequence between the common
// beginning and the common end.
func diffLines(a, b []string) []diffLine {
	var head, tail []diffLine
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head = append(head, diffLine{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	for _, l := range a[len(a)-n:] {
		tail = append(tail, diffLine{' ', l})
	}
	a, b = a[:len(a)-n], b[:len(b)-n]
	if len(a) > maxDiff || len(b) > maxDiff {
		for _, l := range a {
			head = append(head, diffLine{'-', l})
		}
		for _, l := range b {
			head = append(head, diffLine{'+', l})
		}
		return append(head, tail...)
	}
	return append(append(head, subsequence(a, b)...), tail...)
}

func subsequence(a, b []string) []diffLine {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var out []diffLine
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, diffLine{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && length[i+1][j] >= length[i][j+1]:
			out = append(out, diffLine{'-', a[i]})
			i++
		default:
			out = append(out, diffLine{'+', b[j]})
			j++
		}
	}
	return out
}
