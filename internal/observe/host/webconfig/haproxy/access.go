package haproxy

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// access is a rule that lets pass or refuses.
type access struct {
	l      line
	layer  int // 1 connection, 2 session and content, 3 request: the order in which they run
	refuse bool
	status int // answer; 0 = closed without one
	cond   cond
	after  fact.Tri // restored: set-src stands before it
}

// accessRules are the rules of a section in the order in which they run. An
// action that neither refuses nor ends the evaluation is none.
func (r *reader) accessRules(s *section, named map[string][]acl) []access {
	var layers [4][]access
	for _, l := range s.lines {
		a, ok := r.accessRule(s, l)
		if ok {
			a.cond = r.condition(l, named)
			layers[a.layer] = append(layers[a.layer], a)
		}
	}
	var out []access
	for _, list := range layers {
		out = append(out, list...)
	}
	return out
}

func (r *reader) accessRule(s *section, l line) (access, bool) {
	a := access{l: l, after: fact.No} // before the request is read there is only the peer
	w := l.word(1)
	switch l.word(0) {
	case "tcp-request":
		a.layer = map[string]int{"connection": 1, "session": 2, "content": 2}[w]
		switch l.word(2) {
		case "reject", "silent-drop":
			a.refuse = true
		case "accept":
		default:
			return a, false
		}
		return a, a.layer > 0
	case "http-request":
		a.layer = 3
		a.after = r.restoredAt(s, l)
		switch w {
		case "deny", "tarpit":
			a.refuse, a.status = true, 403
			if w == "tarpit" {
				a.status = 500
			}
			if v, ok := l.after("deny_status", "status"); ok {
				a.status, _ = strconv.Atoi(v)
			}
		case "reject", "silent-drop":
			a.refuse = true
		case "allow":
		default:
			return a, false
		}
		return a, true
	case "block":
		a.layer, a.refuse, a.status = 3, true, 403
		return a, true
	}
	return a, false
}

// restoredAt says whether, at a request rule, src is already the visitor's
// address: an http-request set-src (or tcp content) stands before it.
func (r *reader) restoredAt(s *section, at line) fact.Tri {
	named := r.named[s]
	out := fact.No
	for _, l := range s.lines {
		if l.file == at.file && l.no >= at.no {
			break
		}
		if l.word(0) != "http-request" || l.word(1) != "set-src" {
			continue
		}
		c := r.condition(l, named)
		out = fact.Unknown
		if len(r.src.Ranges) > 0 && r.forAll(c, yes) {
			return fact.Yes
		}
		if len(r.src.Ranges) > 0 && r.forAll(c, no) {
			out = fact.No
		}
	}
	return out
}

func (r *reader) forAll(c cond, want truth) bool {
	for _, rng := range r.src.Ranges {
		for _, a := range cidr.Representatives(rng, c.nets()) {
			if c.decide(a) != want {
				return false
			}
		}
	}
	return true
}

// refusals evaluates the rules of a frontend for every part of the edge's
// ranges.
func (r *reader) refusals(s *section) []fact.SiteRefusal {
	rules := r.accessRules(s, r.named[s])
	var nets []netip.Prefix
	for _, a := range rules {
		nets = append(nets, a.cond.nets()...)
	}
	stranger, _ := cidr.Stranger(nets)
	byRule := map[int]*fact.SiteRefusal{}
	var order []int
	for _, rng := range r.src.Ranges {
		seen := map[int]bool{}
		for _, addr := range cidr.Representatives(rng, nets) {
			i := firstRefusal(rules, addr)
			if i < 0 || seen[i] {
				continue
			}
			seen[i] = true
			f := byRule[i]
			if f == nil {
				f = &fact.SiteRefusal{
					Status: rules[i].status, Restored: rules[i].after, By: s.placed(rules[i].l),
					Everyone: firstRefusal(rules, stranger) == i, AllowsCDN: r.allows(rules),
				}
				byRule[i] = f
				order = append(order, i)
			}
			f.Ranges = append(f.Ranges, rng)
		}
	}
	var out []fact.SiteRefusal
	for _, i := range order {
		f := *byRule[i]
		if f.Restored == fact.Yes {
			f.Ranges = nil
			if !f.Everyone || f.AllowsCDN != fact.Yes {
				continue
			}
		}
		out = append(out, f)
	}
	return out
}

// firstRefusal is the index of the rule that refuses an address, -1 when it
// passes or when something else than the address decides first. An accept of
// one layer ends that layer only.
func firstRefusal(rules []access, a netip.Addr) int {
	for i := 0; i < len(rules); i++ {
		switch rules[i].cond.decide(a) {
		case yes:
			if rules[i].refuse {
				return i
			}
			layer := rules[i].layer
			for i+1 < len(rules) && rules[i+1].layer == layer {
				i++
			}
		case unknown:
			if !rules[i].refuse {
				return -1 // may be let in here
			}
		}
	}
	return -1
}

// allows reports whether a condition names edge ranges so that they pass.
func (r *reader) allows(rules []access) fact.Tri {
	for _, a := range rules {
		for _, all := range a.cond.any {
			for _, t := range all {
				for _, x := range t.acls {
					named := false
					for _, p := range x.nets {
						named = named || len(cidr.Touching(r.src.Ranges, p)) > 0
					}
					if named && (t.not == (a.refuse != a.cond.unless) || !t.not && a.refuse && a.cond.unless || !a.refuse && !t.not && !a.cond.unless) {
						return fact.Yes
					}
				}
			}
		}
	}
	return fact.No
}

// accessLines lists the rules that look at addresses or countries.
func (r *reader) accessLines(s *section) []fact.Access {
	var out []fact.Access
	for _, a := range r.accessRules(s, r.named[s]) {
		x := fact.Access{Action: "allow", By: "other", Site: s.title(), Restored: a.after, Place: s.placed(a.l), What: conf.Show(strings.Join(a.cond.fetches(), "; "))}
		if a.refuse {
			x.Action = "deny"
		}
		for _, f := range a.cond.fetches() {
			low := strings.ToLower(f)
			if strings.HasPrefix(low, "src") && (strings.Contains(low, "geoip") || strings.Contains(low, "country") || strings.Contains(low, "map_ip")) {
				x.By = "country"
			}
		}
		if nets := a.cond.nets(); len(nets) > 0 {
			x.By = "address"
			for _, rng := range r.src.Ranges {
				if len(cidr.Touching(nets, rng)) > 0 {
					x.CDN = append(x.CDN, rng)
				}
			}
			if len(nets) == 1 {
				x.Prefix = nets[0]
			}
		}
		x.All = a.cond.always
		if x.By != "other" || x.All {
			out = append(out, x)
		}
	}
	return out
}
