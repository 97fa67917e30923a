package cdn

import (
	"context"
	"net/http"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// taker is something at the CDN that can answer for a name before its record counts.
type taker struct {
	path, permission string
	// takes says in words who takes the request; empty = nobody.
	takes func(*observer, []takerJSON) string
}

// takerJSON is what of a worker's route or a load balancer is read.
type takerJSON struct {
	Pattern string `json:"pattern"` // of a route
	Script  string `json:"script"`  // empty = no worker runs there
	ID      string `json:"id"`
	Name    string `json:"name"` // of a balancer
	Enabled *bool  `json:"enabled"`
}

// takers lists them; one line adds one.
var takers = []taker{
	{"workers/routes", routesRead, (*observer).routed},
	{"load_balancers", balancersRead, (*observer).balanced},
}

// covered finds out whether something takes the name before its record counts, and
// what. No = everything that could was looked at.
func (o *observer) covered(ctx context.Context, zone string) (fact.Tri, string) {
	all := fact.No
	for _, t := range takers {
		var answer struct{ Result []takerJSON }
		status, err := o.raw(ctx, http.MethodGet, "zones/"+zone+"/"+t.path+"?per_page=1000", nil, &answer)
		switch {
		case err == nil && status == http.StatusOK:
			if by := t.takes(o, answer.Result); by != "" {
				return fact.Yes, escape.Line(by, 300)
			}
		case o.provider == ownEdge && (status == http.StatusNotFound || status == http.StatusNotImplemented):
			// This edge does not have such things.
		default:
			if status == http.StatusForbidden {
				o.failed(fact.QCDNRecords, strings.ReplaceAll(t.path, "/", " "), status, err, t.permission)
			}
			all = fact.Unknown
		}
	}
	return all, ""
}

// routed finds the worker that runs for the request: of the routes that match, the
// most specific decides, and it may say that none runs (workers, "routes").
func (o *observer) routed(list []takerJSON) string {
	var found takerJSON
	for _, r := range list {
		if routeMatches(r.Pattern, o.HTTPS, o.Host, o.target()) && len(r.Pattern) > len(found.Pattern) {
			found = r
		}
	}
	if found.Script == "" {
		return ""
	}
	return "worker " + found.Script + " (route " + found.Pattern + ")"
}

// balanced finds the load balancer of the name. One for many names counts only
// where the name has no record of its own (load-balancing, "dns-records").
func (o *observer) balanced(list []takerJSON) string {
	for _, wide := range []bool{false, true} {
		for _, b := range list {
			switch {
			case b.Enabled != nil && !*b.Enabled:
			case !wide && strings.EqualFold(b.Name, o.Host), wide && !o.recorded && strings.HasPrefix(b.Name, "*.") && suffixOf(o.Host, b.Name[1:]):
				o.balancer = b.ID
				return "load balancer " + b.Name
			}
		}
	}
	return ""
}

// suffixOf tells whether a name is one label below a suffix that begins with a dot.
func suffixOf(host, suffix string) bool {
	label, ok := strings.CutSuffix(strings.ToLower(host), strings.ToLower(suffix))
	return ok && label != "" && !strings.Contains(label, ".")
}

// routeMatches tells whether a worker's route takes a request. Of the pattern, scheme
// is optional, and a star at the beginning of the host or the end of the path stands
// for anything.
func routeMatches(pattern string, https bool, host, target string) bool {
	if scheme, rest, ok := strings.Cut(pattern, "://"); ok {
		if (scheme == "https") != https && scheme != "*" {
			return false
		}
		pattern = rest
	}
	name, path, _ := strings.Cut(pattern, "/")
	if tail, any := strings.CutPrefix(strings.ToLower(name), "*"); any {
		if !strings.HasSuffix(host, tail) {
			return false
		}
	} else if !strings.EqualFold(name, host) {
		return false
	}
	path = "/" + path
	if head, any := strings.CutSuffix(path, "*"); any {
		return strings.HasPrefix(target, head)
	}
	return path == target
}
