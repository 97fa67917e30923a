package haproxy

import (
	"net/netip"
	"strings"

	"github.com/originward/originward/internal/observe/host/cidr"
)

// truth is a condition's value for one client address.
type truth int

const (
	unknown truth = iota
	yes
	no
)

func (t truth) not() truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return unknown
}

// acl is one ACL line or an anonymous one: the networks where it looks at the
// client's address, nothing where it looks at something else.
type acl struct {
	fetch string
	src   bool
	peer  bool // fc_src: the peer's address even after set-src
	nets  []netip.Prefix
	odd   bool // values that could not be read
	text  string
}

// acls are the named ACLs of a section; several lines of one name are
// alternatives.
func (r *reader) acls(s *section) map[string][]acl {
	out := map[string][]acl{}
	for _, l := range s.lines {
		if l.word(0) == "acl" && len(l.words) > 2 {
			out[l.word(1)] = append(out[l.word(1)], r.acl(l, l.words[2:]))
		}
	}
	return out
}

func (r *reader) acl(l line, ws []string) acl {
	a := acl{fetch: ws[0], text: strings.Join(ws, " ")}
	// With a converter ("src,map_ip(…)") something else is compared.
	a.src = ws[0] == "src" || ws[0] == "fc_src"
	a.peer = ws[0] == "fc_src"
	if !a.src {
		return a
	}
	for i := 1; i < len(ws); i++ {
		switch w := ws[i]; {
		case w == "-f" && i+1 < len(ws):
			i++
			a.nets = append(a.nets, r.listFile(l, ws[i])...)
		case w == "-m" || w == "-M" || w == "-u":
			i++
		case strings.HasPrefix(w, "-") && len(w) < 4:
		default:
			if p, ok := cidr.Parse(w); ok {
				a.nets = append(a.nets, p)
			} else {
				a.odd = true
			}
		}
	}
	return a
}

// listFile reads a file of addresses, one on a line.
func (r *reader) listFile(l line, name string) []netip.Prefix {
	if out, ok := r.lists[name]; ok {
		return out
	}
	b, _ := r.Read(r.abs(name), l.place())
	var out []netip.Prefix
	for _, t := range strings.Split(string(b), "\n") {
		t, _, _ = strings.Cut(t, "#")
		if f := strings.Fields(t); len(f) > 0 {
			if p, ok := cidr.Parse(f[0]); ok {
				out = append(out, p)
			}
		}
	}
	r.lists[name] = out
	return out
}

func (a acl) decide(addr netip.Addr) truth {
	if !a.src {
		return unknown
	}
	for _, p := range a.nets {
		if p.Contains(addr) {
			return yes
		}
	}
	if a.odd {
		return unknown
	}
	return no
}

// cond is "if A !B || C": alternatives of terms that must all hold.
type cond struct {
	any    [][]term
	unless bool
	always bool
}

type term struct {
	acls []acl
	not  bool
}

// condition reads what follows if or unless on a line.
func (r *reader) condition(l line, named map[string][]acl) cond {
	at := -1
	c := cond{}
	for i, w := range l.words {
		if w == "if" || w == "unless" {
			at, c.unless = i, w == "unless"
			break
		}
	}
	if at < 0 {
		c.always = true
		return c
	}
	var all []term
	not := false
	for i := at + 1; i < len(l.words); i++ {
		w := l.words[i]
		if w == "||" || w == "or" {
			c.any, all = append(c.any, all), nil
			continue
		}
		for strings.HasPrefix(w, "!") {
			not, w = !not, w[1:]
		}
		switch {
		case w == "":
			continue
		case w == "{":
			end := i + 1
			for end < len(l.words) && l.words[end] != "}" {
				end++
			}
			t := term{not: not}
			if end > i+1 {
				t.acls = []acl{r.acl(l, l.words[i+1:end])}
			}
			all = append(all, t)
			i = end
		default:
			all = append(all, term{acls: named[w], not: not})
		}
		not = false
	}
	c.any = append(c.any, all)
	return c
}

func (c cond) decide(a netip.Addr) truth {
	if c.always {
		return yes
	}
	out := no
	for _, all := range c.any {
		one := yes
		for _, t := range all {
			switch t.decide(a) {
			case no:
				one = no
			case unknown:
				if one == yes {
					one = unknown
				}
			}
		}
		if one == yes {
			out = yes
			break
		}
		if one == unknown {
			out = unknown
		}
	}
	if c.unless {
		return out.not()
	}
	return out
}

func (t term) decide(a netip.Addr) truth {
	out := unknown
	for i, x := range t.acls {
		switch d := x.decide(a); {
		case d == yes:
			out = yes
		case d == no && i == 0:
			out = no
		case d == unknown && out != yes:
			out = unknown
		}
		if out == yes {
			break
		}
	}
	if t.not {
		return out.not()
	}
	return out
}

// nets are the networks that the condition names.
func (c cond) nets() []netip.Prefix {
	var out []netip.Prefix
	for _, all := range c.any {
		for _, t := range all {
			for _, a := range t.acls {
				out = append(out, a.nets...)
			}
		}
	}
	return out
}

// fetches are what the condition looks at, for people and for limits.
func (c cond) fetches() []string {
	var out []string
	for _, all := range c.any {
		for _, t := range all {
			for _, a := range t.acls {
				out = append(out, a.text)
			}
		}
	}
	return out
}
