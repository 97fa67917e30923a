package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// poolName is what a pool's name may hold (API: letters, digits, hyphens, underscores).
var poolName = regexp.MustCompile("^[a-zA-Z0-9_-]{1,64}$")

// reference finds an object by id or name.
func (v value) reference(kind string, find func(ref string) (id string, ok bool), names []string) string {
	s, ok := v.text()
	if !ok {
		return ""
	}
	id, ok := find(s)
	if !ok {
		v.fail("there is no "+kind+" of this name or id", names...)
	}
	return id
}

// weight reads a share of traffic.
func (v value) weight() float64 {
	s, _ := v.text()
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || !(x >= 0 && x <= 1) {
		v.fail("not a weight", "0 to 1")
		return 1
	}
	return x
}

func (v value) pools() []Pool {
	var out []Pool
	v.list(func(v value) {
		if p, ok := v.pool(); ok {
			if slices.ContainsFunc(out, func(o Pool) bool { return o.ID == p.ID || o.Name == p.Name }) {
				v.fail(fmt.Sprintf("there is another pool named %s", p.Name))
				return
			}
			out = append(out, p)
		}
	})
	return out
}

func (v value) pool() (Pool, bool) {
	v, ok := v.resolve()
	if !ok {
		return Pool{}, false
	}
	p := Pool{Line: v.n.Line, Enabled: true, Minimum: 1, Steering: "random"}
	var id string
	var origins value
	if !v.read([]key{
		{"id", func(v value) { id = v.id() }},
		{"name", func(v value) {
			if p.Name, _ = v.text(); !poolName.MatchString(p.Name) {
				v.fail("not a pool's name", "letters, digits, hyphens and underscores, at most 64")
			}
		}},
		{"description", func(v value) {}},
		{"enabled", func(v value) { p.Enabled, _ = v.flag() }},
		{"minimum_origins", func(v value) { p.Minimum, _ = v.integer(0, maxOrigins); p.Minimum = max(1, p.Minimum) }},
		{"monitor", func(v value) { p.Monitor = v.monitorRef() }},
		{"origin_steering", func(v value) {
			v.read([]key{{"policy", func(v value) { p.Steering, _ = v.oneOf("random", "hash", "least_outstanding_requests") }}})
		}},
		{"origins", func(v value) { origins = v; p.Origins = v.origins() }},
	}) {
		p.ID = identified(id, "pool", p.Name)
		return p, p.Name != "" // what refers to it is not to blame
	}
	p.ID = identified(id, "pool", p.Name)
	switch {
	case p.Name == "" || origins.n == nil || len(p.Origins) == 0:
		v.fail("needs a name and at least one origin", "{name: main, origins: [{name: a, address: 203.0.113.10}]}")
	case p.Minimum > len(p.Origins):
		v.fail(fmt.Sprintf("minimum_origins is %d and the pool has %d origins", p.Minimum, len(p.Origins)))
	}
	return p, p.Name != ""
}

func (v value) monitorRef() string {
	if v.optional() == "" {
		return ""
	}
	var names []string
	for _, m := range v.r.use.Monitors {
		if m.Name != "" {
			names = append(names, m.Name)
		}
	}
	return v.reference("monitor", func(ref string) (string, bool) {
		for _, m := range v.r.use.Monitors {
			if m.ID == ref || m.Name == ref {
				return m.ID, true
			}
		}
		return "", false
	}, names)
}

// maxOrigins bounds a pool (Cloudflare: by plan; 20 without a contract).
const maxOrigins = 200

func (v value) origins() []PoolOrigin {
	var out []PoolOrigin
	v.list(func(v value) {
		o, ok := v.origin()
		switch {
		case !ok:
		case len(out) == maxOrigins:
			v.fail(fmt.Sprintf("more than %d origins in a pool", maxOrigins))
		case slices.ContainsFunc(out, func(x PoolOrigin) bool {
			return x.Address() == o.Address() && x.Port == o.Port && x.Host == o.Host
		}):
			v.fail("the same origin stands in this pool already")
		case slices.ContainsFunc(out, func(x PoolOrigin) bool { return x.Name == o.Name }):
			v.fail(fmt.Sprintf("there is another origin named %s in this pool", o.Name))
		default:
			out = append(out, o)
		}
	})
	return out
}

func (v value) origin() (PoolOrigin, bool) {
	v, ok := v.resolve()
	if !ok {
		return PoolOrigin{}, false
	}
	o := PoolOrigin{Weight: 1, Enabled: true}
	if !v.read([]key{
		{"name", func(v value) { o.Name, _ = v.text() }},
		{"address", func(v value) { o.Addr, o.Target = v.originAddress() }},
		{"port", func(v value) { n, _ := v.integer(0, 65535); o.Port = uint16(n) }}, //nolint:gosec // checked
		{"enabled", func(v value) { o.Enabled, _ = v.flag() }},
		{"disabled_at", func(v value) { o.DisabledAt = v.time() }},
		{"weight", func(v value) { o.Weight = v.weight() }},
		{"header", func(v value) { o.Host = v.hostOverride() }},
	}) {
		return o, false
	}
	if o.Address() == "" {
		v.fail("the origin has no address", "{name: a, address: 203.0.113.10}")
		return o, false
	}
	if o.Name == "" {
		o.Name = o.Address()
	}
	if o.Enabled {
		o.DisabledAt = time.Time{}
	}
	return o, true
}

func (v value) time() time.Time {
	s, _ := v.text()
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		v.fail("not a time", "2026-11-22T08:00:00Z")
	}
	return t
}

func (v value) originAddress() (netip.Addr, string) {
	s, ok := v.text()
	if !ok {
		return netip.Addr{}, ""
	}
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
			v.fail("not the address of an origin", "an IPv4 or IPv6 address, or a DNS name")
		}
		return a.Unmap(), ""
	}
	name, _ := v.hostName(false)
	return netip.Addr{}, name
}

// hostOverride reads {Host: [name]}.
func (v value) hostOverride() (host string) {
	if v, ok := v.resolve(); !ok || v.null() {
		return ""
	}
	v.object(key{"Host", func(v value) {
		v.list(func(v value) {
			if host != "" {
				v.fail("one Host is all that an origin can have")
				return
			}
			host, _ = v.hostName(false)
		})
	}})
	return host
}
