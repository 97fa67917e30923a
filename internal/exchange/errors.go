package exchange

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/originward/originward/fact"
)

// TimeoutError says that one of our own timers ran out, as opposed to the kernel's
// (ETIMEDOUT).
type TimeoutError struct {
	// Waited is how long nothing had come.
	Waited time.Duration
	// For is what was waited for.
	For string
	// Unacked is the number of segments that the peer's kernel had not acknowledged; 0
	// also when it could not be asked.
	Unacked int
	// Err is what ended the wait (a deadline, the caller's context).
	Err error
}

func (e *TimeoutError) Error() string {
	s := fmt.Sprintf("no %s within %s", e.For, e.Waited.Round(10*time.Millisecond))
	if e.Unacked > 0 {
		s += fmt.Sprintf(" and %d segments unacknowledged", e.Unacked)
	}
	return s
}

// Unwrap gives what ended the wait.
func (e *TimeoutError) Unwrap() error { return e.Err }

// Timeout is always true.
func (e *TimeoutError) Timeout() bool { return true }

// NeighbourError says that the next hop on our own link does not exist: it answers
// neither ARP nor neighbour discovery, so nothing was ever sent to the target.
type NeighbourError struct {
	Hop netip.Addr
	Err error
}

func (e *NeighbourError) Error() string {
	return fmt.Sprintf("%s does not answer on the local link: %v", e.Hop, e.Err)
}

// Unwrap gives the error of the connect.
func (e *NeighbourError) Unwrap() error { return e.Err }

// AlertError is a TLS alert that the peer sent.
type AlertError struct {
	// Alert is its number (IANA registry "TLS Alerts").
	Alert uint8
	// ClientCert tells whether the peer had asked for a client certificate.
	ClientCert fact.Tri
	Err        error
}

func (e *AlertError) Error() string {
	return fmt.Sprintf("peer sent TLS alert %s(%d)", AlertName(e.Alert), e.Alert)
}

// Unwrap gives the error of crypto/tls.
func (e *AlertError) Unwrap() error { return e.Err }

// HandshakeError is a TLS handshake that ended without an alert from the peer.
type HandshakeError struct {
	// NotTLS tells that the peer's first bytes are not TLS.
	NotTLS bool
	// Sample is the beginning of what the peer sent, at most 64 bytes; hostile.
	Sample []byte
	// ClientCert tells whether the peer had asked for a client certificate.
	ClientCert fact.Tri
	Err        error
}

func (e *HandshakeError) Error() string {
	if e.NotTLS {
		return "peer does not speak TLS: " + e.Err.Error()
	}
	return "TLS handshake: " + e.Err.Error()
}

// Unwrap gives the error of crypto/tls or of the connection.
func (e *HandshakeError) Unwrap() error { return e.Err }

// CertError is a certificate that a validating policy refuses.
type CertError struct {
	Reasons []fact.CertReason
	// Err is the error of crypto/x509 for the first reason that has one; may be nil.
	Err error
}

func (e *CertError) Error() string {
	var b strings.Builder
	b.WriteString("certificate refused: ")
	for i, r := range e.Reasons {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(r))
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the error of crypto/x509.
func (e *CertError) Unwrap() error { return e.Err }
