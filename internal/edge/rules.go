package edge

import (
	"fmt"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/rules"
)

// LoadConfig reads a configuration file and checks all of it, the rules'
// expressions too. Its error names every problem with file and line.
func LoadConfig(path string) (*config.Config, error) {
	return Loader().Load(path)
}

// Loader is the configuration's loader with the rules language wired in.
func Loader() config.Loader {
	return config.Loader{CheckExpression: func(src string) error {
		_, err := rules.Compile(src)
		return err
	}}
}

// compileRules turns a zone's rules as written into rules that run.
func compileRules(z config.Zone) (rules.Set, error) {
	var set rules.Set
	ids := map[string]int{}
	for _, r := range z.Rules.Origin {
		x, err := compileRule(z.Name, "http_request_origin", r.Rule, ids)
		if err != nil {
			return set, err
		}
		set.Origin = append(set.Origin, rules.OriginRule{
			Head:    x.Head,
			Routing: rules.Routing{HostHeader: r.HostHeader, SNI: r.SNI, Host: r.Host, Port: r.Port},
		})
	}
	for _, r := range z.Rules.Custom {
		x, err := compileRule(z.Name, "http_request_firewall_custom", r, ids)
		if err != nil {
			return set, err
		}
		set.Custom = append(set.Custom, x)
	}
	for _, l := range z.Rules.RateLimits {
		x, err := compileRule(z.Name, "http_ratelimit", l.Rule, ids)
		if err != nil {
			return set, err
		}
		set.RateLimits = append(set.RateLimits, rules.RateLimit{
			Head: x.Head, Requests: l.Requests, Period: l.Period, Mitigation: l.Mitigation, Response: x.Response,
		})
	}
	return set, nil
}

func compileRule(zone, phase string, r config.Rule, ids map[string]int) (rules.Rule, error) {
	e, err := rules.Compile(r.Expression)
	if err != nil {
		return rules.Rule{}, fmt.Errorf("rule in line %d: %w", r.Line, err)
	}
	a, err := rules.ParseAction(r.Action)
	if err != nil {
		return rules.Rule{}, fmt.Errorf("rule in line %d: %w", r.Line, err)
	}
	out := rules.Rule{Head: rules.Head{ID: r.ID, Description: r.Description, Expression: e, Action: a, Enabled: r.Enabled}}
	if out.ID == "" {
		// Two rules that say the same are told apart by their order.
		key := rules.ID(zone, phase, r.Expression, r.Action)
		out.ID = key
		if n := ids[key]; n > 0 {
			out.ID = rules.ID(key, fmt.Sprint(n))
		}
		ids[key]++
	}
	if r.Response != nil {
		out.Response = &rules.Response{Status: r.Response.Status, ContentType: r.Response.ContentType, Body: r.Response.Content}
	}
	if a == rules.Skip {
		out.Skipped.Custom = len(r.SkipPhases) == 0
		for _, p := range r.SkipPhases {
			out.Skipped.Custom = out.Skipped.Custom || p == "current"
			out.Skipped.RateLimits = out.Skipped.RateLimits || p == "http_ratelimit"
		}
	}
	return out, nil
}
