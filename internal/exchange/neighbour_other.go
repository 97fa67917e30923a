//go:build !linux

package exchange

import "net/netip"

// deadNeighbour cannot be told here.
func deadNeighbour(Target) (netip.Addr, bool) { return netip.Addr{}, false }
