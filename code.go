package originward

import "slices"

// Code is what an edge answers a visitor for a fault: the HTTP status and the
// error code shown on the page. They are equal but for the 1xxx family, whose
// number stands in the body only. The zero Code means that no answer is made
// of the fault: the response has begun, so it can only be cut off.
type Code struct {
	Status int // HTTP status of the answer
	Error  int // number on the page: 521, 1016, …
}

// IsZero reports whether no code follows from the fault.
func (c Code) IsZero() bool { return c == Code{} }

// codeRow is one line of the table: a fault of one of these types in one of
// these phases is answered with code. No phases means any phase.
type codeRow struct {
	types  []FaultType
	phases []Phase
	code   Code
}

// codeTable is the documented mapping, first match wins. Phase and type stand
// beside the code because one code spans phases. The HTTP statuses of 1000
// and 1002 are not documented; 403 is what captures of the page show.
var codeTable = []codeRow{
	{[]FaultType{HTTPRequestDenied}, []Phase{PhaseRules}, Code{403, 1020}},
	{[]FaultType{ProxyLoopDetected}, nil, Code{403, 1000}},
	{[]FaultType{DestinationIPProhibited}, nil, Code{403, 1000}},
	{[]FaultType{ConnectionLimitReached}, []Phase{PhaseQueue}, Code{503, 1200}},
	{[]FaultType{DNSTimeout, DNSError}, []Phase{PhaseResolve}, Code{530, 1016}},
	{[]FaultType{DestinationUnavailable}, []Phase{PhaseResolve}, Code{530, 1033}}, // a tunnel without a connector
	{[]FaultType{DestinationIPUnroutable}, []Phase{PhaseConnect}, Code{523, 523}},
	{[]FaultType{ConnectionRefused}, []Phase{PhaseConnect}, Code{521, 521}},
	{[]FaultType{ConnectionTimeout}, []Phase{PhaseConnect, PhaseWrite}, Code{522, 522}},
	{[]FaultType{TLSCertificateError}, []Phase{PhaseTLS}, Code{526, 526}},
	{nil, []Phase{PhaseTLS}, Code{525, 525}},
	{[]FaultType{ConnectionWriteTimeout}, []Phase{PhaseWrite}, Code{524, 524}},
	{[]FaultType{HTTPResponseTimeout, ConnectionReadTimeout}, []Phase{PhaseFirstByte, PhaseHeaders}, Code{524, 524}},
	{[]FaultType{HTTPResponseTransfer, HTTPResponseContent}, []Phase{PhaseHeaders}, Code{502, 502}},
	{
		[]FaultType{
			ConnectionTerminated, HTTPResponseIncomplete, HTTPProtocolError,
			HTTPResponseHeaderSection, HTTPUpgradeFailed,
		},
		[]Phase{PhaseWrite, PhaseFirstByte, PhaseHeaders}, Code{520, 520},
	},
	{[]FaultType{HTTPRequestError}, []Phase{PhaseRequest}, Code{400, 400}},
}

// CodeFor maps a fault to the answer of an edge with Cloudflare's semantics.
// It looks at phase and type only. A fault of the body phase has no code; a
// fault that the table does not know is the edge's own: 500.
func CodeFor(phase Phase, t FaultType) Code {
	if phase == PhaseBody {
		return Code{}
	}
	for _, r := range codeTable {
		if (r.types == nil || slices.Contains(r.types, t)) && (r.phases == nil || slices.Contains(r.phases, phase)) {
			return r.code
		}
	}
	return Code{500, 500}
}

// Code is the answer of an edge for this fault; see CodeFor.
func (f *Fault) Code() Code { return CodeFor(f.Phase, f.Type) }

// RetryElsewhere reports whether the edge tries one other address of the same
// name after this error code. Documented for exactly these five; never for
// 520, 524 or 530 (zero-downtime failover).
func RetryElsewhere(code int) bool {
	switch code {
	case 521, 522, 523, 525, 526:
		return true
	}
	return false
}
