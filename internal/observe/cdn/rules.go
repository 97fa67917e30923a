package cdn

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/rulesets"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/escape"
)

// phases lists the rulesets that can answer or redirect a request before an
// origin is asked, in the order in which the edge runs them, and those that decide
// what comes of the origin's answer.
var phases = []struct {
	phase      rulesets.Phase
	kind       string
	permission string // to read it
}{
	{rulesets.PhaseHTTPRequestDynamicRedirect, "redirect", "Dynamic URL Redirects: Read"},
	{rulesets.PhaseHTTPRequestFirewallCustom, "custom", wafRead},
	{rulesets.PhaseHTTPRatelimit, "rate_limit", wafRead},
	{rulesets.PhaseHTTPRequestFirewallManaged, "managed", wafRead},
	{rulesets.PhaseHTTPRequestCacheSettings, "cache", "Cache Rules: Read"},
	{rulesets.PhaseHTTPCustomErrors, "custom_error", "Custom Error Rules: Read"},
}

// maxRules bounds how many rules of a phase are evaluated.
const maxRules = 1000

// apiRule is a rule as the API writes it.
type apiRule struct {
	ID          string          `json:"id"`
	Ref         string          `json:"ref"`
	Expression  string          `json:"expression"`
	Action      string          `json:"action"`
	Enabled     *bool           `json:"enabled"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"action_parameters"`
}

func (r apiRule) on() bool { return r.Enabled == nil || *r.Enabled }

// phaseRules reads the rules of one phase. No ruleset there is an answer: none.
func (o *observer) phaseRules(ctx context.Context, zone string, phase rulesets.Phase) (list []apiRule, status int, err error) {
	svc := rulesets.NewPhaseService()
	params := rulesets.PhaseGetParams{}
	params.ZoneID.Value, params.ZoneID.Present = zone, true
	res, status, err := call(o, func(opts ...option.RequestOption) (*rulesets.PhaseGetResponse, error) {
		return svc.Get(ctx, phase, params, opts...)
	})
	if status == http.StatusNotFound {
		return nil, http.StatusOK, nil
	}
	if err != nil || status != http.StatusOK {
		return nil, status, err
	}
	var body struct{ Rules []apiRule }
	if err := json.Unmarshal([]byte(res.JSON.RawJSON()), &body); err != nil {
		return nil, status, fmt.Errorf("ruleset of phase %s: %w", phase, err)
	}
	if len(body.Rules) > maxRules {
		body.Rules = body.Rules[:maxRules]
	}
	return body.Rules, http.StatusOK, nil
}

// ruleList is the rules of one kind, evaluated, or why they could not be read.
type ruleList struct {
	what, permission string
	rules            []fact.RuleMatch
	status           int
	err              error
}

// rules evaluates every rule offline for the failing request.
func (o *observer) rules(ctx context.Context, zone string) {
	lists := make([]ruleList, 2+len(phases))
	var wg sync.WaitGroup
	wg.Go(func() {
		rules, status, err := o.accessRules(ctx, zone)
		lists[0] = ruleList{"the IP access rules", accessRead, rules, status, err}
	})
	wg.Go(func() {
		rules, status, err := o.agentRules(ctx, zone)
		lists[1] = ruleList{"the user-agent rules", accessRead, rules, status, err}
	})
	for i, p := range phases {
		wg.Go(func() {
			rules, status, err := o.phaseRules(ctx, zone, p.phase)
			permission := p.permission
			if o.provider == ownEdge {
				permission = wafRead // one permission for all phases there
			}
			lists[2+i] = ruleList{"the rules of phase " + string(p.phase), permission, o.evaluated(p.kind, rules), status, err}
		})
	}
	wg.Wait()
	f := fact.CDNRules{Evaluated: []fact.RuleMatch{}, Blocks: fact.No}
	for _, l := range lists {
		if l.err != nil || l.status != http.StatusOK {
			if o.provider == ownEdge && l.status == http.StatusNotImplemented {
				continue // this edge does not have such rules
			}
			o.failed(fact.QCDNRules, l.what, l.status, l.err, l.permission)
			f.Blocks = unlessYes(f.Blocks)
			continue
		}
		for _, m := range l.rules {
			f.Evaluated = append(f.Evaluated, m)
			switch {
			case !answers(m):
			case m.Matches == fact.Yes && m.Kind != "rate_limit":
				f.Blocks = fact.Yes
			case m.Matches != fact.No: // a rate limit that matches may or may not be exceeded
				f.Blocks = unlessYes(f.Blocks)
			}
		}
	}
	o.add(f, originward.Subject{Host: o.Host}, rulesText(f), o.reproduce("zones/"+zone+"/rulesets"))
}

// evaluated evaluates the rules that are on.
func (o *observer) evaluated(kind string, list []apiRule) (out []fact.RuleMatch) {
	for _, r := range list {
		if !r.on() {
			continue
		}
		m := o.match(kind, r)
		if m.Matches == fact.Yes && (kind == "managed" || kind == "custom_error") {
			// What the rules that it runs find, or what the origin answers, decides.
			m.Matches, m.DependsOn = fact.Unknown, []string{map[string]string{"managed": "the managed rules' own findings", "custom_error": "http.response.code"}[kind]}
		}
		out = append(out, m)
	}
	return out
}

func unlessYes(t fact.Tri) fact.Tri {
	if t == fact.Yes {
		return fact.Yes
	}
	return fact.Unknown
}

// answers reports whether the rule's action answers the visitor in place of an origin.
func answers(m fact.RuleMatch) bool {
	if m.Kind == "custom_error" {
		return false // it dresses an error that is there already
	}
	switch m.Action {
	case "execute": // managed rules may
		return m.Kind == "managed"
	case "block", "challenge", "js_challenge", "managed_challenge", "serve_error":
		return true
	}
	return false
}

// match evaluates one rule.
func (o *observer) match(kind string, r apiRule) fact.RuleMatch {
	m := fact.RuleMatch{
		ID: escape.Line(r.ID, 64), Kind: kind, Expression: escape.Line(r.Expression, 1000),
		Action: escape.Line(r.Action, 32), Ref: escape.Line(r.Description, 200),
	}
	if m.Action == "block" {
		m.Status = http.StatusForbidden
		if kind == "rate_limit" {
			m.Status = http.StatusTooManyRequests
		}
	}
	m.Matches, m.DependsOn = o.evaluate(r.Expression)
	return m
}

// evaluate gives yes or no where the request decides, and unknown, with what it
// depends on, where it does not.
func (o *observer) evaluate(expression string) (fact.Tri, []string) {
	if strings.TrimSpace(expression) == "true" {
		return fact.Yes, nil
	}
	e, err := rules.Compile(expression)
	if err != nil {
		return fact.Unknown, []string{escape.Line("not evaluated: "+err.Error(), 200)}
	}
	return e.Decide(o.request(), o.knows)
}

// knows tells which fields of the failing request are given; all else a visitor's
// request could have otherwise.
func (o *observer) knows(field string) bool {
	switch strings.TrimPrefix(field, "raw.") {
	case "ip.src":
		return o.Client.IsValid()
	case "http.user_agent":
		return o.Agent != ""
	case "http.host", "http.request.method", "ssl", "cf.edge.server_port", "http.request.full_uri",
		"http.request.uri", "http.request.uri.path", "http.request.uri.path.extension", "http.request.uri.query",
		"http.request.uri.args", "http.request.uri.args.names", "http.request.uri.args.values":
		return true
	}
	return false
}

// request is the failing request as rules see it.
func (o *observer) request() *rules.Request {
	path, query, _ := strings.Cut(o.target(), "?")
	method := o.Method
	if method == "" {
		method = http.MethodGet
	}
	port := o.Port
	if port == 0 {
		port = 80
		if o.HTTPS {
			port = 443
		}
	}
	uri := rules.URI{Path: []byte(path), Query: []byte(query), Target: []byte(o.target())}
	return &rules.Request{
		IP: o.Client, Host: []byte(o.Host), Method: []byte(method), URI: uri, Raw: uri,
		HTTPS: o.HTTPS, Version: []byte("HTTP/1.1"), Port: port, Headers: agent(o.Agent),
	}
}

func (o *observer) target() string {
	if o.Path == "" {
		return "/"
	}
	return o.Path
}

// agent is a request's header with a User-Agent alone.
type agent string

// Len is the number of fields.
func (a agent) Len() int {
	if a == "" {
		return 0
	}
	return 1
}

// At gives the User-Agent.
func (a agent) At(int) (name, value []byte) { return []byte("User-Agent"), []byte(a) }

// Get gives the User-Agent.
func (a agent) Get(name string) []byte {
	if strings.EqualFold(name, "User-Agent") && a != "" {
		return []byte(a)
	}
	return nil
}

// originRules works out which overrides apply to the failing request. An
// override that may apply is left out and named among the unread.
func (o *observer) originRules(ctx context.Context, zone string, f *fact.CDNSettings) {
	list, status, err := o.phaseRules(ctx, zone, rulesets.PhaseHTTPRequestOrigin)
	if err != nil || status != http.StatusOK {
		o.note(f, "origin_rules")
		return
	}
	for _, r := range list {
		if !r.on() || r.Action != "route" {
			continue
		}
		matches, _ := o.evaluate(r.Expression)
		if matches == fact.Unknown {
			o.note(f, "origin_rules")
		}
		if matches != fact.Yes {
			continue
		}
		var p struct {
			HostHeader string `json:"host_header"`
			Origin     struct {
				Host string `json:"host"`
				Port int    `json:"port"`
			} `json:"origin"`
			SNI struct {
				Value string `json:"value"`
			} `json:"sni"`
		}
		if json.Unmarshal(r.Parameters, &p) != nil {
			o.note(f, "origin_rules")
			continue
		}
		if p.Origin.Port > 0 && p.Origin.Port < 65536 {
			f.OriginPort = p.Origin.Port
		}
		f.OriginName = override(f.OriginName, p.Origin.Host)
		f.OriginHost = override(f.OriginHost, p.HostHeader)
		f.OriginSNI = override(f.OriginSNI, p.SNI.Value)
	}
}

// configRules works out which SSL mode a configuration rule gives to the failing
// request. One that may apply leaves the mode open.
func (o *observer) configRules(ctx context.Context, zone string, f *fact.CDNSettings) {
	list, status, err := o.phaseRules(ctx, zone, rulesets.PhaseHTTPConfigSettings)
	if o.unread(f, "configuration_rules", status, err) {
		return
	}
	for _, r := range list {
		var p struct{ SSL string }
		if !r.on() || r.Action != "set_config" || json.Unmarshal(r.Parameters, &p) != nil || p.SSL == "" {
			continue
		}
		mode, err := originward.ParseSSLMode(p.SSL)
		switch matches, _ := o.evaluate(r.Expression); {
		case matches == fact.No:
		case matches == fact.Yes && err == nil:
			f.SSL, f.SSLBy = mode, escape.Line(r.ID, 64)
		case mode != f.SSL:
			f.SSL, f.SSLBy = "", ""
			o.note(f, "configuration_rules")
		}
	}
}

// override takes the later rule's value where it has one.
func override(old, new string) string {
	if new == "" {
		return old
	}
	return escape.Line(new, 253)
}

func rulesText(f fact.CDNRules) string {
	if len(f.Evaluated) == 0 {
		return "the CDN has no rules that could answer this request"
	}
	for _, m := range f.Evaluated {
		if m.Matches == fact.Yes && answers(m) && m.Kind != "rate_limit" {
			return escape.Line(fmt.Sprintf("the CDN's %s rule %s matches this request and answers it: %s (%s)", m.Kind, m.ID, m.Action, m.Expression), 600)
		}
	}
	return fmt.Sprintf("%d rules at the CDN were evaluated for this request; none certainly answers it", len(f.Evaluated))
}
