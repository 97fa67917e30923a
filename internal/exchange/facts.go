package exchange

import (
	"errors"
	"io"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/http1"
)

// maxDetail bounds an error's text in evidence, in bytes.
const maxDetail = 300

// FactOf is a fault as plain data: errno, TLS alert, parse kind, sample and
// certificate reasons worked out from the real error. read is the number of
// response bytes that had arrived, after the time since the exchange began. A nil
// fault gives nil.
func FactOf(f *originward.Fault, after time.Duration, read int64) *fact.Fault {
	if f == nil {
		return nil
	}
	out := &fact.Fault{Phase: f.Phase, Type: f.Type, Code: f.Code().Error, AfterMS: millis(after), BytesRead: read}
	if f.Err == nil {
		return out
	}
	out.Detail = escape.Line(f.Err.Error(), maxDetail)
	_, out.Errno = sysError(f.Err)
	out.Ended = ended(f.Err)
	var (
		parse *http1.ParseError
		alert *AlertError
		hand  *HandshakeError
		cert  *CertError
		late  *TimeoutError
		h2    *H2Error
		hop   *NeighbourError
	)
	if errors.As(f.Err, &parse) {
		out.Kind = parse.Kind.String()
		out.Sample = sample(parse.Got)
		if parse.Kind == http1.NotHTTP {
			out.Looks = parse.Looks.String()
		}
	}
	if errors.As(f.Err, &h2) {
		out.Kind = h2.Kind()
		out.Sample = sample(h2.Sample)
	}
	if errors.As(f.Err, &hand) {
		out.NotTLS, out.ClientCert, out.Sample = hand.NotTLS, hand.ClientCert, sample(hand.Sample)
		if hand.NotTLS {
			out.Looks = http1.Sniff(hand.Sample).String()
		}
	}
	if errors.As(f.Err, &alert) {
		out.Alert, out.AlertName, out.ClientCert = 1000+int(alert.Alert), AlertName(alert.Alert), alert.ClientCert
	}
	if errors.As(f.Err, &cert) {
		out.Reasons = cert.Reasons
	}
	if errors.As(f.Err, &hop) {
		out.Neighbour = hop.Hop.String()
	}
	if errors.As(f.Err, &late) {
		out.Unacked = late.Unacked
	}
	return out
}

// sample is foreign bytes, bounded and escaped.
func sample(b []byte) string {
	b = b[:min(len(b), maxSample)]
	return escape.Bytes(b, 4*maxSample) // an escaped byte takes four
}

// ended is how the wait or the connection ended.
func ended(err error) string {
	kind, _ := sysError(err)
	switch {
	case kind == sysReset, kind == sysPipe:
		return "reset"
	case kind == sysTimeout, isTimeout(err):
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	}
	return ""
}
