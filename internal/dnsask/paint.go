package dnsask

import (
	"net/netip"
	"slices"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// The colours of a name, as Cloudflare's dashboard paints its cloud.
const (
	Orange = "orange" // every address is an edge's
	Grey   = "grey"   // none is
	Mixed  = "mixed"
)

// Edge is the CDN name of addresses that the user says are the edge's.
const Edge = "edge"

// Paint says which addresses of an answer are a CDN's, edges among them, and
// the colour that follows. A name without addresses has none.
func Paint(d *fact.DNS, edges []netip.Addr) {
	all := d.Addrs()
	d.InCDN = []fact.AddrCDN{}
	for _, a := range all {
		if slices.Contains(edges, a) {
			d.InCDN = append(d.InCDN, fact.AddrCDN{Addr: a, CDN: Edge, Range: netip.PrefixFrom(a, a.BitLen())})
			continue
		}
		d.InCDN = append(d.InCDN, cdn.InCDN([]netip.Addr{a})...)
	}
	switch {
	case len(all) == 0:
		d.Colour = ""
	case len(d.InCDN) == 0:
		d.Colour = Grey
	case len(d.InCDN) == len(all):
		d.Colour = Orange
	default:
		d.Colour = Mixed
	}
}
