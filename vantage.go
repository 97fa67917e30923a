package originward

import "fmt"

// Vantage is the place from which something was observed.
type Vantage string

// The four places to look from.
const (
	Outside Vantage = "outside" // any network, straight to the origin; also public DNS
	Edge    Vantage = "edge"    // through the CDN's edge, or the edge's own record
	Host    Vantage = "host"    // on the origin host
	CDN     Vantage = "cdn"     // the CDN's configuration, through its API
)

// Vantages lists the places in the order in which a report shows them.
func Vantages() []Vantage { return []Vantage{Outside, Edge, Host, CDN} }

// Family is an address family. The zero Family means "either, or not known".
type Family string

// The two families. They are separate subjects everywhere.
const (
	IP4 Family = "ip4"
	IP6 Family = "ip6"
)

// SSLMode is how the edge speaks to origins (Cloudflare's setting "ssl").
// The zero SSLMode means "not known".
type SSLMode string

// The modes, under the names of Cloudflare's API.
const (
	SSLOff        SSLMode = "off"         // visitors are redirected to http; http to the origin
	SSLFlexible   SSLMode = "flexible"    // http to the origin on 80, whatever the visitor used
	SSLFull       SSLMode = "full"        // visitor's scheme; any certificate passes
	SSLStrict     SSLMode = "strict"      // visitor's scheme; the certificate is validated
	SSLOriginPull SSLMode = "origin_pull" // always https; validated
)

// SSLModes lists the modes from the weakest to the strongest.
func SSLModes() []SSLMode {
	return []SSLMode{SSLOff, SSLFlexible, SSLFull, SSLStrict, SSLOriginPull}
}

// ParseSSLMode reads a mode as Cloudflare's API or dashboard writes it.
func ParseSSLMode(s string) (SSLMode, error) {
	switch s {
	case "off", "flexible", "full", "strict", "origin_pull":
		return SSLMode(s), nil
	case "full_strict", "full-strict":
		return SSLStrict, nil
	}
	return "", fmt.Errorf("ssl mode %q: allowed are off, flexible, full, strict, origin_pull", s)
}

// Validates reports whether the mode checks the origin's certificate.
func (m SSLMode) Validates() bool { return m == SSLStrict || m == SSLOriginPull }

// OriginScheme is the scheme and port that the edge uses towards the origin
// for a visitor's scheme and port, without port overrides. Flexible applies to
// https on 443 only; on other https ports it acts as full. The edge keeps the
// visitor's port, except where the mode changes the scheme on the default
// port. ok is false when the mode is not known.
func (m SSLMode) OriginScheme(scheme string, port uint16) (originScheme string, originPort uint16, ok bool) {
	switch m {
	case SSLOff:
		return "http", defaultPort(port, 443, 80), true
	case SSLFlexible:
		if scheme == "https" && port != 443 {
			return "https", port, true
		}
		return "http", defaultPort(port, 443, 80), true
	case SSLFull, SSLStrict:
		return scheme, port, true
	case SSLOriginPull:
		return "https", defaultPort(port, 80, 443), true
	}
	return "", 0, false
}

func defaultPort(port, from, to uint16) uint16 {
	if port == from {
		return to
	}
	return port
}
