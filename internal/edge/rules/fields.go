package rules

import "net/netip"

// Kind is the type of a value in an expression.
type kind uint8

const (
	kindBool kind = iota + 1
	kindInt
	kindString
	kindIP
)

func (k kind) String() string {
	switch k {
	case kindBool:
		return "boolean"
	case kindInt:
		return "integer"
	case kindString:
		return "string"
	case kindIP:
		return "IP address"
	}
	return "unknown"
}

// operand is a typed value that is worked out per request; exactly the function
// of its kind is set.
type operand struct {
	kind kind
	b    func(*Request) bool
	i    func(*Request) int64
	s    func(*Request) []byte
	ip   func(*Request) netip.Addr
}

func stringField(f func(*Request) []byte) operand { return operand{kind: kindString, s: f} }

func headerField(name string) operand {
	return stringField(func(r *Request) []byte { return r.header(name) })
}

// fields lists every field, under the names of Cloudflare's Rules language.
var fields = map[string]operand{
	"ip.src":                 {kind: kindIP, ip: func(r *Request) netip.Addr { return r.IP }},
	"http.host":              stringField(func(r *Request) []byte { return r.Host }),
	"http.request.method":    stringField(func(r *Request) []byte { return r.Method }),
	"http.request.uri":       stringField(func(r *Request) []byte { return r.Target }),
	"http.request.uri.path":  stringField(func(r *Request) []byte { return r.Path }),
	"http.request.uri.query": stringField(func(r *Request) []byte { return r.Query }),
	"http.request.full_uri":  stringField(fullURI),
	"http.request.version":   stringField(func(r *Request) []byte { return r.Version }),
	"http.user_agent":        stringField((*Request).agent),
	"http.referer":           headerField("Referer"),
	"http.cookie":            headerField("Cookie"),
	"http.x_forwarded_for":   headerField("X-Forwarded-For"),
	"ssl":                    {kind: kindBool, b: func(r *Request) bool { return r.HTTPS }},
	"cf.edge.server_port":    {kind: kindInt, i: func(r *Request) int64 { return int64(r.Port) }},
	"cf.ray_id":              stringField(func(r *Request) []byte { return r.Ray }),
	"cf.colo.name":           stringField(func(r *Request) []byte { return r.Colo }),
}

func fullURI(r *Request) []byte {
	scheme := "http://"
	if r.HTTPS {
		scheme = "https://"
	}
	u := make([]byte, 0, len(scheme)+len(r.Host)+len(r.Target))
	u = append(u, scheme...)
	u = append(u, r.Host...)
	return append(u, r.Target...)
}
