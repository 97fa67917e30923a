package cdn

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// readCloudflare reads an answer of Cloudflare (cloudflare.md §10–§13).
func readCloudflare(p page, a *fact.EdgeAnswer) {
	ray(p, a)
	a.Cache = strings.ToUpper(short(p.header("cf-cache-status")))
	e := errorPage(p, "cloudflare_error")
	a.Error, a.Detail = e.number, short(e.detail)
	own, inError := ownProxyStatus(p, "cloudflare", a)
	a.EdgeMade = cloudflareMade(p, e, a.Ray, own, inError)
	if v := p.header("cf-error-type"); v != "" {
		a.EdgeMade = fact.Yes
		if n, ok := number(v); ok && a.Error == 0 {
			a.Error = n
		}
	}
	if p.header("cf-mitigated") != "" {
		a.EdgeMade, a.Fault, a.Phase = fact.Yes, originward.HTTPRequestDenied, originward.PhaseRules
		a.Detail = "challenge"
	}
}

// cloudflareMade decides who wrote the answer. Where the documents disagree, or
// an origin could have sent the same, it is unknown.
func cloudflareMade(p page, e found, headerRay string, own, inError bool) fact.Tri {
	switch {
	case e.ray != "" && headerRay != "" && e.ray != headerRay:
		return fact.No // the page of another edge behind this one, passed on
	case own:
		return fact.TriOf(inError)
	case e.kind == "html" && (p.Status == 502 || p.Status == 504):
		// A 502 or 504 of the origin is dressed in the same page
		// (cloudflare 5xx error-502-504).
		return fact.Unknown
	case e.kind != "":
		return fact.Yes
	case p.has("<center>cloudflare</center>"):
		return fact.Yes // the plain page of the edge's own proxy
	case serverPage(p):
		return fact.No
	case edgeStatus(p.Status):
		return fact.Unknown // a custom error page, or an origin that sends the number itself
	case p.Status >= 200 && p.Status < 300, p.Status == 304, p.header("cf-cache-status") != "":
		return fact.No
	}
	return fact.Unknown
}

// readOriginward reads an answer of our own edge, which says in Proxy-Status
// whether and why it made the answer.
func readOriginward(p page, a *fact.EdgeAnswer) {
	ray(p, a)
	a.Cache = strings.ToUpper(short(p.header("cf-cache-status")))
	e := errorPage(p, "edge_error")
	a.Error = e.number
	if e.detail != "" {
		a.Detail = short(e.detail)
	}
	own, inError := ownProxyStatus(p, "originward", a)
	switch {
	case e.ray != "" && a.Ray != "" && e.ray != a.Ray:
		a.EdgeMade = fact.No
	case inError, e.kind != "":
		a.EdgeMade = fact.Yes
	case own, p.Status >= 200 && p.Status < 300, a.Cache != "", serverPage(p):
		a.EdgeMade = fact.No
	}
}

// ownProxyStatus reads the edge's own member of Proxy-Status; own tells that
// there is one.
func ownProxyStatus(p page, name string, a *fact.EdgeAnswer) (own, inError bool) {
	members := ParseProxyStatus(p.header("proxy-status"))
	for i := len(members) - 1; i >= 0; i-- {
		m := members[i]
		if !strings.HasPrefix(strings.ToLower(m.Proxy), name) {
			continue
		}
		a.Fault = originward.FaultType(short(string(m.Error)))
		if ph := originward.Phase(m.Params["phase"]); ph.Before(originward.PhaseBody) || ph == originward.PhaseBody {
			a.Phase = ph
		}
		if m.Details != "" {
			a.Detail = short(m.Details)
		}
		return true, m.Error != ""
	}
	return false, false
}

var rayForm = regexp.MustCompile(`^([0-9a-f]{16})(?:-([A-Za-z]{3}))?$`)

// ray reads CF-Ray: 16 hex digits, and the place behind a dash.
func ray(p page, a *fact.EdgeAnswer) {
	if m := rayForm.FindStringSubmatch(strings.TrimSpace(p.header("cf-ray"))); m != nil {
		a.Ray, a.Colo = m[1], strings.ToUpper(m[2])
	}
}

// edgeStatus reports the statuses that only an edge sends of its own accord.
func edgeStatus(s int) bool { return s >= 520 && s <= 530 }

// serverPage recognises the built-in error pages of origin servers.
func serverPage(p page) bool {
	return p.Status >= 400 && p.has(
		"<center>nginx", "<center>openresty", "<center>Microsoft-Azure-Application-Gateway", "<address>Apache",
		"<h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response.", // haproxy
		"<h1>503 Service Unavailable</h1>\nNo server is available to handle this request.", // haproxy
	)
}

func number(s string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	return n, err == nil && errorNumber(n)
}

// errorNumber reports the numbers that stand on an edge's pages.
func errorNumber(n int) bool {
	return n >= 1000 && n <= 1299 || n >= 520 && n <= 530 || n == 500 || n == 502 || n == 504
}
