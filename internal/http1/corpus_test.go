package http1

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// corpusCase is one message of a corpus file:
//
//	# name
//	differs READER: reason      (READER is nginx or go; any number of such lines)
//	method HEAD                 (responses: the request's method, GET when absent)
//	"raw bytes, quoted as in Go"
//	60000 * "repeated"
type corpusCase struct {
	name    string
	line    int
	raw     []byte
	method  string
	differs map[string]string // why another reader's verdict may differ from ours
}

func readCorpus(t testing.TB, file string) []corpusCase {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []corpusCase
	seen := map[string]bool{}
	for i, line := range strings.Split(string(text), "\n") {
		if err := corpusLine(&cases, line, i+1); err != nil {
			t.Fatalf("%s:%d: %v", file, i+1, err)
		}
	}
	for _, c := range cases {
		if seen[c.name] {
			t.Fatalf("%s:%d: %q occurs twice", file, c.line, c.name)
		}
		seen[c.name] = true
	}
	if len(cases) < 100 {
		t.Fatalf("%s: only %d cases", file, len(cases))
	}
	return cases
}

func corpusLine(cases *[]corpusCase, line string, number int) error {
	if name, ok := strings.CutPrefix(line, "# "); ok {
		*cases = append(*cases, corpusCase{name: name, line: number, method: "GET", differs: map[string]string{}})
		return nil
	}
	if line == "" || strings.HasPrefix(line, "//") {
		return nil
	}
	if len(*cases) == 0 {
		return fmt.Errorf("a line before the first name")
	}
	c := &(*cases)[len(*cases)-1]
	if rest, ok := strings.CutPrefix(line, "differs "); ok {
		reader, why, ok := strings.Cut(rest, ": ")
		if !ok || reader != "nginx" && reader != "go" || why == "" {
			return fmt.Errorf("want %q", "differs nginx|go: reason")
		}
		c.differs[reader] = why
		return nil
	}
	if method, ok := strings.CutPrefix(line, "method "); ok {
		c.method = method
		return nil
	}
	times := 1
	if count, rest, ok := strings.Cut(line, " * "); ok && line[0] != '"' {
		n, err := strconv.Atoi(count)
		if err != nil {
			return err
		}
		times, line = n, rest
	}
	s, err := strconv.Unquote(line)
	if err != nil {
		return fmt.Errorf("%w: %s", err, line)
	}
	c.raw = append(c.raw, bytes.Repeat([]byte(s), times)...)
	return nil
}
