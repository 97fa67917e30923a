package config

import (
	"reflect"
	"strings"
	"testing"
)

func managedOf(t *testing.T, rule string) ([]ManagedRule, error) {
	t.Helper()
	cfg, err := Loader{}.Parse("edge.yaml", []byte("listen: {http: ['127.0.0.1:80']}\nzones: [{name: shop.example, rules: {managed: ["+rule+"]}}]\n"))
	if err != nil {
		return nil, err
	}
	return cfg.Zones[0].Rules.Managed, nil
}

func TestManagedRule(t *testing.T) {
	got, err := managedOf(t, `{expression: 'true', action: execute, action_parameters: {id: owasp, overrides: {action: log,
 categories: [{category: paranoia-level-2, enabled: true}, {category: paranoia-level-4, enabled: false}],
 rules: [{id: "949110", score_threshold: 40, action: managed_challenge}, {id: "942100", enabled: false}, {id: "941100", enabled: true}]}}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := ManagedRule{Rule: got[0].Rule, Verdict: "managed_challenge", Paranoia: 2, Threshold: 40, Disabled: []int{942100}}
	if !reflect.DeepEqual(got, []ManagedRule{want}) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestManagedRuleMistakes(t *testing.T) {
	for rule, want := range map[string]string{
		`{expression: 'true'}`: "names no rule set",
		`{expression: 'true', action_parameters: {id: efb7b8c949ac4650a09736fc376e9aee}}`:                                               "owasp",
		`{expression: 'true', action: block, action_parameters: {id: owasp}}`:                                                           "execute",
		`{expression: 'true', action_parameters: {id: owasp, overrides: {categories: [{category: paranoia-level-9}]}}}`:                 "paranoia-level-4",
		`{expression: 'true', action_parameters: {id: owasp, overrides: {categories: [{category: paranoia-level-1, enabled: false}]}}}`: "cannot be switched off",
		`{expression: 'true', action_parameters: {id: owasp, overrides: {rules: [{id: "1", enabled: false}]}}}`:                         "911000 to 948999",
		`{expression: 'true', action_parameters: {id: owasp, overrides: {rules: [{id: "942100", score_threshold: 5}]}}}`:                "949110",
		`{expression: 'true', action_parameters: {id: owasp, overrides: {rules: [{id: "949110", enabled: false}]}}}`:                    "nothing is acted upon",
		`{expression: 'true', action_parameters: {id: owasp, overrides: {rules: [{id: "949110", score_threshold: 0}]}}}`:                "score_threshold",
	} {
		_, err := managedOf(t, rule)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "edge.yaml:2") {
			t.Errorf("%s: %v, want %q with its line", rule, err, want)
		}
	}
}
