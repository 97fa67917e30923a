package remedy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// ErrElsewhere says that the evidence is of another machine.
var ErrElsewhere = errors.New("this is evidence of another machine")

// ErrNoHost says that the evidence holds nothing of the origin host.
var ErrNoHost = errors.New("the evidence holds nothing of the origin host: diagnose with --local-host there, or with --ssh USER@HOST")

// Here wants the host evidence of a bundle to be of this machine: one of the
// addresses that it saw is on an interface here.
func Here(b *originward.Bundle) error {
	if !slices.ContainsFunc(b.Evidence, func(e originward.Evidence) bool { return e.Vantage == originward.Host }) {
		return ErrNoHost
	}
	now, err := net.InterfaceAddrs()
	if err != nil {
		return nil //nolint:nilerr // what this machine's addresses are is not known: nothing speaks against it
	}
	var have []netip.Addr
	for _, a := range now {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			have = append(have, p.Addr().Unmap())
		}
	}
	return among(b, have)
}

// among wants one of the addresses to be the host's.
func among(b *originward.Bundle, have []netip.Addr) error {
	var saw []string
	for _, it := range fact.All[fact.Addresses](b, originward.Host) {
		for _, a := range have {
			if !a.IsLoopback() && !a.IsLinkLocalUnicast() && it.Fact.Has(a) {
				return nil
			}
		}
		for _, i := range it.Fact.Interfaces {
			for _, p := range i.Addrs {
				if a := p.Addr(); !a.IsLoopback() && !a.IsLinkLocalUnicast() && len(saw) < 3 {
					saw = append(saw, a.String())
				}
			}
		}
	}
	if len(saw) == 0 {
		return nil
	}
	return fmt.Errorf("%w: it has %s, and this one has none of its addresses. Run fix on the origin, or give --ssh USER@HOST", ErrElsewhere, strings.Join(saw, ", "))
}
