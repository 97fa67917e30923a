package edge

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// How long an answer of DNS is used: as long as its records say, within bounds, so
// that neither every request asks nor a moved origin is missed for a day. An answer
// that came without DNS (from the hosts file) has no such word; a failure is asked
// again after a second.
const (
	answerLife  = 30 * time.Second
	minLife     = time.Second
	maxLife     = time.Hour
	failureLife = time.Second
	maxNames    = 10_000
)

// cachingResolver remembers the addresses of origins' names and asks for one name
// once at a time. It is safe for concurrent use.
type cachingResolver struct {
	ask func(ctx context.Context, network, host string) ([]netip.Addr, error)
	now func() time.Time

	mu    sync.Mutex
	names map[string]*answer // guarded by mu
}

// answer is what DNS said about one name; done is closed when it has.
type answer struct {
	done    chan struct{}
	addrs   []netip.Addr
	err     error
	expires time.Time
}

// newCachingResolver asks the servers given in turn, or the system's.
func newCachingResolver(servers []netip.AddrPort, now func() time.Time) *cachingResolver {
	r := &net.Resolver{PreferGo: true}
	var turn atomic.Uint32
	r.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if len(servers) > 0 {
			address = servers[int(turn.Add(1)-1)%len(servers)].String()
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return listenTTL(ctx, c), nil
	}
	return &cachingResolver{ask: r.LookupNetIP, now: now, names: map[string]*answer{}}
}

// LookupNetIP is the addresses of a name, from memory when they are fresh.
func (c *cachingResolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	key := network + " " + host
	c.mu.Lock()
	a := c.names[key]
	if a == nil || a.stale(c.now()) {
		a = &answer{done: make(chan struct{})}
		c.makeRoomLocked()
		c.names[key] = a
		c.mu.Unlock()
		c.fill(ctx, a, network, host)
	} else {
		c.mu.Unlock()
	}
	select {
	case <-a.done:
		return a.addrs, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// stale tells an answer that has come and is too old.
func (a *answer) stale(now time.Time) bool {
	select {
	case <-a.done:
		return !now.Before(a.expires)
	default:
		return false
	}
}

// fill asks DNS in the goroutine of the first that wants to know. The final dot
// keeps the system's search list away.
func (c *cachingResolver) fill(ctx context.Context, a *answer, network, host string) {
	defer close(a.done)
	var seen ttl
	a.addrs, a.err = c.ask(context.WithValue(ctx, ttlKey{}, &seen), network, host+".")
	life := seen.life()
	if a.err != nil || len(a.addrs) == 0 {
		life = failureLife
	}
	if ctx.Err() != nil {
		life = 0 // the visitor gave up, not DNS
	}
	a.expires = c.now().Add(life)
}

func (c *cachingResolver) makeRoomLocked() {
	if len(c.names) < maxNames {
		return
	}
	for k := range c.names {
		delete(c.names, k)
		break
	}
}
