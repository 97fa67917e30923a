package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds a configuration; 100,000 records are about 10 MiB.
const maxFile = 32 << 20

// Loader reads configurations.
type Loader struct {
	// CheckExpression checks a rule's expression; nil = rules are not checked. An error
	// with a method Place() (line, column int) is reported at its place.
	CheckExpression func(src string, use Use) error
	// Use is what expressions may use beside what the file itself brings.
	Use Use
	// CheckList checks the items of a named list; nil = they are not checked.
	CheckList func(List) error
	// CheckGeo checks databases of addresses; nil = they are not checked.
	CheckGeo func(Geo) error
}

// Use is what an expression is for.
type Use struct {
	Value    bool   // it gives a string, as in a rewrite; else it is a condition
	Response bool   // it may look at the response
	Places   bool   // there is a database of addresses
	Lists    []List // named lists
	// Monitors and Pools are what pools and load balancers may refer to.
	Monitors []Monitor
	Pools    []Pool
}

// Load reads the file at path. Its error is a [Problems] when the file could be
// read but not be used.
func (l Loader) Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if len(raw) > maxFile {
		return nil, Problems{{File: path, Msg: fmt.Sprintf("larger than %d MiB", maxFile>>20)}}
	}
	return l.Parse(path, raw)
}

// Parse reads a configuration from raw; path names it and is what relative
// paths in it are resolved against.
func (l Loader) Parse(path string, raw []byte) (*Config, error) {
	r := &reader{file: filepath.Clean(path), checkExpression: l.CheckExpression, checkList: l.CheckList, checkGeo: l.CheckGeo, use: l.Use}
	var docs []yaml.Node
	if err := yaml.Load(raw, &docs, yaml.WithUniqueKeys(false), yaml.WithAllDocuments()); err != nil {
		return nil, Problems{syntaxProblem(r.file, err)}
	}
	if len(docs) > 1 {
		return nil, Problems{{File: r.file, Line: docs[1].Line, Msg: "a second document begins here; the file must be one"}}
	}
	if len(docs) == 0 || len(docs[0].Content) == 0 || docs[0].Content[0].ShortTag() == "!!null" {
		return nil, Problems{{File: r.file, Line: 1, Msg: "the file is empty; it must be a mapping", Allowed: topLevelKeys}}
	}
	root := docs[0].Content[0]
	c := r.config(value{r, root, ""})
	if len(r.problems) > 0 {
		r.problems.sort()
		return nil, r.problems
	}
	c.Warnings = r.warnings
	c.Files = append([]string{r.file}, r.files...)
	return c, nil
}

// syntaxProblem keeps the place that the YAML library found.
func syntaxProblem(file string, err error) Problem {
	p := Problem{File: file, Msg: "not valid YAML: " + err.Error()}
	var le *yaml.LoadError
	if errors.As(err, &le) {
		p.Line, p.Msg = le.Mark.Line, "not valid YAML: "+le.Message
	}
	return p
}
