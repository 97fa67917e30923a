package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/cloudflare/cloudflare-go/v7"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/rulesets"
)

// Rule switches a custom rule of the CDN off.
type Rule struct {
	API
	ID string `json:"id"`
}

// ruleBody is a rule as the API writes it.
type ruleBody map[string]any

func (r ruleBody) text(key string) string {
	s, _ := r[key].(string)
	return s
}

func (r ruleBody) on() bool { return r["enabled"] != false }

func (r ruleBody) String() string {
	name := r.text("description")
	if name != "" {
		name = " “" + name + "”"
	}
	return fmt.Sprintf("rule%s: %s if %s", name, r.text("action"), r.text("expression"))
}

// find reads the rule, and which ruleset holds it.
func (r *Rule) find(ctx context.Context) (set string, rule ruleBody, err error) {
	opts, err := r.options()
	if err != nil {
		return "", nil, err
	}
	params := rulesets.PhaseGetParams{}
	params.ZoneID.Value, params.ZoneID.Present = r.Zone, true
	res, err := rulesets.NewPhaseService(opts...).Get(ctx, rulesets.PhaseHTTPRequestFirewallCustom, params)
	var fail *cloudflare.Error
	if errors.As(err, &fail) && fail.StatusCode == http.StatusNotFound {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("read the custom rules at the CDN: %w", apiSaid(err))
	}
	var body struct {
		ID    string     `json:"id"`
		Rules []ruleBody `json:"rules"`
	}
	if err := json.Unmarshal([]byte(res.JSON.RawJSON()), &body); err != nil {
		return "", nil, fmt.Errorf("the custom rules at the CDN: %w", apiSaid(err))
	}
	for _, x := range body.Rules {
		if x.text("id") == r.ID {
			return body.ID, x, nil
		}
	}
	return body.ID, nil, nil
}

// Plan shows the rule.
func (r *Rule) Plan(ctx context.Context, _ *Machine) (Change, error) {
	_, is, err := r.find(ctx)
	if err != nil {
		return Change{}, err
	}
	if is == nil {
		return Change{}, fmt.Errorf("rule %s is not there any more; diagnose again", r.ID)
	}
	return Change{Show: []string{"at the CDN: switch off " + is.String()}, Before: encode(is.on()), None: !is.on()}, nil
}

// Apply switches it off.
func (r *Rule) Apply(ctx context.Context, _ *Machine) error { return r.set(ctx, false) }

// Undo switches it on again, when it was on.
func (r *Rule) Undo(ctx context.Context, _ *Machine, before json.RawMessage) error {
	var was bool
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	return r.set(ctx, was)
}

// set writes the whole rule again: the API takes no part of one.
func (r *Rule) set(ctx context.Context, on bool) error {
	set, is, err := r.find(ctx)
	switch {
	case err != nil:
		return err
	case is == nil:
		return fmt.Errorf("rule %s is not there any more", r.ID)
	case is.on() == on:
		return nil
	}
	for _, made := range []string{"id", "version", "last_updated"} {
		delete(is, made)
	}
	is["enabled"] = on
	raw, err := json.Marshal(is)
	if err != nil {
		return err
	}
	opts, err := r.options()
	if err != nil {
		return err
	}
	params := rulesets.RuleEditParams{}
	params.ZoneID.Value, params.ZoneID.Present = r.Zone, true
	// The SDK's types hold one struct for each action; the rule goes back as it came.
	_, err = rulesets.NewRuleService(opts...).Edit(ctx, set, r.ID, params, option.WithRequestBody("application/json", strings.NewReader(string(raw))))
	if err != nil {
		return fmt.Errorf("change rule %s at the CDN: %w", r.ID, apiSaid(err))
	}
	return nil
}
