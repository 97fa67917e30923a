package config

import "time"

// on reads a truth value into a pointer.
func (v value) on(to **bool) {
	if x, ok := v.flag(); ok {
		*to = &x
	}
}

// configRule reads a rule of the phase http_config_settings.
func (v value) configRule() (ConfigRule, bool) {
	head, v, ok := v.begin("set_config")
	r := ConfigRule{Rule: head}
	if !ok {
		return r, false
	}
	parameters := func(v value) {
		v.object(
			key{"ssl", func(v value) { r.SSL = v.sslMode() }},
			key{"hotlink_protection", func(v value) { v.on(&r.Hotlink) }},
		)
	}
	if !v.read(r.head(false, parameters, "set_config")) {
		return r, false
	}
	const example = "{expression: 'http.host eq \"old.shop.example\"', action: set_config, action_parameters: {ssl: flexible}}"
	if r.SSL == "" && r.Hotlink == nil {
		v.fail("changes nothing", "action_parameters with ssl or hotlink_protection", example)
		return r, false
	}
	return r, v.ruleComplete(r.Rule, example)
}

// maxTTL bounds lifetimes (cache rules: one year).
const maxTTL = 366 * 24 * 3600

// ttl reads a mode and the seconds that go with it.
func (v value) ttl(modes ...string) (mode string, d *time.Duration) {
	given := -1
	if !v.object(
		key{"mode", func(v value) { mode, _ = v.oneOf(modes...) }},
		key{"default", func(v value) { given, _ = v.integer(0, maxTTL) }},
	) {
		return "", nil
	}
	switch {
	case mode == "":
		v.fail("needs a mode", modes...)
	case (mode == "override_origin") != (given >= 0):
		v.fail("default, in seconds, belongs to the mode override_origin")
	case given >= 0:
		t := time.Duration(given) * time.Second
		d = &t
	}
	return mode, d
}

// cacheRule reads a rule of the phase http_request_cache_settings.
func (v value) cacheRule() (CacheRule, bool) {
	head, v, ok := v.begin("set_cache_settings")
	r := CacheRule{Rule: head}
	if !ok {
		return r, false
	}
	query := func(v value) {
		v.object(key{"exclude", func(v value) {
			v.object(key{"all", func(v value) { v.on(&r.IgnoreQuery) }})
		}})
	}
	parameters := func(v value) {
		v.object(
			key{"cache", func(v value) { v.on(&r.Keep) }},
			key{"edge_ttl", func(v value) {
				mode, d := v.ttl("respect_origin", "override_origin", "bypass_by_default")
				r.EdgeTTL, r.OnlyAsked = d, mode == "bypass_by_default"
			}},
			key{"browser_ttl", func(v value) { _, r.BrowserTTL = v.ttl("respect_origin", "override_origin") }},
			key{"cache_key", func(v value) {
				v.object(key{"custom_key", func(v value) { v.object(key{"query_string", query}) }})
			}},
		)
	}
	if !v.read(r.head(false, parameters, "set_cache_settings")) {
		return r, false
	}
	const example = "{expression: 'starts_with(http.request.uri.path, \"/static/\")', action: set_cache_settings, action_parameters: {cache: true, edge_ttl: {mode: override_origin, default: 3600}}}"
	if r.Keep == nil && r.IgnoreQuery == nil && r.EdgeTTL == nil && r.BrowserTTL == nil && !r.OnlyAsked {
		v.fail("changes nothing", "action_parameters with cache, edge_ttl, browser_ttl or cache_key", example)
		return r, false
	}
	return r, v.ruleComplete(r.Rule, example)
}
