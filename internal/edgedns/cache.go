package edgedns

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// maxKept bounds the answers kept of one snapshot; they are some 200 bytes each.
const (
	shards  = 64
	maxKept = 100_000
)

// cache keeps packed answers by question. It lives as long as its snapshot.
type cache struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu   sync.RWMutex
	kept map[string]*entry // guarded by mu
}

// entry is one packed answer; where there are several addresses, in several orders.
type entry struct {
	orders [][]byte
	turn   atomic.Uint32
	made   time.Time
}

func newCache() *cache {
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].kept = map[string]*entry{}
	}
	return c
}

// key is a question's name, type and whether it has EDNS and wants signatures.
func (q *query) key(buf []byte) []byte {
	buf = append(buf[:0], q.name...)
	buf = binary.BigEndian.AppendUint16(buf, q.qtype)
	var f byte
	if q.edns {
		f |= 1
	}
	if q.do {
		f |= 2
	}
	return append(buf, f)
}

func (c *cache) get(q *query) *entry {
	var buf [260]byte
	key := q.key(buf[:0])
	s := &c.shards[maphash.Bytes(c.seed, key)%shards]
	s.mu.RLock()
	e := s.kept[string(key)]
	s.mu.RUnlock()
	return e
}

func (c *cache) put(q *query, e *entry) {
	var buf [260]byte
	key := q.key(buf[:0])
	s := &c.shards[maphash.Bytes(c.seed, key)%shards]
	s.mu.Lock()
	if len(s.kept) >= maxKept/shards {
		clear(s.kept) // a flood of names: the usual ones come back at once
	}
	s.kept[string(key)] = e
	s.mu.Unlock()
}

// clear forgets everything: signatures grow old.
func (c *cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		clear(s.kept)
		s.mu.Unlock()
	}
}

// maxOrders bounds how many orders of an answer are kept.
const maxOrders = 4

// newEntry packs an answer, its addresses in several orders; nil when it cannot be packed.
func newEntry(m *dns.Msg, now time.Time) *entry {
	e := &entry{made: now}
	for range min(max(addresses(m.Answer), 1), maxOrders) {
		b, err := m.Pack()
		if err != nil {
			return nil
		}
		e.orders = append(e.orders, b)
		rotate(m.Answer)
	}
	return e
}

func isAddress(rr dns.RR) bool {
	t := rr.Header().Rrtype
	return t == dns.TypeA || t == dns.TypeAAAA
}

func addresses(rrs []dns.RR) (n int) {
	for _, rr := range rrs {
		if isAddress(rr) {
			n++
		}
	}
	return n
}

// rotate puts the first address of an answer behind the others.
func rotate(rrs []dns.RR) {
	last := -1
	for i, rr := range rrs {
		if !isAddress(rr) {
			continue
		}
		if last >= 0 {
			rrs[last], rrs[i] = rrs[i], rrs[last]
		}
		last = i
	}
}

// write copies the answer into out, as the answer to q.
func (e *entry) write(q *query, out []byte, tcp bool) []byte {
	b := e.orders[0]
	if len(e.orders) > 1 {
		b = e.orders[int(e.turn.Add(1))%len(e.orders)]
	}
	if !tcp && len(b) > q.size {
		out = q.truncated(out, b)
	} else {
		out = append(out[:0], b...)
	}
	q.stamp(out)
	return out
}
