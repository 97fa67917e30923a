package config

import (
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Periods and mitigation timeouts in seconds (waf rate-limiting-rules
// parameters). Any other is refused, as the API does.
var (
	periods     = []string{"10", "60", "120", "300", "600", "3600"}
	mitigations = []string{"0", "10", "60", "120", "300", "600", "3600", "86400"}
)

// maxRequests bounds requests_per_period: beyond a million a limit limits nothing.
const maxRequests = 1_000_000

// rateLimit reads a rule whose limit stands beside its other keys or, as in
// Cloudflare's API, under ratelimit.
func (v value) rateLimit() (RateLimit, bool) {
	head, v, ok := v.begin("block")
	l := RateLimit{Rule: head, Period: -1, Mitigation: -1}
	if !ok {
		return l, false
	}
	score := false
	response := func(v value) { l.Response = v.response(429) }
	limit := []key{
		{"requests_per_period", func(v value) { l.Requests, _ = v.integer(1, maxRequests) }},
		{"score_per_period", func(v value) { score = true; l.Requests, _ = v.integer(1, 1<<40) }},
		{"score_response_header_name", func(v value) { l.Score = v.fieldName() }},
		{"period", func(v value) { l.Period = v.seconds(periods) }},
		{"mitigation_timeout", func(v value) { l.Mitigation = v.seconds(mitigations) }},
		{"requests_to_origin", func(v value) { l.ToOrigin, _ = v.flag() }},
		{"counting_expression", func(v value) {
			if v.n.Value != "" { // empty means the rule's own
				l.Counting = v.expression(Use{Response: true})
			}
		}},
		{"characteristics", func(v value) {
			v.list(func(v value) {
				if s := v.characteristic(); s != "" {
					l.Characteristics = append(l.Characteristics, s)
				}
			})
		}},
	}
	keys := append(l.head(false, func(v value) { v.object(key{"response", response}) },
		"block", "challenge", "js_challenge", "managed_challenge", "log"), limit...)
	keys = append(keys, key{"ratelimit", func(v value) { v.object(limit...) }}, key{"response", response})
	if !v.read(keys) {
		return l, false
	}
	if l.Requests == 0 || l.Period < 0 {
		v.fail("needs requests_per_period and period", "{expression: 'true', requests_per_period: 100, period: 60, mitigation_timeout: 60}")
		return l, false
	}
	if score != (l.Score != "") {
		v.fail("score_per_period and score_response_header_name belong together")
		return l, false
	}
	if l.Mitigation < 0 {
		l.Mitigation = l.Period
	}
	return l, v.ruleComplete(l.Rule, "{expression: 'true', requests_per_period: 100, period: 60}")
}

// fixed are characteristics that are no expressions of their own.
var fixed = []string{"cf.colo.id", "ip.src"}

// mapped is a key of a map, of which the first value counts.
var mapped = regexp.MustCompile(`^http\.request\.(headers|cookies|uri\.args)\["[^"]+"\]$`)

// characteristic reads one thing that requests counted together have in common.
func (v value) characteristic() string {
	s, ok := v.text()
	if !ok || slices.Contains(fixed, s) {
		return s
	}
	if mapped.MatchString(s) {
		return s + "[0]"
	}
	if s == "ip.src.asnum" {
		s = "to_string(ip.src.asnum)"
	}
	if v.r.checkExpression == nil {
		return s
	}
	use := v.r.use
	use.Value = true
	if err := v.r.checkExpression(s, use); err != nil {
		v.fail("not a characteristic: "+err.Error(), "ip.src", `http.request.headers["x-api-key"]`, `http.request.cookies["session"]`, `http.request.uri.args["id"]`,
			"http.host", "http.request.uri.path", "ip.src.asnum", "ip.src.country", "an expression that gives a string")
		return ""
	}
	return s
}

func (v value) fieldName() string {
	s, ok := v.text()
	if ok && !headerName.MatchString(s) {
		v.fail("not a field's name", "letters, digits and hyphens")
	}
	return s
}

func (v value) seconds(allowed []string) time.Duration {
	s, ok := v.oneOf(allowed...)
	if !ok {
		return -1
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return time.Duration(n) * time.Second
}
