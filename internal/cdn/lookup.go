package cdn

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"github.com/originward/originward/fact"
)

// Lookup is the CDN in whose published ranges an address lies, and the range;
// the longest match wins. The empty ID means that no known list holds the
// address, which for a CDN with an incomplete list proves nothing.
func Lookup(addr netip.Addr) (ID, netip.Prefix) { return lookup(&load().all, addr) }

// LookupEgress is Lookup over those ranges only from which CDNs connect to
// origins.
func LookupEgress(addr netip.Addr) (ID, netip.Prefix) { return lookup(&load().egress, addr) }

func lookup(t *bart.Table[ID], addr netip.Addr) (ID, netip.Prefix) {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() {
		return "", netip.Prefix{}
	}
	p, id, ok := t.LookupPrefixLPM(netip.PrefixFrom(addr, addr.BitLen()))
	if !ok {
		return "", netip.Prefix{}
	}
	return id, p
}

// InCDN finds those of the addresses that lie in a CDN's ranges, in the order
// given.
func InCDN(addrs []netip.Addr) []fact.AddrCDN {
	out := []fact.AddrCDN{}
	for _, a := range addrs {
		if id, p := Lookup(a); id != "" {
			out = append(out, fact.AddrCDN{Addr: a, CDN: string(id), Range: p})
		}
	}
	return out
}
