package edgedns

import (
	"encoding/base64"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

func toBase64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// Bounds of looking up names elsewhere. An answer is used at most maxTTL, and for
// staleFor after its end when nobody answers.
const (
	askTime   = 2 * time.Second
	minTTL    = 5
	maxTTL    = 300
	staleFor  = time.Hour
	maxKnown  = 10_000
	failedTTL = 5 * time.Second
)

// flattener finds the addresses of names that aliases lead to.
type flattener struct {
	now  func() time.Time
	here atomic.Pointer[snapshot]
	ask  atomic.Pointer[[]string] // resolvers, as host:port

	mu    sync.Mutex
	known map[flatKey]*flat // guarded by mu
}

type flatKey struct {
	name  string
	qtype uint16
}

// flat is what is known of a name.
type flat struct {
	addrs  []netip.Addr
	until  time.Time
	failed bool
	busy   chan struct{} // not nil while somebody asks; closed after
}

func newFlattener(now func() time.Time) *flattener {
	return &flattener{now: now, known: map[flatKey]*flat{}}
}

// use takes the zones to look into first, and the resolvers to ask.
func (f *flattener) use(s *snapshot, resolvers []netip.AddrPort) {
	var list []string
	for _, r := range resolvers {
		list = append(list, r.String())
	}
	if len(list) == 0 {
		if c, err := dns.ClientConfigFromFile("/etc/resolv.conf"); err == nil {
			for _, s := range c.Servers {
				list = append(list, net.JoinHostPort(s, c.Port))
			}
		}
	}
	f.ask.Store(&list)
	f.here.Store(s)
}

// addrs gives the addresses of a name in lower case and how many seconds they hold.
// ok is false when nobody could say, or, without wait, when it has to be asked.
func (f *flattener) addrs(name string, qtype uint16, wait bool) (addrs []netip.Addr, ttl uint32, ok bool) {
	ttl = maxTTL
	if s := f.here.Load(); s != nil {
		for range maxChain {
			found, t, next, known := s.localAddrs(name, qtype)
			if !known {
				break
			}
			ttl = min(ttl, t)
			if next == "" {
				return found, ttl, true
			}
			name = next
		}
	}
	key := flatKey{name, qtype}
	for {
		f.mu.Lock()
		x := f.known[key]
		now := f.now()
		if x != nil && x.busy == nil && now.Before(x.until) {
			f.mu.Unlock()
			left := uint32(x.until.Sub(now)/time.Second) + 1 //nolint:gosec // at most maxTTL
			return x.addrs, min(ttl, left), !x.failed
		}
		if !wait {
			f.mu.Unlock()
			return nil, 0, false
		}
		if x != nil && x.busy != nil {
			busy := x.busy
			f.mu.Unlock()
			<-busy // ends with its question, after askTime at most
			continue
		}
		if len(f.known) >= maxKnown {
			clear(f.known)
		}
		next := &flat{busy: make(chan struct{})}
		f.known[key] = next
		f.mu.Unlock()
		f.look(key, next, x)
	}
}

// look asks, and keeps what comes; old, which may be nil, is used when nothing does.
func (f *flattener) look(key flatKey, x, old *flat) {
	addrs, ttl, ok := f.exchange(key)
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	switch {
	case ok:
		x.addrs, x.until = addrs, now.Add(time.Duration(min(max(ttl, minTTL), maxTTL))*time.Second)
	case old != nil && !old.failed && now.Before(old.until.Add(staleFor)):
		x.addrs, x.until = old.addrs, now.Add(failedTTL)
	default:
		x.failed, x.until = true, now.Add(failedTTL)
	}
	close(x.busy)
	x.busy = nil
}

func (f *flattener) exchange(key flatKey) (addrs []netip.Addr, ttl uint32, ok bool) {
	q := new(dns.Msg)
	q.SetQuestion(key.name, key.qtype)
	q.SetEdns0(udpSize, false)
	for _, server := range *f.ask.Load() {
		in, _, err := (&dns.Client{Timeout: askTime, UDPSize: udpSize}).Exchange(q, server)
		if err == nil && in.Truncated {
			in, _, err = (&dns.Client{Timeout: askTime, Net: "tcp"}).Exchange(q, server)
		}
		if err != nil || in.Rcode != dns.RcodeSuccess && in.Rcode != dns.RcodeNameError {
			continue
		}
		ttl = maxTTL
		for _, rr := range in.Answer {
			ttl = min(ttl, rr.Header().Ttl)
			if rr.Header().Rrtype == key.qtype && len(addrs) < 64 {
				addrs = append(addrs, addrOf(rr))
			}
		}
		return addrs, ttl, true
	}
	return nil, 0, false
}
