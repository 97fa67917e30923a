package causes

import (
	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Outcome is how an exchange ended, in the classes by which causes are told
// apart.
type Outcome string

// The outcomes. The zero Outcome means that the exchange says nothing.
const (
	OutOK          Outcome = "ok"          // a whole response head came
	OutRefused     Outcome = "refused"     // RST or an ICMP answer that connect reports as refusal
	OutUnreachable Outcome = "unreachable" // an ICMP prohibition or no route
	OutTimeout     Outcome = "timeout"     // the SYN was never answered
	OutTLS         Outcome = "tls"         // the handshake failed
	OutCert        Outcome = "cert"        // the certificate was refused
	OutNoAck       Outcome = "no_ack"      // the request was never acknowledged
	OutEmpty       Outcome = "empty"       // closed or reset before a byte of the response
	OutHead        Outcome = "head"        // the response head is too large
	OutBadHTTP     Outcome = "bad_http"    // bytes that are no HTTP response, or a torn head
	OutSlow        Outcome = "slow"        // connected, and no response in time
	OutBody        Outcome = "body"        // the body failed
	OutResolve     Outcome = "resolve"     // the name does not resolve
)

// OutcomeOf classifies an exchange.
func OutcomeOf(x fact.Exchange) Outcome {
	if x.Fault == nil {
		if x.Response != nil || x.Variant == fact.VariantTCP {
			return OutOK
		}
		return ""
	}
	if notWaited(x) {
		return ""
	}
	return outcomeOfFault(x.Fault.Phase, x.Fault.Type, x.Fault.BytesRead)
}

// notWaited reports whether a silence was called before it had been waited
// for: the time of the look was used up by what came before.
func notWaited(x fact.Exchange) bool {
	if x.Fault.Ended != "timeout" {
		return false
	}
	for _, p := range x.Phases {
		if p.Phase == x.Fault.Phase {
			return p.MS < realWait
		}
	}
	return false
}

func outcomeOfFault(p originward.Phase, t originward.FaultType, read int64) Outcome {
	switch t {
	case originward.DNSError, originward.DNSTimeout:
		return OutResolve
	case originward.ConnectionRefused:
		return OutRefused
	case originward.DestinationIPUnroutable, originward.DestinationUnavailable:
		return OutUnreachable
	case originward.TLSCertificateError:
		return OutCert
	case originward.HTTPResponseHeaderSection:
		return OutHead
	}
	switch p {
	case originward.PhaseResolve:
		return OutResolve
	case originward.PhaseConnect:
		return OutTimeout
	case originward.PhaseTLS:
		return OutTLS
	case originward.PhaseBody:
		return OutBody
	case originward.PhaseWrite, originward.PhaseFirstByte, originward.PhaseHeaders:
		return outcomeOfHTTP(p, t, read)
	}
	return ""
}

func outcomeOfHTTP(p originward.Phase, t originward.FaultType, read int64) Outcome {
	switch t {
	case originward.ConnectionTimeout, originward.ConnectionWriteTimeout:
		return OutNoAck
	case originward.HTTPResponseTimeout, originward.ConnectionReadTimeout:
		return OutSlow
	case originward.ConnectionTerminated, originward.HTTPResponseIncomplete:
		if read == 0 && p != originward.PhaseHeaders {
			return OutEmpty
		}
	}
	return OutBadHTTP
}

// codeOf is what an edge would answer for the exchange when it stands at this
// mode; 0 = it would pass the response on.
func codeOf(x fact.Exchange) int {
	if x.Fault == nil || notWaited(x) {
		return 0
	}
	if x.Fault.Code != 0 {
		return x.Fault.Code
	}
	return originward.CodeFor(x.Fault.Phase, x.Fault.Type).Error
}
