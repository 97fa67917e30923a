package nginx

import (
	"net/netip"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/cidr"
)

// realIP is how the visitor's address is restored in a scope.
func (r *reader) realIP(s *scope) fact.RealIP {
	var out fact.RealIP
	from := s.all("set_real_ip_from")
	if h := s.last("real_ip_header"); h != nil {
		out.Header = h.arg(0)
		out.Place = h.place()
	}
	if len(from) == 0 {
		return out
	}
	if out.Header == "" {
		out.Header = "X-Real-IP" // nginx's default
	}
	for _, n := range from {
		if p, ok := cidr.Parse(n.arg(0)); ok {
			out.Trusted = append(out.Trusted, p)
		}
	}
	out.Place = from[0].place()
	out.Missing = cidr.Uncovered(r.src.Ranges, out.Trusted)
	out.Stale = cidr.Stale(out.Trusted, r.src.Ranges)
	return out
}

// restored says whether, in a scope, the address of a request that came from
// the edge is the visitor's by the time that rules and limits look at it. It
// is unknown when only some ranges are trusted, when no range is known, or
// when the header is not one that an edge is known to send.
func (r *reader) restored(s *scope) fact.Tri {
	ip := r.realIP(s)
	if len(ip.Trusted) == 0 {
		return fact.No
	}
	if len(r.src.Ranges) == 0 {
		return fact.Unknown
	}
	if untouched(ip.Trusted, r.src.Ranges) {
		return fact.No
	}
	if len(ip.Missing) > 0 {
		return fact.Unknown
	}
	switch strings.ToLower(strings.ReplaceAll(ip.Header, "_", "-")) {
	case "cf-connecting-ip", "x-forwarded-for", "true-client-ip", "cf-connecting-ipv6":
		return fact.Yes
	}
	return fact.Unknown
}

func untouched(trusted, ranges []netip.Prefix) bool {
	for _, t := range trusted {
		if len(cidr.Touching(ranges, t)) > 0 {
			return false
		}
	}
	return true
}
