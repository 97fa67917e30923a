package remedy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// webEdit gathers edits of one server's configuration by place, to be one step.
type webEdit struct {
	server string
	lines  map[string][]string // by file
	was    map[string]string
	order  []string
	done   int // edits made
}

func newWebEdit(server string) *webEdit {
	return &webEdit{server: server, lines: map[string][]string{}, was: map[string]string{}}
}

// file reads a file of the configuration once.
func (e *webEdit) file(path string) ([]string, error) {
	if l, ok := e.lines[path]; ok {
		return l, nil
	}
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("the evidence does not name the file: %q", path)
	}
	f, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if !f.There {
		return nil, fmt.Errorf("%s is not there any more; diagnose again", path)
	}
	e.was[path] = string(f.Content)
	e.lines[path] = strings.Split(string(f.Content), "\n")
	e.order = append(e.order, path)
	return e.lines[path], nil
}

// at changes the line of a place; change says whether it found what it wants.
func (e *webEdit) at(p fact.Place, change func(line string) (string, bool)) error {
	lines, err := e.file(p.File)
	if err != nil {
		return err
	}
	if p.Line < 1 || p.Line > len(lines) {
		return fmt.Errorf("%s has no line %d any more; diagnose again", p.File, p.Line)
	}
	l, ok := change(lines[p.Line-1])
	if !ok {
		return fmt.Errorf("%s:%d is not what it was; diagnose again", p.File, p.Line)
	}
	if l != lines[p.Line-1] {
		e.done++
	}
	lines[p.Line-1] = l
	return nil
}

// before puts text, of whole lines, before the line of a place, with that
// line's indentation. Places behind it keep their numbers: the text becomes
// part of the line's own entry.
func (e *webEdit) before(p fact.Place, text ...string) error {
	return e.at(p, func(l string) (string, bool) {
		first, _, _ := strings.Cut(l, "\n")
		indent := first[:len(first)-len(strings.TrimLeft(first, " \t"))]
		var b strings.Builder
		for _, t := range text {
			b.WriteString(indent + t + "\n")
		}
		return b.String() + l, true
	})
}

// each changes every line of a file that a pattern fits.
func (e *webEdit) each(path string, pattern *regexp.Regexp, with string) error {
	lines, err := e.file(path)
	if err != nil {
		return err
	}
	for i, l := range lines {
		if n := pattern.ReplaceAllString(l, with); n != l {
			lines[i] = n
			e.done++
		}
	}
	return nil
}

// listen changes a listen directive: change gets the directive's word with the
// gap behind it, the address as written, and what follows up to the end.
func (e *webEdit) listen(l fact.Listen, change func(word, addr, rest string) string) error {
	word := map[string]string{"nginx": "listen", "haproxy": "bind", "apache": "Listen", "lighttpd": "server.port"}[e.server]
	end := "[^;]*"
	if e.server != "nginx" {
		end = ".*"
	}
	addr := regexp.QuoteMeta(l.Addr)
	if e.server == "nginx" && anyAddr(l.Addr) { // three ways to write the same
		addr = fmt.Sprintf(`(?:\*:|0\.0\.0\.0:)?%d`, l.Port)
	}
	if e.server == "haproxy" && hostPart(l.Addr) == "*" {
		addr = fmt.Sprintf(`\*?:%d`, l.Port)
	}
	pattern := regexp.MustCompile(`(?i)\b` + word + `(\s+)(` + addr + `)((?:\s` + end + `)?)(;|$)`)
	edit := func(line string) (string, bool) {
		m := pattern.FindStringSubmatchIndex(line)
		if m == nil {
			return line, false
		}
		head, gap, addr, rest, tail := line[:m[0]], line[m[2]:m[3]], line[m[4]:m[5]], line[m[6]:m[7]], line[m[8]:]
		return head + change(word+gap, addr, rest) + tail, true
	}
	err := e.at(l.Place, edit)
	if err == nil {
		return nil
	}
	// A directive that goes over several lines is placed at its end: the one
	// line of the file that reads so is meant.
	lines, ferr := e.file(l.Place.File)
	if ferr != nil {
		return ferr
	}
	only := -1
	for i, t := range lines {
		if !pattern.MatchString(t) || strings.HasPrefix(strings.TrimSpace(t), "#") {
			continue
		}
		if only >= 0 {
			return err
		}
		only = i
	}
	if only < 0 {
		return err
	}
	return e.at(fact.Place{File: l.Place.File, Line: only + 1}, edit)
}

// errUnknownForm says that a directive is written in a way that is not known.
var errUnknownForm = errors.New("the configuration is written in a form that is not known here; edit it by hand")

// step makes one step of the edits, tested and put into force.
func (e *webEdit) step(s *site, title, then string) ([]Step, error) {
	if e.done == 0 {
		return nil, errUnknownForm
	}
	c := &Config{}
	for _, path := range e.order {
		if text := strings.Join(e.lines[path], "\n"); text != e.was[path] {
			c.Edits = append(c.Edits, Edit{Path: path, Content: []byte(text)})
		}
	}
	if svc, ok := s.serving(e.server); ok {
		d := daemonOf(svc, s.manager)
		c.Serve, c.Then, c.Test = &d, then, testOf(d)
	} else if then != "" {
		return nil, fmt.Errorf("no %s was found on the host that could read the change", e.server)
	}
	return []Step{step("config", title, c)}, nil
}

// serving is the service of a kind: the one that runs, else the one that does not.
func (s *site) serving(kind string) (fact.Service, bool) {
	all := s.services(func(v fact.Service) bool { return v.Kind == kind })
	if i := slices.IndexFunc(all, isRunning); i >= 0 {
		return all[i], true
	}
	if len(all) > 0 {
		return all[0], true
	}
	return fact.Service{}, false
}

// live are the configurations that a running server has read; where none runs,
// all of them.
func (s *site) live() []fact.WebConfig {
	all := s.webs()
	run := slices.DeleteFunc(slices.Clone(all), func(w fact.WebConfig) bool { return w.Running != fact.Yes })
	if len(run) > 0 {
		return run
	}
	return all
}

// hosts are the host names of findings.
func (s *site) isHost(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, s.b.Host) })
}

// hostAddr reports whether an address is on this host.
func (s *site) hasAddr(text string) bool {
	for _, it := range fact.All[fact.Addresses](s.b, originward.Host) {
		for _, p := range parts(text) {
			if it.Fact.Has(p.Addr()) {
				return true
			}
		}
	}
	return false
}

// anyAddr reports whether a listen line takes every IPv4 address.
func anyAddr(addr string) bool {
	h := hostPart(addr)
	return h == "" || h == "*" || h == "0.0.0.0"
}

// hostPart is the address of a listen line as written, without its port.
func hostPart(addr string) string {
	if i := strings.LastIndexByte(addr, ':'); i >= 0 && !strings.HasSuffix(addr, "]") {
		addr = addr[:i]
	} else if i < 0 {
		return "" // a port alone
	}
	return strings.Trim(addr, "[]")
}
