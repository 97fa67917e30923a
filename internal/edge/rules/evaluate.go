package rules

import "time"

// Hit is a rule that matched, as a security event tells it.
type Hit struct {
	Source      Source
	ID          string
	Description string
	Action      Action
	Expression  string
	Passed      bool // a challenge that the visitor had solved before
}

// Decision is what the rules say about a request. The zero Decision lets it pass.
type Decision struct {
	Hit
	Response   *Response
	RetryAfter time.Duration // for a rate limit: until it ends
}

// Stops tells whether the request is answered by a rule.
func (d Decision) Stops() bool { return d.Action == Block || d.Action.Challenges() }

// RateLimit tells whether a rate limit decided.
func (d Decision) RateLimit() bool { return d.Source == FromRateLimit }

// Run is what an evaluation needs beside the request.
type Run struct {
	Limits *Limiter // nil = rate limits are left out
	Now    time.Time
	Note   func(Hit) // takes every rule that matched without answering; nil = nobody
	// Solved tells whether the visitor has solved a challenge, and when, to the second; nil
	// = no.
	Solved func() (time.Time, bool)
	// Settings are what config rules changed.
	Settings Settings
	// Body reads the beginning of the request's body for managed rules; nil = they are
	// left out.
	Body func() Body
}

func (x *Run) note(h Hit) {
	if x.Note != nil {
		x.Note(h)
	}
}

// stop makes a decision of a hit, unless it is a challenge that has been solved.
func (x *Run) stop(h Hit, resp *Response) (Decision, bool) {
	if h.Action.Challenges() {
		if _, ok := x.solved(); ok {
			h.Passed = true
			x.note(h)
			return Decision{}, false
		}
	}
	return Decision{Hit: h, Response: resp}, true
}

func (x *Run) solved() (time.Time, bool) {
	if x.Solved == nil {
		return time.Time{}, false
	}
	return x.Solved()
}

func (h *Head) hit(from Source) Hit {
	return Hit{Source: from, ID: h.ID, Description: h.Description, Action: h.Action, Expression: h.Expression.String()}
}

// Evaluate runs the security rules over r: IP access rules, custom rules, user
// agents, hotlinks, rate limits, managed rules.
func (s *Set) Evaluate(r *Request, x *Run) Decision {
	if a := s.access(r); a != nil {
		h := Hit{Source: FromAccess, ID: a.ID, Description: a.Notes, Action: a.Action, Expression: a.Target()}
		if a.Action == Allow {
			x.note(h)
			return Decision{}
		}
		if d, yes := x.stop(h, nil); yes {
			return d
		}
	}
	d, skipped := s.custom(r, x)
	if d.Stops() {
		return d
	}
	if !skipped.Agents {
		if d := s.agents(r, x); d.Stops() {
			return d
		}
	}
	protects := s.Hotlink
	if x.Settings.Hotlink != nil {
		protects = *x.Settings.Hotlink
	}
	if protects && !skipped.Hotlinks && hotlinked(r) {
		return Decision{Hit: Hit{Source: FromHotlink, ID: "hotlink", Description: "hotlink protection", Action: Block,
			Expression: "an image shown by a page of another site"}}
	}
	if !skipped.RateLimits && x.Limits != nil {
		if d := s.limit(r, x); d.Stops() {
			return d
		}
	}
	if skipped.Managed || x.Body == nil {
		return Decision{}
	}
	return s.managed(r, x)
}

func (s *Set) custom(r *Request, x *Run) (Decision, Skipped) {
	var skipped Skipped
	for i := range s.Custom {
		rule := &s.Custom[i]
		if skipped.Custom || !rule.holds(r) {
			continue
		}
		switch h := rule.hit(FromCustom); {
		case rule.Action == Skip:
			if !rule.Silent {
				x.note(h)
			}
			skipped.add(rule.Skipped)
		case rule.Action == Log:
			x.note(h)
		default:
			if d, yes := x.stop(h, rule.Response); yes {
				return d, skipped
			}
		}
	}
	return Decision{}, skipped
}

func (s *Set) agents(r *Request, x *Run) Decision {
	for i := range s.Agents {
		a := &s.Agents[i]
		if !a.Enabled || string(r.agent()) != a.Agent {
			continue
		}
		h := Hit{Source: FromAgent, ID: a.ID, Description: a.Description, Action: a.Action, Expression: "http.user_agent eq \"" + a.Agent + "\""}
		if d, yes := x.stop(h, nil); yes {
			return d
		}
	}
	return Decision{}
}

// Route runs the origin rules over r. Of several that match, the last to change a
// thing decides it.
func (s *Set) Route(r *Request) Routing {
	var out Routing
	for i := range s.Origin {
		rule := &s.Origin[i]
		if !rule.holds(r) {
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
