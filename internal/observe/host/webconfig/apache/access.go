package apache

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// covers reports whether a section holds for requests to "/" of a host whose
// files lie in root. Depth orders directory sections, short ones first.
func covers(n *node, root string, proxied bool) (yes bool, depth int) {
	path := strings.TrimSuffix(n.arg(len(n.args)-1), "/")
	regex := strings.HasSuffix(n.name, "match") || n.arg(0) == "~"
	switch n.name {
	case "location", "locationmatch":
		if regex {
			return slices.Contains([]string{"^", "^/.*", ".*", "^/(.*)", "^/.*$", ".", "^/(.*)$", "^.*$"}, path), 3000
		}
		return path == "", 3000
	case "proxy", "proxymatch":
		return proxied && (path == "*" || strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "balancer://")), 2000
	case "directory":
		if proxied || regex || root == "" {
			return false, 0
		}
		if path == "" {
			return true, 0
		}
		if path == root || strings.HasPrefix(root+"/", path+"/") {
			return true, strings.Count(path, "/")
		}
		ok, _ := filepath.Match(path, root)
		return ok, strings.Count(path, "/")
	}
	return false, 0
}

// wide are the sections that hold for the whole of a host, weakest first.
func (r *reader) wide(h *node, s *fact.Site) []*node {
	list, ok := r.broad[h]
	if !ok {
		list = r.widest(h, s)
		r.broad[h] = list
	}
	return list
}

func (r *reader) widest(h *node, s *fact.Site) []*node {
	type entry struct {
		n     *node
		depth int
	}
	var list []entry
	proxied := s.Upstream != ""
	add := func(kids []*node) {
		for _, k := range kids {
			if yes, depth := covers(k, s.Root, proxied); k.sect && yes {
				list = append(list, entry{k, depth})
			}
		}
	}
	add(r.paths)
	if h != r.main {
		add(h.kids)
	}
	if !proxied {
		for _, ht := range r.htaccess(h, s) {
			list = append(list, entry{ht, 1000})
		}
	}
	slices.SortStableFunc(list, func(a, b entry) int { return a.depth - b.depth })
	out := make([]*node, len(list))
	for i, e := range list {
		out[i] = e.n
	}
	return out
}

// rulesOf are the rules that hold after merging: of each module the last
// section that has any.
func rulesOf(sections []*node, env environment) []rule {
	var a, c rule
	any := false
	for _, n := range sections {
		if x, ok := newAuthz(n, env); ok {
			a = x
		}
		if x, ok := newCompat(n, env); ok {
			c = x
		}
		for _, k := range n.own("satisfy") {
			any = strings.EqualFold(k.arg(0), "any")
		}
	}
	var out []rule
	for _, x := range []rule{a, c} {
		if x != nil {
			out = append(out, x)
		}
	}
	if any && len(out) == 2 {
		return nil // one of the two is enough: not decided by addresses alone
	}
	return out
}

// refusals evaluates the address rules of a host: those for all of it, and
// those of each path below.
func (r *reader) refusals(h *node, s *fact.Site) []fact.SiteRefusal {
	env := r.environment(h)
	var out []fact.SiteRefusal
	wide := r.wide(h, s)
	if f, ok := r.refusal(h, rulesOf(wide, env)); ok {
		out = append(out, f)
	}
	for _, n := range wide {
		if f, ok := r.rewriteRefusal(h, n); ok {
			out = append(out, f)
		}
	}
	if f, ok := r.rewriteRefusal(h, h); ok {
		out = append(out, f)
	}
	for _, k := range h.kids {
		if !k.sect || slices.Contains(wide, k) || k.name != "location" {
			continue
		}
		if f, ok := r.refusal(h, rulesOf([]*node{k}, env)); ok {
			f.Path = conf.Show(k.arg(0))
			out = append(out, f)
		}
	}
	return out
}

func (r *reader) refusal(h *node, rules []rule) (fact.SiteRefusal, bool) {
	if len(rules) == 0 {
		return fact.SiteRefusal{}, false
	}
	f := fact.SiteRefusal{Status: 403, Restored: r.restored(h), AllowsCDN: fact.No}
	var named []netip.Prefix
	for _, x := range rules {
		named = append(named, x.nets()...)
	}
	for _, rng := range r.src.Ranges {
		refused := false
		for _, a := range cidr.Representatives(rng, named) {
			for _, x := range rules {
				switch x.decide(a) {
				case denied:
					if len(f.Ranges) == 0 && !refused {
						f.By = culprit(x, a)
					}
					refused = true
				case granted:
					if _, ok := cidr.Containing(x.nets(), netip.PrefixFrom(a, a.BitLen())); ok {
						f.AllowsCDN = fact.Yes
					}
				}
			}
		}
		if refused {
			f.Ranges = append(f.Ranges, rng)
		}
	}
	if a, ok := cidr.Stranger(named); ok {
		for _, x := range rules {
			if x.decide(a) == denied {
				f.Everyone = true
				if f.By.File == "" {
					f.By = culprit(x, a)
				}
			}
		}
	}
	if f.Restored == fact.Yes {
		// Visitors are compared with the rules, never the edge itself.
		f.Ranges = nil
		return f, f.Everyone && f.AllowsCDN == fact.Yes
	}
	return f, len(f.Ranges) > 0
}

// culprit is the line that refuses an address.
func culprit(x rule, a netip.Addr) fact.Place {
	z, ok := x.(authz)
	for ok && len(z.kids) > 0 {
		next := z.kids[0]
		for _, k := range z.kids {
			if k.decide(a) == denied || z.kind == "none" && k.decide(a) == granted {
				next = k
			}
		}
		z = next
	}
	if ok {
		return z.place()
	}
	return x.place()
}

// access lists the lines that name addresses, countries, or everybody.
func (r *reader) access() []fact.Access {
	var out []fact.Access
	r.each(func(in []*node, n *node) {
		if len(out) >= maxEntries {
			return
		}
		if n.name != "require" && n.name != "allow" && n.name != "deny" {
			return
		}
		site, path := scope(in)
		host := r.main
		if len(in) > 1 && in[1].name == "virtualhost" {
			host = in[1]
		}
		a := fact.Access{By: "address", Site: site, Path: path, Restored: r.restored(host), Place: placed(in, n)}
		env := r.environment(host)
		for _, x := range accessOf(n, env) {
			a.Action, a.What, a.All, a.Prefix, a.CDN = x.Action, conf.Show(x.What), x.All, x.Prefix, nil
			a.By = "address"
			if x.By != "" {
				a.By = x.By
			}
			if a.Prefix.IsValid() {
				a.CDN = cidr.Touching(r.src.Ranges, a.Prefix)
			}
			if len(out) < maxEntries {
				out = append(out, a)
			}
		}
	})
	return out
}

// accessOf reads the entries of one line.
func accessOf(n *node, env environment) []fact.Access {
	var action string
	args := n.args
	switch {
	case n.name == "require" && len(args) > 0:
		action = "allow"
		if strings.EqualFold(args[0], "not") {
			action, args = "deny", args[1:]
		}
		if len(args) == 0 {
			return nil
		}
		switch strings.ToLower(args[0]) {
		case "all":
			if strings.EqualFold(n.arg(1), "denied") {
				action = "deny"
			}
			return []fact.Access{{Action: action, What: "all", All: true}}
		case "ip", "env":
			return entries(action, args[1:], strings.ToLower(args[0]) == "env", env)
		}
	case (n.name == "allow" || n.name == "deny") && strings.EqualFold(n.arg(0), "from"):
		return entries(n.name, args[1:], false, env)
	}
	return nil
}

func entries(action string, list []string, isEnv bool, env environment) []fact.Access {
	var out []fact.Access
	for _, s := range list {
		name, e := strings.CutPrefix(s, "env=")
		p, ok := network(s)
		switch {
		case e || isEnv:
			for _, x := range env[name] {
				if x.country {
					out = append(out, fact.Access{Action: action, What: x.n.raw, By: "country"})
				} else {
					out = append(out, fact.Access{Action: action, What: x.n.raw, By: "other"})
				}
			}
		case strings.EqualFold(s, "all"):
			out = append(out, fact.Access{Action: action, What: "all", All: true})
		case ok:
			out = append(out, fact.Access{Action: action, What: s, Prefix: p})
		}
	}
	return out
}
