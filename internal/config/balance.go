package config

import (
	"net/netip"
	"time"
)

// Monitor says how the health of origins is checked (cloudflare load-balancing/monitors).
type Monitor struct {
	ID   string
	Name string // in the file; a stored one has none
	Line int    // where it stands in the file; 0 = in the store
	Type string // http, https, tcp
	Port uint16 // 0 = the type's own
	// Method, Path, Header, Codes, Body, FollowRedirects and AllowInsecure are for http
	// and https. Header may hold Host.
	Method, Path    string
	Header          [][2]string
	Codes           []CodeRange // of which one has to hold the status
	Body            string      // must be in the first 10 KB, in any letter case; empty = anything
	FollowRedirects bool
	AllowInsecure   bool // any certificate passes
	Interval        time.Duration
	Timeout         time.Duration
	Retries         int // at once after a timeout
	Up, Down        int // checks in a row until an origin counts as healthy, or not; at least 1
}

// CodeRange is a range of status codes, both ends included.
type CodeRange struct{ Low, High int }

// Pool is a group of origins.
type Pool struct {
	ID, Name string
	Line     int // as of a monitor
	Enabled  bool
	Minimum  int    // origins that must be healthy for the pool to be
	Monitor  string // id; empty = the health of its origins is not considered
	Steering string // random, hash, least_outstanding_requests
	Origins  []PoolOrigin
}

// PoolOrigin is one origin of a pool.
type PoolOrigin struct {
	Name       string
	Addr       netip.Addr // invalid = Target holds
	Target     string     // name that leads to the origin
	Port       uint16     // 0 = the one the visitor's port and the SSL mode lead to
	Host       string     // Host field, and server name; empty = the visitor's
	Weight     float64    // 0 to 1; 0 = it gets no new visitors
	Enabled    bool
	DisabledAt time.Time // since when it is not enabled; zero = not known
}

// Address is the origin's address or name as it was written.
func (o PoolOrigin) Address() string {
	if o.Addr.IsValid() {
		return o.Addr.String()
	}
	return o.Target
}

// Kinds of session affinity.
const (
	AffinityNone     = "none"
	AffinityCookie   = "cookie"
	AffinityIPCookie = "ip_cookie"
	AffinityHeader   = "header"
)

// LoadBalancer spreads the visitors of a host name over pools.
type LoadBalancer struct {
	ID, Name string
	Line     int
	Enabled  bool
	Pools    []string  // ids, in the order of failover
	Weights  []float64 // of Pools, for random steering
	Fallback string    // id of the pool of last resort
	Steering string    // off, random
	Affinity Affinity
	// AcrossPools lets the single retry go to another pool when there is no other
	// healthy origin in the same one.
	AcrossPools bool
}

// Affinity keeps a visitor with one origin.
type Affinity struct {
	Kind       string
	TTL        time.Duration
	Drain      time.Duration // sessions stay with a disabled origin for so long
	Headers    []string      // of kind header; "cookie:a,b" = these cookies
	RequireAll bool          // of kind header: without all of them there is no session
	SameSite   string        // Auto, Lax, None, Strict
	Secure     string        // Auto, Always, Never
	Failover   string        // of sessions, on a fault: none, temporary, sticky
}
