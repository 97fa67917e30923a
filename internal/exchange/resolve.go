package exchange

import (
	"context"
	"net/netip"

	"github.com/originward/originward"
)

// Resolver looks up the addresses of an origin's name. [*net.Resolver] is one.
// network is "ip", "ip4" or "ip6".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Resolve is the resolve phase. An error of r becomes dns_timeout or dns_error
// (530 with 1016), as does an empty answer. prohibited, which may be nil, names
// addresses that must not be contacted (the edge's own: 1000, local ones: 1002);
// its error is the reason. A prohibited address among the answers is a
// destination_ip_prohibited fault; addresses are returned unmapped, in the order
// given.
func Resolve(ctx context.Context, r Resolver, p Profile, host string, prohibited func(netip.Addr) error, tr *Trace) ([]netip.Addr, *originward.Fault) {
	panic("unwritten")
}
