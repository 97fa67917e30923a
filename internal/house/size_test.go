package house

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The budgets of a file and of a function, in physical lines. They are smell
// detectors that well-kept Go programs stay under; generated files are exempt,
// and so is a function that only returns a list: it is data.
const (
	maxFile     = 600
	maxFunction = 100
)

func TestSizes(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, p := range checkSizes(path, string(src)) {
			t.Error(p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("only %d files found: the scan is broken", files)
	}
}

func TestSizesFire(t *testing.T) {
	if len(checkSizes("long.go", strings.Repeat("\n", maxFile+1))) != 1 {
		t.Error("a long file is not noticed")
	}
	if len(checkSizes("f.go", "func f() {\n"+strings.Repeat("x()\n", maxFunction)+"}\n")) != 1 {
		t.Error("a long function is not noticed")
	}
	if len(checkSizes("f.go", "func f() []int {\n\treturn []int{\n"+strings.Repeat("1,\n", maxFunction)+"\t}\n}\n")) != 0 {
		t.Error("a long list counts as a long function")
	}
}

func checkSizes(path, src string) (problems []string) {
	if strings.Contains(src, "// Code generated ") {
		return nil
	}
	n, start, name, list := 0, 0, "", false
	sc := bufio.NewScanner(strings.NewReader(src))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		n++
		switch l := sc.Text(); {
		case strings.HasPrefix(l, "func "):
			start, name, list = n, l, false
		case start > 0 && n == start+1:
			list = strings.HasPrefix(l, "\treturn []") && strings.HasSuffix(l, "{")
		case l == "}" && start > 0:
			if n-start+1 > maxFunction && !list {
				problems = append(problems, fmt.Sprintf("%s:%d: %d lines: %s", path, start, n-start+1, name))
			}
			start = 0
		}
	}
	if n > maxFile {
		problems = append(problems, fmt.Sprintf("%s: %d lines", path, n))
	}
	return problems
}
