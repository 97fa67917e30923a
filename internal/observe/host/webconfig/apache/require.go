package apache

import (
	"net/netip"
	"regexp"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/cidr"
)

// truth is the outcome of a rule for one address.
type truth int

const (
	neutral truth = iota // says nothing, or cannot be told here
	granted
	denied
)

// rule decides about one address; nets are the networks that it names, so
// that the addresses to ask can be chosen.
type rule interface {
	decide(a netip.Addr) truth
	nets() []netip.Prefix
	place() fact.Place
}

// authz is a Require directive or a container of such.
type authz struct {
	n    *node
	kind string // all, any, none, or "" for a single Require
	not  bool
	kids []authz
	env  environment
}

// newAuthz reads the Require lines of a section; ok is false without any.
func newAuthz(n *node, env environment) (authz, bool) {
	a := authz{n: n, kind: "any", env: env}
	a.kids = requires(n, env)
	return a, len(a.kids) > 0
}

func requires(n *node, env environment) []authz {
	var out []authz
	for _, k := range n.kids {
		switch k.name {
		case "require":
			r := authz{n: k, env: env}
			if strings.EqualFold(k.arg(0), "not") {
				r.not = true
			}
			out = append(out, r)
		case "requireall", "requireany", "requirenone":
			r := authz{n: k, kind: strings.TrimPrefix(k.name, "require"), env: env}
			r.kids = requires(k, env)
			out = append(out, r)
		case "limit", "limitexcept":
			// Rules for some methods only: a GET is what counts.
			has := strings.Contains(strings.ToUpper(strings.Join(k.args, " ")), "GET")
			if has == (k.name == "limit") {
				out = append(out, requires(k, env)...)
			}
		}
	}
	return out
}

func (a authz) place() fact.Place { return a.n.place() }

// decide follows mod_authz_core: RequireAll fails when one fails, RequireAny
// holds when one holds, RequireNone fails when one holds.
func (a authz) decide(addr netip.Addr) truth {
	switch a.kind {
	case "":
		return a.single(addr)
	case "all":
		out := neutral
		for _, k := range a.kids {
			switch k.decide(addr) {
			case denied:
				return denied
			case granted:
				out = granted
			}
		}
		return out
	case "none":
		for _, k := range a.kids {
			if k.decide(addr) == granted {
				return denied
			}
		}
		return neutral
	}
	out := neutral
	open := false
	for _, k := range a.kids {
		switch k.decide(addr) {
		case granted:
			return granted
		case denied:
			out = denied
		default:
			open = true
		}
	}
	if open { // an alternative that cannot be told here may still let it in
		return neutral
	}
	return out
}

func (a authz) single(addr netip.Addr) truth {
	args := a.n.args
	if a.not && len(args) > 0 {
		args = args[1:]
	}
	if len(args) == 0 {
		return neutral
	}
	t := neutral
	switch strings.ToLower(args[0]) {
	case "all":
		t = denied
		if len(args) > 1 && strings.EqualFold(args[1], "granted") {
			t = granted
		}
	case "ip":
		t = truthOf(within(addr, args[1:]))
	case "local":
		t = truthOf(addr.IsLoopback())
	case "env":
		set, known := a.env.set(args[1:], addr)
		if !known {
			return neutral
		}
		t = truthOf(set)
	default:
		return neutral // users, hosts, expressions: not decided by the address alone
	}
	if a.not {
		// A negated rule never grants, it only fails.
		if t == granted {
			return denied
		}
		return neutral
	}
	return t
}

func truthOf(b bool) truth {
	if b {
		return granted
	}
	return denied
}

func within(addr netip.Addr, list []string) bool {
	for _, s := range list {
		if p, ok := network(s); ok && p.Contains(addr) {
			return true
		}
	}
	return false
}

// network reads an address, a prefix, an address with mask, or the partial
// form "10.1".
func network(s string) (netip.Prefix, bool) {
	if p, ok := cidr.Parse(s); ok {
		return p, true
	}
	s = strings.TrimSuffix(s, ".")
	n := strings.Count(s, ".") + 1
	if n > 3 || s == "" || strings.Trim(s, "0123456789.") != "" {
		return netip.Prefix{}, false
	}
	return cidr.Parse(s + strings.Repeat(".0", 4-n) + "/" + []string{"", "8", "16", "24"}[n])
}

func (a authz) nets() []netip.Prefix {
	var out []netip.Prefix
	for _, k := range a.kids {
		out = append(out, k.nets()...)
	}
	if a.kind == "" {
		for _, s := range a.n.args {
			if p, ok := network(s); ok {
				out = append(out, p)
			}
		}
	}
	return out
}

// compat is Order, Allow and Deny of mod_access_compat.
type compat struct {
	n          *node // deciding line for people: the last Deny, or the Order
	allowFirst bool  // Order Allow,Deny: who is not named is refused
	allow      []string
	deny       []string
	env        environment
}

// newCompat reads the old rules of a section; ok is false without any.
func newCompat(n *node, env environment) (compat, bool) {
	c := compat{env: env}
	var read func(*node)
	read = func(n *node) {
		for _, k := range n.kids {
			switch {
			case k.name == "order":
				c.allowFirst = strings.HasPrefix(strings.ToLower(strings.Join(k.args, "")), "allow")
				if c.n == nil {
					c.n = k
				}
			case (k.name == "allow" || k.name == "deny") && strings.EqualFold(k.arg(0), "from"):
				if k.name == "allow" {
					c.allow = append(c.allow, k.args[1:]...)
				} else {
					c.deny = append(c.deny, k.args[1:]...)
					c.n = k
				}
				if c.n == nil {
					c.n = k
				}
			case k.name == "limit" && strings.Contains(strings.ToUpper(strings.Join(k.args, " ")), "GET"):
				read(k)
			}
		}
	}
	read(n)
	return c, c.n != nil
}

func (c compat) place() fact.Place { return c.n.place() }

func (c compat) decide(a netip.Addr) truth {
	allowed, k1 := c.match(c.allow, a)
	refused, k2 := c.match(c.deny, a)
	if !k1 || !k2 {
		return neutral
	}
	if c.allowFirst {
		return truthOf(allowed && !refused)
	}
	return truthOf(allowed || !refused)
}

// match reports whether one of the hosts names the address; known is false
// when an entry that cannot be told here (a host name) may.
func (c compat) match(hosts []string, a netip.Addr) (yes, known bool) {
	known = true
	for _, h := range hosts {
		low := strings.ToLower(h)
		switch {
		case low == "all":
			return true, true
		case strings.HasPrefix(low, "env="):
			set, ok := c.env.set([]string{h[4:]}, a)
			if ok && set {
				return true, true
			}
			known = known && ok
		default:
			p, ok := network(h)
			if ok && p.Contains(a) {
				return true, true
			}
			known = known && ok
		}
	}
	return false, known
}

func (c compat) nets() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range append(append([]string{}, c.allow...), c.deny...) {
		if p, ok := network(s); ok {
			out = append(out, p)
		}
	}
	return out
}

// environment knows which variables SetEnvIf makes of the client's address.
type environment map[string][]envRule

type envRule struct {
	re      *regexp.Regexp // matched against the address
	country bool           // made of a country database
	n       *node
}

// newEnvironment reads the SetEnvIf lines of sections.
func newEnvironment(list ...*node) environment {
	env := environment{}
	for _, n := range list {
		for _, k := range n.kids {
			if k.name != "setenvif" && k.name != "setenvifnocase" || len(k.args) < 3 {
				continue
			}
			r := envRule{n: k}
			attr := strings.ToLower(k.args[0])
			switch {
			case attr == "remote_addr":
				r.re, _ = regexp.Compile(k.args[1])
			case strings.HasPrefix(attr, "geoip_country"), strings.HasPrefix(attr, "mm_country"), strings.HasPrefix(attr, "geoip_continent"):
				r.country = true
			}
			for _, v := range k.args[2:] {
				name, _, _ := strings.Cut(v, "=")
				env[name] = append(env[name], r)
			}
		}
	}
	return env
}

// set reports whether one of the variables is set for an address; known is
// false when it is made of something else than the address.
func (e environment) set(names []string, a netip.Addr) (yes, known bool) {
	known = true
	for _, name := range names {
		rules, ok := e[name]
		if !ok {
			known = false
		}
		for _, r := range rules {
			if r.re == nil {
				known = false
			} else if r.re.MatchString(a.String()) {
				return true, true
			}
		}
	}
	return false, known
}
