package monitor

import (
	"errors"
	"net"
	"slices"
	"syscall"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/exchange"
)

// The documented reasons (load-balancing/troubleshooting/common-error-codes); the
// one of a check that passed is what the API's examples show.
const (
	NoFailure          = "No failures"
	TCPFailed          = "TCP connection failed"
	TCPTimeout         = "TCP Timeout"
	NoRoute            = "No route to host error"
	NetworkUnreachable = "Network Unreachable"
	ConnectionReset    = "Connection Reset by Peer"
	UnknownHost        = "DNS Unknown Host"
	DNSInternal        = "DNS Internal"
	TLSUntrusted       = "TLS untrusted certificate error"
	TLSNameMismatch    = "TLS name mismatch error"
	TLSProtocol        = "TLS protocol error"
	TLSUnrecognized    = "TLS unrecognized name error"
	TLSHandshake       = "TLS Handshake Failure"
	HTTPTimeout        = "HTTP timeout occurred"
	HTTPInvalid        = "HTTP Invalid Response"
	CodeMismatch       = "Response code mismatch error"
	BodyMismatch       = "Response body mismatch error"
	ConfigError        = "Monitor Config Error"
	OtherFailure       = "Other Failure"
)

// Alerts that have a reason of their own (IANA registry "TLS Alerts").
const (
	alertProtocolVersion  = 70
	alertUnrecognizedName = 112
)

// reasonOf is the documented reason for a fault.
func reasonOf(f *originward.Fault) string {
	switch f.Phase {
	case originward.PhaseResolve:
		if f.Type == originward.DestinationIPProhibited {
			return DNSInternal
		}
		var dns *net.DNSError
		if errors.Is(f.Err, exchange.ErrNoAddress) || errors.As(f.Err, &dns) && dns.IsNotFound {
			return UnknownHost
		}
		return OtherFailure // DNS did not say that there is no such host
	case originward.PhaseConnect:
		return ofConnect(f)
	case originward.PhaseTLS:
		return ofTLS(f)
	case originward.PhaseRequest:
		return ConfigError
	}
	return ofHTTP(f)
}

func ofConnect(f *originward.Fault) string {
	var hop *exchange.NeighbourError
	switch {
	case f.Type == originward.ConnectionTimeout:
		return TCPTimeout
	case errors.Is(f.Err, syscall.ENETUNREACH), errors.Is(f.Err, syscall.ENETDOWN), errors.Is(f.Err, syscall.EAFNOSUPPORT), errors.Is(f.Err, syscall.EADDRNOTAVAIL):
		return NetworkUnreachable
	case f.Type == originward.DestinationIPUnroutable, errors.As(f.Err, &hop):
		return NoRoute
	case f.Type == originward.ConnectionRefused:
		return TCPFailed
	}
	return OtherFailure
}

func ofTLS(f *originward.Fault) string {
	var (
		cert  *exchange.CertError
		alert *exchange.AlertError
		late  *exchange.TimeoutError
		hand  *exchange.HandshakeError
	)
	switch {
	case errors.As(f.Err, &cert):
		if slices.Equal(cert.Reasons, []fact.CertReason{fact.CertNameMismatch}) {
			return TLSNameMismatch
		}
		return TLSUntrusted
	case errors.As(f.Err, &alert):
		switch alert.Alert {
		case alertUnrecognizedName:
			return TLSUnrecognized
		case alertProtocolVersion:
			return TLSProtocol
		}
		return TLSHandshake
	case errors.As(f.Err, &hand) && hand.NotTLS:
		return TLSProtocol // documented: not configured for HTTPS
	case errors.As(f.Err, &late):
		return TLSHandshake
	case errors.Is(f.Err, syscall.ECONNRESET):
		return ConnectionReset
	}
	return TLSHandshake
}

func ofHTTP(f *originward.Fault) string {
	var late *exchange.TimeoutError
	switch {
	case errors.Is(f.Err, syscall.ECONNRESET), errors.Is(f.Err, syscall.EPIPE):
		return ConnectionReset
	case errors.As(f.Err, &late):
		return HTTPTimeout
	case f.Type == originward.ConnectionTimeout: // the kernel gave up on what was sent
		return TCPTimeout
	}
	return HTTPInvalid
}

// timedOut tells the failures after which a check is tried again at once.
func timedOut(f *originward.Fault) bool {
	var late *exchange.TimeoutError
	return f.Type == originward.ConnectionTimeout || errors.As(f.Err, &late)
}
