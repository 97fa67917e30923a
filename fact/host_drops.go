package fact

import (
	"net/netip"
	"time"

	"github.com/originward/originward"
)

// QDrops asks the kernel of the origin host which connection attempts it throws away, and why, while somebody watches.
const QDrops originward.Question = "drops"

// Drops are the SYNs for the asked ports, and the SYN-ACKs that answer them, that the kernel dropped in the namespace
// during a window. It is the only evidence about real packets: what is not in it was not dropped in the window, or never
// arrived, or waits in a queue (an accept queue that is full leaves no trace here).
type Drops struct {
	From   time.Time     `json:"from"`
	Window time.Duration `json:"window_ns"`
	Ports  []uint16      `json:"ports"`
	// Lost counts events that could not be kept; 0 = the list is complete.
	Lost   uint64      `json:"lost"`
	Groups []DropGroup `json:"groups"`
}

// Question names the question.
func (Drops) Question() originward.Question { return QDrops }

// DropGroup are drops alike: from one range, for one port, for one reason, at one place.
type DropGroup struct {
	From     netip.Prefix `json:"from"`          // the CDN's range, or the /24 (/48) of other sources
	CDN      string       `json:"cdn,omitempty"` // whose range it is; empty = nobody's that is known
	Dst      netip.Addr   `json:"dst"`
	Port     uint16       `json:"port"`
	Reply    bool         `json:"reply,omitempty"`    // the SYN passed, its answer was dropped
	Reason   string       `json:"reason"`             // as the kernel names it: NETFILTER_DROP, SOCKET_FILTER, IP_RPFILTER, NO_SOCKET …
	Location string       `json:"location,omitempty"` // kernel function
	Iface    string       `json:"iface,omitempty"`
	Packets  uint64       `json:"packets"`
	Example  netip.Addr   `json:"example"` // one of the sources
}
