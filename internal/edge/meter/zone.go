package meter

import (
	"sync/atomic"
	"time"

	"github.com/originward/originward"
)

// Shards is how many cells a zone's numbers can lie in.
const Shards = 16

// Zone counts what concerns one zone. The zero Zone is ready. It is safe for
// concurrent use.
type Zone struct {
	cells  [Shards]atomic.Pointer[cell] // made when first used
	faults tally[faultKey]
	left   tally[originward.Phase]
	rules  tally[ruleKey]
	looks  tally[string]
}

type faultKey struct {
	phase originward.Phase
	fault originward.FaultType
}

type ruleKey struct{ source, action string }

// cell is one shard's numbers. It is larger than several cache lines, so that two
// cells share next to nothing.
type cell struct {
	codes         [slots]atomic.Uint64
	cache         [len(cacheStates)]atomic.Uint64
	in, out       atomic.Uint64
	fresh, reused atomic.Uint64
	took          histogram
	phases        [phaseCount]histogram
}

// Phase numbers the phases of an exchange whose durations are told.
type Phase uint8

// The phases.
const (
	Resolve Phase = iota
	Connect
	TLS
	FirstByte
	phaseCount
)

var phaseNames = [phaseCount]originward.Phase{
	originward.PhaseResolve, originward.PhaseConnect, originward.PhaseTLS, originward.PhaseFirstByte,
}

// Request is one request as it is counted.
type Request struct {
	Status  int
	Cache   string // as in CF-Cache-Status; empty = DYNAMIC
	Took    time.Duration
	In, Out int64 // body bytes from and to the visitor
}

func (z *Zone) cell(shard uint8) *cell {
	p := &z.cells[shard%Shards]
	if c := p.Load(); c != nil {
		return c
	}
	p.CompareAndSwap(nil, new(cell))
	return p.Load()
}

// Request counts a request that has ended.
func (z *Zone) Request(shard uint8, r Request) {
	c := z.cell(shard)
	c.codes[slot(r.Status)].Add(1)
	if r.Cache == "" {
		c.cache[0].Add(1)
	} else {
		c.cache[cacheSlot(r.Cache)].Add(1)
	}
	if r.In > 0 {
		c.in.Add(uint64(r.In))
	}
	if r.Out > 0 {
		c.out.Add(uint64(r.Out))
	}
	c.took.observe(r.Took)
}

// Exchange counts an exchange with an origin over a connection that was made for it,
// or kept from before.
func (z *Zone) Exchange(shard uint8, reused bool) {
	if c := z.cell(shard); reused {
		c.reused.Add(1)
	} else {
		c.fresh.Add(1)
	}
}

// Phase counts a phase that ended well.
func (z *Zone) Phase(shard uint8, p Phase, took time.Duration) {
	z.cell(shard).phases[p].observe(took)
}

// Fault counts a fault.
func (z *Zone) Fault(p originward.Phase, t originward.FaultType) { z.faults.add(faultKey{p, t}) }

// Left counts a visitor who left while the edge waited in a phase.
func (z *Zone) Left(p originward.Phase) { z.left.add(p) }

// Diagnosed counts a diagnosis by the status that it came to.
func (z *Zone) Diagnosed(status string) { z.looks.add(status) }

// Rule counts a decision of a security rule; both are words of closed lists.
func (z *Zone) Rule(source, action string) { z.rules.add(ruleKey{source, action}) }
