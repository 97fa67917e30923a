package pool

import (
	"bytes"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward/internal/http1"
)

// affinityHeader is one header that sessions go by.
type affinityHeader struct {
	name    string
	cookies []string // of the header Cookie: these alone; nil = the whole header
}

func headersOf(names []string) []affinityHeader {
	var out []affinityHeader
	for _, n := range names {
		name, list, _ := strings.Cut(n, ":")
		h := affinityHeader{name: name}
		if list != "" {
			h.cookies = strings.Split(list, ",")
		}
		out = append(out, h)
	}
	return out
}

// headerKey is the key of a request's session; ok is false when it has not the
// headers for one. The key is never 0.
func (b *Balancer) headerKey(h *http1.Head) (key uint64, ok bool) {
	var m maphash.Hash
	m.SetSeed(b.registry.sessions.seed)
	add := func(p []byte) { m.Write(p); m.WriteByte(0) } //nolint:errcheck // a hash never fails
	m.WriteString(b.ID)
	present := 0
	for _, x := range b.headers {
		m.WriteByte(1)
		found := false
		if x.cookies != nil {
			eachCookie(h, func(name, value []byte) {
				for _, c := range x.cookies {
					if string(name) == c {
						add(name)
						add(value)
						found = true
					}
				}
			})
		} else {
			for i := range h.Fields {
				if f := &h.Fields[i]; bytes.EqualFold(f.Name, []byte(x.name)) {
					add(f.Value)
					found = true
				}
			}
		}
		if found {
			present++
		}
	}
	if present == 0 || b.Affinity.RequireAll && present < len(b.headers) {
		return 0, false
	}
	return m.Sum64() | 1, true
}

// maxSessions bounds the sessions by header; beyond it old ones give way.
const maxSessions = 100_000

// sessions are sessions by header. It is safe for concurrent use.
type sessions struct {
	seed maphash.Seed

	mu sync.Mutex
	m  map[uint64]held // guarded by mu
}

// held is a session: its origin, and when it was used last.
type held struct {
	origin uint64
	used   time.Time
}

func newSessions() *sessions { return &sessions{seed: maphash.MakeSeed(), m: map[uint64]held{}} }

// find gives the origin of a session that was used within ttl; 0 = none.
func (s *sessions) find(key uint64, now time.Time, ttl time.Duration) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.m[key]
	if !ok || now.Sub(x.used) >= ttl {
		return 0
	}
	return x.origin
}

func (s *sessions) keep(key, origin uint64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.m[key]; !ok && len(s.m) >= maxSessions {
		s.makeRoomLocked()
	}
	s.m[key] = held{origin, now}
}

// makeRoomLocked drops the one that was used longest ago of a few; s.mu is held.
func (s *sessions) makeRoomLocked() {
	var oldest uint64
	var used time.Time
	n := 0
	for k, x := range s.m { // in any order
		if n == 0 || x.used.Before(used) {
			oldest, used = k, x.used
		}
		if n++; n == 16 {
			break
		}
	}
	delete(s.m, oldest)
}
