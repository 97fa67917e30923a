package cdn

import (
	"net/http"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// A token that may not read something: the permission is named, for the question
// that lacks it, and nothing is taken for absent.
func TestMissingPermissionIsNamed(t *testing.T) {
	for path, want := range map[string]struct {
		question   originward.Question
		permission string
	}{
		"zones/z1/dns_records":                                             {fact.QCDNRecords, dnsRead},
		"zones/z1/workers/routes":                                          {fact.QCDNRecords, routesRead},
		"zones/z1/load_balancers":                                          {fact.QCDNRecords, balancersRead},
		"zones/z1/firewall/access_rules/rules":                             {fact.QCDNRules, accessRead},
		"zones/z1/firewall/ua_rules":                                       {fact.QCDNRules, accessRead},
		"zones/z1/rulesets/phases/http_request_firewall_custom/entrypoint": {fact.QCDNRules, wafRead},
		"graphql":                 {fact.QCDNStats, analyticsRead},
		"accounts/acc/audit_logs": {fact.QCDNEvents, accountRead},
	} {
		a := whole()
		a[path] = http.StatusForbidden
		b, missing := observe(t, a, Ask{})
		found := false
		for _, n := range missing {
			found = found || n.Question == want.question && strings.Contains(n.How, want.permission)
		}
		if !found {
			t.Errorf("%s: %q is not asked for: %+v", path, want.permission, missing)
		}
		for _, r := range fact.All[fact.CDNRecords](b, originward.CDN) {
			if want.question == fact.QCDNRecords && r.Fact.Covered != fact.Unknown {
				t.Errorf("%s: covered %q", path, r.Fact.Covered)
			}
		}
	}
}

// A token that is worth nothing says so before all else.
func TestWorthlessTokenIsSaid(t *testing.T) {
	for want, verified := range map[string]m{
		"is disabled":                    {"id": "t", "status": "disabled"},
		"ended on 2026-11-01T00:00:00Z":  {"id": "t", "status": "active", "expires_on": "2026-11-01T00:00:00Z"},
		"from 2026-12-01T00:00:00Z only": {"id": "t", "status": "active", "not_before": "2026-12-01T00:00:00Z"},
	} {
		a := whole()
		a["user/tokens/verify"] = verified
		b, missing := observe(t, a, Ask{})
		if len(b.Evidence) != 0 || len(missing) != 1 || !strings.Contains(missing[0].Why, want) {
			t.Errorf("%s: %d items, %+v", want, len(b.Evidence), missing)
		}
	}
}

// A configuration rule overrides the zone's mode for the requests that it matches; one
// that may match leaves the mode open.
func TestConfigurationRuleSetsTheMode(t *testing.T) {
	for _, c := range []struct {
		expression string
		mode       originward.SSLMode
		by         string
	}{
		{"true", originward.SSLStrict, "c1"},
		{`http.host eq "other.example"`, originward.SSLFlexible, ""},
		{`ip.src.country eq "DE"`, "", ""},
	} {
		a := whole()
		a["zones/z1/rulesets/phases/http_config_settings/entrypoint"] = m{"rules": []m{
			{"id": "c1", "expression": c.expression, "action": "set_config", "enabled": true, "action_parameters": m{"ssl": "strict"}},
		}}
		b, _ := observe(t, a, Ask{})
		if s := one[fact.CDNSettings](t, b); s.SSL != c.mode || s.SSLBy != c.by {
			t.Errorf("%s: mode %q by %q", c.expression, s.SSL, s.SSLBy)
		}
	}
}

// What takes a name before its record counts.
func TestCovered(t *testing.T) {
	route := func(pattern, script string) m { return m{"pattern": pattern, "script": script} }
	for _, c := range []struct {
		routes, balancers []m
		want              fact.Tri
		by                string
	}{
		{[]m{route("*.shop.example/*", "app")}, nil, fact.Yes, "worker app (route *.shop.example/*)"},
		{[]m{route("*.shop.example/*", "app"), route("www.shop.example/*", "")}, nil, fact.No, ""},
		{[]m{route("http://www.shop.example/*", "app")}, nil, fact.No, ""},
		{[]m{route("www.shop.example/api/*", "app")}, nil, fact.No, ""},
		{nil, []m{{"name": "www.shop.example"}}, fact.Yes, "load balancer www.shop.example"},
		{nil, []m{{"name": "*.shop.example", "enabled": false}}, fact.No, ""},
		{nil, []m{{"name": "*.shop.example"}}, fact.No, ""}, // the name has a record of its own
	} {
		a := whole()
		a["zones/z1/workers/routes"], a["zones/z1/load_balancers"] = c.routes, c.balancers
		b, _ := observe(t, a, Ask{HTTPS: true})
		if r := one[fact.CDNRecords](t, b); r.Covered != c.want || r.CoveredBy != c.by {
			t.Errorf("%v %v: covered %q by %q", c.routes, c.balancers, r.Covered, r.CoveredBy)
		}
	}
}

// Single requests are asked for by their rays.
func TestRays(t *testing.T) {
	ask := serve(t, whole(), Ask{})
	got := Rays(t.Context(), ask, []string{"0123456789abcdef"})
	if len(got) != 1 || got[0].Fact.(fact.CDNEvents).Events[0].RuleID != "b1" {
		t.Errorf("%+v", got)
	}
	if got := Rays(t.Context(), ask, nil); got != nil {
		t.Errorf("nobody asked: %+v", got)
	}
}
