package cdn

import (
	"slices"

	"github.com/originward/originward/fact"
)

// PortList is the ports that a CDN carries to an origin, by the scheme that a
// visitor uses on them.
type PortList struct {
	CDN         ID
	Source      string
	AsOf        string // date of the reading
	HTTP, HTTPS []uint16
	Uncached    []uint16 // carried, never cached
}

// portLists are the documented lists. A CDN without a line has none that is
// known here, or lets its user choose any port.
var portLists = []PortList{
	{
		CDN: Cloudflare, Source: "cloudflare fundamentals/reference/network-ports", AsOf: "2026-07-23",
		HTTP:     []uint16{80, 8080, 8880, 2052, 2082, 2086, 2095},
		HTTPS:    []uint16{443, 2053, 2083, 2087, 2096, 8443},
		Uncached: []uint16{2052, 2053, 2082, 2083, 2086, 2087, 2095, 2096, 8880, 8443},
	},
}

// Ports is the list of a CDN. An Originward edge follows Cloudflare's.
func Ports(id ID) (PortList, bool) {
	if id == Originward {
		id = Cloudflare
	}
	for _, l := range portLists {
		if l.CDN == id {
			return l, true
		}
	}
	return PortList{}, false
}

// PortSupported tells whether a CDN carries a scheme on a port: no when its
// list names the port for the other scheme only, or not at all; unknown when no
// list is known.
func PortSupported(id ID, scheme string, port uint16) fact.Tri {
	l, ok := Ports(id)
	switch {
	case !ok:
		return fact.Unknown
	case scheme == "http":
		return fact.TriOf(slices.Contains(l.HTTP, port))
	case scheme == "https":
		return fact.TriOf(slices.Contains(l.HTTPS, port))
	}
	return fact.TriOf(slices.Contains(l.HTTP, port) || slices.Contains(l.HTTPS, port))
}
