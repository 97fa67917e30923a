package config

import (
	"time"

	"github.com/originward/originward"
)

// Rules are a zone's rules as written, by the phase in which they run.
type Rules struct {
	Redirects       []RedirectRule
	URLRewrites     []RewriteRule
	Config          []ConfigRule
	Origin          []OriginRule
	Access          []AccessRule
	Custom          []Rule
	UserAgents      []AgentRule
	Hotlink         bool
	RateLimits      []RateLimit
	Managed         []ManagedRule
	RequestHeaders  []HeaderRule
	Cache           []CacheRule
	Errors          []ErrorRule
	ResponseHeaders []HeaderRule
}

// Rule is what all rules have, and a custom rule as written.
type Rule struct {
	Line        int
	ID          string // empty = derived from its text
	Description string
	Expression  string
	Action      string
	Enabled     bool
	Response    *Response // of a block; nil = the edge's page
	// SkipPhases are what a skip leaves out; empty = the rest of the custom rules.
	SkipPhases   []string // "current", or names of phases
	SkipProducts []string
	Silent       bool // a skip that is not recorded
}

// Value is a text, or an expression that gives one. Exactly one of the two is
// meant: an empty Expression means the text.
type Value struct {
	Text       string
	Expression string
}

// RedirectRule sends visitors elsewhere.
type RedirectRule struct {
	Rule
	Target        Value
	Status        int
	PreserveQuery bool
}

// RewriteRule changes path and query; nil = as it is.
type RewriteRule struct {
	Rule
	Path, Query *Value
}

// OriginRule changes where matching requests are sent (Cloudflare's action
// "route"). Zero fields change nothing.
type OriginRule struct {
	Rule
	HostHeader string // Host, and server name unless SNI is given
	SNI        string // server name
	Host       string // name whose address is used instead of the record's
	Port       uint16
}

// ConfigRule changes settings of the zone for matching requests.
type ConfigRule struct {
	Rule
	SSL     originward.SSLMode // empty = as it is
	Hotlink *bool
}

// CacheRule changes what is kept; nil = as it is.
type CacheRule struct {
	Rule
	Keep, IgnoreQuery   *bool
	EdgeTTL, BrowserTTL *time.Duration
	OnlyAsked           bool // keep only what the origin gives a lifetime
}

// AccessRule is an IP access rule.
type AccessRule struct {
	Line   int
	ID     string
	Notes  string
	Action string // block, challenge, js_challenge, managed_challenge, whitelist
	Target string // ip, ip_range, asn, country
	Value  string
}

// AgentRule is a rule on one User-Agent.
type AgentRule struct {
	Line        int
	ID          string
	Description string
	Action      string
	Agent       string
	Paused      bool
}

// RateLimit is one rate-limiting rule as written.
type RateLimit struct {
	Rule
	Requests        int
	Period          time.Duration
	Mitigation      time.Duration // 0 = throttle
	Characteristics []string
	Counting        string // expression; empty = the rule's own
	ToOrigin        bool   // only what the cache does not answer is counted
	Score           string // field of the response with its cost; empty = requests are counted
}

// ManagedRule runs the OWASP Core Rule Set over matching requests.
type ManagedRule struct {
	Rule
	Verdict   string // what happens to what it finds: block, log, or a challenge
	Paranoia  int    // 1 to 4
	Threshold int    // score from which a request is acted upon
	Disabled  []int  // its rules that are left out
}

// HeaderRule changes fields of a header.
type HeaderRule struct {
	Rule
	Changes []HeaderChange
}

// HeaderChange changes one field.
type HeaderChange struct {
	Name      string
	Operation string // set, add, remove
	Value     Value
}

// ErrorRule answers errors with a text of one's own.
type ErrorRule struct {
	Rule
	Content     string
	ContentType string
	Status      int // 0 = the error's own
}

// Response is a block's own answer.
type Response struct {
	Status      int
	ContentType string
	Content     string
}

// List is a named list.
type List struct {
	Line  int
	Name  string
	Kind  string // ip, asn, hostname
	Items []string
}

// Geo names databases of addresses in MaxMind's format; empty = none.
type Geo struct {
	Country string // country or city database
	ASN     string
}

// Log is how one kind of line is kept.
type Log struct {
	Given   bool   // the file has the key
	Off     bool   // no lines are written
	File    string // empty = standard output
	MaxSize int64  // bytes at which the file is put aside; 0 = never
	Keep    int    // files put aside that are kept
	Sample  float64
	Memory  int    // events kept for queries
	Client  string // how visitors' addresses are written: full, truncated, none
	Query   bool   // queries are written
}
