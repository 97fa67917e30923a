package nginx

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// zone is a limit_req_zone or limit_conn_zone.
type zone struct {
	key  string
	rate string
	n    *node
}

func zones(root *scope, directive string) map[string]zone {
	out := map[string]zone{}
	root.walk(func(_ *scope, n *node) {
		if n.name != directive || len(n.args) < 2 {
			return
		}
		z := zone{key: n.arg(0), n: n}
		name := ""
		for _, a := range n.args[1:] {
			if v, ok := strings.CutPrefix(a, "zone="); ok {
				name, _, _ = strings.Cut(v, ":")
			}
			if v, ok := strings.CutPrefix(a, "rate="); ok {
				z.rate = v
			}
		}
		out[name] = z
	})
	return out
}

// limits are the request and connection limits in use, with what they count
// by.
func (r *reader) limits() []fact.Limit {
	req, conn := zones(r.root, "limit_req_zone"), zones(r.root, "limit_conn_zone")
	var out []fact.Limit
	r.root.walk(func(s *scope, n *node) {
		if len(out) >= maxAccess {
			return
		}
		switch n.name {
		case "limit_req":
			out = append(out, r.requestLimit(s, n, req))
		case "limit_conn":
			z := conn[n.arg(0)]
			out = append(out, r.limit(s, n, z, fact.Limit{
				Kind: "connections", Name: n.arg(0), Rate: n.arg(1), Status: status(s, "limit_conn_status"),
			}))
		}
	})
	return out
}

func (r *reader) requestLimit(s *scope, n *node, req map[string]zone) fact.Limit {
	l := fact.Limit{Kind: "requests", Status: status(s, "limit_req_status")}
	for _, a := range n.args {
		if v, ok := strings.CutPrefix(a, "zone="); ok {
			l.Name = v
		}
		if v, ok := strings.CutPrefix(a, "burst="); ok {
			l.Burst, _ = strconv.Atoi(v)
		}
	}
	z := req[l.Name]
	l.Rate = z.rate
	return r.limit(s, n, z, l)
}

func (r *reader) limit(s *scope, n *node, z zone, l fact.Limit) fact.Limit {
	l.Name, l.Key = conf.Show(l.Name), conf.Show(z.key)
	l.Site, l.Path, l.Place = s.site, s.path, placed(s, n)
	l.PeerKey = r.peerKey(s, z.key)
	l.Exempts = r.exempts(s, z.key)
	return l
}

func status(s *scope, directive string) int {
	if n := s.last(directive); n != nil {
		v, _ := strconv.Atoi(n.arg(0))
		return v
	}
	return 503 // nginx's default for both
}

// peerKey says whether a limit counts the edge as one client: its key is made
// of the connecting address, and that is not the visitor's by then.
func (r *reader) peerKey(s *scope, key string) fact.Tri {
	if key == "" {
		return fact.Unknown
	}
	answer := fact.No
	for _, v := range r.vars.origin(key) {
		switch {
		case slices.Contains(peerVars, v):
			return fact.Yes
		case slices.Contains(restoredVars, v):
			switch r.restored(s) {
			case fact.No:
				answer = fact.Yes
			case fact.Unknown:
				answer = fact.Unknown
			}
		case v == "$http_cf_connecting_ip", v == "$http_x_forwarded_for", v == "$http_true_client_ip", v == "$http_x_real_ip":
			// The visitor's address, together with the edge's or alone, parts
			// the visitors.
			return fact.No
		}
	}
	return answer
}

// exempts says whether the key is empty, which switches the limit off, for
// every range of the edge: `map $limited $key { 0 ""; 1 $binary_remote_addr; }`
// over a geo block.
func (r *reader) exempts(s *scope, key string) fact.Tri {
	if len(r.src.Ranges) == 0 || r.restored(s) != fact.No {
		return fact.Unknown
	}
	for _, rng := range r.src.Ranges {
		for _, v := range r.valueFor(key, rng, 0) {
			if v != "" {
				return fact.No
			}
		}
	}
	return fact.Yes
}

// valueFor gives the values that a text takes for clients of a range; a
// variable that is not decided by the address stays as it is.
func (r *reader) valueFor(text string, rng netip.Prefix, depth int) []string {
	names := variables(text)
	if len(names) != 1 || depth > 6 {
		return []string{text}
	}
	t := r.vars.tables[names[0]]
	if t == nil {
		return []string{text}
	}
	if byAddr, _ := t.looksAtAddress(); byAddr {
		var out []string
		for _, p := range t.pieces(rng) {
			out = append(out, r.valueFor(p.value, rng, depth+1)...)
		}
		return out
	}
	var out []string
	for _, in := range r.valueFor(t.source, rng, depth+1) {
		val := t.def
		for _, row := range t.rows {
			if row.key == in {
				val = row.value
				break
			}
		}
		out = append(out, val)
	}
	return out
}
