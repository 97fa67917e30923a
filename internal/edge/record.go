package edge

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/edge/ray"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/exchange"
)

// Bounds of what is remembered: per origin and egress address the last exchanges
// that went well and, longer, those that did not; at most so many pairs. A whole
// memory is 4,096 pairs × 96 records × about 0.5 KiB.
const (
	keepGood   = 32
	keepFailed = 64
	maxPairs   = 4096
)

// records is the edge's memory of recent exchanges. It is safe for concurrent use.
type records struct {
	mu    sync.Mutex
	pairs map[pair]*pairRecords // guarded by mu
}

// pair is an origin address and port, and the egress address used towards it. The
// zero pair holds what never got to an origin.
type pair struct {
	origin netip.AddrPort
	egress netip.Addr
}

type pairRecords struct {
	mu           sync.Mutex
	good, failed ring // guarded by mu
}

// record is one exchange, small enough to be made for every request.
type record struct {
	at     time.Time
	ray    ray.ID
	host   string
	name   string
	pool   string
	scheme string
	pair   pair
	ssl    originward.SSLMode
	code   int
	number int
	phase  originward.Phase
	fault  originward.FaultType
	detail string
	errno  string
	rule   string
	reused bool
	again  bool // another address was tried after it
	left   bool // the visitor left
	trace  exchange.Trace
}

// ring holds the last few records; it grows to its size and then goes round.
type ring struct {
	items []record
	next  int
}

func (r *ring) add(x record, size int) {
	if len(r.items) < size {
		r.items = append(r.items, x)
		return
	}
	r.items[r.next] = x
	r.next = (r.next + 1) % size
}

func newRecords() *records { return &records{pairs: map[pair]*pairRecords{}} }

func (r *records) of(p pair) *pairRecords {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.pairs[p]
	if x == nil {
		if len(r.pairs) >= maxPairs {
			for k := range r.pairs {
				delete(r.pairs, k)
				break
			}
		}
		x = &pairRecords{}
		r.pairs[p] = x
	}
	return x
}

// detailText bounds foreign text in a record.
const detailText = 300

// add remembers a visit.
func (r *records) add(v *visit) {
	r.put(newRecord(v), v.fault != nil || v.errCode != 0 || v.cut)
}

// addTried remembers an attempt after which another address is tried.
func (r *records) addTried(v *visit, f *originward.Fault) { r.put(triedRecord(v, f), true) }

// triedRecord is the record of an attempt after which another address is tried.
func triedRecord(v *visit, f *originward.Fault) record {
	x := newRecord(v)
	code := f.Code()
	x.code, x.number, x.phase, x.fault, x.again = code.Status, code.Error, f.Phase, f.Type, true
	if v.faultAs != nil {
		x.errno, x.detail = v.faultAs.Errno, v.faultAs.Detail
	}
	return x
}

func newRecord(v *visit) record {
	x := record{
		at: v.began, ray: v.ray, name: v.name, pool: v.pool, scheme: v.plan.Scheme, pair: pair{v.origin, v.egress},
		code: v.status, number: v.errCode, rule: v.ruleID, reused: v.reused, trace: v.trace,
	}
	switch {
	case v.site != nil:
		x.host = v.siteName()
	case len(v.host) > 0:
		x.host = escape.Bytes(v.host, 253)
	}
	if v.zone != nil {
		x.ssl = v.sslMode()
	}
	if v.left != "" {
		x.left, x.phase, x.detail = true, v.left, leftText(v.left, v.trace)
	}
	if f := v.fault; f != nil {
		x.phase, x.fault = f.Phase, f.Type
		if v.faultAs != nil {
			x.errno, x.detail = v.faultAs.Errno, v.faultAs.Detail
		} else if f.Err != nil {
			x.detail = escape.Line(f.Err.Error(), detailText)
		}
	}
	return x
}

func (r *records) put(x record, failed bool) {
	p := r.of(x.pair)
	p.mu.Lock()
	defer p.mu.Unlock()
	if failed {
		p.failed.add(x, keepFailed)
	} else {
		p.good.add(x, keepGood)
	}
}

// Filter chooses records. Zero fields choose all.
type Filter struct {
	Host   string // lower case
	Origin netip.Addr
	Port   uint16
	Ray    ray.ID
	Limit  int // newest so many
}

func (f Filter) takes(x *record) bool {
	switch {
	case f.Host != "" && x.host != f.Host:
		return false
	case f.Origin.IsValid() && x.pair.origin.Addr() != f.Origin:
		return false
	case f.Port != 0 && x.pair.origin.Port() != f.Port:
		return false
	}
	return f.Ray == 0 || x.ray == f.Ray
}

// find gives the records that f chooses, newest first.
func (r *records) find(f Filter) []fact.EdgeExchange {
	var found []record
	for _, p := range r.all() {
		p.mu.Lock()
		for _, ring := range []*ring{&p.good, &p.failed} {
			for i := range ring.items {
				if f.takes(&ring.items[i]) {
					found = append(found, ring.items[i])
				}
			}
		}
		p.mu.Unlock()
	}
	slices.SortFunc(found, func(a, b record) int { return b.at.Compare(a.at) })
	if f.Limit > 0 && len(found) > f.Limit {
		found = found[:f.Limit]
	}
	out := make([]fact.EdgeExchange, len(found))
	for i := range found {
		out[i] = found[i].fact()
	}
	return out
}

func (r *records) all() []*pairRecords {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*pairRecords, 0, len(r.pairs))
	for _, p := range r.pairs {
		out = append(out, p)
	}
	return out
}

// egressSeen lists the source addresses that exchanges used.
func (r *records) egressSeen() []netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[netip.Addr]struct{}{}
	for p := range r.pairs {
		if p.egress.IsValid() {
			seen[p.egress] = struct{}{}
		}
	}
	out := make([]netip.Addr, 0, len(seen))
	for a := range seen {
		out = append(out, a)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

func (x *record) fact() fact.EdgeExchange {
	return fact.EdgeExchange{
		At: x.at.UTC(), Ray: x.ray.String(), Host: x.host, Origin: x.pair.origin, Name: x.name, Pool: x.pool, Egress: x.pair.egress,
		Scheme: x.scheme, SSL: x.ssl, Code: x.code, Error: x.number, Phase: x.phase, Fault: x.fault, Detail: x.detail,
		Errno: x.errno, Phases: x.trace.Phases(), Reused: x.reused, Rule: x.rule, Retried: x.again, Left: x.left,
	}
}
