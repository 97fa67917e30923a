package fact

import (
	"net/netip"
	"time"

	"github.com/originward/originward"
)

// Questions to an edge: what it answers a visitor, and its own record.
const (
	QEdgeAnswer originward.Question = "edge_answer"
	QEdgeRecord originward.Question = "edge_record"
)

// EdgeAnswer is what a visitor gets for one request through the edge.
type EdgeAnswer struct {
	Target     netip.AddrPort       `json:"target"` // edge address that was asked
	Scheme     string               `json:"scheme"`
	Host       string               `json:"host"`
	Path       string               `json:"path"`
	Variant    string               `json:"variant,omitempty"`       // "", no-cookie, bypass-cache, second-visit, …
	CDN        string               `json:"cdn,omitempty"`           // cloudflare, originward, fastly …; empty = no CDN recognised
	EdgeMade   Tri                  `json:"edge_made"`               // yes = the edge wrote this answer, no = the origin did
	Page       string               `json:"page,omitempty"`          // html, json, markdown, plain
	Status     int                  `json:"status,omitempty"`        // HTTP status; 0 = no answer
	Error      int                  `json:"error,omitempty"`         // number on the page: 521, 1016, 1020 …; 0 = none
	Fault      originward.FaultType `json:"fault,omitempty"`         // from Proxy-Status or an equal header
	Phase      originward.Phase     `json:"phase,omitempty"`         // likewise, where the edge says it
	Detail     string               `json:"detail,omitempty"`        // Proxy-Status details, escaped
	Ray        string               `json:"ray,omitempty"`           // without the place
	Colo       string               `json:"colo,omitempty"`          // place after the ray
	Cache      string               `json:"cache,omitempty"`         // HIT, MISS, STALE, BYPASS …
	Age        *int                 `json:"age,omitempty"`           // seconds
	MS         float64              `json:"ms"`                      // until the head, or the failure
	Response   *Response            `json:"response,omitempty"`      // nil = none
	Failure    *Fault               `json:"failure,omitempty"`       // the visitor's own exchange with the edge failed
	Redirects  []string             `json:"redirects,omitempty"`     // Location values followed, in order, bounded
	RedirLoop  Tri                  `json:"redirect_loop,omitempty"` // the same URL came back
	EdgeCert   []CertReason         `json:"edge_cert,omitempty"`     // why a browser refuses the edge's own certificate
	ServerTime time.Time            `json:"server_time,omitzero"`    // Date header
}

// Question names the question.
func (EdgeAnswer) Question() originward.Question { return QEdgeAnswer }

// EdgeRecord is an edge's own record of recent exchanges with origins, or of
// one ray, asked through its API.
type EdgeRecord struct {
	Egress []netip.Addr   `json:"egress"` // every source address the edge uses
	Items  []EdgeExchange `json:"items"`  // newest first
	// Waiting are exchanges that had not ended when the record was read, the longest
	// under way first: Code is 0, and the last of Phases is what is waited for.
	Waiting []EdgeExchange `json:"waiting,omitempty"`
}

// Question names the question.
func (EdgeRecord) Question() originward.Question { return QEdgeRecord }

// EdgeExchange is one exchange as the edge itself recorded it.
type EdgeExchange struct {
	At     time.Time            `json:"at"`
	Ray    string               `json:"ray"`
	Host   string               `json:"host"`
	Origin netip.AddrPort       `json:"origin,omitzero"`
	Name   string               `json:"name,omitempty"` // origin name, for resolve faults
	Pool   string               `json:"pool,omitempty"` // of the load balancer, whose origin it is
	Egress netip.Addr           `json:"egress,omitzero"`
	Scheme string               `json:"scheme,omitempty"`
	SSL    originward.SSLMode   `json:"ssl,omitempty"`
	Code   int                  `json:"code"` // status answered to the visitor
	Error  int                  `json:"error,omitempty"`
	Phase  originward.Phase     `json:"phase,omitempty"` // of the fault, or of what is or was waited for; empty = none
	Fault  originward.FaultType `json:"fault,omitempty"`
	Detail string               `json:"detail,omitempty"`
	Errno  string               `json:"errno,omitempty"`
	Phases []PhaseTime          `json:"phases,omitempty"`
	Reused bool                 `json:"reused,omitempty"`
	Rule   string               `json:"rule,omitempty"` // id of the rule that answered
	// Retried tells that the edge tried another address after this fault, under the
	// same ray. Code and Error are then what it would have answered.
	Retried bool `json:"retried,omitempty"`
	// Left tells that the visitor left while the edge waited: Code is 499, which nobody
	// was sent, Phase what was waited for, and there is no fault.
	Left bool `json:"left,omitempty"`
}
