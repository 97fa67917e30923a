package viaedge

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward/internal/dnsask"
)

// Ask is what to look at. Only Host is needed.
type Ask struct {
	// Host is the name as visitors use it: lower case, ASCII, without a port.
	Host string
	// Path is the request target; empty = "/".
	Path string
	// Scheme is http or https; empty = https first, and http beside it.
	Scheme string
	// Port is the one that the URL names; 0 = the scheme's own.
	Port uint16
	// Edges are where to reach the edge, as the user says; empty = the addresses
	// that DNS gives for Host. A port of 0 is the visitor's.
	Edges []Edge
	// Servers are the DNS servers to ask; empty = the system's.
	Servers []dnsask.Server
	// Roots are the certificate authorities that visitors' browsers trust; nil =
	// the system's.
	Roots *x509.CertPool
	// Cookie is the Cookie field of a visitor whose requests fail; empty = none.
	Cookie string
	// Visits is how often each door of the edge is asked; 0 = 3. It is raised to
	// twice the number of addresses from which the edge says it fetches.
	Visits int
	// API is the edge's control API; nil = not given.
	API *API
	// Patient waits as long as an edge waits for its origin.
	Patient bool
	// Now is the clock of evidence; nil = time.Now.
	Now func() time.Time
}

// Edge is one address of an edge.
type Edge struct {
	Addr netip.Addr
	Port uint16 // 0 = the port of the visitor's URL
}

// ParseEdge reads ADDR or ADDR:PORT, as --edge takes it.
func ParseEdge(s string) (Edge, error) {
	t := strings.TrimSpace(s)
	if a, err := netip.ParseAddr(strings.Trim(t, "[]")); err == nil && a.Zone() == "" {
		return Edge{Addr: a.Unmap()}, nil
	}
	host, port, err := net.SplitHostPort(t)
	if err == nil {
		a, aerr := netip.ParseAddr(host)
		n, nerr := strconv.ParseUint(port, 10, 16)
		if aerr == nil && nerr == nil && n > 0 && a.Zone() == "" {
			return Edge{Addr: a.Unmap(), Port: uint16(n)}, nil
		}
	}
	return Edge{}, fmt.Errorf("edge %q: give an address with or without a port, for example 198.51.100.10 or [2001:db8::1]:8443", s)
}

// Budgets of a whole run. Fast: as the looks from outside, so that the verdict
// stands by 3.5 s; an edge that still waits for its origin then is said to.
// Patient: 125 s until a 524, with a retry's connect before it.
const (
	fastBudget    = 3200 * time.Millisecond
	patientBudget = 160 * time.Second
)

func (a Ask) budget() time.Duration {
	if a.Patient {
		return patientBudget
	}
	return fastBudget
}

// How often a door is asked: three visits show most faults that come and go;
// more than 24 would be a load.
const (
	defaultVisits = 3
	maxVisits     = 24
)

func (a Ask) withDefaults() Ask {
	if a.Path == "" {
		a.Path = "/"
	}
	if a.Visits <= 0 {
		a.Visits = defaultVisits
	}
	if a.Now == nil {
		a.Now = time.Now
	}
	return a
}

// schemes are the visitor's, in order.
func (a Ask) schemes() []string {
	if a.Scheme != "" {
		return []string{a.Scheme}
	}
	if a.Port != 0 {
		return []string{"https"}
	}
	return []string{"https", "http"}
}

// portOf is the port of a scheme's URL.
func (a Ask) portOf(scheme string) uint16 {
	if a.Port != 0 && (a.Scheme == scheme || a.Scheme == "") {
		return a.Port
	}
	return ownPort(scheme)
}

func ownPort(scheme string) uint16 {
	if scheme == "http" {
		return 80
	}
	return 443
}
