package fact

import (
	"net/netip"
	"time"

	"github.com/originward/originward"
)

// QExchange is one exchange with an origin, phase by phase, by the same dialer
// that the edge uses. Its vantage tells from where: outside (straight to the
// origin) or host (over loopback or the host's own public address).
const QExchange originward.Question = "exchange"

// Variants of an exchange: what was changed to part look-alikes. Empty is the
// plain exchange as the edge would do it.
const (
	VariantPlain       = ""             // right SNI and Host
	VariantOtherSNI    = "sni-other"    // a neutral server name
	VariantNoSNI       = "sni-none"     // no server name
	VariantSmallHello  = "hello-small"  // ClientHello that fits one packet, no post-quantum share
	VariantLargeHello  = "hello-large"  // ClientHello padded beyond one packet
	VariantHTTP1       = "http1"        // ALPN without h2
	VariantHTTP2       = "http2"        // ALPN h2
	VariantTLS12       = "tls12"        // at most TLS 1.2
	VariantTLS13       = "tls13"        // at least TLS 1.3
	VariantPlainHTTP   = "plain-http"   // plain HTTP on the port that should speak TLS
	VariantNoCookie    = "no-cookie"    // without the visitor's cookies
	VariantClientCert  = "client-cert"  // with the client certificate given
	VariantOtherHost   = "host-other"   // a Host the server cannot know
	VariantReuse       = "reuse"        // second request on the connection of the first
	VariantSecondVisit = "second-visit" // the same again, later
	VariantTCP         = "tcp"          // connect only
)

// Exchange is one exchange with one address and port.
type Exchange struct {
	Variant  string         `json:"variant"`            // see the Variant constants
	Target   netip.AddrPort `json:"target"`             // address that was dialled
	Name     string         `json:"name,omitempty"`     // origin name it came from, if any
	Scheme   string         `json:"scheme"`             // http or https towards the target
	SNI      string         `json:"sni,omitempty"`      // server name sent
	Host     string         `json:"host,omitempty"`     // Host sent
	Path     string         `json:"path,omitempty"`     // request target sent
	Source   netip.Addr     `json:"source,omitzero"`    // our address
	Timers   string         `json:"timers,omitempty"`   // fast or patient
	Reused   bool           `json:"reused,omitempty"`   // phases, fault and response are of a second request on the connection
	IdleMS   float64        `json:"idle_ms,omitempty"`  // how long the connection idled before the second request, variant reuse
	Phases   []PhaseTime    `json:"phases"`             // those that were begun, in order
	Fault    *Fault         `json:"fault"`              // nil = a whole response came
	TLS      *TLS           `json:"tls,omitempty"`      // nil = no TLS was spoken
	Response *Response      `json:"response,omitempty"` // nil = no response head came
}

// Question names the question.
func (Exchange) Question() originward.Question { return QExchange }

// Connected reports whether the TCP handshake completed.
func (x Exchange) Connected() bool {
	for _, p := range x.Phases {
		if p.Phase == originward.PhaseConnect {
			return p.Done
		}
	}
	return false
}

// PhaseTime is how long a phase took.
type PhaseTime struct {
	Phase originward.Phase `json:"phase"`
	MS    float64          `json:"ms"`
	Done  bool             `json:"done"` // false = the fault came in this phase
}

// Fault is an originward.Fault as plain data.
type Fault struct {
	Phase      originward.Phase     `json:"phase"`
	Type       originward.FaultType `json:"type"`
	Code       int                  `json:"code"`                  // what an edge would answer for it
	Errno      string               `json:"errno,omitempty"`       // ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT, ECONNRESET, EACCES …
	AfterMS    float64              `json:"after_ms,omitempty"`    // since the exchange began
	Kind       string               `json:"kind,omitempty"`        // exact parse failure, as package http1 names it
	Alert      int                  `json:"alert,omitempty"`       // TLS alert number + 1000; 0 = none received. 1040 = handshake_failure(40)
	AlertName  string               `json:"alert_name,omitempty"`  // e.g. unrecognized_name
	NotTLS     bool                 `json:"not_tls,omitempty"`     // the peer answered a ClientHello with something that is not TLS
	Sample     string               `json:"sample,omitempty"`      // first bytes of what came instead, escaped, at most 64
	Looks      string               `json:"looks,omitempty"`       // what the sample resembles: tls, http_response, ssh, greeter …, as package http1 names it
	Ended      string               `json:"ended,omitempty"`       // how the wait or connection ended: timeout, closed (in order), reset; empty = otherwise
	Neighbour  string               `json:"neighbour,omitempty"`   // next hop on our own link that answers no ARP or ND, so that the SYN never left; empty = answers, or not known
	Unacked    int                  `json:"unacked,omitempty"`     // segments that the peer's kernel had not acknowledged when a timer ran out
	BytesRead  int64                `json:"bytes_read"`            // response bytes that had arrived
	Detail     string               `json:"detail"`                // the real error's text, escaped and bounded
	Reasons    []CertReason         `json:"reasons,omitempty"`     // for tls_certificate_error
	ClientCert Tri                  `json:"client_cert,omitempty"` // the peer had asked for a client certificate
}

// CertReason is one reason for which strict modes refuse a certificate.
type CertReason string

// The reasons, one by one.
const (
	CertExpired         CertReason = "expired"
	CertNotYetValid     CertReason = "not_yet_valid"
	CertNameMismatch    CertReason = "name_mismatch"
	CertSelfSigned      CertReason = "self_signed"      // leaf signed by itself, not in the trust store
	CertUnknownIssuer   CertReason = "unknown_issuer"   // chain ends at an authority that is not trusted
	CertChainIncomplete CertReason = "chain_incomplete" // an intermediate was not sent
	CertRevoked         CertReason = "revoked"          // by a stapled OCSP answer
	CertUnusable        CertReason = "unusable"         // wrong key usage, broken signature, weak or malformed
	CertNone            CertReason = "none"             // the server sent no certificate
)

// TLS is what the handshake showed, whether or not it completed.
type TLS struct {
	Complete   bool         `json:"complete"`
	Version    string       `json:"version,omitempty"` // "1.0" … "1.3"
	Cipher     string       `json:"cipher,omitempty"`  // IANA name
	ALPN       string       `json:"alpn,omitempty"`
	Chain      []Cert       `json:"chain,omitempty"`       // as sent, leaf first
	Reasons    []CertReason `json:"reasons,omitempty"`     // why a strict mode would refuse; empty and Judged = it would accept
	Judged     Tri          `json:"judged,omitempty"`      // whether Reasons was worked out
	Trust      string       `json:"trust,omitempty"`       // public, origin_ca, custom: the store that vouches for it
	ClientCert Tri          `json:"client_cert,omitempty"` // the server asked for a client certificate
	Stapled    string       `json:"stapled,omitempty"`     // good, revoked, unknown; empty = none
	Missing    string       `json:"missing,omitempty"`     // issuer that was not sent and is not trusted; empty = the chain ends in itself or in a trusted issuer
	MissingURL string       `json:"missing_url,omitempty"` // where the certificate says that this issuer's can be fetched
}

// Cert is a certificate as sent or as read from a file.
type Cert struct {
	Subject    string    `json:"subject"`
	Issuer     string    `json:"issuer"`
	CN         string    `json:"cn,omitempty"`
	Names      []string  `json:"names"` // SAN: DNS names and addresses
	NotBefore  time.Time `json:"not_before"`
	NotAfter   time.Time `json:"not_after"`
	Serial     string    `json:"serial"` // hex
	SHA256     string    `json:"sha256"` // of the DER, hex
	KeyType    string    `json:"key_type,omitempty"`
	SelfSigned bool      `json:"self_signed"` // issuer = subject and its own key signed it
	CA         bool      `json:"ca"`
}

// Response is a response head and what was read of its body.
type Response struct {
	Status    int               `json:"status"`
	Proto     string            `json:"proto"`            // HTTP/1.1, HTTP/2.0, HTTP/1.0
	Header    map[string]string `json:"header,omitempty"` // lower-case names, chosen ones, values escaped and bounded
	HeadBytes int               `json:"head_bytes,omitempty"`
	BodyBytes int64             `json:"body_bytes"`     // read, maybe not all
	Body      string            `json:"body,omitempty"` // beginning of a text body, escaped, at most 2 KiB
	Title     string            `json:"title,omitempty"`
}
