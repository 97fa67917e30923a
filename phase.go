package originward

// Phase is the step of an exchange between edge and origin in which something
// happened. The zero Phase means "not known".
type Phase string

// The phases of an exchange, in the order in which they run. Rules, Request
// and Queue are the edge's own steps before it contacts an origin.
const (
	PhaseRules     Phase = "rules"      // the edge's rules answered the visitor
	PhaseRequest   Phase = "request"    // the request itself cannot be forwarded (loop, bad Host)
	PhaseQueue     Phase = "queue"      // waiting for a place towards the origin
	PhaseResolve   Phase = "resolve"    // the origin's name
	PhaseConnect   Phase = "connect"    // SYN until SYN+ACK
	PhaseTLS       Phase = "tls"        // ClientHello until Finished, certificate included
	PhaseWrite     Phase = "write"      // request head and body until acknowledged
	PhaseFirstByte Phase = "first_byte" // request sent, nothing received yet
	PhaseHeaders   Phase = "headers"    // first byte until the end of the response head
	PhaseBody      Phase = "body"       // response head complete
)

// Phases lists every phase in the order in which an exchange meets them.
func Phases() []Phase {
	return []Phase{
		PhaseRules, PhaseRequest, PhaseQueue, PhaseResolve, PhaseConnect,
		PhaseTLS, PhaseWrite, PhaseFirstByte, PhaseHeaders, PhaseBody,
	}
}

// Before reports whether p comes before q in an exchange. It is false when
// either is not a known phase.
func (p Phase) Before(q Phase) bool {
	i, j := p.index(), q.index()
	return i >= 0 && j >= 0 && i < j
}

func (p Phase) index() int {
	for i, q := range Phases() {
		if p == q {
			return i
		}
	}
	return -1
}
