package nginx

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// maxAccess bounds the access lines that are listed; the refusals are worked
// out from all of them.
const maxAccess = 400

// access lists every allow and deny line that can concern the edge.
func (r *reader) access() []fact.Access {
	var out []fact.Access
	r.root.walk(func(s *scope, n *node) {
		if n.name != "allow" && n.name != "deny" || len(out) >= maxAccess {
			return
		}
		a := fact.Access{
			Action: n.name, What: conf.Show(n.arg(0)), By: "address", Site: s.site, Path: s.path,
			Restored: r.restored(s), Place: placed(s, n),
		}
		a.Prefix, a.All = ruleOf(n)
		a.CDN = r.touched(a.Prefix, a.All)
		out = append(out, a)
	})
	return out
}

func (r *reader) touched(p netip.Prefix, all bool) []netip.Prefix {
	if all || !p.IsValid() {
		return nil // a line for all says nothing of the edge in particular
	}
	return cidr.Touching(r.src.Ranges, p)
}

func ruleOf(n *node) (p netip.Prefix, all bool) {
	if n.arg(0) == "all" {
		return netip.Prefix{}, true
	}
	p, _ = cidr.Parse(n.arg(0))
	return p, false
}

// refusals evaluates the address rules of a site in their order for every
// range of the edge: of the server block, and of each location that has its
// own.
func (r *reader) refusals(s *scope) []fact.SiteRefusal {
	var out []fact.SiteRefusal
	judge := func(c *scope, path string) {
		if f, ok := r.refusal(c); ok {
			f.Path = path
			out = append(out, f)
		}
	}
	judge(s, "")
	s.walk(func(c *scope, n *node) {
		switch {
		case n.name == "location":
			loc := c.into(n)
			if len(loc.own("allow"))+len(loc.own("deny")) > 0 {
				judge(loc, loc.path)
			}
		case n.name == "if" && c.kind != "if":
			if f, ok := r.refusingIf(c, n); ok {
				out = append(out, f)
			}
		}
	})
	return out
}

// refusal evaluates the allow and deny list that holds in a scope.
func (r *reader) refusal(s *scope) (fact.SiteRefusal, bool) {
	rules := s.all("allow", "deny")
	if len(rules) == 0 || passwordSuffices(s) {
		return fact.SiteRefusal{}, false
	}
	f := fact.SiteRefusal{Restored: r.restored(s), Status: 403, AllowsCDN: fact.No}
	var by *node
	for _, rng := range r.src.Ranges {
		if n := deniedBy(rules, rng); n != nil {
			f.Ranges = append(f.Ranges, rng)
			if by == nil {
				by = n
			}
		}
	}
	for _, n := range rules {
		p, all := ruleOf(n)
		if n.name == "allow" && !all && p.IsValid() && len(cidr.Touching(r.src.Ranges, p)) > 0 {
			f.AllowsCDN = fact.Yes
		}
	}
	for _, n := range rules {
		if _, all := ruleOf(n); all {
			f.Everyone = n.name == "deny"
			if by == nil && f.Everyone {
				by = n
			}
			break
		}
	}
	if f.Restored == fact.Yes {
		// The list is compared with visitors: what it says of the edge's own
		// addresses never applies, but a list that lets in only the edge
		// refuses everybody.
		f.Ranges = nil
		if !f.Everyone || f.AllowsCDN != fact.Yes {
			return f, false
		}
	}
	if by == nil || len(f.Ranges) == 0 && f.Restored != fact.Yes {
		return f, false
	}
	f.By = placed(s, by)
	return f, true
}

// deniedBy is the rule that refuses a range, wholly or in part; nil = none.
func deniedBy(rules []*node, rng netip.Prefix) *node {
	for _, n := range rules {
		p, all := ruleOf(n)
		whole := all || p.IsValid() && p.Bits() <= rng.Bits() && p.Contains(rng.Addr())
		part := whole || p.IsValid() && rng.Overlaps(p)
		switch {
		case part && n.name == "deny":
			return n
		case whole: // allowed
			return nil
		}
	}
	return nil
}

// passwordSuffices: with "satisfy any" a password opens what the addresses
// refuse, so the answer depends on the visitor.
func passwordSuffices(s *scope) bool {
	any := s.last("satisfy")
	return any != nil && any.arg(0) == "any" && authenticates(s)
}

func authenticates(s *scope) bool {
	if a := s.last("auth_basic"); a != nil && a.arg(0) != "off" {
		return true
	}
	a := s.last("auth_request")
	return a != nil && a.arg(0) != "off"
}

// refusingIf evaluates an `if ($x) { return 403; }` whose variable comes from
// a geo or map block over the client's address.
func (r *reader) refusingIf(s *scope, n *node) (fact.SiteRefusal, bool) {
	status, end := refusingEnd(s.into(n))
	if end == nil {
		return fact.SiteRefusal{}, false
	}
	c, ok := condition(n)
	t := r.vars.tables[c.variable]
	if !ok || t == nil {
		return fact.SiteRefusal{}, false
	}
	byAddr, peer := t.looksAtAddress()
	if !byAddr {
		return fact.SiteRefusal{}, false
	}
	f := fact.SiteRefusal{Path: s.path, Status: status, AllowsCDN: fact.No, Restored: r.restored(s), Everyone: c.holds(t.def)}
	if peer {
		f.Restored = fact.No
	}
	by := n
	for _, rng := range r.src.Ranges {
		refused := false
		for _, p := range t.pieces(rng) {
			if c.holds(p.value) {
				refused = true
				if p.n != nil && by == n {
					by = p.n
				}
			} else if p.n != nil {
				f.AllowsCDN = fact.Yes
			}
		}
		if refused {
			f.Ranges = append(f.Ranges, rng)
		}
	}
	if f.Restored == fact.Yes {
		f.Ranges = nil
		if !f.Everyone || f.AllowsCDN != fact.Yes {
			return f, false
		}
	} else if len(f.Ranges) == 0 {
		return f, false
	}
	f.By = by.place()
	f.By.Text = conf.Show(s.where() + ": " + by.text() + " → " + n.text() + " " + end.text())
	return f, true
}

// refusingEnd is how a block ends when it refuses: the status, 0 for a close
// without an answer.
func refusingEnd(s *scope) (int, *node) {
	for _, n := range s.kids {
		if n.name == "return" {
			code, err := strconv.Atoi(n.arg(0))
			switch {
			case err != nil || code < 400:
				return 0, nil
			case code == 444:
				return 0, n
			}
			return code, n
		}
	}
	return 0, nil
}

// cond is the condition of an if: a variable compared with a text.
type cond struct {
	variable string
	op       string // "", =, !=
	text     string
}

func condition(n *node) (cond, bool) {
	words := n.args
	switch {
	case len(words) == 1 && strings.HasPrefix(words[0], "$"):
		return cond{variable: words[0]}, true
	case len(words) == 3 && (words[1] == "=" || words[1] == "!="):
		return cond{words[0], words[1], words[2]}, true
	case len(words) == 2 && (words[1] == "=" || words[1] == "!="): // = ""
		return cond{words[0], words[1], ""}, true
	}
	return cond{}, false
}

func (c cond) holds(value string) bool {
	switch c.op {
	case "=":
		return value == c.text
	case "!=":
		return value != c.text
	}
	return value != "" && value != "0"
}

// countryRules are refusals by country: the edge's country where the address
// is not restored before.
func (r *reader) countryRules() []fact.Access {
	var out []fact.Access
	r.root.walk(func(s *scope, n *node) {
		if n.name != "if" || len(out) >= maxAccess {
			return
		}
		_, end := refusingEnd(s.into(n))
		if end == nil {
			return
		}
		for _, name := range variables(strings.Join(n.args, " ")) {
			if !r.byCountry(name) {
				continue
			}
			p := n.place()
			p.Text = conf.Show(s.where() + ": " + n.text() + " " + end.text())
			out = append(out, fact.Access{
				Action: "deny", What: conf.Show(strings.Join(n.args, " ")), By: "country",
				Site: s.site, Path: s.path, Restored: r.restored(s), Place: p,
			})
			return
		}
	})
	return out
}

// byCountry reports whether a variable says the country of the client's
// address by a local database. The edge's own header (CF-IPCountry) speaks of
// the visitor and is none.
func (r *reader) byCountry(name string) bool {
	for i := 0; i < 8; i++ {
		if slices.Contains(countryVars, name) || strings.HasPrefix(name, "$geoip") && strings.Contains(name, "country") {
			return true
		}
		t := r.vars.tables[name]
		if t == nil {
			return false
		}
		src := variables(t.source)
		if len(src) != 1 {
			return false
		}
		name = src[0]
	}
	return false
}
