package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/originward/originward/internal/spell"
)

// reader collects what is wrong while a file is read.
type reader struct {
	file            string
	checkExpression func(string, Use) error
	checkList       func(List) error
	checkGeo        func(Geo) error
	use             Use // lists and places that were read
	problems        Problems
	warnings        []Problem
	files           []string // read beside the configuration itself
	// aliases bounds how often anchors are followed: a small file must not unfold into
	// a huge configuration.
	aliases   int
	diagnosis Diagnosis // of all zones
}

const maxAliases = 1000

// value is one node of the file with its path.
type value struct {
	r    *reader
	n    *yaml.Node
	path string
}

func (v value) problem(msg string, allowed ...string) Problem {
	p := Problem{File: v.r.file, Line: v.n.Line, Key: v.path, Msg: msg, Allowed: allowed}
	if v.n.Kind == yaml.ScalarNode {
		p.Value = shorten(v.n.Value)
	}
	return p
}

func (v value) fail(msg string, allowed ...string) {
	v.r.problems = append(v.r.problems, v.problem(msg, allowed...))
}

func (v value) warn(msg string, allowed ...string) {
	v.r.warnings = append(v.r.warnings, v.problem(msg, allowed...))
}

func shorten(s string) string {
	if len(s) > 80 {
		return s[:77] + "..."
	}
	return s
}

// resolve follows aliases.
func (v value) resolve() (value, bool) {
	for v.n.Kind == yaml.AliasNode {
		if v.r.aliases++; v.r.aliases > maxAliases || v.n.Alias == nil {
			v.fail("too many aliases")
			return v, false
		}
		v.n = v.n.Alias
	}
	return v, true
}

// null tells that nothing was written behind the key.
func (v value) null() bool { return v.n.Kind == yaml.ScalarNode && v.n.ShortTag() == "!!null" }

// key is one key of a mapping and what reads its value.
type key struct {
	name string
	read func(value)
}

// object reads a mapping by a list of keys. Unknown and repeated keys are problems.
func (v value) object(keys ...key) bool {
	v, ok := v.resolve()
	if !ok {
		return false
	}
	if v.n.Kind != yaml.MappingNode {
		v.fail("must be a mapping", keyNames(keys)...)
		return false
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(v.n.Content); i += 2 {
		k, val := v.n.Content[i], v.n.Content[i+1]
		at := value{v.r, k, v.path}
		if line, twice := seen[k.Value]; twice {
			at.fail(fmt.Sprintf("this key was given in line %d already", line))
			continue
		}
		seen[k.Value] = k.Line
		j := slices.IndexFunc(keys, func(x key) bool { return x.name == k.Value })
		if j < 0 {
			at.unknownKey(keys)
			continue
		}
		keys[j].read(value{v.r, val, join(v.path, k.Value)})
	}
	return true
}

func (v value) unknownKey(keys []key) {
	msg := "unknown key"
	if near, _ := spell.Nearest(strings.ToLower(v.n.Value), keyNames(keys)); near != "" {
		msg += fmt.Sprintf(", did you mean %q?", near)
	}
	v.fail(msg, keyNames(keys)...)
}

func keyNames(keys []key) []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	return names
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// entries reads a mapping with keys of any name.
func (v value) entries(each func(name string, v value)) {
	v, ok := v.resolve()
	if !ok {
		return
	}
	if v.n.Kind != yaml.MappingNode {
		v.fail("must be a mapping")
		return
	}
	for i := 0; i+1 < len(v.n.Content); i += 2 {
		k := v.n.Content[i]
		each(k.Value, value{v.r, v.n.Content[i+1], join(v.path, k.Value)})
	}
}

// list reads a sequence.
func (v value) list(each func(value)) {
	v, ok := v.resolve()
	if !ok || v.null() {
		return
	}
	if v.n.Kind != yaml.SequenceNode {
		v.fail("must be a list")
		return
	}
	for i, n := range v.n.Content {
		each(value{v.r, n, fmt.Sprintf("%s[%d]", v.path, i)})
	}
}

// text reads a scalar as it is written.
func (v value) text() (string, bool) {
	v, ok := v.resolve()
	if !ok {
		return "", false
	}
	if v.n.Kind != yaml.ScalarNode {
		v.fail("must be a single value")
		return "", false
	}
	if v.n.Value == "" || v.null() {
		v.fail("must not be empty")
		return "", false
	}
	return v.n.Value, true
}

// oneOf reads a value from a closed list.
func (v value) oneOf(allowed ...string) (string, bool) {
	s, ok := v.text()
	if !ok {
		return "", false
	}
	if !slices.Contains(allowed, s) {
		v.fail("not allowed here", allowed...)
		return "", false
	}
	return s, true
}

// flag reads a truth value, as YAML or as Cloudflare's API writes it.
func (v value) flag() (on, ok bool) {
	s, ok := v.oneOf("true", "false", "on", "off", "yes", "no")
	return s == "true" || s == "on" || s == "yes", ok
}

func (v value) integer(lo, hi int) (int, bool) {
	s, ok := v.text()
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < lo || n > hi {
		v.fail("not a number in range", fmt.Sprintf("%d to %d", lo, hi))
		return 0, false
	}
	return n, true
}

// share reads a part of a whole.
func (v value) share() float64 {
	s, ok := v.text()
	if !ok {
		return 1
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || !(x >= 0 && x <= 1) {
		v.fail("not a share", "0 to 1")
		return 1
	}
	return x
}

func (v value) duration(lo, hi time.Duration) (time.Duration, bool) {
	s, ok := v.text()
	if !ok {
		return 0, false
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		if _, numErr := strconv.Atoi(s); numErr == nil {
			v.fail("a duration needs a unit", s+"s", s+"ms", s+"m")
			return 0, false
		}
		v.fail("not a duration", "for example 19s, 500ms, 2m")
		return 0, false
	}
	if d < lo || d > hi {
		v.fail("duration out of range", fmt.Sprintf("%v to %v", lo, hi))
		return 0, false
	}
	return d, true
}

// filePath reads a path, relative to the configuration's folder.
func (v value) filePath() (string, bool) {
	s, ok := v.text()
	if !ok {
		return "", false
	}
	if !filepath.IsAbs(s) {
		s = filepath.Join(filepath.Dir(v.r.file), s)
	}
	return s, true
}
