package edgeapi

import (
	"net/http"

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
	Requests        int      `json:"requests_per_period"`
	Period          int      `json:"period"`
	Mitigation      int      `json:"mitigation_timeout"`
}

// rulePhases lists the phases that have rules here, and how their rules are read.
var rulePhases = []struct {
	phase, name string
	rules       func(rules.Set) []ruleJSON
}{
	{"http_request_origin", "origin rules", originRules},
	{"http_request_firewall_custom", "custom rules", customRules},
	{"http_ratelimit", "rate limits", rateLimits},
}

func originRules(s rules.Set) []ruleJSON {
	var out []ruleJSON
	for _, r := range s.Origin {
		x := newRule(r.ID, r.Description, r.Expression.String(), string(rules.Route), r.Enabled, nil)
		x.Parameters = map[string]any{}
		if r.HostHeader != "" {
			x.Parameters["host_header"] = r.HostHeader
		}
		if r.SNI != "" {
			x.Parameters["sni"] = map[string]any{"value": r.SNI}
		}
		to := map[string]any{}
		if r.Host != "" {
			to["host"] = r.Host
		}
		if r.Port != 0 {
			to["port"] = r.Port
		}
		if len(to) > 0 {
			x.Parameters["origin"] = to
		}
		out = append(out, x)
	}
	return out
}

func customRules(s rules.Set) []ruleJSON {
	var out []ruleJSON
	for _, r := range s.Custom {
		x := newRule(r.ID, r.Description, r.Expression.String(), string(r.Action), r.Enabled, r.Response)
		switch {
		case r.Skipped.Custom && r.RateLimits:
			x.Parameters = map[string]any{"ruleset": "current", "phases": []string{"http_ratelimit"}}
		case r.RateLimits:
			x.Parameters = map[string]any{"phases": []string{"http_ratelimit"}}
		case r.Skipped.Custom:
			x.Parameters = map[string]any{"ruleset": "current"}
		}
		out = append(out, x)
	}
	return out
}

func rateLimits(s rules.Set) []ruleJSON {
	var out []ruleJSON
	for _, r := range s.RateLimits {
		x := newRule(r.ID, r.Description, r.Expression.String(), string(r.Action), r.Enabled, r.Response)
		x.RateLimit = &limitJSON{[]string{"ip.src", "cf.colo.id"}, r.Requests, int(r.Period.Seconds()), int(r.Mitigation.Seconds())}
		out = append(out, x)
	}
	return out
}

func newRule(id, description, expression, action string, enabled bool, resp *rules.Response) ruleJSON {
	x := ruleJSON{ID: id, Ref: id, Version: "1", Description: description, Expression: expression, Action: action, Enabled: enabled}
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
