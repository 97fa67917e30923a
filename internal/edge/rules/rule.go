package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Action is what a rule does when its expression matches.
type Action string

// The actions that the edge knows, under Cloudflare's names.
const (
	Block Action = "block" // answer the visitor, never ask the origin
	Log   Action = "log"   // record the match, go on
	Route Action = "route" // change where the request is sent
	Skip  Action = "skip"  // leave out what comes after: the rest of the custom rules, or phases
)

// ParseAction reads an action's name.
func ParseAction(s string) (Action, error) {
	switch a := Action(s); a {
	case Block, Log, Route, Skip:
		return a, nil
	}
	return "", fmt.Errorf("action %q: allowed are block, log, route, skip", s)
}

// Response is a block's own answer. A zero field means the default.
type Response struct {
	Status      int
	ContentType string
	Body        string
}

// Rule is one custom rule.
type Rule struct {
	ID          string // 32 hex digits, stable
	Description string
	Expression  Expression
	Action      Action
	Enabled     bool
	Response    *Response // of a block; nil = the edge's own page
	// SkipRateLimits makes a skip leave out the rate limits too; without it a skip
	// leaves out the rest of the custom rules.
	SkipRateLimits, SkipCustom bool
}

// RateLimit is one rate-limiting rule: more than Requests matching requests of
// one visitor address within Period are answered by Action for Mitigation.
type RateLimit struct {
	ID          string
	Description string
	Expression  Expression
	Action      Action // Block or Log
	Enabled     bool
	Requests    int
	Period      time.Duration
	Mitigation  time.Duration // 0 = throttle: only what exceeds the limit
	Response    *Response     // nil = the edge's own page, 429
}

// OriginRule changes where matching requests are sent. Zero fields change nothing.
type OriginRule struct {
	ID          string
	Description string
	Expression  Expression
	Enabled     bool
	Routing
}

// Routing is a change of where a request is sent.
type Routing struct {
	HostHeader string // Host, and server name unless SNI is given
	SNI        string // server name
	Host       string // name whose address is used instead of the record's
	Port       uint16
}

// Set is a zone's rules in the order in which they run: origin rules, custom
// rules, rate limits.
type Set struct {
	Origin     []OriginRule
	Custom     []Rule
	RateLimits []RateLimit
}

// ID derives a rule's stable id from where it stands and what it says.
func ID(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(h[:16])
}
