package originward

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// faultTypes lists every fault type; TestFaultTypesAreListed holds it to fault.go.
var faultTypes = []FaultType{
	DNSTimeout, DNSError, DestinationUnavailable, DestinationIPProhibited, DestinationIPUnroutable,
	ConnectionRefused, ConnectionTerminated, ConnectionTimeout, ConnectionReadTimeout, ConnectionWriteTimeout,
	ConnectionLimitReached, TLSProtocolError, TLSCertificateError, TLSAlertReceived, HTTPRequestError,
	HTTPRequestDenied, HTTPResponseIncomplete, HTTPResponseHeaderSection, HTTPResponseTransfer,
	HTTPResponseContent, HTTPResponseTimeout, HTTPUpgradeFailed, HTTPProtocolError, ProxyInternalError,
	ProxyConfigurationError, ProxyLoopDetected,
}

// TestCodeTable is the documented mapping, every row of cloudflare.md §1 that the
// exchange or the edge can end in, and design.md §5.
func TestCodeTable(t *testing.T) {
	page := func(status, code int) Code { return Code{Status: status, Error: code} }
	same := func(code int) Code { return page(code, code) }
	for _, tc := range []struct {
		row   string
		phase Phase
		typ   FaultType
		want  Code
	}{
		{"3 own or looping address", PhaseResolve, DestinationIPProhibited, page(403, 1000)},
		{"3 loop by CDN-Loop", PhaseRequest, ProxyLoopDetected, page(403, 1000)},
		{"5 name does not resolve", PhaseResolve, DNSError, page(530, 1016)},
		{"5 tunnel without a connector", PhaseResolve, DestinationUnavailable, page(530, 1033)},
		{"5 resolver silent", PhaseResolve, DNSTimeout, page(530, 1016)},
		{"7 no route", PhaseConnect, DestinationIPUnroutable, same(523)},
		{"8 refused", PhaseConnect, ConnectionRefused, same(521)},
		{"9 SYN unanswered", PhaseConnect, ConnectionTimeout, same(522)},
		{"10 handshake", PhaseTLS, TLSProtocolError, same(525)},
		{"10 alert", PhaseTLS, TLSAlertReceived, same(525)},
		{"10 cut off in the handshake", PhaseTLS, ConnectionTerminated, same(525)},
		{"10 silent in the handshake", PhaseTLS, ConnectionTimeout, same(525)},
		{"11 certificate", PhaseTLS, TLSCertificateError, same(526)},
		{"12 request unacknowledged", PhaseWrite, ConnectionTimeout, same(522)},
		{"13 request not taken", PhaseWrite, ConnectionWriteTimeout, same(524)},
		{"14 keepalive", PhaseFirstByte, ConnectionTerminated, same(520)},
		{"15 no response", PhaseFirstByte, HTTPResponseTimeout, same(524)},
		{"15 silent in the head", PhaseHeaders, ConnectionReadTimeout, same(524)},
		{"16 reset before the request", PhaseWrite, ConnectionTerminated, same(520)},
		{"16 empty reply", PhaseFirstByte, ConnectionTerminated, same(520)},
		{"16 truncated head", PhaseHeaders, HTTPResponseIncomplete, same(520)},
		{"16 malformed head", PhaseHeaders, HTTPProtocolError, same(520)},
		{"16 upgrade", PhaseHeaders, HTTPUpgradeFailed, same(520)},
		{"17 head over 128 KB", PhaseHeaders, HTTPResponseHeaderSection, same(520)},
		{"18 h2", PhaseHeaders, HTTPProtocolError, same(520)},
		{"19 content coding, nothing sent yet", PhaseHeaders, HTTPResponseContent, same(502)},
		{"19 transfer coding, nothing sent yet", PhaseHeaders, HTTPResponseTransfer, same(502)},
		{"22 queue", PhaseQueue, ConnectionLimitReached, page(503, 1200)},
		{"rules", PhaseRules, HTTPRequestDenied, page(403, 1020)},
		{"bad request", PhaseRequest, HTTPRequestError, same(400)},
		{"our own fault", PhaseConnect, ProxyInternalError, same(500)},
		{"our own configuration", PhaseConnect, ProxyConfigurationError, same(500)},
		{"not in the table", PhaseWrite, DNSError, same(500)},
		{"no phase", "", ConnectionRefused, same(500)},
	} {
		t.Run(tc.row, func(t *testing.T) {
			f := &Fault{Phase: tc.phase, Type: tc.typ}
			if got := f.Code(); got != tc.want {
				t.Errorf("%s %s: %+v, want %+v", tc.phase, tc.typ, got, tc.want)
			}
		})
	}
}

// TestCodesAreClosed: whatever the fault, the answer is one of the known codes, and
// a response that has begun is answered by none.
func TestCodesAreClosed(t *testing.T) {
	known := []int{400, 500, 502, 520, 521, 522, 523, 524, 525, 526, 1000, 1016, 1020, 1033, 1200}
	seen := map[int]bool{}
	for _, p := range append(Phases(), "") {
		for _, typ := range faultTypes {
			c := CodeFor(p, typ)
			if p == PhaseBody {
				if !c.IsZero() {
					t.Errorf("%s in the body: %+v", typ, c)
				}
				continue
			}
			if !slices.Contains(known, c.Error) || c.Status < 400 || c.Status > 599 || (c.Error < 1000 && c.Error != c.Status) {
				t.Errorf("%s in %s: %+v", typ, p, c)
			}
			seen[c.Error] = true
		}
	}
	for _, code := range known {
		if !seen[code] {
			t.Errorf("no fault gives %d", code)
		}
	}
}

// TestRetryElsewhere: documented for exactly five codes.
func TestRetryElsewhere(t *testing.T) {
	var got []int
	for code := range 2000 {
		if RetryElsewhere(code) {
			got = append(got, code)
		}
	}
	if want := []int{521, 522, 523, 525, 526}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFault(t *testing.T) {
	cause := errors.New("boom")
	var err error = &Fault{Phase: PhaseTLS, Type: TLSProtocolError, Err: fmt.Errorf("wrapped: %w", cause)}
	if !errors.Is(err, cause) {
		t.Error("the real error is lost")
	}
	if got := err.Error(); got != "tls: tls_protocol_error: wrapped: boom" {
		t.Errorf("text %q", got)
	}
	if got := (&Fault{Phase: PhaseConnect, Type: ConnectionRefused}).Error(); got != "connect: connection_refused" {
		t.Errorf("text %q", got)
	}
}

func TestPhaseOrder(t *testing.T) {
	ps := Phases()
	for i, p := range ps {
		for j, q := range ps {
			if p.Before(q) != (i < j) {
				t.Errorf("%s before %s: %v", p, q, p.Before(q))
			}
		}
		if p.Before("") || Phase("").Before(p) || Phase("nonsense").Before(p) {
			t.Errorf("%s is in an order with what is no phase", p)
		}
	}
}
