package http1

import (
	"bytes"
	"net/netip"
)

// maxHost is the most bytes of a host name, RFC 1035 section 2.3.4.
const maxHost = 255

// splitHost splits and checks host[:port]. A port may be empty after its colon (RFC 3986), not 0
// or above 65535. IPv6 brackets are cut off the host.
func splitHost(b []byte) (host, port []byte, ok bool) {
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return nil, nil, false
		}
		addr, err := netip.ParseAddr(string(b[1:end]))
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return nil, nil, false
		}
		host, b = b[1:end:end], b[end+1:]
		if len(b) == 0 {
			return host, nil, true
		}
		if b[0] != ':' {
			return nil, nil, false
		}
		port, ok = checkPort(b[1:])
		return host, port, ok
	}
	host = b
	ok = true
	if i := bytes.IndexByte(b, ':'); i >= 0 {
		host = b[:i:i]
		port, ok = checkPort(b[i+1:])
	}
	if !ok || len(host) == 0 || len(host) > maxHost || indexNot(host, isHost) >= 0 {
		return nil, nil, false
	}
	// An empty label ("a..b", ".a") is no name; a single dot at the end is.
	if host[0] == '.' || bytes.Contains(host, []byte("..")) {
		return nil, nil, false
	}
	return host, port, true
}

// checkPort accepts nothing or 1 to 65535.
func checkPort(b []byte) ([]byte, bool) {
	if len(b) == 0 {
		return nil, true
	}
	n, ok := parseDecimal(b)
	return b, ok && len(b) <= 5 && n > 0 && n <= 65535
}

// hostField takes note of a request's Host line.
func (r *Reader) hostField(f *Field, from, value int) *ParseError {
	h := &r.req
	if h.hostSeen {
		return r.fault(MultipleHost, Request, PartFields, from, from)
	}
	h.hostSeen = true
	host, port, ok := splitHost(f.Value)
	if !ok {
		return r.fault(BadHost, Request, PartFields, from, value)
	}
	if h.Host != nil { // CONNECT: the target is the authority, and Host repeats it
		if !sameHost(h.Hostname, h.Port, host, port, nil) {
			return r.fault(HostMismatch, Request, PartFields, from, value)
		}
		return nil
	}
	if h.Absolute && !sameHost(r.authorityHost, r.authorityPort, host, port, h.Scheme) {
		return r.fault(HostMismatch, Request, PartFields, from, value)
	}
	h.Host, h.Hostname, h.Port = f.Value, host, port
	return nil
}

// finishHost demands a Host in HTTP/1.1; an HTTP/1.0 request may do without, and then an
// absolute-form target names the host.
func (r *Reader) finishHost(h *RequestHead) *ParseError {
	if !h.hostSeen && h.Minor > 0 {
		return r.fault(MissingHost, Request, PartFields, r.start, r.line)
	}
	if h.Host == nil && h.Absolute {
		h.Host, h.Hostname, h.Port = r.authority, r.authorityHost, r.authorityPort
	}
	return nil
}

// sameHost tells whether two authorities are the same, with the scheme's default port for a missing one.
func sameHost(host1, port1, host2, port2, scheme []byte) bool {
	if !equalFold(host1, host2) {
		return false
	}
	standard := ""
	switch {
	case equalFold(scheme, "http"):
		standard = "80"
	case equalFold(scheme, "https"):
		standard = "443"
	}
	if len(port1) == 0 {
		return len(port2) == 0 || string(port2) == standard
	}
	if len(port2) == 0 {
		return string(port1) == standard
	}
	n1, _ := parseDecimal(port1)
	n2, _ := parseDecimal(port2)
	return n1 == n2
}

// ValidHost tells whether s is host[:port] as the codec accepts it in Host.
func ValidHost(s string) bool {
	_, _, ok := splitHost([]byte(s))
	return ok
}

// ValidHostBytes is ValidHost for bytes.
func ValidHostBytes(b []byte) bool {
	_, _, ok := splitHost(b)
	return ok
}

// HostnameOf is a valid host[:port] without its port and brackets.
func HostnameOf(b []byte) []byte {
	host, _, _ := splitHost(b)
	return host
}
