package apache

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// rewrite is a RewriteRule with the conditions before it.
type rewrite struct {
	n     *node
	conds []*node
	flags []string
}

// rewrites are the rules of a section in which rewriting is switched on.
func rewrites(s *node) []rewrite {
	engine := s.own("rewriteengine")
	if len(engine) == 0 || !engine[len(engine)-1].on() {
		return nil
	}
	var out []rewrite
	var conds []*node
	for _, k := range s.kids {
		switch k.name {
		case "rewritecond":
			conds = append(conds, k)
		case "rewriterule":
			flags := strings.Split(strings.Trim(k.arg(2), "[]"), ",")
			for i := range flags {
				flags[i] = strings.TrimSpace(flags[i])
			}
			out = append(out, rewrite{k, conds, flags})
			conds = nil
		}
	}
	return out
}

func (w rewrite) flag(names ...string) (string, bool) {
	for _, f := range w.flags {
		name, val, _ := strings.Cut(f, "=")
		for _, n := range names {
			if strings.EqualFold(name, n) {
				return val, true
			}
		}
	}
	return "", false
}

// everything reports whether the pattern matches every path.
func (w rewrite) everything() bool {
	return slices.Contains([]string{
		"^", "^(.*)$", "(.*)", ".*", "^/?(.*)", "^/?(.*)$", "^/(.*)$", "^/(.*)", "^(.*)", "^.*$", "^/", "^.*", "^/.*$", "^/.*", "^/?.*$", ".", "^(.+)$",
	}, w.n.arg(0))
}

func (w rewrite) redirects() bool {
	if !w.everything() {
		return false
	}
	code, ok := w.flag("R", "redirect")
	if ok {
		return code == "" || strings.HasPrefix(code, "3") || code == "permanent" || code == "temp" || code == "seeother"
	}
	_, proxy := w.flag("P", "proxy")
	return !proxy && strings.HasPrefix(w.n.arg(1), "https://")
}

func (w rewrite) refuses() (int, bool) {
	if _, ok := w.flag("F", "forbidden"); ok {
		return 403, true
	}
	if _, ok := w.flag("G", "gone"); ok {
		return 410, true
	}
	if code, ok := w.flag("R", "redirect"); ok {
		if n, err := strconv.Atoi(code); err == nil && n >= 400 {
			return n, true
		}
	}
	return 0, false
}

func (w rewrite) condText() string {
	var out []string
	for _, c := range w.conds {
		out = append(out, strings.Join(c.args, " "))
	}
	return strings.Join(out, " and ")
}

// redirect finds the redirect of a whole host.
func (r *reader) redirect(h *node, s *fact.Site) {
	take := func(n *node, target, cond string) {
		if s.Redirect == "" && target != "" {
			s.Redirect, s.RedirectIf, s.RedirectPlace = conf.Show(target), conf.Show(cond), n.place()
		}
	}
	sections := append([]*node{h}, r.wide(h, s)...)
	for _, sec := range sections {
		for _, k := range sec.kids {
			cond := ""
			if k.sect && k.name == "if" {
				cond = strings.Join(k.args, " ")
				for _, kk := range k.kids {
					take(kk, redirectTarget(kk), cond)
				}
				continue
			}
			take(k, redirectTarget(k), "")
		}
		for _, w := range rewrites(sec) {
			if w.redirects() {
				take(w.n, w.n.arg(1), w.condText())
			}
		}
	}
}

// redirectTarget is where a Redirect for every path leads; empty = none.
func redirectTarget(n *node) string {
	args := n.args
	switch n.name {
	case "redirect":
		if len(args) == 3 {
			if strings.HasPrefix(args[0], "4") || strings.HasPrefix(args[0], "5") || args[0] == "gone" {
				return ""
			}
			args = args[1:]
		}
		if len(args) == 2 && args[0] == "/" {
			return args[1]
		}
	case "redirectpermanent", "redirecttemp":
		if len(args) == 2 && args[0] == "/" {
			return args[1]
		}
	case "redirectmatch":
		if len(args) == 3 {
			args = args[1:]
		}
		if len(args) == 2 && (rewrite{n: &node{args: args}}).everything() {
			return args[1]
		}
	}
	return ""
}

// rewriteRefusal evaluates rules that refuse by the client's address.
func (r *reader) rewriteRefusal(h, sec *node) (fact.SiteRefusal, bool) {
	for _, w := range rewrites(sec) {
		status, ok := w.refuses()
		if !ok || !w.everything() || len(w.conds) == 0 || !w.byAddress() {
			continue
		}
		f := fact.SiteRefusal{Status: status, Restored: r.restored(h), AllowsCDN: fact.No, By: w.n.place()}
		f.By.Text = conf.Show(w.condText() + ": " + w.n.raw)
		for _, rng := range r.src.Ranges {
			if slices.ContainsFunc(samples(rng), w.matches) {
				f.Ranges = append(f.Ranges, rng)
			}
		}
		a, _ := cidr.Stranger(nil)
		f.Everyone = w.matches(a)
		if len(f.Ranges) > 0 && f.Restored != fact.Yes {
			return f, true
		}
	}
	return fact.SiteRefusal{}, false
}

// byAddress reports whether all conditions look at the client's address.
func (w rewrite) byAddress() bool {
	for _, c := range w.conds {
		if !strings.EqualFold(c.arg(0), "%{REMOTE_ADDR}") {
			return false
		}
	}
	return true
}

// matches evaluates conditions on the address: joined by and, by or where a
// condition says so.
func (w rewrite) matches(a netip.Addr) bool {
	group := false
	open := false // inside a run of [OR]
	for _, c := range w.conds {
		one := condMatches(c.arg(1), a)
		or := strings.Contains(strings.ToUpper(c.arg(2)), "OR")
		group = group && open || one
		if or {
			open = true
			continue
		}
		if !group {
			return false
		}
		group, open = false, false
	}
	return !open || group
}

func condMatches(pattern string, a netip.Addr) bool {
	pattern, not := strings.CutPrefix(pattern, "!")
	if text, ok := strings.CutPrefix(pattern, "="); ok {
		return (text == a.String()) != not
	}
	if text, ok := strings.CutPrefix(pattern, "-ipmatch "); ok {
		p, ok := network(strings.TrimSpace(text))
		return (ok && p.Contains(a)) != not
	}
	re, err := regexp.Compile(pattern)
	return err == nil && re.MatchString(a.String()) != not
}

// samples are addresses all over a range: a regular expression cannot be
// turned into prefixes, but one that is meant for a range meets these.
func samples(rng netip.Prefix) []netip.Addr {
	out := []netip.Addr{rng.Addr(), rng.Addr().Next()}
	for _, extra := range []int{1, 2, 4, 8} {
		if bits := rng.Bits() + extra; bits < rng.Addr().BitLen() {
			if a, ok := cidr.Outside(rng, []netip.Prefix{netip.PrefixFrom(rng.Addr(), bits)}); ok {
				out = append(out, a.Next())
			}
		}
	}
	return out
}
