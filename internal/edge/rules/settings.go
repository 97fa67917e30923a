package rules

import (
	"time"

	"github.com/originward/originward"
)

// ConfigRule changes settings of the zone for matching requests.
type ConfigRule struct {
	Head
	Settings
}

// Settings are settings of a zone. Zero fields leave them as they are.
type Settings struct {
	SSL     originward.SSLMode // how the origin is asked
	Hotlink *bool              // hotlink protection
}

// Configured runs the config rules over r. Of several that match, the last to change a
// setting decides it.
func (s *Set) Configured(r *Request) Settings {
	var out Settings
	for i := range s.Config {
		x := &s.Config[i]
		if !x.holds(r) {
			continue
		}
		if x.SSL != "" {
			out.SSL = x.SSL
		}
		if x.Hotlink != nil {
			out.Hotlink = x.Hotlink
		}
	}
	return out
}

// CacheRule changes what is kept of matching requests' responses.
type CacheRule struct {
	Head
	Caching
}

// Caching is a change of what is kept. Zero fields leave it as it is.
type Caching struct {
	Keep        *bool // whether a response may be kept at all
	IgnoreQuery *bool // one response for a path, whatever its query
	// EdgeTTL is how long a response is fresh whatever the origin says; nil = as the origin
	// says.
	EdgeTTL *time.Duration
	// OnlyAsked keeps only what the origin gives a lifetime ("bypass_by_default").
	OnlyAsked bool
	// BrowserTTL is the lifetime that visitors are told; nil = the origin's.
	BrowserTTL *time.Duration
}

// Zero tells that nothing changes.
func (c *Caching) Zero() bool { return *c == Caching{} }

// Cached runs the cache rules over r. Of several that match, the last to change a
// thing decides it.
func (s *Set) Cached(r *Request) Caching {
	var out Caching
	for i := range s.Cache {
		x := &s.Cache[i]
		if !x.holds(r) {
			continue
		}
		if x.Keep != nil {
			out.Keep = x.Keep
		}
		if x.IgnoreQuery != nil {
			out.IgnoreQuery = x.IgnoreQuery
		}
		if x.EdgeTTL != nil || x.OnlyAsked {
			out.EdgeTTL, out.OnlyAsked = x.EdgeTTL, x.OnlyAsked
		}
		if x.BrowserTTL != nil {
			out.BrowserTTL = x.BrowserTTL
		}
	}
	return out
}
