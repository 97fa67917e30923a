package edge

import (
	"context"
	"io"
	"net/netip"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/edge/ray"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/edge/spans"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/http1"
)

// proto is the version of HTTP that a visitor speaks.
type proto uint8

const (
	http10 proto = iota + 1
	http11
	http2x
	http3x
)

var protoNames = [...]string{http10: "HTTP/1.0", http11: "HTTP/1.1", http2x: "HTTP/2", http3x: "HTTP/3"}

var protoBytes = [...][]byte{http10: []byte("HTTP/1.0"), http11: []byte("HTTP/1.1"), http2x: []byte("HTTP/2"), http3x: []byte("HTTP/3")}

func (p proto) String() string {
	if int(p) < len(protoNames) {
		return protoNames[p]
	}
	return ""
}

// source is a request's body as it comes from the visitor.
type source interface {
	Framing() http1.Framing
	WriteTo(w io.Writer) (int64, error)
	Trailers() []http1.Field
}

// responder sends what a visit ends in, over the visitor's protocol.
type responder interface {
	// interim passes a 1xx response on.
	interim(h *http1.ResponseHead) error
	// forward sends the origin's response, body and all. Its error is the visitor's, or a
	// *originward.Fault of the body phase.
	forward(h *http1.ResponseHead, c *content) error
	// own sends an answer of the edge's.
	own(a *answerHead, body []byte) error
}

// visit is one request from its first byte to its record. It is reused; begin
// clears it.
type visit struct {
	edge *Edge
	st   *state
	out  responder
	conn *visitorInfo
	ctx  context.Context // ends when the visitor is known to be gone

	ray   ray.ID
	rayID [20]byte // with the place, as headers show it
	began time.Time

	request
	outcome
	ruling

	buf      []byte // head towards the origin, reused
	headEnd  int    // where in buf the head ends
	hostBuf  []byte
	keyBuf   []byte
	trace    exchange.Trace
	req      exchange.Request
	upload   upload
	content  content
	cache    caching
	presence *presence // of an HTTP/1 visitor; nil = its context tells by itself
	patience *patience // with a visitor that pauses; nil = none
	// interrupt wakes a read from the visitor, after which the connection cannot carry
	// another request; nil = none is needed.
	interrupt func()
	bound     bound
	flight    flight
	span      spans.Context // place in a trace; zero = none
}

// request is what the visitor asked for, and where it leads.
type request struct {
	proto     proto
	method    string
	authority []byte // Host as sent
	host      []byte // lower case, without port
	target    []byte
	path      []byte
	query     []byte
	head      *http1.Head
	upgrade   []byte // protocol asked for; nil = none
	expect    bool   // the visitor waits for a 100 (Continue)
	body      source

	zone    *zone
	site    *site
	routing rules.Routing // by origin rules
}

// outcome is what became of a request, for log and record.
type outcome struct {
	status int
	// originStatus is the last status that the origin answered; 0 = none.
	originStatus int

	errCode int // number on the edge's page
	fault   *originward.Fault
	faultAs *fact.Fault
	origin  netip.AddrPort
	name    string // origin name that was resolved
	pool    string // whose origin it is; empty = of none
	egress  netip.Addr
	plan    exchange.Plan
	reused  bool
	retried bool
	ruleID  string
	logged  []string         // ids of rules that logged or skipped
	sent    int64            // body bytes towards the visitor
	cut     bool             // the response could not be sent whole
	left    originward.Phase // what was waited for when the visitor left; empty = it stayed
	// setCookie begins a session with the origin; empty = none begins.
	setCookie string
}

// bound are a visit's methods as functions, made once.
type bound struct {
	interim func(*http1.ResponseHead) error
	sendTo  func(io.Writer) error
	note    func(rules.Hit)
	solved  func() (time.Time, bool)
	body    func() rules.Body
}

func newVisit() *visit {
	v := &visit{flight: flight{shard: nextShard()}}
	v.bound = bound{
		interim: func(h *http1.ResponseHead) error { return v.out.interim(h) },
		sendTo:  v.upload.sendTo,
		note:    v.noteHit,
		solved:  v.solved,
		body:    v.bodyStart,
	}
	return v
}

// visitorInfo is what all requests of one visitor connection share.
type visitorInfo struct {
	addr  netip.Addr // the visitor, unmapped
	text  string     // the same as text
	port  uint16
	local netip.AddrPort // the edge's
	https bool
	sni   string
	tls   tlsInfo
}

// tlsInfo is the visitor's TLS as /cdn-cgi/trace and the log show it.
type tlsInfo struct {
	version, cipher, curve string
}

func (i *visitorInfo) scheme() string {
	if i.https {
		return "https"
	}
	return "http"
}

// begin clears what the last request left and names the new one.
func (v *visit) begin(e *Edge, c *visitorInfo, out responder) {
	v.request, v.outcome = request{}, outcome{logged: v.logged[:0]}
	v.edge, v.conn, v.out, v.ctx = e, c, out, context.Background()
	v.ruling.reset()
	v.trace = exchange.Trace{}
	v.req = exchange.Request{}
	v.content = content{buf: v.content.buf}
	v.cache, v.span = caching{}, spans.Context{}
	v.upload.reset()
	v.patience, v.interrupt, v.presence = nil, nil, nil
	v.st = e.state.Load()
	v.began = time.Now()
	v.ray = ray.New()
	v.ray.AppendWithPlace(v.rayID[:0], v.st.cfg.Colo)
}

// setHost notes the host name in lower case.
func (v *visit) setHost(name []byte) {
	v.hostBuf = append(v.hostBuf[:0], name...)
	for i, c := range v.hostBuf {
		if c >= 'A' && c <= 'Z' {
			v.hostBuf[i] = c | 0x20
		}
	}
	v.host = v.hostBuf
	if n := len(v.host); n > 1 && v.host[n-1] == '.' {
		v.host = v.host[:n-1] // the root, written out
	}
}

// serve answers the request. The order of the steps is the order in which an edge
// decides (cloudflare.md: rules before any origin contact).
func (v *visit) serve() {
	busy := &v.edge.flights.shards[v.flight.shard].busy
	busy.Add(1)
	defer busy.Add(-1)
	v.place()
	switch {
	case v.ownPath():
	case v.proves():
	case !v.route():
	case v.redirected():
	case v.looped():
	case v.ruled():
	case v.fromCache():
	default:
		v.fromOrigin()
		v.cache.settle(v.edge.cache)
	}
	v.edge.finish(v)
}

// route finds the site; what it cannot find it answers.
func (v *visit) route() bool {
	if v.method == "CONNECT" {
		v.refuse(501)
		return false
	}
	if len(v.host) == 0 {
		v.refuse(1003)
		return false
	}
	v.zone, v.site = v.st.routes.find(v.host)
	switch {
	case v.zone == nil && isAddress(v.host):
		v.refuse(1003)
	case v.zone == nil:
		v.refuse(1001)
	case v.misdirected():
		v.refuse(1013)
	case v.site == nil:
		// The zone is served here and has no record of this name (1016: no A record).
		v.fail(&originward.Fault{Phase: originward.PhaseResolve, Type: originward.DNSError, Err: errNoRecord})
	case !v.site.proxied:
		v.refuse(1004)
	default:
		return true
	}
	return false
}

// misdirected tells a request for a site of another zone than the one the TLS
// connection was opened for.
func (v *visit) misdirected() bool {
	if v.conn.sni == "" || string(v.host) == v.conn.sni {
		return false
	}
	z, _ := v.st.routes.find([]byte(v.conn.sni))
	return z != nil && z != v.zone
}

// methodBytes is the method as bytes.
func (v *visit) methodBytes() []byte {
	if v.method == "GET" {
		return methodGet
	}
	return []byte(v.method)
}

var methodGet = []byte("GET")

// redirected answers with a redirect between http and https where the zone asks for one.
func (v *visit) redirected() bool {
	switch {
	case v.conn.https && v.zone.SSL == originward.SSLOff:
		v.redirect("http://")
	case !v.conn.https && v.zone.AlwaysUseHTTPS && v.zone.SSL != originward.SSLOff:
		v.redirect("https://")
	default:
		return false
	}
	return true
}

func isAddress(host []byte) bool {
	_, err := netip.ParseAddr(string(host))
	return err == nil
}
