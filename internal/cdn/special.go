package cdn

import "net/netip"

// Special is what a reserved address is for, and whether a CDN can reach an
// origin there.
type Special struct {
	Range netip.Prefix
	Name  string // documentation, private, loopback …
	// Placeholder marks addresses that are written into a proxied record on
	// purpose, because a worker or rule answers for the name.
	Placeholder bool
}

// specials are the reserved blocks in which an origin of a public CDN cannot
// be. Sources: IANA special-purpose address registries (RFC 6890, RFC 8190),
// and for placeholders cloudflare 1xxx error-1034: "100::" and "192.0.2.0".
var specials = []Special{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network", false},
	{netip.MustParsePrefix("10.0.0.0/8"), "private", false},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT", false},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback", false},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local", false},
	{netip.MustParsePrefix("172.16.0.0/12"), "private", false},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments", false},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation", true},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay, withdrawn", false},
	{netip.MustParsePrefix("192.168.0.0/16"), "private", false},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking", false},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation", false},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation", false},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast", false},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved", false},
	{netip.MustParsePrefix("::/128"), "unspecified", false},
	{netip.MustParsePrefix("::1/128"), "loopback", false},
	{netip.MustParsePrefix("100::/64"), "discard only", true},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation", false},
	{netip.MustParsePrefix("3fff::/20"), "documentation", false},
	{netip.MustParsePrefix("fc00::/7"), "private", false},
	{netip.MustParsePrefix("fe80::/10"), "link-local", false},
	{netip.MustParsePrefix("ff00::/8"), "multicast", false},
}

// SpecialOf is the reserved block that holds an address, and whether there is
// one.
func SpecialOf(addr netip.Addr) (Special, bool) {
	addr = addr.Unmap().WithZone("")
	for _, s := range specials {
		if s.Range.Contains(addr) {
			return s, true
		}
	}
	return Special{}, false
}

// Placeholder reports whether an address is one that records hold on purpose
// where no origin exists.
func Placeholder(addr netip.Addr) bool {
	s, ok := SpecialOf(addr)
	return ok && s.Placeholder
}
