package cdn

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/cloudflare/cloudflare-go/v7/firewall"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/packages/pagination"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// accessActions are the modes of IP access and user-agent rules as actions of rules.
var accessActions = map[string]string{"whitelist": "skip"}

func actionOf(mode string) string {
	if a, ok := accessActions[mode]; ok {
		return a
	}
	return escape.Line(mode, 32)
}

// accessRules evaluates the IP access rules of the zone, its account and its owner.
func (o *observer) accessRules(ctx context.Context, zone string) (out []fact.RuleMatch, status int, err error) {
	svc := firewall.NewAccessRuleService()
	params := firewall.AccessRuleListParams{}
	params.ZoneID.Value, params.ZoneID.Present = zone, true
	params.PerPage.Value, params.PerPage.Present = maxRules, true
	page, status, err := call(o, func(opts ...option.RequestOption) (*pagination.V4PagePaginationArray[firewall.AccessRuleListResponse], error) {
		return svc.List(ctx, params, opts...)
	})
	if err != nil || status != http.StatusOK {
		return nil, status, err
	}
	for _, r := range page.Result {
		target, v := string(r.Configuration.Target), escape.Line(r.Configuration.Value, 64)
		m := fact.RuleMatch{ID: escape.Line(r.ID, 64), Kind: "ip_access", Action: actionOf(string(r.Mode)), Ref: escape.Line(r.Notes, 200)}
		switch target {
		case "country":
			m.Expression, m.Matches, m.DependsOn = `ip.src.country eq "`+v+`"`, fact.Unknown, []string{"ip.src.country"}
		case "asn":
			m.Expression, m.Matches, m.DependsOn = "ip.src.asnum eq "+v, fact.Unknown, []string{"ip.src.asnum"}
		default: // ip, ip6, ip_range
			m.Expression = "ip.src in {" + v + "}"
			m.Matches, m.DependsOn = o.within(v)
		}
		if m.Action == "block" {
			m.Status = http.StatusForbidden
		}
		out = append(out, m)
	}
	return out, status, nil
}

// within answers whether the visitor's address lies in a range.
func (o *observer) within(text string) (fact.Tri, []string) {
	p, err := netip.ParsePrefix(text)
	if a, aerr := netip.ParseAddr(text); aerr == nil {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil || !o.Client.IsValid() {
		return fact.Unknown, []string{"ip.src"}
	}
	return fact.TriOf(p.Contains(o.Client.Unmap())), nil
}

// agentRules evaluates the rules that block user agents: they compare the whole field.
func (o *observer) agentRules(ctx context.Context, zone string) (out []fact.RuleMatch, status int, err error) {
	svc := firewall.NewUARuleService()
	params := firewall.UARuleListParams{}
	params.ZoneID.Value, params.ZoneID.Present = zone, true
	page, status, err := call(o, func(opts ...option.RequestOption) (*pagination.V4PagePaginationArray[firewall.UARuleListResponse], error) {
		return svc.List(ctx, params, opts...)
	})
	if err != nil || status != http.StatusOK {
		return nil, status, err
	}
	for _, r := range page.Result {
		if r.Paused || len(out) == maxRules {
			continue
		}
		m := fact.RuleMatch{
			ID: escape.Line(r.ID, 64), Kind: "user_agent", Action: actionOf(string(r.Mode)), Ref: escape.Line(r.Description, 200),
			Expression: "http.user_agent eq \"" + escape.Line(r.Configuration.Value, 500) + "\"",
			Matches:    fact.Unknown, DependsOn: []string{"http.user_agent"},
		}
		if o.Agent != "" {
			m.Matches, m.DependsOn = fact.TriOf(o.Agent == r.Configuration.Value), nil
		}
		if m.Action == "block" {
			m.Status = http.StatusForbidden
		}
		out = append(out, m)
	}
	return out, status, nil
}
