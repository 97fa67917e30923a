package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/cloudflare/cloudflare-go/v7"
	"github.com/cloudflare/cloudflare-go/v7/firewall"
	"github.com/cloudflare/cloudflare-go/v7/option"
)

// AccessRule deletes an IP access rule of the CDN: such a rule cannot be
// switched off.
type AccessRule struct {
	API
	ID string `json:"id"`
}

// accessBody is an IP access rule as far as it matters.
type accessBody struct {
	Mode          string `json:"mode"`
	Notes         string `json:"notes"`
	Configuration struct {
		Target string `json:"target"`
		Value  string `json:"value"`
	} `json:"configuration"`
}

// now reads the rule; nil = it is not there.
func (r *AccessRule) now(ctx context.Context) (*accessBody, error) {
	opts, err := r.options()
	if err != nil {
		return nil, err
	}
	params := firewall.AccessRuleGetParams{}
	params.ZoneID.Value, params.ZoneID.Present = r.Zone, true
	res, err := firewall.NewAccessRuleService(opts...).Get(ctx, r.ID, params)
	var fail *cloudflare.Error
	if errors.As(err, &fail) && fail.StatusCode == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the IP access rule %s at the CDN: %w", r.ID, apiSaid(err))
	}
	var b accessBody
	if err := json.Unmarshal([]byte(res.JSON.RawJSON()), &b); err != nil {
		return nil, fmt.Errorf("IP access rule %s: %w", r.ID, err)
	}
	return &b, nil
}

// Plan shows the rule.
func (r *AccessRule) Plan(ctx context.Context, _ *Machine) (Change, error) {
	is, err := r.now(ctx)
	if err != nil || is == nil {
		return Change{None: true}, err
	}
	c := is.Configuration
	return Change{Show: []string{fmt.Sprintf("at the CDN: delete the IP access rule: %s %s %s", is.Mode, c.Target, c.Value)}, Before: encode(is)}, nil
}

// Apply deletes it.
func (r *AccessRule) Apply(ctx context.Context, _ *Machine) error {
	opts, err := r.options()
	if err != nil {
		return err
	}
	params := firewall.AccessRuleDeleteParams{}
	params.ZoneID.Value, params.ZoneID.Present = r.Zone, true
	if _, err := firewall.NewAccessRuleService(opts...).Delete(ctx, r.ID, params); err != nil {
		return fmt.Errorf("delete the IP access rule %s at the CDN: %w", r.ID, apiSaid(err))
	}
	return nil
}

// Undo makes it again, under an ID of its own.
func (r *AccessRule) Undo(ctx context.Context, _ *Machine, before json.RawMessage) error {
	var was accessBody
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	if is, err := r.now(ctx); err != nil || is != nil {
		return err
	}
	opts, err := r.options()
	if err != nil {
		return err
	}
	svc := firewall.NewAccessRuleService(opts...)
	list := firewall.AccessRuleListParams{}
	list.ZoneID.Value, list.ZoneID.Present = r.Zone, true
	page, err := svc.List(ctx, list, option.WithQuery("configuration.value", was.Configuration.Value))
	if err != nil {
		return fmt.Errorf("read the IP access rules at the CDN: %w", apiSaid(err))
	}
	for _, x := range page.Result {
		if x.Configuration.Value == was.Configuration.Value && string(x.Mode) == was.Mode {
			return nil // made again already
		}
	}
	body := firewall.AccessRuleNewParams{}
	body.ZoneID.Value, body.ZoneID.Present = r.Zone, true
	body.Mode.Value, body.Mode.Present = firewall.AccessRuleNewParamsMode(was.Mode), true
	body.Notes.Value, body.Notes.Present = was.Notes, true
	c := firewall.AccessRuleNewParamsConfiguration{}
	c.Target.Value, c.Target.Present = firewall.AccessRuleNewParamsConfigurationTarget(was.Configuration.Target), true
	c.Value.Value, c.Value.Present = was.Configuration.Value, true
	body.Configuration.Value, body.Configuration.Present = c, true
	if _, err := svc.New(ctx, body); err != nil {
		return fmt.Errorf("make the IP access rule for %s again at the CDN: %w", was.Configuration.Value, apiSaid(err))
	}
	return nil
}
