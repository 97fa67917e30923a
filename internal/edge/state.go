package edge

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/acme"
	"github.com/originward/originward/internal/edge/localca"
	"github.com/originward/originward/internal/edge/meter"
	"github.com/originward/originward/internal/edge/pool"
	"github.com/originward/originward/internal/exchange"
)

// state is everything that a configuration decides about requests. It is never
// changed once it serves.
type state struct {
	cfg      *config.Config
	routes   *routes
	resolver *cachingResolver
	egress4  []netip.Addr
	egress6  []netip.Addr
	clients  map[time.Duration]*exchange.Client // by read timeout
	ca       *localca.CA
	trust    *exchange.Trust
	// fresh tells that TLS policies of the state before are not used any more.
	fresh    bool
	fallback *tls.Config // for visitors who name no zone
	now      func() time.Time
	acme     *acme.Manager // nil = no certificates are asked for
	limits   config.Limits // with the default of Connections
	compiler *compiler
	pools    map[string]*pool.Pool // by id
	surroundings
}

// newState builds a state. old, which may be nil, lends what has not changed:
// pools of connections, the resolver's memory, the local CA.
func (e *Edge) newState(cfg *config.Config, old *state) (*state, error) {
	now, reg := e.now, e.registry
	st := &state{cfg: cfg, routes: newRoutes(), clients: map[time.Duration]*exchange.Client{}, compiler: newCompiler(cfg, old), limits: limitsOf(cfg), now: now, acme: e.authority(cfg)}
	for _, a := range cfg.Egress {
		if a.Is4() {
			st.egress4 = append(st.egress4, a)
		} else {
			st.egress6 = append(st.egress6, a)
		}
	}
	if old != nil && old.cfg.Data == cfg.Data {
		st.ca = old.ca
	} else {
		dir := cfg.Data
		if dir != "" {
			dir += "/local-ca"
		}
		ca, err := localca.Open(dir, now)
		if err != nil {
			return nil, err
		}
		st.ca = ca
	}
	if err := st.surround(cfg, old); err != nil {
		return nil, err
	}
	st.resolver = newCachingResolver(cfg.Resolver, now)
	if old != nil && sameTrust(old.cfg.Trust, cfg.Trust) {
		st.trust = old.trust
	} else {
		st.trust = newTrust(cfg.Trust, now)
	}
	st.pools = reg.Pools(cfg.Pools, cfg.Monitors)
	for _, zc := range cfg.Zones {
		z, err := st.newZone(zc, old)
		if err != nil {
			return nil, err
		}
		st.routes.add(z)
		st.routes.balance(z, reg, st.pools)
	}
	st.newTLS()
	return st, nil
}

// limitsOf are the configured limits. By default visitors may have nine tenths of the
// open files: most connections idle, and need none towards an origin.
func limitsOf(cfg *config.Config) config.Limits {
	l := cfg.Limits
	if l.Connections == 0 {
		l.Connections = max(64, openFiles()/10*9)
	}
	return l
}

func (st *state) newZone(zc config.Zone, old *state) (*zone, error) {
	z := &zone{Zone: zc}
	var was *zone
	if old != nil {
		was = old.routes.zones[zc.Name]
	}
	if was != nil && st.same && reflect.DeepEqual(was.Rules, zc.Rules) {
		z.rules = was.rules
	} else {
		set, err := st.compiler.set(zc)
		if err != nil {
			return nil, fmt.Errorf("zone %s: %w", zc.Name, err)
		}
		z.rules = set
	}
	z.origins = st.newOriginTLS(zc, was)
	if was == nil || z.origins.differs(was.origins) {
		st.fresh = true
	}
	if was != nil {
		z.meter, z.outbreak = was.meter, was.outbreak
	} else {
		z.meter, z.outbreak = &meter.Zone{}, &outbreak{}
	}
	z.cache = cacheSettings(zc.Cache)
	z.client = st.client(z.readTimeout(st.cfg.Timers), old)
	return z, nil
}

// client is the pool for a read timeout, shared by zones, kept over a reload.
func (st *state) client(read time.Duration, old *state) *exchange.Client {
	if c := st.clients[read]; c != nil {
		return c
	}
	if old != nil && old.cfg.Timers == st.cfg.Timers && old.clients[read] != nil {
		st.clients[read] = old.clients[read]
		return st.clients[read]
	}
	c := exchange.NewClient(exchange.NewDialer(profile(st.cfg.Timers, read)))
	st.clients[read] = c
	return c
}

// profile is the edge's: the documented one with the configured timers.
func profile(t config.Timers, read time.Duration) exchange.Profile {
	p := exchange.Patient()
	p.Name = "edge"
	p.Connect, p.Handshake, p.Ack, p.Read, p.Write, p.Idle = t.Connect, t.TLS, t.Ack, read, t.Write, t.Idle
	return p
}

// retire closes the pools that the next state does not use.
func (st *state) retire(next *state) {
	for read, c := range st.clients {
		if next == nil || next.clients[read] != c {
			c.Close()
		} else if next.fresh {
			// Zones have new TLS policies, so the idle connections of the old ones would
			// never be asked for again.
			c.CloseIdle()
		}
	}
}

// egress is the source address whose turn it is towards an origin; the zero
// address leaves the choice to the system.
func (st *state) egress(turn uint32, to netip.Addr) netip.Addr {
	list := st.egress6
	if to.Is4() {
		list = st.egress4
	}
	if len(list) == 0 {
		return netip.Addr{}
	}
	return list[int(turn)%len(list)]
}

// prohibitedError says why an address is not contacted, and with which error.
type prohibitedError struct {
	addr netip.Addr
	code int
	why  string
}

func (e *prohibitedError) Error() string { return fmt.Sprintf("%s %s", e.addr, e.why) }

// prohibited tells whether the edge must not dial an address: itself (1000), or an
// address at which no host can be (1002). Private and loopback addresses are
// allowed: an edge of one's own often has its origins there.
func (e *Edge) prohibited(a netip.Addr, port uint16) *prohibitedError {
	if a.IsUnspecified() || a.IsMulticast() || a == netip.IPv4Unspecified() {
		return &prohibitedError{a, 1002, "is not the address of a host"}
	}
	if e.listensOn(a, port) {
		return &prohibitedError{a, 1000, "is an address of this edge"}
	}
	return nil
}

// localAddrs are the addresses of this machine, for listeners on every address.
func localAddrs() map[netip.Addr]struct{} {
	out := map[netip.Addr]struct{}{}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return out
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out[ip.Unmap()] = struct{}{}
			}
		}
	}
	return out
}
