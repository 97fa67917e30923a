package config

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v4"
)

func (v value) rules() Rules {
	var out Rules
	v.object(
		key{"redirects", each(&out.Redirects, value.redirectRule)},
		key{"url_rewrites", each(&out.URLRewrites, value.rewriteRule)},
		key{"config", each(&out.Config, value.configRule)},
		key{"origin", each(&out.Origin, value.originRule)},
		key{"ip_access", each(&out.Access, value.accessRule)},
		key{"custom", each(&out.Custom, value.rule)},
		key{"user_agents", each(&out.UserAgents, value.agentRule)},
		key{"hotlink_protection", func(v value) { out.Hotlink, _ = v.flag() }},
		key{"rate_limits", each(&out.RateLimits, value.rateLimit)},
		key{"managed", each(&out.Managed, value.managedRule)},
		key{"request_headers", each(&out.RequestHeaders, value.requestHeaderRule)},
		key{"cache", each(&out.Cache, value.cacheRule)},
		key{"custom_errors", each(&out.Errors, value.errorRule)},
		key{"response_headers", each(&out.ResponseHeaders, value.responseHeaderRule)},
	)
	return out
}

// each reads a list of rules of one kind; those with a mistake are left out.
func each[T any](to *[]T, read func(value) (T, bool)) func(value) {
	return func(v value) {
		v.list(func(v value) {
			if x, ok := read(v); ok {
				*to = append(*to, x)
			}
		})
	}
}

// head are the keys that rules of all phases share.
func (r *Rule) head(response bool, parameters func(value), actions ...string) []key {
	return []key{
		{"id", func(v value) { r.ID, _ = v.text() }},
		{"ref", func(v value) { r.ID, _ = v.text() }},
		{"description", func(v value) { r.Description, _ = v.text() }},
		{"expression", func(v value) { r.Expression = v.expression(Use{Response: response}) }},
		{"action", func(v value) { r.Action, _ = v.oneOf(actions...) }},
		{"enabled", func(v value) {
			if on, ok := v.flag(); ok {
				r.Enabled = on
			}
		}},
		{"action_parameters", parameters},
	}
}

// begin starts a rule of a phase whose action is given unless it is written.
func (v value) begin(action string) (Rule, value, bool) {
	v, ok := v.resolve()
	if !ok {
		return Rule{}, v, false
	}
	return Rule{Line: v.n.Line, Enabled: true, Action: action}, v, true
}

// read reads the keys of a rule and tells whether all of them could be used.
func (v value) read(keys []key) bool {
	before := len(v.r.problems)
	return v.object(keys...) && len(v.r.problems) == before
}

// rule reads a custom rule.
func (v value) rule() (Rule, bool) {
	r, v, ok := v.begin("")
	if !ok {
		return r, false
	}
	keys := r.head(false, func(v value) { v.customParameters(&r) }, "block", "challenge", "js_challenge", "managed_challenge", "log", "skip")
	return r, v.read(keys) && v.ruleComplete(r, "{expression: 'ip.src in {192.0.2.0/24}', action: block}")
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
	if (r.SkipPhases != nil || r.SkipProducts != nil || r.Silent) && r.Action != "skip" {
		v.fail("action_parameters.phases, products, ruleset and logging belong to the action skip")
		return false
	}
	return true
}

// placed is an error that knows where within the expression it lies.
type placed interface{ Place() (line, column int) }

// expression reads and checks an expression; a fault in one that spans lines is
// reported at its own line.
func (v value) expression(use Use) string {
	s, ok := v.text()
	if !ok || v.r.checkExpression == nil {
		return s
	}
	use.Lists, use.Places = v.r.use.Lists, v.r.use.Places
	err := v.r.checkExpression(s, use)
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

func (v value) customParameters(r *Rule) {
	current := func(v value) {
		if _, ok := v.oneOf("current"); ok {
			r.SkipPhases = append(r.SkipPhases, "current")
		}
	}
	v.object(
		key{"response", func(v value) { r.Response = v.response(403) }},
		key{"ruleset", current},
		key{"phase", current},
		key{"phases", func(v value) {
			v.list(func(v value) {
				if s, ok := v.oneOf("http_ratelimit", "http_request_firewall_managed"); ok {
					r.SkipPhases = append(r.SkipPhases, s)
				}
			})
		}},
		key{"products", func(v value) {
			v.list(func(v value) {
				if s, ok := v.oneOf("uaBlock", "hot"); ok {
					r.SkipProducts = append(r.SkipProducts, s)
				}
			})
		}},
		key{"logging", func(v value) {
			v.object(key{"enabled", func(v value) {
				on, ok := v.flag()
				r.Silent = ok && !on
			}})
		}},
	)
}

// originRule reads a rule of the phase http_request_origin.
func (v value) originRule() (OriginRule, bool) {
	head, v, ok := v.begin("route")
	r := OriginRule{Rule: head}
	if !ok {
		return r, false
	}
	parameters := func(v value) {
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
	}
	if !v.read(r.head(false, parameters, "route")) {
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

// contentTypes of a rule's own response (rate limiting parameters).
var contentTypes = []string{"text/plain", "text/html", "text/xml", "application/json"}

func (v value) response(status int) *Response {
	r := &Response{ContentType: "text/plain", Status: status}
	v.object(
		// A block is answered with a client error (rate limiting parameters: 400 to 499).
		key{"status_code", func(v value) { r.Status, _ = v.integer(400, 499) }},
		key{"content_type", func(v value) { r.ContentType, _ = v.oneOf(contentTypes...) }},
		key{"content", func(v value) { r.Content = v.content(maxContent) }},
	)
	return r
}

func (v value) content(limit int) string {
	s, _ := v.text()
	if len(s) > limit {
		v.fail(fmt.Sprintf("the content has %d bytes; at most %d are allowed", len(s), limit))
	}
	return s
}
