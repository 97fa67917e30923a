package outside

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/dnsask"
	"github.com/originward/originward/internal/exchange"
)

type probeSpec = exchange.ProbeSpec

// observeWith runs the flow with a network that has IPv4 only and origins that
// answer as told.
func observeWith(t *testing.T, ask Ask, answer func(probeSpec) fact.Exchange) ([]originward.Evidence, []originward.NotObserved) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r := flow(t, ask, answer)
	r.all(ctx)
	return r.evidence, r.missing
}

func flow(t *testing.T, ask Ask, answer func(probeSpec) fact.Exchange) *run {
	return &run{
		system: func() (dnsask.Server, error) { return dnsask.Server{}, dnsask.ErrNoServer },
		ask:    ask.withDefaults(), profile: exchange.Fast(), deadline: time.Now().Add(5 * time.Second),
		probe: func(_ context.Context, s probeSpec) fact.Exchange {
			if answer == nil {
				t.Errorf("probed %s", s.Target.Addr)
				return fact.Exchange{}
			}
			return answer(s)
		},
		route: func(ap netip.AddrPort) (netip.Addr, error) {
			if ap.Addr().Is6() {
				return netip.Addr{}, syscall.ENETUNREACH
			}
			return netip.MustParseAddr("192.0.2.9"), nil
		},
	}
}

// A resolver that does not answer keeps nobody waiting who named edge and
// origin; it does who did not.
func TestSilentResolver(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	silent, err := dnsask.Parse(pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr("203.0.113.10")
	for _, edges := range [][]netip.Addr{{netip.MustParseAddr("198.51.100.10")}, nil} {
		r := flow(t, Ask{Host: host, Origins: []Origin{{Addr: addr}}, Edges: edges}, func(s probeSpec) fact.Exchange {
			return fact.Exchange{Target: s.Target.Addr, Scheme: s.Target.Scheme(), Fault: &fact.Fault{Phase: originward.PhaseConnect, Type: originward.ConnectionRefused}}
		})
		r.system = func() (dnsask.Server, error) { return silent, nil }
		start := time.Now()
		r.all(t.Context())
		took := time.Since(start)
		check(t, r.evidence, r.missing)
		if len(exchangesOf(r.evidence)) != 2 {
			t.Errorf("%v", r.evidence)
		}
		if edges != nil && (took > time.Second || len(r.missing) != 1 || len(dnsOf(r.evidence, "site")) != 0) {
			t.Errorf("edge and origin named: took %s, %+v", took, r.missing)
		}
		if edges == nil && (took < time.Second || len(dnsOf(r.evidence, "site")) != 1) {
			t.Errorf("edge not named: took %s, %+v", took, r.evidence)
		}
	}
}
