package rules

import "net/netip"

// Headers looks up the first header field of a name, in any case; nil when
// there is none.
type Headers interface {
	Get(name string) []byte
}

// Request is what rules see of a visitor's request. The byte slices are only
// read, and only during evaluation.
type Request struct {
	IP      netip.Addr // the visitor
	Host    []byte     // lower case, without port
	Method  []byte
	Path    []byte // as sent, percent-encoded, without the query
	Query   []byte // without "?"
	Target  []byte // path and query as sent
	HTTPS   bool
	Version []byte // HTTP/1.0, HTTP/1.1, HTTP/2
	Port    uint16 // the edge's port
	Ray     []byte // 16 hex digits
	Colo    []byte
	Headers Headers // nil = none

	userAgent []byte
	haveUA    bool
}

func (r *Request) header(name string) []byte {
	if r.Headers == nil {
		return nil
	}
	return r.Headers.Get(name)
}

// agent is the User-Agent, looked up once: rule sets ask for it again and again.
func (r *Request) agent() []byte {
	if !r.haveUA {
		r.userAgent, r.haveUA = r.header("User-Agent"), true
	}
	return r.userAgent
}
