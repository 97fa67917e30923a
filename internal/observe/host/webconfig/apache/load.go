package apache

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// Bounds of hostile configurations.
const (
	maxDepth = 32
	maxNodes = 400_000

	maxExpanded = 64 << 10 // what names may add to one line; "Define A ${A}${A}" doubles it
)

// assumedVersion stands for the server's version in <IfVersion>: every 2.4 is
// alike in what configurations ask for.
const assumedVersion = "2.4.62"

// builtIn are modules that distributions compile into the server. The MPM is
// among them only where no LoadModule names one.
var builtIn = []string{
	"core.c", "mod_so.c", "so_module", "http_core.c", "core_module", "mod_log_config.c", "log_config_module", "mod_logio.c", "logio_module",
	"mod_version.c", "version_module", "mod_unixd.c", "unixd_module", "mod_watchdog.c", "watchdog_module",
}

// loading builds the directives of a configuration in the order in which
// Apache itself reads it, since names must be defined before they are used.
type loading struct {
	*conf.Loader
	root    string            // ServerRoot
	defines map[string]string // ${NAME}; a value may be empty
	env     map[string]string
	modules map[string]bool
	open    []string
	nodes   int
	limited bool
}

// file reads one file into the section at top.
func (l *loading) file(name string, from fact.Place, top *node) {
	if slices.Contains(l.open, name) || len(l.open) >= maxDepth {
		l.Fail(from, name+": included in a circle or too deeply")
		return
	}
	b, ok := l.Read(name, from)
	if !ok {
		return
	}
	l.open = append(l.open, name)
	l.text(name, lines(b), top)
	l.open = l.open[:len(l.open)-1]
}

// frame is an open section; skip marks one whose condition is false.
type frame struct {
	n    *node
	name string
	skip bool
}

// text reads the lines of one file. A section must end in the file where it
// began.
func (l *loading) text(file string, ls []line, top *node) {
	stack := []frame{{n: top}}
	for _, ln := range ls {
		if l.nodes++; l.nodes > maxNodes {
			if !l.limited {
				l.limited = true
				l.Fail(fact.Place{File: file, Line: ln.no}, "the configuration has more directives than are read")
			}
			return
		}
		at := fact.Place{File: file, Line: ln.no}
		here := stack[len(stack)-1]
		name, args, closing, isSection := section(ln.text)
		switch {
		case isSection && closing:
			if len(stack) == 1 || here.name != name {
				l.Fail(at, ln.text+": closes no open section")
				continue
			}
			stack = stack[:len(stack)-1]
		case isSection && len(stack) >= maxDepth:
			l.Fail(at, "sections are nested too deeply")
			return
		case isSection:
			stack = append(stack, l.begin(here, name, args, file, ln))
		case !here.skip:
			l.directive(file, ln, here.n)
		}
	}
	for _, f := range stack[1:] {
		l.Fail(fact.Place{File: file}, "<"+f.name+"> is not closed")
	}
}

// begin opens a section. Sections with a condition that is settled when the
// configuration is read vanish into the one around them.
func (l *loading) begin(here frame, name, args, file string, ln line) frame {
	if here.skip {
		return frame{n: here.n, name: name, skip: true}
	}
	args = l.expand(args)
	if holds, known := l.condition(name, args); known {
		return frame{n: here.n, name: name, skip: !holds}
	}
	n := &node{name: name, args: words(args), raw: ln.text, file: file, line: ln.no, sect: true}
	here.n.kids = append(here.n.kids, n)
	return frame{n: n, name: name}
}

// condition evaluates a section that depends on the configuration itself;
// known is false for every other section.
func (l *loading) condition(name, args string) (holds, known bool) {
	arg, not := strings.CutPrefix(strings.Trim(args, `"`), "!")
	switch name {
	case "ifmodule":
		holds = l.modules[strings.ToLower(arg)]
	case "ifdefine":
		_, holds = l.defines[arg]
	case "iffile":
		holds = l.FS.Exists(conf.Abs(arg, l.root)) == fact.Yes
	case "ifversion":
		return version(args), true
	case "ifdirective", "ifsection":
		return true, true
	case "macro":
		return false, true // a body until it is used, which is not followed
	default:
		return false, false
	}
	return holds != not, true
}

// version evaluates <IfVersion [[!]op] version>.
func version(args string) bool {
	f := strings.Fields(args)
	if len(f) == 0 {
		return false
	}
	op, want := "=", f[len(f)-1]
	if len(f) > 1 {
		op = f[0]
	}
	op, not := strings.CutPrefix(op, "!")
	c := compare(assumedVersion, want)
	ok := map[string]bool{"=": c == 0, "==": c == 0, ">": c > 0, ">=": c >= 0, "<": c < 0, "<=": c <= 0}[op]
	return ok != not
}

// compare compares as many parts as b has.
func compare(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range bs {
		x, y := 0, 0
		if i < len(as) {
			x, _ = strconv.Atoi(as[i])
		}
		y, _ = strconv.Atoi(bs[i])
		if x != y {
			return x - y
		}
	}
	return 0
}

var reference = regexp.MustCompile(`\$\{([^}]{1,200})\}`)

// expand puts the values of defined names and environment variables in.
func (l *loading) expand(s string) string {
	if !strings.Contains(s, "${") {
		return s
	}
	left := maxExpanded
	return reference.ReplaceAllStringFunc(s, func(ref string) string {
		if left <= 0 {
			return ""
		}
		name := ref[2 : len(ref)-1]
		v, ok := l.defines[name]
		if !ok {
			v, ok = l.env[name]
		}
		if !ok {
			return ref
		}
		left -= len(v)
		return v
	})
}

// directive keeps one directive, and does at once what changes how the rest is
// read.
func (l *loading) directive(file string, ln line, into *node) {
	text := l.expand(ln.text)
	ws := words(text)
	if len(ws) == 0 { // a name with an empty value
		return
	}
	n := &node{name: strings.ToLower(ws[0]), args: ws[1:], raw: text, file: file, line: ln.no}
	switch n.name {
	case "include", "includeoptional":
		l.include(n, into)
		return
	case "serverroot":
		l.root = n.arg(0)
	case "define":
		if len(n.args) > 0 {
			l.defines[n.args[0]] = n.arg(1)
		}
	case "undefine":
		delete(l.defines, n.arg(0))
	case "loadmodule":
		if len(n.args) > 1 {
			l.modules[strings.ToLower(n.args[0])] = true
			base := strings.TrimSuffix(filepath.Base(n.args[1]), ".so")
			l.modules[strings.ToLower(base)+".c"] = true
		}
	}
	into.kids = append(into.kids, n)
}

func (l *loading) include(n *node, into *node) {
	if len(n.args) != 1 {
		l.Fail(n.place(), n.raw+": takes one path")
		return
	}
	path := filepath.Clean(conf.Abs(n.args[0], l.root))
	names := []string{path}
	if rootfs.Magic(path) {
		names = l.Glob(path, n.place())
	} else if n.name == "includeoptional" && l.FS.Exists(path) == fact.No {
		return
	}
	for _, name := range names {
		if fi, err := l.FS.Stat(name); err == nil && fi.IsDir() {
			l.directory(name, n, into, 0)
			continue
		}
		l.file(name, n.place(), into)
	}
}

// directory includes every file below a directory, as Include does.
func (l *loading) directory(dir string, n *node, into *node, depth int) {
	entries, err := l.FS.ReadDir(dir)
	if err != nil || depth > 8 {
		l.Fail(n.place(), dir+": cannot be listed")
		return
	}
	for _, e := range entries {
		name := filepath.Join(dir, e)
		if fi, err := l.FS.Stat(name); err == nil && fi.IsDir() {
			l.directory(name, n, into, depth+1)
			continue
		}
		l.file(name, n.place(), into)
	}
}
