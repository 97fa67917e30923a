package outside

import (
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// door is one port of an address and the scheme spoken there.
type door struct {
	port   uint16
	scheme string
	guess  bool // the scheme is a guess: https until the port speaks plain HTTP
}

// doors are the ports to look at. Both of the usual ones, whatever the visitor
// uses: that one answers and the other does not is what parts many causes.
func doors(given uint16, a Ask) []door {
	if given != 0 {
		return doorsOf(given, a.Scheme)
	}
	out := []door{{port: 80, scheme: "http"}, {port: 443, scheme: "https"}}
	if a.Port != 0 && a.Port != 80 && a.Port != 443 {
		out = append(out, doorsOf(a.Port, a.Scheme)...)
	}
	return out
}

// doorsOf is how a port is spoken to: as the CDN would, as the user says, or as
// the port itself answers.
func doorsOf(port uint16, scheme string) []door {
	switch {
	case port == 80, cdn.PortSupported(cdn.Cloudflare, "http", port) == fact.Yes:
		return []door{{port: port, scheme: "http"}}
	case port == 443, cdn.PortSupported(cdn.Cloudflare, "https", port) == fact.Yes:
		return []door{{port: port, scheme: "https"}}
	case scheme != "":
		return []door{{port: port, scheme: scheme}}
	}
	return []door{{port: port, scheme: "https", guess: true}}
}

// known is what the planner may count on.
type known struct {
	cookie     bool // a visitor's cookies were sent
	clientCert bool // the edge's client certificate is at hand
	edgeHeader bool // the fields that an edge adds were sent
}

// The second looks that part causes of a failed handshake (causes.md §3, 25):
// which cell of server name × size of hello × version fails names the cause.
var (
	nameMatrix    = []string{fact.VariantOtherSNI, fact.VariantNoSNI}
	helloMatrix   = []string{fact.VariantSmallHello, fact.VariantLargeHello}
	versionMatrix = []string{fact.VariantTLS12, fact.VariantTLS13}
)

// ahead are the second looks that are begun before the first has ended, when it
// takes long. They cost the origin handshakes and one request without a body.
func ahead(scheme string) []string {
	if scheme != "https" {
		return []string{fact.VariantHead}
	}
	return slices.Concat(nameMatrix, helloMatrix, []string{fact.VariantPlainHTTP, fact.VariantHead})
}

// secondLooks are the variants that would teach something after the plain
// exchange x; nil when nothing would.
func secondLooks(x fact.Exchange, k known) []string {
	if x.Variant != fact.VariantPlain {
		return nil
	}
	if x.Fault == nil {
		return afterResponse(x, k)
	}
	switch x.Fault.Phase {
	case originward.PhaseTLS:
		return afterHandshake(*x.Fault, k)
	case originward.PhaseWrite, originward.PhaseFirstByte, originward.PhaseHeaders, originward.PhaseBody:
		return afterRequest(x, k)
	}
	return nil // before the handshake nothing that we send makes a difference
}

func afterHandshake(f fact.Fault, k known) []string {
	if f.NotTLS {
		return []string{fact.VariantPlainHTTP}
	}
	out := slices.Concat(nameMatrix, helloMatrix, versionMatrix)
	if f.Alert == 0 {
		// Silence, a reset or an end: the port may not speak TLS at all.
		out = append(out, fact.VariantPlainHTTP)
	}
	if k.clientCert && f.ClientCert == fact.Yes {
		out = append(out, fact.VariantClientCert)
	}
	return out
}

// afterRequest is for replies that are empty, broken or late. Each variant
// leaves out one thing that could be the reason.
func afterRequest(x fact.Exchange, k known) []string {
	var out []string
	if k.cookie {
		out = append(out, fact.VariantNoCookie)
	}
	if k.edgeHeader {
		out = append(out, fact.VariantBare)
	}
	out = append(out, fact.VariantOtherHost)
	if x.TLS != nil && x.TLS.ALPN == "h2" {
		out = append(out, fact.VariantHTTP1)
	}
	if k.clientCert && (x.Fault.ClientCert == fact.Yes || x.TLS != nil && x.TLS.ClientCert == fact.Yes) {
		out = append(out, fact.VariantClientCert)
	}
	if x.Scheme == "http" {
		out = append(out, fact.VariantFlexible)
	}
	if silence(*x.Fault) {
		// A small answer that comes where a large one stalls points to the path.
		out = append(out, fact.VariantHead)
	}
	return append(out, fact.VariantSecondVisit)
}

// silence reports faults in which nothing came for as long as the timer ran.
func silence(f fact.Fault) bool {
	switch f.Type {
	case originward.ConnectionTimeout, originward.HTTPResponseTimeout, originward.ConnectionReadTimeout, originward.ConnectionWriteTimeout:
		return true
	}
	return false
}

func afterResponse(x fact.Exchange, k known) []string {
	var out []string
	r := x.Response
	if r == nil {
		return nil
	}
	if x.Scheme == "http" && toHTTPS(x) {
		out = append(out, fact.VariantFlexible)
	}
	if x.Scheme == "https" {
		// The plain hello fits one packet; a CDN's may not.
		out = append(out, fact.VariantLargeHello)
	}
	// 494 is nginx's own number for a header that is too large.
	if k.cookie && (r.Status == 400 || r.Status == 413 || r.Status == 431 || r.Status == 494 || r.Status >= 500) {
		out = append(out, fact.VariantNoCookie)
	}
	if k.edgeHeader && (r.Status == 403 || r.Status == 429 || r.Status >= 500) {
		out = append(out, fact.VariantBare)
	}
	if k.clientCert && x.TLS != nil && x.TLS.ClientCert == fact.Yes && (r.Status == 400 || r.Status == 403) {
		out = append(out, fact.VariantClientCert)
	}
	if x.TLS != nil && x.TLS.ALPN == "h2" && (r.Status == 421 || r.Status >= 500) {
		out = append(out, fact.VariantHTTP1)
	}
	return out
}

// toHTTPS reports any redirect to https.
func toHTTPS(x fact.Exchange) bool {
	r := x.Response
	return r.Status >= 300 && r.Status < 400 && strings.HasPrefix(strings.ToLower(r.Header["location"]), "https:")
}

// handshakeOnly reports variants for which the handshake is the whole answer,
// so that no request is sent.
func handshakeOnly(variant string) bool {
	return slices.Contains(nameMatrix, variant) || slices.Contains(helloMatrix, variant) || slices.Contains(versionMatrix, variant)
}
