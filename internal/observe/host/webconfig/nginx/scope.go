package nginx

import (
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// scope is a block in which directives hold: main, http, stream, server,
// location, if. What is not set in it is inherited from up.
type scope struct {
	up   *scope
	kind string
	n    *node // nil for main
	kids []*node
	site string // names of the virtual host, for people
	path string // location, as written
	cond string // conditions of the ifs around
}

// into is the scope of a block inside s.
func (s *scope) into(n *node) *scope {
	c := &scope{up: s, kind: n.name, n: n, kids: n.kids, site: s.site, path: s.path, cond: s.cond}
	switch n.name {
	case "server":
		c.site = siteName(n)
	case "location":
		c.path = strings.Join(n.args, " ")
	case "if":
		c.cond = strings.TrimSpace(s.cond + " if " + strings.Join(n.args, " "))
	}
	return c
}

// siteName is how people call a server block.
func siteName(n *node) string {
	var names []string
	for _, k := range n.kids {
		if k.name == "server_name" {
			names = append(names, k.args...)
		}
	}
	if len(names) == 0 {
		for _, k := range n.kids {
			if k.name == "listen" {
				return conf.Show("listen " + k.arg(0))
			}
		}
		return "unnamed"
	}
	return conf.Show(strings.Join(names, " "))
}

// own are the directives of one name in this very block.
func (s *scope) own(name string) []*node {
	var out []*node
	for _, k := range s.kids {
		if k.name == name {
			out = append(out, k)
		}
	}
	return out
}

// last is the directive of that name that holds here: the last of the nearest
// block that has one.
func (s *scope) last(name string) *node {
	for c := s; c != nil; c = c.up {
		if own := c.own(name); len(own) > 0 {
			return own[len(own)-1]
		}
	}
	return nil
}

// all are the directives of these names that hold here: those of the nearest
// block that has any, as nginx inherits lists.
func (s *scope) all(names ...string) []*node {
	for c := s; c != nil; c = c.up {
		var out []*node
		for _, k := range c.kids {
			for _, n := range names {
				if k.name == n {
					out = append(out, k)
				}
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// nested are blocks that a walk enters. Bodies of map, geo, types and their
// like are data.
var nested = map[string]bool{
	"http": true, "stream": true, "server": true, "location": true, "if": true, "limit_except": true, "events": true,
}

// walk visits every directive below s, with the scope it stands in.
func (s *scope) walk(visit func(*scope, *node)) {
	for _, k := range s.kids {
		visit(s, k)
		if nested[k.name] && k.block {
			s.into(k).walk(visit)
		}
	}
}

// inside reports whether the scope stands in a block of that kind.
func (s *scope) inside(kind string) bool {
	for c := s; c != nil; c = c.up {
		if c.kind == kind {
			return true
		}
	}
	return false
}

// where says in which site, location and condition a directive stands.
func (s *scope) where() string {
	var parts []string
	if s.site != "" {
		parts = append(parts, "server "+s.site)
	}
	if s.path != "" {
		parts = append(parts, "location "+s.path)
	}
	if s.cond != "" {
		parts = append(parts, s.cond)
	}
	if len(parts) == 0 {
		return "all servers"
	}
	return strings.Join(parts, ", ")
}

// placed is a directive's place with the scope in its text.
func placed(s *scope, n *node) fact.Place {
	p := n.place()
	p.Text = conf.Show(s.where() + ": " + n.text())
	return p
}
