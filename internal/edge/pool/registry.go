package pool

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/rules"
)

// Key is what an origin of a pool is known by over changes of configuration.
type Key struct {
	Pool    string // id
	Address string
	Port    uint16
	Host    string
}

// KeyOf is the key of an origin.
func KeyOf(pool string, o *config.PoolOrigin) Key {
	return Key{pool, o.Address(), o.Port, o.Host}
}

// Registry keeps the health of origins, and sessions, over changes of
// configuration. It is safe for concurrent use.
type Registry struct {
	sessions *sessions
	secret   []byte // signs sessions

	mu     sync.Mutex
	health map[Key]*Health // guarded by mu
}

// NewRegistry makes an empty registry; secret signs the cookies of sessions.
func NewRegistry(secret []byte) *Registry {
	return &Registry{sessions: newSessions(), secret: secret, health: map[Key]*Health{}}
}

// Origin is one origin of a pool, ready to be chosen.
type Origin struct {
	config.PoolOrigin
	Health *Health
	Pool   *Pool
	id     uint64
	addrs  []netip.Addr
}

// Addrs is the origin's own address alone, for one that has one.
func (o *Origin) Addrs() []netip.Addr { return o.addrs }

// Pool is a pool, ready to be chosen from.
type Pool struct {
	config.Pool
	Watch   *config.Monitor // nil = health is not considered
	Members []*Origin
}

// Pools makes pools of their configurations, by id.
func (r *Registry) Pools(pools []config.Pool, monitors []config.Monitor) map[string]*Pool {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]*Pool{}
	for _, c := range pools {
		p := &Pool{Pool: c}
		for i := range monitors {
			if monitors[i].ID == c.Monitor && c.Monitor != "" {
				p.Watch = &monitors[i]
			}
		}
		for i := range c.Origins {
			k := KeyOf(c.ID, &c.Origins[i])
			h := r.health[k]
			if h == nil {
				h = &Health{}
				r.health[k] = h
			}
			o := &Origin{PoolOrigin: c.Origins[i], Health: h, Pool: p, id: k.number()}
			if o.Addr.IsValid() {
				o.addrs = []netip.Addr{o.Addr}
			}
			p.Members = append(p.Members, o)
		}
		out[c.ID] = p
	}
	return out
}

// number is the key as cookies have it.
func (k Key) number() uint64 {
	var port [2]byte
	binary.BigEndian.PutUint16(port[:], k.Port)
	id := rules.ID("origin", k.Pool, k.Address, string(port[:]), k.Host)
	var n uint64
	for i := range 16 { // hexadecimal digits
		c := id[i]
		if c >= 'a' {
			c -= 'a' - 10
		} else {
			c -= '0'
		}
		n = n<<4 | uint64(c)
	}
	return n
}

// InForce tells that pools are in force now: origins that went out of use since are
// noted, and what no pool has any more is forgotten.
func (r *Registry) InForce(pools map[string]*Pool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	used := map[Key]bool{}
	for _, p := range pools {
		for _, o := range p.Members {
			used[KeyOf(p.ID, &o.PoolOrigin)] = true
			o.Health.inForce(o.Enabled, now)
		}
	}
	for k := range r.health {
		if !used[k] {
			delete(r.health, k)
		}
	}
}

// Up tells that the origin is given visitors as far as its health goes.
func (o *Origin) Up() bool {
	return o.Enabled && (o.Pool.Watch == nil || o.Health.Status() == Up)
}

// Begin counts a request to the origin, until End.
func (o *Origin) Begin() { o.Health.pending.Add(1) }

// End ends what Begin began.
func (o *Origin) End() { o.Health.pending.Add(-1) }

// Disabled is since when the origin is not enabled; zero = it is, or since when is
// not known.
func (o *Origin) Disabled() time.Time {
	if o.Enabled || !o.DisabledAt.IsZero() {
		return o.DisabledAt
	}
	if n := o.Health.disabledAt.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

// Healthy tells whether enough origins of the pool are healthy.
func (p *Pool) Healthy() bool {
	if !p.Enabled {
		return false
	}
	n := 0
	for _, o := range p.Members {
		if o.Up() {
			n++
		}
	}
	return n >= p.Minimum
}
