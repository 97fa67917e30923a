package exchange

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/originward/originward"
)

// Resolver looks up the addresses of an origin's name. [*net.Resolver] is one.
// network is "ip", "ip4" or "ip6".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// ErrNoAddress says that a name resolves to no address.
var ErrNoAddress = errors.New("the name has no address")

// Resolve is the resolve phase. An error of r becomes dns_timeout or dns_error
// (530 with 1016), as does an empty answer. prohibited, which may be nil, names
// addresses that must not be contacted (the edge's own: 1000, local ones: 1002);
// its error is the reason. A prohibited address among the answers is a
// destination_ip_prohibited fault; addresses are returned unmapped, in the order
// given.
func Resolve(ctx context.Context, r Resolver, p Profile, host string, prohibited func(netip.Addr) error, tr *Trace) ([]netip.Addr, *originward.Fault) {
	tr.Begin(StepResolve)
	p = p.withDefaults()
	started := time.Now()
	lookup, cancel := context.WithTimeout(ctx, p.Resolve)
	defer cancel()
	addrs, err := r.LookupNetIP(lookup, "ip", host)
	if err == nil && len(addrs) == 0 {
		err = fmt.Errorf("%s: %w", host, ErrNoAddress)
	}
	if err != nil {
		tr.Fail(StepResolve)
		return nil, resolveFault(ctx, err, time.Since(started))
	}
	out := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		out[i] = a.Unmap()
		if prohibited == nil {
			continue
		}
		if err := prohibited(out[i]); err != nil {
			tr.Fail(StepResolve)
			return nil, fault(StepResolve, originward.DestinationIPProhibited, fmt.Errorf("%s is %s: %w", host, out[i], err))
		}
	}
	tr.End(StepResolve)
	return out, nil
}

func resolveFault(ctx context.Context, err error, waited time.Duration) *originward.Fault {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fault(StepResolve, originward.ProxyInternalError, ctx.Err())
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsTimeout:
		return fault(StepResolve, originward.DNSTimeout, err)
	case errors.As(err, &dns), errors.Is(err, ErrNoAddress):
		return fault(StepResolve, originward.DNSError, err)
	case isTimeout(err), errors.Is(err, context.DeadlineExceeded):
		return fault(StepResolve, originward.DNSTimeout,
			&TimeoutError{Waited: waited, For: "answer of the resolver", Err: err})
	}
	return fault(StepResolve, originward.DNSError, err)
}
