package config

import (
	"slices"
	"strconv"
)

// owasp are the names of the one managed rule set: ours, and that under which
// Cloudflare's API knows the OWASP Core Rule Set (waf managed-rules reference).
var owasp = []string{"owasp", "4814384a9e5d4991b9815dcfc25d2f1f"}

// scoring are the names of the rule that compares the score with its threshold: the Core
// Rule Set's own, and Cloudflare's.
var scoring = []string{"949110", "6179ae15870a4bb7b2d480d4843b323c"}

// levels are the categories by which Cloudflare's API switches paranoia levels on.
var levels = []string{"paranoia-level-1", "paranoia-level-2", "paranoia-level-3", "paranoia-level-4"}

// The Core Rule Set's rules about requests have ids in this range.
const (
	firstManaged = 911000
	lastManaged  = 948999
)

// maxScore bounds the threshold; the Core Rule Set's highest score of one rule is 5.
const maxScore = 1000

// managedRule reads a rule of the phase http_request_firewall_managed.
func (v value) managedRule() (ManagedRule, bool) {
	head, v, ok := v.begin("execute")
	r := ManagedRule{Rule: head, Verdict: "block", Paranoia: 1, Threshold: 5} // the Core Rule Set's own defaults
	if !ok {
		return r, false
	}
	named := false
	overrides := func(v value) {
		v.object(
			key{"action", func(v value) { v.verdict(&r) }},
			key{"categories", func(v value) { v.list(func(v value) { v.paranoia(&r) }) }},
			key{"rules", func(v value) { v.list(func(v value) { v.managedOverride(&r) }) }},
		)
	}
	parameters := func(v value) {
		v.object(
			key{"id", func(v value) { _, named = v.oneOf(owasp...) }},
			key{"overrides", overrides},
		)
	}
	if !v.read(r.head(false, parameters, "execute")) {
		return r, false
	}
	const example = "{expression: 'true', action: execute, action_parameters: {id: owasp}}"
	if !named {
		v.fail("names no rule set", "action_parameters.id", example)
		return r, false
	}
	return r, v.ruleComplete(r.Rule, example)
}

func (v value) verdict(r *ManagedRule) {
	if s, ok := v.oneOf("block", "log", "challenge", "js_challenge", "managed_challenge"); ok {
		r.Verdict = s
	}
}

// paranoia reads a category that is switched on or off; the highest that is on counts.
func (v value) paranoia(r *ManagedRule) {
	level, on := 0, true
	if !v.object(
		key{"category", func(v value) {
			s, _ := v.oneOf(levels...)
			level = slices.Index(levels, s) + 1
		}},
		key{"enabled", func(v value) { on, _ = v.flag() }},
	) || level == 0 {
		return
	}
	switch {
	case on:
		r.Paranoia = max(r.Paranoia, level)
	case level == 1:
		v.fail("paranoia level 1 cannot be switched off; leave the rule out", "enabled: true")
	}
}

// managedOverride reads a change of one rule of the set.
func (v value) managedOverride(r *ManagedRule) {
	id, off, scored := "", false, false
	if !v.object(
		key{"id", func(v value) { id, _ = v.text() }},
		key{"enabled", func(v value) {
			on, ok := v.flag()
			off = ok && !on
		}},
		key{"score_threshold", func(v value) {
			if n, ok := v.integer(1, maxScore); ok {
				r.Threshold, scored = n, true
			}
		}},
		key{"action", func(v value) { scored = true; v.verdict(r) }},
	) {
		return
	}
	n, err := strconv.Atoi(id)
	switch {
	case slices.Contains(scoring, id) && !off:
	case slices.Contains(scoring, id):
		v.fail("without the score's rule nothing is acted upon; disable the managed rule itself", "enabled: true")
	case scored:
		v.fail("score_threshold and action belong to the rule that compares the score", scoring...)
	case err != nil || n < firstManaged || n > lastManaged:
		v.fail("is no rule of the Core Rule Set about requests", "911000 to 948999", scoring[0])
	case off:
		r.Disabled = append(r.Disabled, n)
	}
}
