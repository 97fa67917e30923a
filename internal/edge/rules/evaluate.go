package rules

import "time"

// Decision is what the rules say about a request. The zero Decision lets it pass.
type Decision struct {
	Action     Action // Block, or empty
	RuleID     string // of the rule that decided
	RateLimit  bool   // a rate limit decided
	Response   *Response
	RetryAfter time.Duration // for a rate limit: until it ends
}

// Blocked tells whether the request is answered by a rule.
func (d Decision) Blocked() bool { return d.Action == Block }

// Evaluate runs the rules over r. log, when not nil, is called with the id of
// every rule of action log or skip that matched. limits counts for the rate limits; nil
// leaves them out.
func (s *Set) Evaluate(r *Request, limits *Limiter, now time.Time, log func(id string, a Action)) Decision {
	skipLimits := false
custom:
	for i := range s.Custom {
		rule := &s.Custom[i]
		if !rule.Enabled || !rule.Expression.Match(r) {
			continue
		}
		switch rule.Action {
		case Block:
			return Decision{Action: Block, RuleID: rule.ID, Response: rule.Response}
		case Skip:
			note(log, rule.ID, Skip)
			skipLimits = skipLimits || rule.SkipRateLimits
			if rule.SkipCustom {
				break custom
			}
		case Log:
			note(log, rule.ID, Log)
		}
	}
	if skipLimits || limits == nil {
		return Decision{}
	}
	return s.limit(r, limits, now, log)
}

// Route runs the origin rules over r. Of several that match, the last to change a
// thing decides it.
func (s *Set) Route(r *Request) Routing {
	var out Routing
	for i := range s.Origin {
		rule := &s.Origin[i]
		if !rule.Enabled || !rule.Expression.Match(r) {
			continue
		}
		if rule.HostHeader != "" {
			out.HostHeader = rule.HostHeader
		}
		if rule.SNI != "" {
			out.SNI = rule.SNI
		}
		if rule.Host != "" {
			out.Host = rule.Host
		}
		if rule.Port != 0 {
			out.Port = rule.Port
		}
	}
	return out
}

func (s *Set) limit(r *Request, limits *Limiter, now time.Time, log func(string, Action)) Decision {
	for i := range s.RateLimits {
		rule := &s.RateLimits[i]
		if !rule.Enabled || !rule.Expression.Match(r) {
			continue
		}
		wait, over := limits.Count(rule, r.IP, now)
		if !over {
			continue
		}
		if rule.Action == Log {
			note(log, rule.ID, Log)
			continue
		}
		return Decision{Action: Block, RuleID: rule.ID, RateLimit: true, Response: rule.Response, RetryAfter: wait}
	}
	return Decision{}
}

func note(log func(string, Action), id string, a Action) {
	if log != nil {
		log(id, a)
	}
}
