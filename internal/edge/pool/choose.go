package pool

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/originward/originward/internal/config"
)

// Balancer is a load balancer, ready to choose. It is safe for concurrent use.
type Balancer struct {
	config.LoadBalancer
	pools    []*Pool
	fallback *Pool
	registry *Registry
	byID     map[uint64]*Origin
	headers  []affinityHeader
	random   func() float64 // in [0, 1)
}

// Balancer makes a balancer of its configuration. Pools that are not there are left
// out; the configuration was checked.
func (r *Registry) Balancer(c config.LoadBalancer, pools map[string]*Pool) *Balancer {
	b := &Balancer{LoadBalancer: c, registry: r, byID: map[uint64]*Origin{}, random: rand.Float64}
	b.Weights = nil
	for i, id := range c.Pools {
		p := pools[id]
		if p == nil {
			continue
		}
		w := 1.0
		if i < len(c.Weights) {
			w = c.Weights[i]
		}
		b.pools, b.Weights = append(b.pools, p), append(b.Weights, w)
	}
	b.fallback = pools[c.Fallback]
	for _, p := range b.All() {
		for _, o := range p.Members {
			b.byID[o.id] = o
		}
	}
	b.headers = headersOf(c.Affinity.Headers)
	return b
}

// All are the balancer's pools, in order, the fallback pool last.
func (b *Balancer) All() []*Pool {
	all := slices.Clone(b.pools)
	if b.fallback != nil && !slices.Contains(all, b.fallback) {
		all = append(all, b.fallback)
	}
	return all
}

// Ask is what a choice is made for.
type Ask struct {
	Client netip.Addr
	stable bool // the same client is given the same origin
	out    [maxOut]*Origin
	n      int
}

// maxOut bounds how many origins are left out of one choice.
const maxOut = 16

// Without leaves an origin out of further choices; false = no more can be.
func (a *Ask) Without(o *Origin) bool {
	if a.n == maxOut {
		return false
	}
	a.out[a.n] = o
	a.n++
	return true
}

func (a *Ask) isOut(o *Origin) bool { return slices.Contains(a.out[:a.n], o) }

// Choose gives the origin for a visitor without a session: of the first healthy
// pool (steering off) or of one by weight, or, when no pool is healthy, of the
// fallback pool, whose health does not count. nil = there is none.
func (b *Balancer) Choose(a *Ask) *Origin {
	a.stable = b.Affinity.Kind == config.AffinityIPCookie
	var gone uint64 // pools that have nothing to give, by place
	for range b.pools {
		i := b.pool(a, gone)
		if i < 0 {
			break
		}
		if o := b.member(b.pools[i], a, true); o != nil {
			return o
		}
		gone |= 1 << (i & 63)
	}
	p := b.fallback
	if p == nil || !p.Enabled {
		return nil
	}
	if o := b.member(p, a, true); o != nil {
		return o
	}
	return b.member(p, a, false)
}

// pool gives the place of the pool whose turn it is among the healthy ones that are
// not gone, -1 for none.
func (b *Balancer) pool(a *Ask, gone uint64) int {
	free := func(i int) bool { return gone&(1<<(i&63)) == 0 && b.pools[i].Healthy() }
	if b.Steering != "random" {
		for i := range b.pools {
			if free(i) {
				return i
			}
		}
		return -1
	}
	best, found, total := math.Inf(-1), -1, 0.0
	for i := range b.pools {
		w := b.Weights[i]
		if w <= 0 || !free(i) {
			continue
		}
		total += w
		if a.stable {
			if s := score(a.Client, uint64(i)+1, w); s > best {
				best, found = s, i
			}
		} else if b.random()*total < w { // each is kept with its share of what was seen
			found = i
		}
	}
	return found
}

// member gives an origin of a pool. With up only healthy ones are given.
func (b *Balancer) member(p *Pool, a *Ask, up bool) *Origin {
	var found *Origin
	hashed := a.stable || p.Steering == "hash"
	best, total := math.Inf(-1), 0.0
	for _, o := range p.Members {
		if o.Weight <= 0 || a.n > 0 && a.isOut(o) || up && !o.Up() || !o.Enabled {
			continue
		}
		w := o.Weight
		if p.Steering == "least_outstanding_requests" {
			w /= float64(1 + max(0, o.Health.pending.Load()))
		}
		total += w
		if hashed {
			if s := score(a.Client, o.id, o.Weight); s > best {
				best, found = s, o
			}
		} else if b.random()*total < w {
			found = o
		}
	}
	return found
}

// Other gives the one other origin at which a request that failed at o is tried: a
// healthy one of the same pool, or, where the balancer fails over across pools, of
// the next in order. nil = there is none.
func (b *Balancer) Other(o *Origin, a *Ask) *Origin {
	if !a.Without(o) {
		return nil
	}
	if x := b.member(o.Pool, a, true); x != nil || !b.AcrossPools {
		return x
	}
	for _, p := range b.All() {
		if p == o.Pool || !p.Healthy() {
			continue
		}
		if x := b.member(p, a, true); x != nil {
			return x
		}
	}
	return nil
}

// score is the weighted rendezvous score of a client and a member: the member with
// the highest is the client's, and one that goes takes only its own clients along.
func score(client netip.Addr, member uint64, weight float64) float64 {
	h := uint64(0xcbf29ce484222325) // FNV-1a, 64 bits
	for _, c := range client.As16() {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	h = mix(h ^ member)
	return -weight / math.Log((float64(h>>11)+0.5)/(1<<53))
}

// mix spreads bits (the finaliser of MurmurHash3).
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
