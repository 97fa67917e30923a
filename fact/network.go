package fact

import (
	"net/netip"
	"time"

	"github.com/originward/originward"
)

// Questions about the network that the prober itself stands in, and the path.
const (
	QOwnNetwork originward.Question = "own_network"
	QPath       originward.Question = "path"
	QRepeat     originward.Question = "repeat"
)

// OwnNetwork is the state of the observer's own network, asked first so that
// the target is never blamed for it.
type OwnNetwork struct {
	Families []FamilyState `json:"families"`
}

// Question names the question.
func (OwnNetwork) Question() originward.Question { return QOwnNetwork }

// FamilyState says whether the observer can send packets of a family at all
// towards the target.
type FamilyState struct {
	Family originward.Family `json:"family"`
	Usable Tri               `json:"usable"`           // a route and a source address exist
	Source netip.Addr        `json:"source,omitzero"`  // source address the kernel would use
	Reason string            `json:"reason,omitempty"` // errno name when not usable
}

// Path is a trace towards one address and port, one answer per hop count.
type Path struct {
	Target  netip.AddrPort `json:"target"`
	Method  string         `json:"method"` // tcp, icmp
	Hops    []Hop          `json:"hops"`
	Reached Tri            `json:"reached"`
	MTU     MTU            `json:"mtu,omitzero"`
}

// Question names the question.
func (Path) Question() originward.Question { return QPath }

// Hop is one step of a path.
type Hop struct {
	TTL  int           `json:"ttl"`
	Addr netip.Addr    `json:"addr,omitzero"` // zero = no answer
	RTT  time.Duration `json:"rtt_ns,omitempty"`
	ICMP string        `json:"icmp,omitempty"` // e.g. "host-prohibited"
}

// MTU is the outcome of a search for a size above which packets vanish.
type MTU struct {
	LargestOK     int `json:"largest_ok,omitempty"`     // bytes of IP packet
	SmallestLost  int `json:"smallest_lost,omitempty"`  // bytes; 0 = none lost
	FragNeededMTU int `json:"frag_needed_mtu,omitzero"` // MTU that an ICMP error named; 0 = none came
}

// Repeat is a series of equal probes, for causes that come and go.
type Repeat struct {
	Target netip.AddrPort `json:"target,omitzero"`
	Via    string         `json:"via"` // direct or edge
	Runs   []Run          `json:"runs"`
}

// Question names the question.
func (Repeat) Question() originward.Question { return QRepeat }

// Run is one probe of a series.
type Run struct {
	At     time.Time            `json:"at"`
	MS     float64              `json:"ms"`
	Status int                  `json:"status,omitempty"`
	Fault  originward.FaultType `json:"fault,omitempty"`
	Phase  originward.Phase     `json:"phase,omitempty"`
	Peer   netip.Addr           `json:"peer,omitzero"`   // address that was asked
	Egress netip.Addr           `json:"egress,omitzero"` // source address, where known
	Ray    string               `json:"ray,omitempty"`
	Reused bool                 `json:"reused,omitempty"` // on a connection that had served before
}
