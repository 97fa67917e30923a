// Package preflight works out what an edge would answer for an origin in every
// SSL mode, before the record is proxied. It is pure: it reads the direct
// exchanges of a bundle and predicts nothing that they do not show.
package preflight

import (
	"net/netip"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Outcome is what a visitor would get.
type Outcome string

// The outcomes. The zero Outcome is not used; what was not measured is Unknown.
const (
	Served      Outcome = "served"      // the origin's answer, whatever its status
	Failed      Outcome = "failed"      // an error page of the edge
	Cut         Outcome = "cut"         // the answer begins and breaks off
	Redirected  Outcome = "redirected"  // the edge sends the visitor to http itself
	Loop        Outcome = "loop"        // redirects without end
	Unsupported Outcome = "unsupported" // the edge does not listen for this scheme on this port
	Unknown     Outcome = "unknown"
)

// Cell is the prediction for one SSL mode, visitor's scheme and port, and
// origin address.
type Cell struct {
	Mode         originward.SSLMode   `json:"mode"`
	Scheme       string               `json:"scheme"` // the visitor's
	Port         uint16               `json:"port"`   // the visitor's
	Addr         netip.Addr           `json:"addr"`   // origin address
	Family       originward.Family    `json:"family"`
	OriginScheme string               `json:"origin_scheme"`
	OriginPort   uint16               `json:"origin_port"`
	Outcome      Outcome              `json:"outcome"`
	Status       int                  `json:"status,omitempty"` // HTTP status the visitor gets; 0 = not known
	Error        int                  `json:"error,omitempty"`  // number on the edge's page
	Fault        originward.FaultType `json:"fault,omitempty"`
	Phase        originward.Phase     `json:"phase,omitempty"`
	Reasons      []fact.CertReason    `json:"reasons,omitempty"` // why the certificate is refused
	Why          string               `json:"why"`
	Evidence     string               `json:"evidence,omitempty"` // id of the exchange it rests on
}

// Good reports whether the visitor would get an answer that the origin meant
// for visitors: no error page, no loop, no status of 500 and above.
func (c Cell) Good() bool { return c.Outcome == Served && c.Status < 500 }

// Matrix is every prediction, by mode, then scheme and port, then address.
type Matrix struct {
	Host  string `json:"host"`
	Cells []Cell `json:"cells"`
}

// Modes lists the modes in which every cell of the matrix is good, from the
// strongest to the weakest: the modes that can be chosen now.
func (m Matrix) Modes() []originward.SSLMode {
	var out []originward.SSLMode
	modes := originward.SSLModes()
	for i := len(modes) - 1; i >= 0; i-- {
		seen, good := false, true
		for _, c := range m.Cells {
			if c.Mode == modes[i] && c.Outcome != Unsupported {
				seen = true
				good = good && (c.Good() || c.Outcome == Redirected)
			}
		}
		if seen && good {
			out = append(out, modes[i])
		}
	}
	return out
}
