package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Action is what a rule does when its expression matches.
type Action string

// The actions that the edge knows, under Cloudflare's names.
const (
	Allow            Action = "whitelist"          // of an IP access rule: leave all security out
	Block            Action = "block"              // answer the visitor, never ask the origin
	Challenge        Action = "challenge"          // the visitor's program has to work before it passes
	JSChallenge      Action = "js_challenge"       // the same
	ManagedChallenge Action = "managed_challenge"  // the same
	Log              Action = "log"                // record the match, go on
	Redirect         Action = "redirect"           // send the visitor elsewhere
	Rewrite          Action = "rewrite"            // change the URL or the header
	Route            Action = "route"              // change where the request is sent
	SetCache         Action = "set_cache_settings" // change what is kept
	SetConfig        Action = "set_config"         // change settings of the zone for this request
	ServeError       Action = "serve_error"        // answer an error with a text of one's own
	Skip             Action = "skip"               // leave out what comes after: the rest of the custom rules, phases, products
)

// actions lists every action, for reading.
var actions = []Action{Allow, Block, Challenge, JSChallenge, ManagedChallenge, Log, Redirect, Rewrite, Route, SetCache, SetConfig, ServeError, Skip}

// ParseAction reads an action's name.
func ParseAction(s string) (Action, error) {
	names := make([]string, len(actions))
	for i, a := range actions {
		if string(a) == s {
			return a, nil
		}
		names[i] = string(a)
	}
	return "", fmt.Errorf("action %q: allowed are %s", s, strings.Join(names, ", "))
}

// Challenges tells an action that a visitor passes by solving a challenge.
func (a Action) Challenges() bool {
	return a == Challenge || a == JSChallenge || a == ManagedChallenge
}

// Source is the feature that a decision came from, under the names of
// Cloudflare's security events.
type Source string

// The sources.
const (
	FromAccess    Source = "ipAccess"
	FromCustom    Source = "firewallCustom"
	FromRateLimit Source = "ratelimit"
	FromAgent     Source = "uaBlock"
	FromHotlink   Source = "hot"
	FromManaged   Source = "firewallManaged"
)

// Response is a block's own answer. A zero field means the default.
type Response struct {
	Status      int
	ContentType string
	Body        string
}

// Head is what all rules have.
type Head struct {
	ID          string // 32 hex digits, stable
	Description string
	Expression  Expression
	Action      Action
	Enabled     bool
}

// holds tells whether the rule is on and matches.
func (h *Head) holds(r *Request) bool { return h.Enabled && h.Expression.Match(r) }

// Rule is one custom rule.
type Rule struct {
	Head
	Response *Response // of a block; nil = the edge's own page
	// Skipped is what a skip leaves out.
	Skipped
	Silent bool // a skip that is not recorded
}

// Skipped is what a skip leaves out (custom rules, skip options).
type Skipped struct {
	Custom     bool // the rest of the custom rules
	RateLimits bool // phase http_ratelimit
	Agents     bool // product uaBlock
	Hotlinks   bool // product hot
	Managed    bool // phase http_request_firewall_managed
}

func (s *Skipped) add(o Skipped) {
	s.Custom = s.Custom || o.Custom
	s.RateLimits = s.RateLimits || o.RateLimits
	s.Agents = s.Agents || o.Agents
	s.Hotlinks = s.Hotlinks || o.Hotlinks
	s.Managed = s.Managed || o.Managed
}

// OriginRule changes where matching requests are sent. Zero fields change nothing.
type OriginRule struct {
	Head
	Routing
}

// Routing is a change of where a request is sent.
type Routing struct {
	HostHeader string // Host, and server name unless SNI is given
	SNI        string // server name
	Host       string // name whose address is used instead of the record's
	Port       uint16
}

// RedirectRule answers with a redirect.
type RedirectRule struct {
	Head
	Target        Value // absolute URL, or a path
	Status        int   // 301, 302, 303, 307, 308
	PreserveQuery bool
}

// RewriteRule changes path or query before anything else looks at them.
type RewriteRule struct {
	Head
	Path, Query *Value // nil = as it is
}

// HeaderRule changes fields of a request's or response's header.
type HeaderRule struct {
	Head
	Changes []HeaderChange
}

// HeaderChange is a change of one field.
type HeaderChange struct {
	Name  string
	Do    Operation
	Value Value // of set and add
}

// Operation is what happens to a field of a header.
type Operation string

// The operations (transform rules).
const (
	SetField    Operation = "set"    // in place of all fields of that name
	AddField    Operation = "add"    // beside those that are there; responses only
	RemoveField Operation = "remove" // all fields of that name
)

// ErrorRule answers errors with a text of one's own.
type ErrorRule struct {
	Head
	Response Response // status 0 = the error's own
}

// Set is a zone's rules in the order in which they run.
type Set struct {
	Redirects       []RedirectRule // http_request_dynamic_redirect
	Rewrites        []RewriteRule  // http_request_transform
	Config          []ConfigRule   // http_config_settings
	Origin          []OriginRule   // http_request_origin
	Access          []AccessRule   // IP access rules
	Custom          []Rule         // http_request_firewall_custom
	Agents          []AgentRule    // user agent blocking
	Hotlink         bool           // hotlink protection
	RateLimits      []RateLimit    // http_ratelimit
	Managed         []Managed      // http_request_firewall_managed
	RequestHeaders  []HeaderRule   // http_request_late_transform
	Cache           []CacheRule    // http_request_cache_settings
	Errors          []ErrorRule    // http_custom_errors
	ResponseHeaders []HeaderRule   // http_response_headers_transform
}

// Empty tells that no rule looks at requests or responses.
func (s *Set) Empty() bool {
	return len(s.Redirects) == 0 && len(s.Rewrites) == 0 && len(s.Config) == 0 && len(s.Origin) == 0 && len(s.Access) == 0 &&
		len(s.Custom) == 0 && len(s.Agents) == 0 && !s.Hotlink && len(s.RateLimits) == 0 && len(s.Managed) == 0 &&
		len(s.RequestHeaders) == 0 && len(s.Cache) == 0 && len(s.Errors) == 0 && len(s.ResponseHeaders) == 0
}

// ID derives a rule's stable id from where it stands and what it says.
func ID(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(h[:16])
}
