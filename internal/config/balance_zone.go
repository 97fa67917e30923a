package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward/internal/http1"
)

// maxPools bounds the pools of a load balancer (Cloudflare: 20 without a contract).
const maxPools = 64

// loadBalancers reads those of a zone.
func (v value) loadBalancers(zone string) []LoadBalancer {
	var out []LoadBalancer
	v.list(func(v value) {
		if b, ok := v.loadBalancer(zone); ok {
			if slices.ContainsFunc(out, func(o LoadBalancer) bool { return o.Name == b.Name }) {
				v.fail(fmt.Sprintf("there is another load balancer of the name %s", b.Name))
				return
			}
			out = append(out, b)
		}
	})
	return out
}

func (v value) loadBalancer(zone string) (LoadBalancer, bool) {
	v, ok := v.resolve()
	if !ok {
		return LoadBalancer{}, false
	}
	b := LoadBalancer{Line: v.n.Line, Enabled: true, Steering: "off", Affinity: Affinity{Kind: AffinityNone, SameSite: "Auto", Secure: "Auto", Failover: "none"}}
	var id string
	var weights, ttl, attributes value
	if !v.read([]key{
		{"id", func(v value) { id = v.id() }},
		{"name", func(v value) { b.Name, _ = v.recordName(zone) }},
		{"description", func(v value) {}},
		{"enabled", func(v value) { b.Enabled, _ = v.flag() }},
		{"proxied", func(v value) {
			if on, ok := v.flag(); ok && !on {
				v.fail("this edge balances proxied names only", "true")
			}
		}},
		{"default_pools", func(v value) { v.list(func(v value) { b.Pools = append(b.Pools, v.poolRef()) }) }},
		{"fallback_pool", func(v value) { b.Fallback = v.poolRef() }},
		{"steering_policy", func(v value) {
			if v.optional() != "" {
				b.Steering, _ = v.oneOf("off", "random")
			}
		}},
		{"random_steering", func(v value) { weights = v }},
		{"session_affinity", func(v value) {
			if v.optional() != "" {
				b.Affinity.Kind, _ = v.oneOf(AffinityNone, AffinityCookie, AffinityIPCookie, AffinityHeader)
			}
		}},
		{"session_affinity_ttl", func(v value) { ttl = v }},
		{"session_affinity_attributes", func(v value) { attributes = v }},
		{"adaptive_routing", func(v value) {
			v.read([]key{{"failover_across_pools", func(v value) { b.AcrossPools, _ = v.flag() }}})
		}},
	}) {
		return b, false
	}
	if b.Name == "" || len(b.Pools) == 0 || b.Fallback == "" {
		v.fail("needs name, default_pools and fallback_pool", "{name: "+zone+", default_pools: [main], fallback_pool: main}")
		return b, false
	}
	b.ID = identified(id, "load_balancer", b.Name)
	if len(b.Pools) > maxPools {
		v.fail(fmt.Sprintf("more than %d pools", maxPools))
	}
	if weights.n != nil && !weights.null() {
		weights.poolWeights(&b)
	}
	if attributes.n != nil && !attributes.null() {
		attributes.affinity(&b.Affinity)
	}
	v.affinityTTL(&b.Affinity, ttl)
	return b, true
}

// poolRef reads a reference to a pool.
func (v value) poolRef() string {
	var names []string
	for _, p := range v.r.use.Pools {
		names = append(names, p.Name)
	}
	return v.reference("pool", func(ref string) (string, bool) {
		for _, p := range v.r.use.Pools {
			if p.ID == ref || p.Name == ref {
				return p.ID, true
			}
		}
		return "", false
	}, names)
}

// poolWeights reads random_steering.
func (v value) poolWeights(b *LoadBalancer) {
	own := map[string]float64{}
	rest := 1.0
	v.read([]key{
		{"default_weight", func(v value) { rest = v.weight() }},
		{"pool_weights", func(v value) {
			v.entries(func(ref string, v value) {
				for _, p := range v.r.use.Pools {
					if p.ID == ref || p.Name == ref {
						own[p.ID] = v.weight()
						return
					}
				}
				v.fail("there is no pool " + shorten(ref))
			})
		}},
	})
	for _, id := range b.Pools {
		w, ok := own[id]
		if !ok {
			w = rest
		}
		b.Weights = append(b.Weights, w)
	}
}

// Times to live of sessions and their bounds (API: session_affinity_ttl).
const (
	cookieTTL, cookieTTLMin, cookieTTLMax = 23 * 3600, 1800, 604800
	headerTTL, headerTTLMin, headerTTLMax = 1800, 30, 3600
	maxDrain                              = 604800
)

func (v value) affinityTTL(a *Affinity, ttl value) {
	std, lo, hi := cookieTTL, cookieTTLMin, cookieTTLMax
	if a.Kind == AffinityHeader {
		std, lo, hi = headerTTL, headerTTLMin, headerTTLMax
	}
	a.TTL = time.Duration(std) * time.Second
	if ttl.n != nil && ttl.optional() != "" && a.Kind != AffinityNone {
		a.TTL = ttl.secondsIn(lo, hi)
	}
	switch {
	case a.Kind == AffinityHeader && len(a.Headers) == 0:
		v.fail("session affinity by header needs the names of headers", "session_affinity_attributes: {headers: [X-Session]}")
	case a.Kind == AffinityHeader && a.Failover == "sticky":
		v.fail("zero_downtime_failover sticky does not go with session affinity by header", "none", "temporary")
	case a.SameSite == "None" && a.Secure == "Never":
		v.fail("samesite None does not go with secure Never", "secure: Always")
	}
}

// affinity reads session_affinity_attributes.
func (v value) affinity(a *Affinity) {
	v.read([]key{
		{"drain_duration", func(v value) { a.Drain = v.secondsIn(0, maxDrain) }},
		{"headers", func(v value) { v.list(func(v value) { a.Headers = append(a.Headers, v.affinityHeader()) }) }},
		{"require_all_headers", func(v value) { a.RequireAll, _ = v.flag() }},
		{"samesite", func(v value) { a.SameSite, _ = v.oneOf("Auto", "Lax", "None", "Strict") }},
		{"secure", func(v value) { a.Secure, _ = v.oneOf("Auto", "Always", "Never") }},
		{"zero_downtime_failover", func(v value) { a.Failover, _ = v.oneOf("none", "temporary", "sticky") }},
	})
}

func (v value) affinityHeader() string {
	s, _ := v.text()
	name, cookies, named := strings.Cut(s, ":")
	if !http1.ValidFieldName(name) || len(s) > 100 || named && !strings.EqualFold(name, "cookie") || named && cookies == "" {
		v.fail("not a header's name", "X-Session", "cookie", "cookie:name1,name2")
	}
	return s
}
