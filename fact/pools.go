package fact

import "github.com/originward/originward"

// QCDNBalancer asks which origins a load balancer at the CDN has for the name.
const QCDNBalancer originward.Question = "cdn_balancer"

// CDNBalancer is the load balancer that takes the name before its records count.
type CDNBalancer struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"` // host name, maybe with a wildcard
	Steering string    `json:"steering,omitempty"`
	Proxied  Tri       `json:"proxied,omitempty"`
	Pools    []CDNPool `json:"pools"` // in order of failover, the fallback pool last
}

// Question names the question.
func (CDNBalancer) Question() originward.Question { return QCDNBalancer }

// CDNPool is one pool of a load balancer.
type CDNPool struct {
	ID       string          `json:"id"`
	Name     string          `json:"name,omitempty"` // empty = it could not be read
	Fallback bool            `json:"fallback,omitempty"`
	Enabled  Tri             `json:"enabled,omitempty"`
	Minimum  int             `json:"minimum,omitempty"`  // healthy origins that it needs
	Monitor  string          `json:"monitor,omitempty"`  // id; empty = health is not considered
	Healthy  Tri             `json:"healthy,omitempty"`  // by the CDN's checks
	Origins  []CDNPoolOrigin `json:"origins,omitempty"`  // those of the pool
	Unread   bool            `json:"unread,omitempty"`   // the token may not read pools
	NoHealth bool            `json:"nohealth,omitempty"` // what its monitor says could not be read
}

// CDNPoolOrigin is one origin of a pool.
type CDNPoolOrigin struct {
	Name    string  `json:"name,omitempty"`
	Address string  `json:"address"`        // or name
	Port    int     `json:"port,omitempty"` // 0 = by SSL mode and visitor
	Host    string  `json:"host,omitempty"` // Host override
	Weight  float64 `json:"weight"`
	Enabled Tri     `json:"enabled,omitempty"`
	Healthy Tri     `json:"healthy,omitempty"` // by the CDN's checks; unhealthy where any place says so
	Reason  string  `json:"reason,omitempty"`  // in the CDN's words, for the first place that says unhealthy
	Code    int     `json:"code,omitempty"`    // that it answered a check with
}
