package outside

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward/internal/dnsask"
	"github.com/originward/originward/internal/exchange"
)

// Ask is what to look at. Only Host is needed.
type Ask struct {
	// Host is the name as visitors use it: lower case, ASCII, without a port.
	Host string
	// Path is the request target; empty = "/".
	Path string
	// Scheme is the visitor's, http or https; empty = both are looked at alike.
	Scheme string
	// Port is the visitor's, when the URL names one; 0 = the scheme's own.
	Port uint16
	// Origins are the origin's addresses or names as the user knows them. Empty
	// = those addresses of Host that are no edge's.
	Origins []Origin
	// Servers are the DNS servers to ask; empty = the system's.
	Servers []dnsask.Server
	// Edges are addresses that are known to be an edge's.
	Edges []netip.Addr
	// Trust is whom a strict edge trusts; nil = the system's roots.
	Trust *exchange.Trust
	// ClientCert is the certificate that the edge presents (authenticated origin
	// pulls); nil = none is known.
	ClientCert *tls.Certificate
	// Cookie is the Cookie field of a visitor whose requests fail; empty = none.
	Cookie string
	// Patient uses the edge's documented timers instead of the fast ones.
	Patient bool
	// Now is the clock of evidence; nil = time.Now.
	Now func() time.Time
}

// Origin is where an origin is: an address, or a name that is resolved.
type Origin struct {
	Addr netip.Addr // zero = Name is to be resolved
	Name string     // empty = Addr was given
	Port uint16     // 0 = 80 and 443
}

// String is the origin as a user writes it.
func (o Origin) String() string {
	host := o.Name
	if o.Addr.IsValid() {
		host = o.Addr.String()
	}
	if o.Port == 0 {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(o.Port)))
}

// ParseOrigin reads ADDR, ADDR:PORT, NAME or NAME:PORT. IPv6 addresses with a
// port stand in brackets.
func ParseOrigin(s string) (Origin, error) {
	bad := func(why string) (Origin, error) {
		return Origin{}, fmt.Errorf("origin %q: %s; allowed are an address or name, with or without a port, for example 203.0.113.10, [2001:db8::10]:8443 or origin.example:443", s, why)
	}
	host, port := strings.TrimSpace(s), ""
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		if a.Zone() != "" {
			return bad("an address with a zone is not reachable from elsewhere")
		}
		return Origin{Addr: a.Unmap()}, nil
	}
	if strings.Contains(host, ":") {
		var err error
		if host, port, err = net.SplitHostPort(host); err != nil {
			return bad("not ADDR:PORT")
		}
	}
	var o Origin
	if port != "" || strings.HasSuffix(s, ":") {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return bad(fmt.Sprintf("port %q is not within 1 to 65535", port))
		}
		o.Port = uint16(n)
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" {
		o.Addr = a.Unmap()
		return o, nil
	}
	if !validName(host) {
		return bad("neither an address nor a host name")
	}
	o.Name = strings.ToLower(strings.TrimSuffix(host, "."))
	return o, nil
}

// validName reports a host name of letters, digits, hyphens and underscores
// with a letter somewhere in its last label, so that 1.2.3 is no name.
func validName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return false
	}
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return false
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// Budgets of a whole run. Fast: a silent origin is called after the fast
// profile's 3 s, and the verdict has to stand by 3.5 s. Patient: 19 s to
// connect, as long again for the handshake, and 125 s of waiting for the first
// byte (cloudflare connection-limits, 2026-07-23), plus one more look.
const (
	fastBudget    = 3200 * time.Millisecond
	patientBudget = 6 * time.Minute
)

func (a Ask) budget() time.Duration {
	if a.Patient {
		return patientBudget
	}
	return fastBudget
}

func (a Ask) profile() exchange.Profile {
	if a.Patient {
		return exchange.Patient()
	}
	return exchange.Fast()
}

func (a Ask) withDefaults() Ask {
	if a.Path == "" {
		a.Path = "/"
	}
	if a.Now == nil {
		a.Now = time.Now
	}
	return a
}
