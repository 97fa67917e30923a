package rules

import (
	"bytes"
	"net/netip"
	"time"
)

// Headers are the fields of a request or response.
type Headers interface {
	// Get gives the value of the first field of that name, in any case; nil when there is none.
	Get(name string) []byte
	// Len is the number of field lines.
	Len() int
	// At gives a field line as it was sent.
	At(i int) (name, value []byte)
}

// Place is what is known of where an address belongs. Empty fields are unknown.
type Place struct {
	Country     string // ISO 3166-1, two capital letters
	Continent   string // AF, AN, AS, EU, NA, OC, SA
	City        string
	Region      string
	RegionCode  string
	PostalCode  string
	TimeZone    string
	Latitude    string
	Longitude   string
	EU          bool   // the country is in the European Union
	ASN         uint32 // 0 = unknown
	ASNName     string
	Subdivision string // ISO 3166-2
}

// Places finds the place of an address; nil when nothing is known of it.
type Places interface {
	Place(netip.Addr) *Place
}

// URI is a request's path and query, as sent: percent-encoded.
type URI struct {
	Path   []byte // without the query
	Query  []byte // without "?"
	Target []byte // both
}

// Reply is what rules see of a response.
type Reply struct {
	Status    int
	Headers   Headers // nil = none
	Kept      bool    // the cache answers
	Challenge bool    // a challenge answers
	Error     int     // number of the edge's own error page: 521, 1020 …; 0 = not the edge's error
}

// Request is what rules see of a visitor's request. The byte slices are only
// read, and only during evaluation. A Request is evaluated by one goroutine at a time.
type Request struct {
	IP        netip.Addr // the visitor
	Host      []byte     // lower case, without port
	Method    []byte
	URI           // as rewritten so far
	Raw       URI // as the visitor sent it
	HTTPS     bool
	Version   []byte // HTTP/1.0, HTTP/1.1, HTTP/2
	Port      uint16 // the edge's port
	ServerIP  netip.Addr
	Ray       []byte // 16 hex digits
	Colo      []byte
	Zone      string
	At        time.Time // when it came
	TLS       string    // TLSv1.3; empty = none
	Cipher    string
	Headers   Headers // nil = none
	Places    Places  // nil = no database
	Response  *Reply  // nil until there is one
	userAgent []byte
	haveUA    bool
	place     *Place
	havePlace bool

	element []byte   // of the array that any() or all() goes through
	arena   [][]byte // memory of arrays during one evaluation
}

// Reset makes the Request ready for another visitor, keeping its memory.
func (r *Request) Reset() { *r = Request{arena: r.arena[:0]} }

// Rewrite puts a target in place of the visitor's; nil leaves it.
func (r *Request) Rewrite(target []byte) {
	if target == nil {
		return
	}
	r.URI = URI{Path: target, Target: target}
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		r.Path, r.Query = target[:i], target[i+1:]
	}
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
		r.userAgent, r.haveUA = present(r.header("User-Agent")), true
	}
	return r.userAgent
}

var nowhere Place

// Where is what is known of the visitor's place; never nil.
func (r *Request) Where() *Place {
	if !r.havePlace {
		r.havePlace, r.place = true, &nowhere
		if r.Places != nil && r.IP.IsValid() {
			if p := r.Places.Place(r.IP); p != nil {
				r.place = p
			}
		}
	}
	return r.place
}

// gather ends an array that was begun at mark of the arena; nil when it is empty and
// must then be a missing value.
func (r *Request) gather(mark int, missing bool) [][]byte {
	if len(r.arena) == mark && missing {
		return nil
	}
	return r.arena[mark:len(r.arena):len(r.arena)]
}

func fold(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if foldASCII(c) != foldASCII(b[i]) {
			return false
		}
	}
	return true
}

// values collects a header's values.
func (r *Request) values(h Headers, name string) [][]byte {
	if h == nil {
		return nil
	}
	mark := len(r.arena)
	for i := range h.Len() {
		if n, v := h.At(i); fold(n, name) {
			r.arena = append(r.arena, present(v))
		}
	}
	return r.gather(mark, true)
}

// column collects all names, or all values, of a header.
func (r *Request) column(h Headers, names bool) [][]byte {
	mark := len(r.arena)
	if h != nil {
		for i := range h.Len() {
			n, v := h.At(i)
			if names {
				v = n
			}
			r.arena = append(r.arena, present(v))
		}
	}
	if len(r.arena) == mark {
		return noItems
	}
	return r.gather(mark, false)
}

var noItems = [][]byte{}
