package exchange

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/http1"
)

// sniffer is the connection under crypto/tls. During the handshake it keeps the
// first bytes that the peer sends: they show what it speaks instead.
type sniffer struct {
	*wire
	first []byte
	on    bool
}

// maxSample bounds a sample of foreign bytes.
const maxSample = 64

func (s *sniffer) Read(p []byte) (int, error) {
	n, err := s.wire.Read(p)
	if s.on && len(s.first) < maxSample {
		s.first = append(s.first, p[:min(n, maxSample-len(s.first))]...)
	}
	return n, err
}

// sampleWait is how long a peer that turns out not to speak TLS is given to finish
// what it says: crypto/tls stops after five bytes.
const sampleWait = 50 * time.Millisecond

// more reads on what a peer says that does not speak TLS.
func (s *sniffer) more() {
	if len(s.first) >= maxSample {
		return
	}
	_ = s.SetReadDeadline(time.Now().Add(sampleWait))
	buf := make([]byte, maxSample-len(s.first))
	n, _ := io.ReadAtLeast(s.TCPConn, buf, 1) // whatever comes is a bonus
	s.first = append(s.first, buf[:n]...)
}

// handshake does the TLS handshake and, for a validating policy, judges the
// certificate after it.
func (c *Conn) handshake(ctx context.Context) *originward.Fault {
	policy := c.target.TLS
	under := &sniffer{wire: c.wire, on: true}
	t := tls.Client(under, policy.config(c.target.SNI, &c.seen))
	c.tls = t
	c.wire.await(time.Now(), c.profile.Handshake, waitWhole)
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, c.wire.abort)
		defer stop()
	}
	// The wire's own deadlines bound the handshake; its context would need a goroutine.
	if err := t.HandshakeContext(context.Background()); err != nil {
		return c.handshakeFault(ctx, under, err)
	}
	under.on, under.first = false, nil
	c.state = t.ConnectionState()
	if policy.Validate {
		if v := c.verdict(); len(v.Reasons) > 0 {
			return fault(StepTLS, originward.TLSCertificateError, &CertError{Reasons: v.Reasons, Err: v.Err})
		} else if v.Judged != fact.Yes {
			return fault(StepTLS, originward.ProxyConfigurationError, v.Err)
		}
	}
	if c.state.NegotiatedProtocol == "h2" {
		return c.startHTTP2()
	}
	c.startHTTP1(t)
	return nil
}

func (c *Conn) handshakeFault(ctx context.Context, under *sniffer, err error) *originward.Fault {
	c.state = c.tls.ConnectionState()
	asked := fact.Unknown
	if c.seen.clientCert {
		asked = fact.Yes
	}
	if n, ok := alertIn(err); ok {
		return fault(StepTLS, originward.TLSAlertReceived, &AlertError{Alert: n, ClientCert: asked, Err: err})
	}
	h := &HandshakeError{ClientCert: asked, Err: err}
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record) && !looksTLS(under.first):
		under.more()
		h.NotTLS, h.Sample = true, under.first
	case c.wire.ours:
		h.Err = &TimeoutError{Waited: c.wire.waited, For: "end of the TLS handshake", Unacked: c.wire.unacked, Err: err}
		h.Sample = under.first
		if errors.Is(ctx.Err(), context.Canceled) {
			return fault(StepTLS, originward.ProxyInternalError, ctx.Err())
		}
	}
	return fault(StepTLS, originward.TLSProtocolError, h)
}

// looksTLS tells whether b begins as a TLS record does.
func looksTLS(b []byte) bool { return http1.Sniff(b) == http1.LooksTLS }

// chain parses the certificates as sent, leaf first. One that cannot be parsed ends
// it: what follows cannot be placed.
func (s *seen) chain() []*x509.Certificate {
	var out []*x509.Certificate
	for _, raw := range s.rawCerts {
		cert, err := x509.ParseCertificate(raw)
		if err != nil {
			break
		}
		out = append(out, cert)
	}
	return out
}
