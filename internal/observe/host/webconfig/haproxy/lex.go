package haproxy

import (
	"path/filepath"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// line is one line of a section, in words.
type line struct {
	words []string
	raw   string
	file  string
	no    int
}

func (l line) word(i int) string {
	if i < 0 || i >= len(l.words) {
		return ""
	}
	return l.words[i]
}

func (l line) place() fact.Place {
	return fact.Place{File: l.file, Line: l.no, Text: conf.Show(l.raw)}
}

// after is the word that follows one of the names.
func (l line) after(names ...string) (string, bool) {
	for i, w := range l.words {
		for _, n := range names {
			if w == n {
				return l.word(i + 1), true
			}
		}
	}
	return "", false
}

func (l line) has(name string) bool {
	_, ok := l.after(name)
	return ok
}

// section is "frontend NAME" and its kin with the lines below.
type section struct {
	kind  string // global, defaults, frontend, backend, listen, …
	name  string
	from  string // "from NAME" of a proxy: the defaults it takes
	head  line
	lines []line
}

// title is how people call a section.
func (s *section) title() string { return conf.Show(strings.TrimSpace(s.kind + " " + s.name)) }

// placed is a line's place with its section in the text.
func (s *section) placed(l line) fact.Place {
	p := l.place()
	p.Text = conf.Show(s.title() + ": " + l.raw)
	return p
}

// kinds are the keywords that begin a section (HAProxy 3.0 manual).
var kinds = map[string]bool{
	"global": true, "defaults": true, "frontend": true, "backend": true, "listen": true, "peers": true, "resolvers": true, "userlist": true,
	"mailers": true, "cache": true, "program": true, "http-errors": true, "ring": true, "log-forward": true, "fcgi-app": true, "crt-store": true,
	"traces": true, "log-profile": true, "acme": true,
}

// maxLines bounds a hostile configuration.
const maxLines = 400_000

// load reads the main files in order; a directory stands for its *.cfg.
func load(l *conf.Loader, src conf.Source) []*section {
	var out []*section
	n := 0
	for _, name := range append([]string{src.Main}, src.Extra...) {
		names := []string{name}
		if fi, err := l.FS.Stat(name); err == nil && fi.IsDir() {
			names = l.Glob(filepath.Join(name, "*.cfg"), fact.Place{File: name})
		}
		for _, f := range names {
			b, ok := l.Read(f, fact.Place{File: f})
			if !ok {
				continue
			}
			for i, text := range strings.Split(string(b), "\n") {
				if n++; n > maxLines {
					l.Fail(fact.Place{File: f, Line: i + 1}, "the configuration has more lines than are read")
					return out
				}
				ws := words(text, src.Env)
				if len(ws) == 0 {
					continue
				}
				ln := line{words: ws, raw: strings.TrimSpace(text), file: f, no: i + 1}
				if kinds[ws[0]] {
					s := &section{kind: ws[0], name: ln.word(1), head: ln}
					s.from, _ = ln.after("from")
					out = append(out, s)
				} else if len(out) > 0 {
					out[len(out)-1].lines = append(out[len(out)-1].lines, ln)
				} else {
					l.Fail(ln.place(), "unknown keyword out of section: "+ws[0])
				}
			}
		}
	}
	return out
}

// words splits a line: quotes hold together, a backslash takes the meaning of
// the next character, # begins a comment, and "${NAME}" is filled in from the
// environment inside double quotes.
func words(s string, env map[string]string) []string {
	var out []string
	var b strings.Builder
	in := false
	flush := func() {
		if in {
			out = append(out, b.String())
			b.Reset()
			in = false
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\r':
			flush()
		case '#':
			flush()
			return out
		case '\\':
			in = true
			if i+1 < len(s) {
				i++
				b.WriteByte(s[i])
			}
		case '\'':
			in = true
			end := strings.IndexByte(s[i+1:], '\'')
			if end < 0 {
				end = len(s) - i - 1
			}
			b.WriteString(s[i+1 : i+1+end])
			i += end + 1
		case '"':
			in = true
			i = quoted(&b, s, i+1, env)
		default:
			in = true
			b.WriteByte(c)
		}
	}
	flush()
	return out
}

// quoted reads a double-quoted part from i and gives the index of its end.
func quoted(b *strings.Builder, s string, i int, env map[string]string) int {
	for ; i < len(s) && s[i] != '"'; i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case strings.HasPrefix(s[i:], "${"):
			end := strings.IndexByte(s[i:], '}')
			if end < 0 {
				b.WriteByte(s[i])
				continue
			}
			name, def, _ := strings.Cut(s[i+2:i+end], "-")
			if v, ok := env[name]; ok {
				b.WriteString(v)
			} else {
				b.WriteString(def)
			}
			i += end
		default:
			b.WriteByte(s[i])
		}
	}
	return i
}
