package edge

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/cache"
	"github.com/originward/originward/internal/edge/meter"
	"github.com/originward/originward/internal/edge/pool"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/exchange"
)

// zone is a configured zone, ready to serve.
type zone struct {
	config.Zone
	rules    rules.Set
	origins  *originTLS
	client   *exchange.Client
	cache    *cache.Settings // nil = nothing is kept
	tls      *tls.Config     // for visitors
	quic     *tls.Config     // for visitors over HTTP/3; nil = it is off
	altSvc   string          // tells of HTTP/3, a whole field line; empty = it is off
	meter    *meter.Zone
	outbreak *outbreak
}

// site is one host name of a zone: its records as the edge uses them. A
// wildcard's site serves many names.
type site struct {
	zone    *zone
	name    string // as in the records, maybe "*.…"
	proxied bool
	addrs   []netip.Addr   // of A and AAAA records
	target  string         // of a CNAME; empty = none
	lb      *pool.Balancer // in place of the records; nil = none
	next    atomic.Uint32
}

// routes finds the site of a host name.
type routes struct {
	zones map[string]*zone
	sites map[string]*site
	// nodes holds every name that exists in the DNS tree, also those between a record and
	// its zone: a wildcard does not reach past one (RFC 4592 section 2.2).
	nodes map[string]struct{}
	// balanced tells that some site has a load balancer.
	balanced bool
}

func newRoutes() *routes {
	return &routes{zones: map[string]*zone{}, sites: map[string]*site{}, nodes: map[string]struct{}{}}
}

func (r *routes) add(z *zone) {
	r.zones[z.Name] = z
	r.nodes[z.Name] = struct{}{}
	for _, rec := range z.Records {
		for n := strings.TrimPrefix(rec.Name, "*."); n != z.Name && n != ""; n = parent(n) {
			r.nodes[n] = struct{}{}
		}
		if !rec.Type.Origin() {
			continue // DNS alone answers with it
		}
		s := r.sites[rec.Name]
		if s == nil {
			s = &site{zone: z, name: rec.Name}
			r.sites[rec.Name] = s
		}
		// One proxied record makes all of the name's records proxied (dns proxy-status).
		s.proxied = s.proxied || rec.Proxied
		if a, ok := rec.Address(); ok {
			s.addrs = append(s.addrs, a)
		} else if rec.Type == originward.RecordCNAME {
			s.target = rec.Content
		}
	}
}

// balance puts a zone's load balancers in the place of records of the same name (load-balancing
// dns-records: a record counts only where it is more specific).
func (r *routes) balance(z *zone, reg *pool.Registry, pools map[string]*pool.Pool) {
	for _, c := range z.LoadBalancers {
		if !c.Enabled {
			continue // its records answer, where there are any
		}
		for n := strings.TrimPrefix(c.Name, "*."); n != z.Name && n != ""; n = parent(n) {
			r.nodes[n] = struct{}{}
		}
		r.sites[c.Name] = &site{zone: z, name: c.Name, proxied: true, lb: reg.Balancer(c, pools)}
		r.balanced = true
	}
}

// balancer is the load balancer of a site, or of the one of this edge that its
// CNAME leads to; nil = none.
func (r *routes) balancer(s *site) *pool.Balancer {
	for range maxChain {
		if s.lb != nil || s.target == "" {
			return s.lb
		}
		if _, s = r.find([]byte(s.target)); s == nil {
			return nil
		}
	}
	return nil
}

func parent(name string) string {
	_, p, _ := strings.Cut(name, ".")
	return p
}

// find returns the zone that holds a lower-case host name and the name's site;
// either can be nil.
func (r *routes) find(host []byte) (*zone, *site) {
	if s := r.sites[string(host)]; s != nil {
		return s.zone, s
	}
	return r.findWildcard(string(host))
}

func (r *routes) findWildcard(host string) (*zone, *site) {
	z := r.zoneOf(host)
	if z == nil {
		return nil, nil
	}
	if _, exists := r.nodes[host]; exists {
		return z, nil
	}
	for p := parent(host); ; p = parent(p) {
		if s := r.sites["*."+p]; s != nil {
			return z, s
		}
		if _, exists := r.nodes[p]; exists || p == "" {
			return z, nil
		}
	}
}

// zoneOf is the zone with the longest name that holds host.
func (r *routes) zoneOf(host string) *zone {
	for n := host; n != ""; n = parent(n) {
		if z := r.zones[n]; z != nil {
			return z
		}
	}
	return nil
}

// maxChain bounds CNAMEs followed among the edge's own records.
const maxChain = 8

// origin follows a site's CNAME through records of this edge. It gives addresses,
// or the name that has to be asked of DNS; both are empty when the chain has no end.
func (r *routes) origin(s *site) (addrs []netip.Addr, name, target string) {
	target = s.target
	for range maxChain {
		if s.target == "" {
			return s.addrs, "", target
		}
		name = s.target
		_, next := r.find([]byte(name))
		if next == nil {
			return nil, name, target
		}
		s = next
	}
	return nil, "", target
}

// turn gives the index of the address whose turn it is.
func (s *site) turn(n int) int {
	if n < 2 {
		return 0
	}
	return int(s.next.Add(1) % uint32(n))
}

// readTimeout is the zone's proxy read timeout.
func (z *zone) readTimeout(t config.Timers) time.Duration {
	if z.ReadTimeout > 0 {
		return z.ReadTimeout
	}
	return t.Read
}
