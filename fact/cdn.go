package fact

import (
	"net/netip"
	"time"

	"github.com/originward/originward"
)

// Questions to the CDN's API.
const (
	QCDNZone     originward.Question = "cdn_zone"
	QCDNRecords  originward.Question = "cdn_records"
	QCDNSettings originward.Question = "cdn_settings"
	QCDNRules    originward.Question = "cdn_rules"
	QCDNEvents   originward.Question = "cdn_events"
	QCDNStats    originward.Question = "cdn_stats"
)

// CDNZone is the zone that holds the host name.
type CDNZone struct {
	Provider string `json:"provider"` // cloudflare, originward …
	ID       string `json:"id"`
	Name     string `json:"name"`
	Status   string `json:"status"` // active, pending …; empty = not known
	Paused   Tri    `json:"paused"`
	Plan     string `json:"plan,omitempty"`
}

// Question names the question.
func (CDNZone) Question() originward.Question { return QCDNZone }

// CDNRecords are all records of the name at the CDN.
type CDNRecords struct {
	Name      string      `json:"name"`
	Records   []CDNRecord `json:"records"` // empty = the CDN has none for the name
	Covered   Tri         `json:"covered"` // a worker, rule or load balancer takes the name before the record counts; no = looked, none does
	CoveredBy string      `json:"covered_by,omitempty"`
	Platform  Tri         `json:"platform,omitempty"` // the target is a hosted platform that knows the name
}

// Question names the question.
func (CDNRecords) Question() originward.Question { return QCDNRecords }

// CDNRecord is one record.
type CDNRecord struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Name     string       `json:"name"`
	Content  string       `json:"content"`
	Proxied  Tri          `json:"proxied"`
	TTL      int          `json:"ttl,omitempty"`
	Modified time.Time    `json:"modified,omitzero"`
	Resolved []netip.Addr `json:"resolved,omitempty"` // of a CNAME's target, as the CDN's side resolves it
	Comment  string       `json:"comment,omitempty"`
}

// CDNSettings are the settings that decide how the edge speaks to the origin.
type CDNSettings struct {
	SSL          originward.SSLMode `json:"ssl"`
	SSLAuto      Tri                `json:"ssl_auto,omitempty"`
	SSLBy        string             `json:"ssl_by,omitempty"` // configuration rule that sets the mode for this request; empty = the zone's own
	AlwaysHTTPS  Tri                `json:"always_https,omitempty"`
	MinTLS       string             `json:"min_tls,omitempty"`
	HTTP2Origin  Tri                `json:"http2_origin,omitempty"`
	ReadTimeout  int                `json:"read_timeout,omitempty"` // seconds
	OriginPull   Tri                `json:"origin_pull,omitempty"`  // authenticated origin pulls, global level
	ZonePull     Tri                `json:"zone_pull,omitempty"`
	HostPull     Tri                `json:"host_pull,omitempty"`
	OriginCA     []Cert             `json:"origin_ca,omitempty"`
	TrustStore   Tri                `json:"trust_store,omitempty"` // a custom trust store replaces the public list
	OriginPort   int                `json:"origin_port,omitempty"` // by an origin rule; 0 = none
	OriginHost   string             `json:"origin_host,omitempty"` // Host override
	OriginSNI    string             `json:"origin_sni,omitempty"`
	OriginName   string             `json:"origin_name,omitempty"` // resolve override
	EdgeCert     Tri                `json:"edge_cert,omitempty"`   // a certificate for visitors covers the name
	AlwaysOnline Tri                `json:"always_online,omitempty"`
	Pages        []string           `json:"pages,omitempty"`  // error pages that the site replaced: 500_errors, 1000_errors …
	Source       string             `json:"source,omitempty"` // api, or flag when the user told
	Unread       []string           `json:"unread,omitempty"` // settings the token may not read
	Ranges       []netip.Prefix     `json:"ranges,omitempty"` // ranges the CDN publishes today
	Egress       []netip.Addr       `json:"egress,omitempty"`
}

// Question names the question.
func (CDNSettings) Question() originward.Question { return QCDNSettings }

// CDNRules are the rules at the CDN evaluated offline for the failing request.
type CDNRules struct {
	Evaluated []RuleMatch `json:"evaluated"`
	Blocks    Tri         `json:"blocks"` // some rule certainly answers the visitor
}

// Question names the question.
func (CDNRules) Question() originward.Question { return QCDNRules }

// RuleMatch is one rule and whether it matches the failing request.
type RuleMatch struct {
	ID         string   `json:"id"`
	Kind       string   `json:"kind"` // custom, rate_limit, ip_access, managed, origin, redirect, cache, user_agent, custom_error
	Expression string   `json:"expression"`
	Action     string   `json:"action"`
	Status     int      `json:"status,omitempty"`
	Matches    Tri      `json:"matches"`
	DependsOn  []string `json:"depends_on,omitempty"` // fields that cannot be known offline
	Ref        string   `json:"ref,omitempty"`
}

// CDNEvents are the CDN's records of what it did with a request.
type CDNEvents struct {
	Ray    string     `json:"ray,omitempty"`
	Events []CDNEvent `json:"events"`
}

// Question names the question.
func (CDNEvents) Question() originward.Question { return QCDNEvents }

// CDNEvent is one security event, or one change of configuration.
type CDNEvent struct {
	At     time.Time  `json:"at"`
	Kind   string     `json:"kind"` // security, audit
	Ray    string     `json:"ray,omitempty"`
	Action string     `json:"action"`
	Source string     `json:"source,omitempty"` // firewallcustom, ratelimit, ip …
	RuleID string     `json:"rule_id,omitempty"`
	Client netip.Addr `json:"client,omitzero"`
	Path   string     `json:"path,omitempty"`
	Text   string     `json:"text,omitempty"`
}

// CDNStats are counts of answers by edge and origin status.
type CDNStats struct {
	Since  time.Time  `json:"since,omitzero"`
	Counts []CDNCount `json:"counts"`
}

// Question names the question.
func (CDNStats) Question() originward.Question { return QCDNStats }

// CDNCount is one pair of edge and origin status with its count; origin 0
// means that no response came from the origin.
type CDNCount struct {
	Edge   int    `json:"edge"`
	Origin int    `json:"origin"`
	Count  int    `json:"count"`
	Colo   string `json:"colo,omitempty"`
}
