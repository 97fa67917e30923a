package originward

import "fmt"

// FaultType is an error type of the Proxy-Status header field (RFC 9209 §2.3).
// The list is closed and append-only: it crosses the wire in evidence, in
// Proxy-Status and in metric labels.
type FaultType string

// The RFC 9209 error types that an exchange can end in.
const (
	DNSTimeout                FaultType = "dns_timeout"
	DNSError                  FaultType = "dns_error"
	DestinationUnavailable    FaultType = "destination_unavailable"
	DestinationIPProhibited   FaultType = "destination_ip_prohibited"
	DestinationIPUnroutable   FaultType = "destination_ip_unroutable"
	ConnectionRefused         FaultType = "connection_refused"
	ConnectionTerminated      FaultType = "connection_terminated"
	ConnectionTimeout         FaultType = "connection_timeout"
	ConnectionReadTimeout     FaultType = "connection_read_timeout"
	ConnectionWriteTimeout    FaultType = "connection_write_timeout"
	ConnectionLimitReached    FaultType = "connection_limit_reached"
	TLSProtocolError          FaultType = "tls_protocol_error"
	TLSCertificateError       FaultType = "tls_certificate_error"
	TLSAlertReceived          FaultType = "tls_alert_received"
	HTTPRequestError          FaultType = "http_request_error"
	HTTPRequestDenied         FaultType = "http_request_denied"
	HTTPResponseIncomplete    FaultType = "http_response_incomplete"
	HTTPResponseHeaderSection FaultType = "http_response_header_section_size"
	HTTPResponseTransfer      FaultType = "http_response_transfer_coding"
	HTTPResponseContent       FaultType = "http_response_content_coding"
	HTTPResponseTimeout       FaultType = "http_response_timeout"
	HTTPUpgradeFailed         FaultType = "http_upgrade_failed"
	HTTPProtocolError         FaultType = "http_protocol_error"
	ProxyInternalError        FaultType = "proxy_internal_error"
	ProxyConfigurationError   FaultType = "proxy_configuration_error"
	ProxyLoopDetected         FaultType = "proxy_loop_detected"
)

// Fault is what went wrong in one exchange: the phase in which it happened,
// its RFC 9209 type, and the real error, which stays unwrappable down to the
// errno, TLS alert or x509 reason. It is an error.
type Fault struct {
	Phase Phase
	Type  FaultType
	Err   error
}

// Error names phase, type and cause.
func (f *Fault) Error() string {
	if f.Err == nil {
		return fmt.Sprintf("%s: %s", f.Phase, f.Type)
	}
	return fmt.Sprintf("%s: %s: %v", f.Phase, f.Type, f.Err)
}

// Unwrap gives the real error.
func (f *Fault) Unwrap() error { return f.Err }
