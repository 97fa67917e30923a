package config

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

func (v value) rules() Rules {
	var out Rules
	v.object(
		key{"origin", func(v value) {
			v.list(func(v value) {
				if r, ok := v.originRule(); ok {
					out.Origin = append(out.Origin, r)
				}
			})
		}},
		key{"custom", func(v value) {
			v.list(func(v value) {
				if r, ok := v.rule(); ok {
					out.Custom = append(out.Custom, r)
				}
			})
		}},
		key{"rate_limits", func(v value) {
			v.list(func(v value) {
				if r, ok := v.rateLimit(); ok {
					out.RateLimits = append(out.RateLimits, r)
				}
			})
		}},
	)
	return out
}

// ruleKeys are the keys that custom rules and rate limits share.
func (r *Rule) ruleKeys(actions ...string) []key {
	return []key{
		{"id", func(v value) { r.ID, _ = v.text() }},
		{"description", func(v value) { r.Description, _ = v.text() }},
		{"expression", func(v value) { r.Expression = v.expression() }},
		{"action", func(v value) { r.Action, _ = v.oneOf(actions...) }},
		{"enabled", func(v value) {
			if on, ok := v.flag(); ok {
				r.Enabled = on
			}
		}},
		{"action_parameters", func(v value) { v.actionParameters(r) }},
	}
}

func (v value) rule() (Rule, bool) {
	v, ok := v.resolve()
	if !ok {
		return Rule{}, false
	}
	r := Rule{Line: v.n.Line, Enabled: true}
	before := len(v.r.problems)
	if !v.object(r.ruleKeys("block", "log", "skip")...) || len(v.r.problems) > before {
		return r, false
	}
	return r, v.ruleComplete(r, "{expression: 'ip.src in {192.0.2.0/24}', action: block}")
}

func (v value) ruleComplete(r Rule, example string) bool {
	if r.Expression == "" || r.Action == "" {
		v.fail("needs an expression and an action", example)
		return false
	}
	if r.Response != nil && r.Action != "block" {
		v.fail("action_parameters.response belongs to the action block")
		return false
	}
	if r.SkipPhases != nil && r.Action != "skip" {
		v.fail("action_parameters.phases and ruleset belong to the action skip")
		return false
	}
	return true
}

// placed is an error that knows where within the expression it lies.
type placed interface{ Place() (line, column int) }

// expression reads and checks an expression; a fault in one that spans lines is
// reported at its own line.
func (v value) expression() string {
	s, ok := v.text()
	if !ok || v.r.checkExpression == nil {
		return s
	}
	err := v.r.checkExpression(s)
	if err == nil {
		return s
	}
	p := v.problem(err.Error())
	var at placed
	if errors.As(err, &at) && v.n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		line, _ := at.Place()
		p.Line += line
	}
	v.r.problems = append(v.r.problems, p)
	return ""
}

func (v value) actionParameters(r *Rule) {
	v.object(
		key{"response", func(v value) { r.Response = v.response() }},
		key{"ruleset", func(v value) {
			if _, ok := v.oneOf("current"); ok {
				r.SkipPhases = append(r.SkipPhases, "current")
			}
		}},
		key{"phases", func(v value) {
			v.list(func(v value) {
				if s, ok := v.oneOf("http_ratelimit"); ok {
					r.SkipPhases = append(r.SkipPhases, s)
				}
			})
		}},
	)
}

// originRule reads a rule of the phase http_request_origin.
func (v value) originRule() (OriginRule, bool) {
	v, ok := v.resolve()
	if !ok {
		return OriginRule{}, false
	}
	r := OriginRule{Rule: Rule{Line: v.n.Line, Enabled: true, Action: "route"}}
	keys := r.ruleKeys("route")
	// Of the shared keys the parameters differ.
	keys[len(keys)-1] = key{"action_parameters", func(v value) {
		v.object(
			key{"host_header", func(v value) { r.HostHeader, _ = v.hostName(false) }},
			key{"sni", func(v value) {
				v.object(key{"value", func(v value) { r.SNI, _ = v.hostName(false) }})
			}},
			key{"origin", func(v value) {
				v.object(
					key{"host", func(v value) { r.Host, _ = v.hostName(false) }},
					key{"port", func(v value) {
						n, _ := v.integer(1, 65535)
						r.Port = uint16(n) //nolint:gosec // bounded by integer
					}},
				)
			}},
		)
	}}
	before := len(v.r.problems)
	if !v.object(keys...) || len(v.r.problems) > before {
		return r, false
	}
	const example = "{expression: 'true', action: route, action_parameters: {origin: {port: 8443}}}"
	if r.HostHeader == "" && r.SNI == "" && r.Host == "" && r.Port == 0 {
		v.fail("changes nothing", "action_parameters with host_header, sni, origin.host or origin.port", example)
		return r, false
	}
	return r, v.ruleComplete(r.Rule, example)
}

// maxContent is the longest body of a rule's own response (rate limiting
// parameters: 30 KB).
const maxContent = 30 << 10

func (v value) response() *Response {
	r := &Response{ContentType: "text/plain"}
	v.object(
		// A block is answered with a client error (rate limiting parameters: 400 to 499).
		key{"status_code", func(v value) { r.Status, _ = v.integer(400, 499) }},
		key{"content_type", func(v value) {
			r.ContentType, _ = v.oneOf("text/plain", "text/html", "text/xml", "application/json")
		}},
		key{"content", func(v value) {
			if r.Content, _ = v.text(); len(r.Content) > maxContent {
				v.fail(fmt.Sprintf("the content has %d bytes; at most %d are allowed", len(r.Content), maxContent))
			}
		}},
	)
	return r
}

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
	v, ok := v.resolve()
	if !ok {
		return RateLimit{}, false
	}
	l := RateLimit{Rule: Rule{Line: v.n.Line, Enabled: true, Action: "block"}, Period: -1, Mitigation: -1}
	limit := []key{
		{"requests_per_period", func(v value) { l.Requests, _ = v.integer(1, maxRequests) }},
		{"period", func(v value) { l.Period = v.seconds(periods) }},
		{"mitigation_timeout", func(v value) { l.Mitigation = v.seconds(mitigations) }},
		{"characteristics", func(v value) {
			v.list(func(v value) { v.oneOf("ip.src", "cf.colo.id") })
		}},
	}
	keys := append(l.ruleKeys("block", "log"), limit...)
	keys = append(keys, key{"ratelimit", func(v value) { v.object(limit...) }})
	before := len(v.r.problems)
	if !v.object(keys...) || len(v.r.problems) > before {
		return l, false
	}
	if l.Requests == 0 || l.Period < 0 {
		v.fail("needs requests_per_period and period", "{expression: 'true', requests_per_period: 100, period: 60, mitigation_timeout: 60}")
		return l, false
	}
	if l.Mitigation < 0 {
		l.Mitigation = l.Period
	}
	return l, v.ruleComplete(l.Rule, "{expression: 'true', requests_per_period: 100, period: 60}")
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
