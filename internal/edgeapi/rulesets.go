package edgeapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/rules"
)

type rulesetJSON struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Kind    string     `json:"kind"`
	Phase   string     `json:"phase"`
	Version string     `json:"version"`
	Rules   []ruleJSON `json:"rules,omitempty"`
}

type ruleJSON struct {
	ID          string         `json:"id"`
	Ref         string         `json:"ref"`
	Version     string         `json:"version"`
	Description string         `json:"description"`
	Expression  string         `json:"expression"`
	Action      string         `json:"action"`
	Enabled     bool           `json:"enabled"`
	Parameters  map[string]any `json:"action_parameters,omitempty"`
	RateLimit   *limitJSON     `json:"ratelimit,omitempty"`
}

type limitJSON struct {
	Characteristics []string `json:"characteristics"`
	Requests        int      `json:"requests_per_period,omitempty"`
	Score           int      `json:"score_per_period,omitempty"`
	Header          string   `json:"score_response_header_name,omitempty"`
	ToOrigin        bool     `json:"requests_to_origin,omitempty"`
	Counting        string   `json:"counting_expression,omitempty"`
	Period          int      `json:"period"`
	Mitigation      int      `json:"mitigation_timeout"`
}

// rulePhases lists the phases that have rules here, and how their rules are read.
var rulePhases = []struct {
	phase, name string
	rules       func(rules.Set) []ruleJSON
}{
	{"http_request_dynamic_redirect", "redirect rules", redirectRules},
	{"http_request_transform", "URL rewrites", urlRewrites},
	{"http_config_settings", "configuration rules", configRules},
	{"http_request_origin", "origin rules", originRules},
	{"http_request_firewall_custom", "custom rules", customRules},
	{"http_ratelimit", "rate limits", rateLimits},
	{"http_request_firewall_managed", "managed rules", managedRules},
	{"http_request_late_transform", "request header changes", func(s rules.Set) []ruleJSON { return headerRules(s.RequestHeaders) }},
	{"http_request_cache_settings", "cache rules", cacheRules},
	{"http_custom_errors", "custom errors", errorRules},
	{"http_response_headers_transform", "response header changes", func(s rules.Set) []ruleJSON { return headerRules(s.ResponseHeaders) }},
}

// eachRule reads each rule of a list: its head, and the parameters of its action.
func eachRule[R any](list []R, read func(R) (rules.Head, map[string]any)) []ruleJSON {
	var out []ruleJSON
	for _, r := range list {
		head, parameters := read(r)
		x := newRule(head, nil)
		x.Parameters = parameters
		out = append(out, x)
	}
	return out
}

func originRules(s rules.Set) []ruleJSON {
	return eachRule(s.Origin, func(r rules.OriginRule) (rules.Head, map[string]any) {
		p := map[string]any{}
		if r.HostHeader != "" {
			p["host_header"] = r.HostHeader
		}
		if r.SNI != "" {
			p["sni"] = map[string]any{"value": r.SNI}
		}
		to := map[string]any{}
		if r.Host != "" {
			to["host"] = r.Host
		}
		if r.Port != 0 {
			to["port"] = r.Port
		}
		if len(to) > 0 {
			p["origin"] = to
		}
		return r.Head, p
	})
}

func customRules(s rules.Set) []ruleJSON {
	var out []ruleJSON
	for _, r := range s.Custom {
		x := newRule(r.Head, r.Response)
		if p := skipped(r); len(p) > 0 {
			x.Parameters = p
		}
		out = append(out, x)
	}
	return out
}

// skipped are the parameters of a skip.
func skipped(r rules.Rule) map[string]any {
	out := map[string]any{}
	if r.Skipped.Custom {
		out["ruleset"] = "current"
	}
	var phases []string
	if r.Skipped.RateLimits {
		phases = append(phases, "http_ratelimit")
	}
	if r.Skipped.Managed {
		phases = append(phases, "http_request_firewall_managed")
	}
	if phases != nil {
		out["phases"] = phases
	}
	var products []string
	if r.Skipped.Agents {
		products = append(products, "uaBlock")
	}
	if r.Skipped.Hotlinks {
		products = append(products, "hot")
	}
	if products != nil {
		out["products"] = products
	}
	if r.Silent {
		out["logging"] = map[string]any{"enabled": false}
	}
	return out
}

func rateLimits(s rules.Set) []ruleJSON {
	var out []ruleJSON
	for _, r := range s.RateLimits {
		x := newRule(r.Head, r.Response)
		x.RateLimit = &limitJSON{Characteristics: []string{"cf.colo.id"}, Period: int(r.Period.Seconds()), Mitigation: int(r.Mitigation.Seconds())}
		for _, c := range r.Characteristics {
			if c.Name == "" { // nothing beside the data centre
				continue
			}
			x.RateLimit.Characteristics = append(x.RateLimit.Characteristics, strings.TrimSuffix(c.Name, "[0]"))
		}
		if len(r.Characteristics) == 0 {
			x.RateLimit.Characteristics = []string{"ip.src", "cf.colo.id"}
		}
		x.RateLimit.ToOrigin = r.ToOrigin
		if r.Score != "" {
			x.RateLimit.Score, x.RateLimit.Header = r.Requests, r.Score
		} else {
			x.RateLimit.Requests = r.Requests
		}
		if r.Counting != nil {
			x.RateLimit.Counting = r.Counting.String()
		}
		out = append(out, x)
	}
	return out
}

func managedRules(s rules.Set) []ruleJSON {
	return eachRule(s.Managed, func(r rules.Managed) (rules.Head, map[string]any) {
		list := []map[string]any{{"id": "949110", "score_threshold": r.Threshold, "action": r.Action}}
		for _, id := range r.Disabled {
			list = append(list, map[string]any{"id": strconv.Itoa(id), "enabled": false})
		}
		var levels []map[string]any
		for level := 2; level <= 4; level++ {
			levels = append(levels, map[string]any{"category": fmt.Sprintf("paranoia-level-%d", level), "enabled": level <= r.Paranoia})
		}
		r.Head.Action = "execute"
		return r.Head, map[string]any{"id": "owasp", "overrides": map[string]any{"rules": list, "categories": levels}}
	})
}

func redirectRules(s rules.Set) []ruleJSON {
	return eachRule(s.Redirects, func(r rules.RedirectRule) (rules.Head, map[string]any) {
		p := map[string]any{"from_value": map[string]any{
			"target_url": valueJSON(r.Target), "status_code": r.Status, "preserve_query_string": r.PreserveQuery,
		}}
		return r.Head, p
	})
}

func urlRewrites(s rules.Set) []ruleJSON {
	return eachRule(s.Rewrites, func(r rules.RewriteRule) (rules.Head, map[string]any) {
		uri := map[string]any{}
		if r.Path != nil {
			uri["path"] = valueJSON(*r.Path)
		}
		if r.Query != nil {
			uri["query"] = valueJSON(*r.Query)
		}
		p := map[string]any{"uri": uri}
		return r.Head, p
	})
}

func headerRules(list []rules.HeaderRule) []ruleJSON {
	return eachRule(list, func(r rules.HeaderRule) (rules.Head, map[string]any) {
		headers := map[string]any{}
		for _, c := range r.Changes {
			h := map[string]any{"operation": c.Do}
			if c.Do != rules.RemoveField {
				h = valueJSON(c.Value)
				h["operation"] = c.Do
			}
			headers[c.Name] = h
		}
		return r.Head, map[string]any{"headers": headers}
	})
}

func errorRules(s rules.Set) []ruleJSON {
	return eachRule(s.Errors, func(r rules.ErrorRule) (rules.Head, map[string]any) {
		p := map[string]any{"content": r.Response.Body, "content_type": r.Response.ContentType}
		if r.Response.Status != 0 {
			p["status_code"] = r.Response.Status
		}
		return r.Head, p
	})
}

func configRules(s rules.Set) []ruleJSON {
	return eachRule(s.Config, func(r rules.ConfigRule) (rules.Head, map[string]any) {
		p := map[string]any{}
		if r.SSL != "" {
			p["ssl"] = r.SSL
		}
		if r.Hotlink != nil {
			p["hotlink_protection"] = *r.Hotlink
		}
		return r.Head, p
	})
}

func cacheRules(s rules.Set) []ruleJSON {
	return eachRule(s.Cache, func(r rules.CacheRule) (rules.Head, map[string]any) {
		p := map[string]any{}
		if r.Keep != nil {
			p["cache"] = *r.Keep
		}
		override := func(d time.Duration) map[string]any {
			return map[string]any{"mode": "override_origin", "default": int(d.Seconds())}
		}
		switch {
		case r.EdgeTTL != nil:
			p["edge_ttl"] = override(*r.EdgeTTL)
		case r.OnlyAsked:
			p["edge_ttl"] = map[string]any{"mode": "bypass_by_default"}
		}
		if r.BrowserTTL != nil {
			p["browser_ttl"] = override(*r.BrowserTTL)
		}
		if r.IgnoreQuery != nil {
			p["cache_key"] = map[string]any{"custom_key": map[string]any{"query_string": map[string]any{"exclude": map[string]any{"all": *r.IgnoreQuery}}}}
		}
		return r.Head, p
	})
}

// valueJSON is a text or an expression.
func valueJSON(v rules.Value) map[string]any {
	if v.Literal() {
		return map[string]any{"value": v.String()}
	}
	return map[string]any{"expression": v.String()}
}

func newRule(h rules.Head, resp *rules.Response) ruleJSON {
	x := ruleJSON{ID: h.ID, Ref: h.ID, Version: "1", Description: h.Description, Expression: h.Expression.String(), Action: string(h.Action), Enabled: h.Enabled}
	if resp != nil {
		x.Parameters = map[string]any{"response": map[string]any{
			"status_code": resp.Status, "content_type": resp.ContentType, "content": resp.Body,
		}}
	}
	return x
}

// zoneRulesets are the zone's rulesets that are not empty.
func (a *API) zoneRulesets(z *config.Zone) []rulesetJSON {
	set, _ := a.edge.Rules(z.Name)
	out := []rulesetJSON{}
	for _, p := range rulePhases {
		if list := p.rules(set); len(list) > 0 {
			out = append(out, rulesetJSON{rules.ID("ruleset", z.Name, p.phase), p.name, "zone", p.phase, "1", list})
		}
	}
	return out
}

func (a *API) rulesets(r *http.Request) (*reply, error) {
	z, err := a.findZone(r)
	if err != nil {
		return nil, err
	}
	list := a.zoneRulesets(z)
	for i := range list {
		list[i].Rules = nil // the list names rulesets only
	}
	return &reply{result: list}, nil
}

func (a *API) ruleset(r *http.Request) (*reply, error) {
	return a.pickRuleset(r, func(x rulesetJSON) bool { return x.ID == r.PathValue("ruleset") })
}

func (a *API) entrypoint(r *http.Request) (*reply, error) {
	return a.pickRuleset(r, func(x rulesetJSON) bool { return x.Phase == r.PathValue("phase") })
}

func (a *API) pickRuleset(r *http.Request, is func(rulesetJSON) bool) (*reply, error) {
	z, err := a.findZone(r)
	if err != nil {
		return nil, err
	}
	for _, x := range a.zoneRulesets(z) {
		if is(x) {
			return &reply{result: x}, nil
		}
	}
	return nil, &failure{http.StatusNotFound, codeNoRuleset, "the zone has no such ruleset"}
}
