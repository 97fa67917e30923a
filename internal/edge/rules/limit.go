package rules

import (
	"hash/maphash"
	"net/netip"
	"strconv"
	"time"
)

// RateLimit is one rate-limiting rule: more than Requests counted requests with
// the same characteristics within Period are answered by Action for Mitigation.
type RateLimit struct {
	Head
	Requests   int
	Period     time.Duration
	Mitigation time.Duration // 0 = throttle: only what exceeds the limit
	Response   *Response     // nil = the edge's own page, 429
	// Characteristics tell what is counted together, beside the data centre.
	Characteristics []Characteristic
	// Counting decides what is counted; nil = what the rule matches. It does not include
	// the rule's own expression.
	Counting *Expression
	// Score counts what the origin says a request cost, in the field of this name, and
	// Requests is then the largest sum; empty = requests are counted.
	Score string
	// Afterwards tells that counting needs the response.
	Afterwards bool
	// ToOrigin counts only what the cache did not answer.
	ToOrigin bool
}

// Characteristic is one thing that counted requests have in common.
type Characteristic struct {
	Name string // as written
	IP   bool   // the visitor's address
	Of   Value  // else
}

// maxScore is the largest cost of a request (request-rate, complexity).
const maxScore = 1_000_000

// key is the counter of a rule for a request. Equal requests have equal keys for as
// long as the limiter lives.
func (x *RateLimit) key(l *Limiter, r *Request) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	_, _ = h.WriteString(x.ID)
	if len(x.Characteristics) == 0 {
		hashAddr(&h, r.IP)
	}
	for i := range x.Characteristics {
		c := &x.Characteristics[i]
		if c.IP {
			hashAddr(&h, r.IP)
			continue
		}
		b, ok := c.Of.Of(r)
		if !ok { // a field that is absent is counted apart from an empty one
			_ = h.WriteByte(0)
			continue
		}
		_ = h.WriteByte(1)
		maphash.WriteComparable(&h, len(b))
		_, _ = h.Write(b)
	}
	return h.Sum64()
}

// hashAddr counts IPv6 visitors by /64, for one site has at least that many
// addresses.
func hashAddr(h *maphash.Hash, a netip.Addr) {
	a = a.Unmap()
	if a.Is6() {
		b := a.As16()
		_, _ = h.Write(b[:8])
		return
	}
	if a.Is4() {
		b := a.As4()
		_, _ = h.Write(b[:])
	}
}

// limit counts what is counted before the response and applies the limits.
func (s *Set) limit(r *Request, x *Run) Decision {
	for i := range s.RateLimits {
		rule := &s.RateLimits[i]
		if !rule.Enabled {
			continue
		}
		matches := rule.Expression.Match(r)
		counts := matches
		if rule.Counting != nil {
			counts = !rule.Afterwards && rule.Counting.Match(r)
		} else if rule.Afterwards {
			counts = false
		}
		if !matches && !counts {
			continue
		}
		key := rule.key(x.Limits, r)
		cost := 0
		if counts {
			cost = 1
		}
		wait, since, over := x.Limits.count(rule, key, cost, x.Now)
		if !over || !matches {
			continue
		}
		h := rule.hit(FromRateLimit)
		if rule.Action == Log {
			x.note(h)
			continue
		}
		// A challenge that is passed sets the counter to zero; one that was passed before the
		// rate was exceeded does not count (rate limiting parameters).
		if given, ok := x.solved(); ok && rule.Action.Challenges() && !given.Add(time.Second).Before(since) {
			x.Limits.forgive(key, x.Now)
			h.Passed = true
			x.note(h)
			continue
		}
		d := Decision{Hit: h, Response: rule.Response}
		if rule.Action == Block {
			d.RetryAfter = wait
		}
		return d
	}
	return Decision{}
}

// CountsResponses tells that a rate limit needs to see responses.
func (s *Set) CountsResponses() bool {
	for i := range s.RateLimits {
		if s.RateLimits[i].Enabled && s.RateLimits[i].Afterwards {
			return true
		}
	}
	return false
}

// Count counts a request whose response is known, for the rate limits that wait for
// it. r.Response is set.
func (s *Set) Count(r *Request, l *Limiter, now time.Time) {
	if r.Response == nil {
		return
	}
	for i := range s.RateLimits {
		rule := &s.RateLimits[i]
		if !rule.Enabled || !rule.Afterwards || rule.ToOrigin && r.Response.Kept {
			continue
		}
		e := &rule.Expression
		if rule.Counting != nil {
			e = rule.Counting
		}
		if cost := rule.cost(r); cost > 0 && e.Match(r) {
			l.count(rule, rule.key(l, r), cost, now)
		}
	}
}

// cost is what a response adds; 0 for a score that is absent or out of range.
func (x *RateLimit) cost(r *Request) int {
	if x.Score == "" {
		return 1
	}
	if r.Response.Headers == nil {
		return 0
	}
	n, err := strconv.Atoi(string(r.Response.Headers.Get(x.Score)))
	if err != nil || n < 1 || n > maxScore {
		return 0
	}
	return n
}
