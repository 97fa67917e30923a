package outside

import (
	"context"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/exchange"
)

type probeSpec = exchange.ProbeSpec

// observeWith runs the flow with a network that has IPv4 only and origins that
// answer as told.
func observeWith(t *testing.T, ask Ask, answer func(probeSpec) fact.Exchange) ([]originward.Evidence, []originward.NotObserved) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r := &run{
		ask: ask.withDefaults(), profile: exchange.Fast(), deadline: time.Now().Add(5 * time.Second),
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
	r.all(ctx)
	return r.evidence, r.missing
}
