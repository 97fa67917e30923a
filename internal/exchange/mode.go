package exchange

import "github.com/originward/originward"

// Overrides change what the edge dials (an origin rule). Zero fields change nothing.
type Overrides struct {
	Port uint16 // destination port
	Host string // Host header; also the server name unless SNI is set
	SNI  string // server name
}

// Plan is what the edge does towards the origin for one visitor's request.
type Plan struct {
	Scheme   string // http or https towards the origin
	Port     uint16
	SNI      string // server name; empty over http
	Host     string // host name for the Host field
	Validate bool   // the certificate is validated
	// Redirect tells that the visitor is redirected to http instead (mode off, visitor on https).
	Redirect bool
}

// PlanFor is the pure decision of SSL mode, visitor scheme and port, and
// overrides (cloudflare ssl-modes, origin-rules/features). host is the requested
// host name without port. ok is false when the mode is not known.
func PlanFor(m originward.SSLMode, visitorScheme string, visitorPort uint16, host string, o Overrides) (p Plan, ok bool) {
	p.Scheme, p.Port, ok = m.OriginScheme(visitorScheme, visitorPort)
	if !ok {
		return Plan{}, false
	}
	p.Redirect = m == originward.SSLOff && visitorScheme == "https"
	p.Host = host
	if o.Host != "" {
		p.Host = o.Host
	}
	if o.Port != 0 {
		p.Port = o.Port
	}
	if p.Scheme != "https" {
		return p, true
	}
	p.SNI = p.Host
	if o.SNI != "" {
		p.SNI = o.SNI
	}
	p.Validate = m.Validates()
	return p, true
}

// RetryAddr is the one other address that the edge tries after a fault of the
// exchange with addrs[tried], as documented: one retry, another address of the same
// name, only for codes for which [originward.RetryElsewhere] holds. ok is false when
// the fault stands.
func RetryAddr[A comparable](addrs []A, tried int, f *originward.Fault) (next A, ok bool) {
	if f == nil || !originward.RetryElsewhere(f.Code().Error) {
		return next, false
	}
	for i := 1; i < len(addrs); i++ {
		if a := addrs[(tried+i)%len(addrs)]; a != addrs[tried] {
			return a, true
		}
	}
	return next, false
}
