package exchange

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/originward/originward"
)

// Dialer connects to origins under one profile. It is safe for concurrent use.
type Dialer struct {
	profile Profile
}

// NewDialer returns a dialer; zero fields of p take the documented values.
func NewDialer(p Profile) *Dialer { return &Dialer{profile: p.withDefaults()} }

// Profile is the profile in use.
func (d *Dialer) Profile() Profile { return d.profile }

// Dial connects and, when the target says so, does the TLS handshake, in the
// calling goroutine. The fault's phase is connect or tls. With a fault of the tls
// phase the connection is not nil: it is closed, and tells its addresses and what
// the handshake showed. tr may be nil.
func (d *Dialer) Dial(ctx context.Context, t Target, tr *Trace) (*Conn, *originward.Fault) {
	tr.Begin(StepConnect)
	w, f := d.connect(ctx, t)
	if f != nil && f.Phase == originward.PhaseConnect {
		tr.Fail(StepConnect)
		return nil, f
	}
	if f != nil { // connected, and reset before anything was sent
		tr.Next(StepConnect, stepAfterConnect(t))
		tr.Fail(stepAfterConnect(t))
		return nil, f
	}
	c := newConn(t, w, &d.profile)
	if t.TLS == nil {
		tr.End(StepConnect)
		c.startHTTP1(w.TCPConn)
		return c, nil
	}
	tr.Next(StepConnect, StepTLS)
	if f := c.handshake(ctx); f != nil {
		tr.Fail(StepTLS)
		_ = c.Close() // the handshake's fault is the one that counts
		return c, f
	}
	tr.End(StepTLS)
	return c, nil
}

func stepAfterConnect(t Target) Step {
	if t.TLS != nil {
		return StepTLS
	}
	return StepWrite
}

// connect does the TCP handshake.
func (d *Dialer) connect(ctx context.Context, t Target) (*wire, *originward.Fault) {
	p := &d.profile
	start := time.Now()
	nd := net.Dialer{
		Deadline: start.Add(p.Connect),
		Control:  control(*p, t),
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: p.KeepIdle, Interval: p.KeepInterval, Count: p.KeepCount,
		},
	}
	if t.Source.IsValid() {
		nd.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.Source, 0))
	}
	// An address needs no look-up, so this stays in the calling goroutine. (DialTCP would
	// bind, and so take a local port for every connection, even without a source.)
	nc, err := nd.DialContext(ctx, "tcp", t.Addr.String())
	if err != nil {
		return nil, connectFault(err, t, time.Since(start))
	}
	w, err := newWire(nc.(*net.TCPConn), p)
	if err != nil {
		return nil, fault(StepConnect, originward.ProxyInternalError, errors.Join(err, nc.Close()))
	}
	return w, nil
}

func fault(s Step, t originward.FaultType, err error) *originward.Fault {
	return &originward.Fault{Phase: s.Phase(), Type: t, Err: err}
}

// connectFault classifies a connect(2) that failed. A reset is reported by the
// kernel only after SYN and SYN+ACK: the connection was made and then cut off
// before we could use it, which is a fault of the next phase.
func connectFault(err error, t Target, waited time.Duration) *originward.Fault {
	if errors.Is(err, context.Canceled) {
		return fault(StepConnect, originward.ProxyInternalError, err)
	}
	kind, _ := sysError(err)
	switch kind {
	case sysRefused:
		return fault(StepConnect, originward.ConnectionRefused, err)
	case sysTimeout:
		return fault(StepConnect, originward.ConnectionTimeout, err)
	case sysUnreachable:
		return fault(StepConnect, originward.DestinationIPUnroutable, err)
	case sysReset, sysPipe:
		if t.TLS != nil {
			return fault(StepTLS, originward.TLSProtocolError, &HandshakeError{Err: err})
		}
		return fault(StepWrite, originward.ConnectionTerminated, err)
	case sysNoAddress:
		switch {
		case t.Source.IsValid():
			return fault(StepConnect, originward.ProxyConfigurationError, err)
		case t.Addr.Addr().Is6(): // the observer has no IPv6 address at all
			return fault(StepConnect, originward.DestinationIPUnroutable, err)
		}
		return fault(StepConnect, originward.ProxyInternalError, err)
	case sysNone:
		if isTimeout(err) {
			return silence(t, &TimeoutError{Waited: waited, For: "answer to SYN", Err: err})
		}
	}
	return fault(StepConnect, originward.ProxyInternalError, err)
}

// silence is the fault of a SYN that was not answered in our time. Where the kernel
// would report an unreachable host if it were given longer, so do we: how long we
// wait must not decide between 522 and 523.
func silence(t Target, late *TimeoutError) *originward.Fault {
	if hop, dead := deadNeighbour(t); dead {
		return fault(StepConnect, originward.DestinationIPUnroutable, &NeighbourError{Hop: hop, Err: late})
	}
	return fault(StepConnect, originward.ConnectionTimeout, late)
}

// isTimeout tells a deadline of ours, or of the caller's context, from other errors.
func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
