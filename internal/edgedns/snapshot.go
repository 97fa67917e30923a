package edgedns

import (
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/originward/originward/internal/config"
)

// snapshot is everything that answers are made from. It is never changed once it
// is in use; only its cache fills.
type snapshot struct {
	zones   map[string]*zone // by name in lower case with its final dot
	edge4   []netip.Addr     // what proxied names answer
	edge6   []netip.Addr
	flatten *flattener
	cache   *cache
	now     func() time.Time
}

// newSnapshot builds a snapshot. old, which may be nil, lends zones that have not
// changed.
func newSnapshot(cfg *config.Config, own []netip.Addr, f *flattener, now func() time.Time, old *snapshot) *snapshot {
	s := &snapshot{zones: map[string]*zone{}, flatten: f, cache: newCache(), now: now}
	addrs := cfg.DNS.Addresses
	if len(addrs) == 0 {
		addrs = listenAddrs(append(append([]string{}, cfg.Listen.HTTP...), cfg.Listen.HTTPS...))
	}
	s.edge4, s.edge6 = byFamily(addrs)
	for i := range cfg.Zones {
		z := &cfg.Zones[i]
		name := z.Name + "."
		if old != nil {
			if was := old.zones[name]; was != nil && was.same(z, cfg.DNS, own) {
				s.zones[name] = was
				continue
			}
		}
		s.zones[name] = newZone(z, cfg.DNS, own, now)
	}
	f.use(s, cfg.Resolver)
	return s
}

// same tells whether the zone would be built the same.
func (z *zone) same(cfg *config.Zone, d config.DNS, own []netip.Addr) bool {
	return z.from.Serial == cfg.Serial && z.from.DNSSEC == cfg.DNSSEC && reflect.DeepEqual(z.from.Records, cfg.Records) &&
		reflect.DeepEqual(z.from.LoadBalancers, cfg.LoadBalancers) && reflect.DeepEqual(z.servers, d.NameServers) && reflect.DeepEqual(z.own, own)
}

// zoneOf finds the zone that holds a name in lower case.
func (s *snapshot) zoneOf(name string) *zone {
	for {
		if z := s.zones[name]; z != nil {
			return z
		}
		i := strings.IndexByte(name, '.')
		if i < 0 || i+1 >= len(name) {
			return nil
		}
		name = name[i+1:]
	}
}

// listenAddrs are the addresses of listeners; a listener on every address gives
// those of this machine that others reach.
func listenAddrs(listen []string) []netip.Addr {
	var out []netip.Addr
	seen := map[netip.Addr]bool{}
	add := func(a netip.Addr) {
		if !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	for _, s := range listen {
		ap, err := netip.ParseAddrPort(s)
		if err == nil && !ap.Addr().IsUnspecified() {
			add(ap.Addr().Unmap())
			continue
		}
		for _, a := range machineAddrs() {
			if err != nil || a.Is4() || ap.Addr().Is6() { // ":80" listens on both families
				add(a)
			}
		}
	}
	return out
}

func byFamily(addrs []netip.Addr) (v4, v6 []netip.Addr) {
	for _, a := range addrs {
		if a.Is4() {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	return v4, v6
}
