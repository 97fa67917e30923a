package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// either reads "value: TEXT" or "expression: EXPRESSION".
func (v value) either(use Use) (out Value, ok bool) {
	given := 0
	use.Value = true
	if !v.object(
		key{"value", func(v value) {
			given++
			if v.n.Value != "" { // an empty text is one, too: it removes a query
				out.Text, _ = v.text()
			}
		}},
		key{"expression", func(v value) {
			given++
			out.Expression = v.expression(use)
		}},
	) {
		return out, false
	}
	if given != 1 {
		v.fail("needs a value or an expression, not both", "{value: /new}", "{expression: 'concat(\"/new\", http.request.uri.path)'}")
		return out, false
	}
	return out, true
}

// redirectRule reads a rule of the phase http_request_dynamic_redirect.
func (v value) redirectRule() (RedirectRule, bool) {
	head, v, ok := v.begin("redirect")
	r := RedirectRule{Rule: head, Status: 302}
	if !ok {
		return r, false
	}
	given := false
	from := func(v value) {
		v.object(
			key{"target_url", func(v value) { r.Target, given = v.either(Use{}) }},
			key{"status_code", func(v value) {
				s, _ := v.oneOf("301", "302", "303", "307", "308")
				r.Status, _ = strconv.Atoi(s)
			}},
			key{"preserve_query_string", func(v value) { r.PreserveQuery, _ = v.flag() }},
		)
	}
	if !v.read(r.head(false, func(v value) { v.object(key{"from_value", from}) }, "redirect")) {
		return r, false
	}
	const example = "{expression: 'http.request.uri.path eq \"/old\"', action: redirect, action_parameters: {from_value: {target_url: {value: 'https://shop.example/new'}, status_code: 301}}}"
	if !given {
		v.fail("leads nowhere", "action_parameters.from_value.target_url", example)
		return r, false
	}
	return r, v.ruleComplete(r.Rule, example)
}

// rewriteRule reads a rule of the phase http_request_transform.
func (v value) rewriteRule() (RewriteRule, bool) {
	head, v, ok := v.begin("rewrite")
	r := RewriteRule{Rule: head}
	if !ok {
		return r, false
	}
	part := func(to **Value) func(value) {
		return func(v value) {
			if x, ok := v.either(Use{}); ok {
				*to = &x
			}
		}
	}
	uri := func(v value) { v.object(key{"path", part(&r.Path)}, key{"query", part(&r.Query)}) }
	if !v.read(r.head(false, func(v value) { v.object(key{"uri", uri}) }, "rewrite")) {
		return r, false
	}
	const example = "{expression: 'true', action: rewrite, action_parameters: {uri: {path: {value: /new}}}}"
	if r.Path == nil && r.Query == nil {
		v.fail("changes nothing", "action_parameters.uri with path or query", example)
		return r, false
	}
	return r, v.ruleComplete(r.Rule, example)
}

func (v value) requestHeaderRule() (HeaderRule, bool)  { return v.headerRule(false) }
func (v value) responseHeaderRule() (HeaderRule, bool) { return v.headerRule(true) }

// headerRule reads a rule of the phase http_request_late_transform or
// http_response_headers_transform.
func (v value) headerRule(response bool) (HeaderRule, bool) {
	head, v, ok := v.begin("rewrite")
	r := HeaderRule{Rule: head}
	if !ok {
		return r, false
	}
	headers := func(v value) {
		v.entries(func(name string, v value) {
			if c, ok := v.headerChange(name, response); ok {
				r.Changes = append(r.Changes, c)
			}
		})
	}
	if !v.read(r.head(response, func(v value) { v.object(key{"headers", headers}) }, "rewrite")) {
		return r, false
	}
	const example = "{expression: 'true', action: rewrite, action_parameters: {headers: {X-Note: {operation: set, value: hello}}}}"
	if len(r.Changes) == 0 {
		v.fail("changes nothing", "action_parameters.headers", example)
		return r, false
	}
	return r, v.ruleComplete(r.Rule, example)
}

var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// kept are fields that rules must not touch: they frame or route the message, or
// speak in the edge's name.
var kept = map[string]bool{
	"connection": true, "content-length": true, "transfer-encoding": true, "te": true, "trailer": true, "upgrade": true,
	"keep-alive": true, "proxy-connection": true, "host": true, "expect": true, "http2-settings": true, "cdn-loop": true,
	"x-forwarded-for": true, "x-forwarded-proto": true, "proxy-status": true, "content-encoding": true,
	"accept-encoding": true, "date": true, "server": true,
}

func (v value) headerChange(name string, response bool) (HeaderChange, bool) {
	c := HeaderChange{Name: name}
	small := strings.ToLower(name)
	switch {
	case !headerName.MatchString(name) || len(name) > 100:
		v.fail(fmt.Sprintf("%q is not a field's name", name), "letters, digits and hyphens")
		return c, false
	case kept[small] || strings.HasPrefix(small, "cf-") || strings.HasPrefix(small, "x-cf-"):
		v.fail(fmt.Sprintf("%s cannot be changed by a rule: it frames or routes the message, or is the edge's own", name))
		return c, false
	}
	operations := []string{"set", "remove"}
	if response {
		operations = []string{"set", "add", "remove"}
	}
	values := 0
	if !v.object(
		key{"operation", func(v value) { c.Operation, _ = v.oneOf(operations...) }},
		key{"value", func(v value) { values++; c.Value.Text, _ = v.text() }},
		key{"expression", func(v value) { values++; c.Value.Expression = v.expression(Use{Value: true, Response: response}) }},
	) {
		return c, false
	}
	switch {
	case c.Operation == "":
		v.fail("needs an operation", operations...)
	case c.Operation == "remove" && values > 0:
		v.fail("removing takes no value")
	case c.Operation != "remove" && values != 1:
		v.fail("needs a value or an expression, not both")
	default:
		return c, true
	}
	return c, false
}

func (v value) errorRules() (out []ErrorRule) {
	each(&out, value.errorRule)(v)
	return out
}

// errorRule reads a rule of the phase http_custom_errors.
func (v value) errorRule() (ErrorRule, bool) {
	head, v, ok := v.begin("serve_error")
	r := ErrorRule{Rule: head, ContentType: "text/html"}
	r.Expression = "http.response.code ge 400"
	if !ok {
		return r, false
	}
	parameters := func(v value) {
		v.object(
			key{"content", func(v value) { r.Content = v.content(MaxErrorPage) }},
			key{"file", func(v value) { r.Content = v.textFile(MaxErrorPage) }},
			key{"content_type", func(v value) { r.ContentType, _ = v.oneOf(contentTypes...) }},
			key{"status_code", func(v value) { r.Status, _ = v.integer(400, 999) }},
		)
	}
	if !v.read(r.head(true, parameters, "serve_error")) {
		return r, false
	}
	const example = "{expression: 'http.response.code eq 502', action: serve_error, action_parameters: {content: 'back soon', content_type: text/plain}}"
	if r.Content == "" {
		v.fail("has no content", "action_parameters.content", "action_parameters.file", example)
		return r, false
	}
	return r, v.ruleComplete(r.Rule, example)
}

// textFile reads a file's text.
func (v value) textFile(limit int) string {
	path, ok := v.filePath()
	if !ok {
		return ""
	}
	raw, ok := readSecondary(v, path)
	if ok && len(raw) > limit {
		v.fail(fmt.Sprintf("the file has %d bytes; at most %d are allowed", len(raw), limit))
		return ""
	}
	return string(raw)
}

// accessModes are the actions of IP access rules.
var accessModes = []string{"block", "challenge", "js_challenge", "managed_challenge", "whitelist"}

// accessRule reads an IP access rule in the form of Cloudflare's API.
func (v value) accessRule() (AccessRule, bool) {
	v, ok := v.resolve()
	r := AccessRule{}
	if !ok {
		return r, false
	}
	r.Line = v.n.Line
	var val value
	if !v.read([]key{
		{"id", func(v value) { r.ID, _ = v.text() }},
		{"mode", func(v value) { r.Action, _ = v.oneOf(accessModes...) }},
		{"notes", func(v value) { r.Notes, _ = v.text() }},
		{"configuration", func(v value) {
			v.object(
				key{"target", func(v value) { r.Target, _ = v.oneOf("ip", "ip6", "ip_range", "asn", "country") }},
				key{"value", func(v value) { val = v; r.Value, _ = v.text() }},
			)
		}},
	}) {
		return r, false
	}
	if r.Action == "" || r.Target == "" || r.Value == "" {
		v.fail("needs a mode and a configuration", "{mode: block, configuration: {target: ip_range, value: 192.0.2.0/24}}")
		return r, false
	}
	return r, val.accessTarget(&r)
}

var countryForm = regexp.MustCompile("^[A-Z][A-Z0-9]$")

// accessTarget checks whom a rule concerns, and brings it into one form.
func (v value) accessTarget(r *AccessRule) bool {
	switch r.Target {
	case "ip", "ip6", "ip_range":
		if a, err := netip.ParseAddr(r.Value); err == nil {
			a = a.Unmap().WithZone("")
			r.Value = netip.PrefixFrom(a, a.BitLen()).String()
		} else if p, err := netip.ParsePrefix(r.Value); err != nil || p.Masked() != p {
			v.fail("not an address or range", "192.0.2.1", "192.0.2.0/24", "2001:db8::/32")
			return false
		}
	case "asn":
		n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(r.Value), "AS"), 10, 32)
		if err != nil || n == 0 {
			v.fail("not the number of an autonomous system", "AS13335", "13335")
			return false
		}
		r.Value = strconv.FormatUint(n, 10)
	default:
		if !countryForm.MatchString(r.Value) {
			v.fail("not a country", "two capital letters (ISO 3166-1), for example DE")
			return false
		}
	}
	if (r.Target == "asn" || r.Target == "country") && !v.r.use.Places {
		v.fail("needs a database of addresses", "geo: {country: FILE.mmdb, asn: FILE.mmdb}")
		return false
	}
	return true
}

// agentRule reads a user agent blocking rule in the form of Cloudflare's API.
func (v value) agentRule() (AgentRule, bool) {
	v, ok := v.resolve()
	r := AgentRule{}
	if !ok {
		return r, false
	}
	r.Line = v.n.Line
	if !v.read([]key{
		{"id", func(v value) { r.ID, _ = v.text() }},
		{"description", func(v value) { r.Description, _ = v.text() }},
		{"mode", func(v value) { r.Action, _ = v.oneOf("block", "challenge", "js_challenge", "managed_challenge") }},
		{"paused", func(v value) { r.Paused, _ = v.flag() }},
		{"configuration", func(v value) {
			v.object(
				key{"target", func(v value) { v.oneOf("ua") }},
				key{"value", func(v value) { r.Agent, _ = v.text() }},
			)
		}},
	}) {
		return r, false
	}
	if r.Action == "" || r.Agent == "" {
		v.fail("needs a mode and a configuration", "{mode: block, configuration: {target: ua, value: BadBot/1.0}}")
		return r, false
	}
	return r, true
}
