package edge

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/acme"
	"github.com/originward/originward/internal/edge/tickets"
	"github.com/originward/originward/internal/handover"
)

// visitorTLS is how the edge speaks TLS with visitors, under any configuration: the
// keys of session tickets outlive a change of it.
type visitorTLS struct {
	base    *tls.Config // for the listeners; picks the zone's by server name
	quic    *tls.Config // the same for HTTP/3
	tickets *tickets.Ring
}

// fallbackName stands in certificates for visitors that ask for no site of this
// edge: they get an error page over a connection that no browser trusts.
const fallbackName = "edge.invalid"

func (e *Edge) newVisitorTLS() visitorTLS {
	// Every handshake gets the configuration of its zone; this one has what they share.
	base := visitorConfig(tls.VersionTLS10, nil)
	base.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return e.state.Load().tlsFor(hello), nil
	}
	quic := visitorConfig(tls.VersionTLS13, nil)
	quic.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if c := e.state.Load().quicFor(hello); c != nil {
			return c, nil
		}
		return nil, errNoHTTP3
	}
	return visitorTLS{base, quic, tickets.NewRing()}
}

// tlsFor is the configuration for a visitor's handshake.
func (st *state) tlsFor(hello *tls.ClientHelloInfo) *tls.Config {
	if p := hello.SupportedProtos; st.acme != nil && len(p) == 1 && p[0] == acme.Protocol {
		return st.proof()
	}
	if z, _ := st.routes.find([]byte(strings.ToLower(hello.ServerName))); z != nil {
		return z.tls
	}
	return st.fallback
}

var errNoHTTP3 = errors.New("HTTP/3 is off for this name")

// quicFor is tlsFor for HTTP/3; nil = the zone has it off.
func (st *state) quicFor(hello *tls.ClientHelloInfo) *tls.Config {
	if z, _ := st.routes.find([]byte(strings.ToLower(hello.ServerName))); z != nil {
		return z.quic
	}
	return overQUIC(st.fallback)
}

// overQUIC is a configuration for HTTP/3.
func overQUIC(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.MinVersion, c.NextProtos = tls.VersionTLS13, []string{http3.NextProtoH3}
	return c
}

// altSvc is the field that tells visitors over TCP of HTTP/3 (RFC 7838), for the port
// that is configured first; empty = there is none. A day is what Cloudflare says.
func altSvc(addrs []string) string {
	for _, a := range addrs {
		if _, port, err := net.SplitHostPort(a); err == nil && port != "0" {
			return `Alt-Svc: h3=":` + port + `"; ma=86400` + "\r\n"
		}
	}
	return ""
}

// lookAfterTLS changes the keys of session tickets in time, and says when a stapled
// OCSP answer has expired, until the edge ends.
func (e *Edge) lookAfterTLS() {
	t := time.NewTicker(tlsLook)
	defer t.Stop()
	said := map[string]time.Time{}
	for {
		e.turnTickets()
		e.reportStaples(said)
		select {
		case <-e.stop:
			return
		case <-t.C:
		}
	}
}

// tlsLook is how often that is looked at: far shorter than a key's life.
const tlsLook = 5 * time.Second

// turnTickets has the keys of now used.
func (e *Edge) turnTickets() {
	keys := e.tls.tickets.At(e.now())
	e.tls.base.SetSessionTicketKeys(keys)
	e.tls.quic.SetSessionTicketKeys(keys)
}

// handTickets takes the keys of a predecessor, and keeps them for a successor, so that
// visitors resume across a change of the program.
func (e *Edge) handTickets(s *handover.Set) {
	const name = "session-tickets"
	if raw := s.Kept(name); raw != nil {
		if err := e.tls.tickets.UnmarshalBinary(raw); err != nil {
			e.log.Warn("the predecessor's session tickets", "error", err)
		}
		e.turnTickets()
	}
	s.Keep(name, func() ([]byte, error) { return e.tls.tickets.AppendBinary(nil) })
}

// useTickets takes from a configuration what keys are made of.
func (e *Edge) useTickets(c config.TLS) {
	life := c.TicketLife
	if life == 0 {
		life = tickets.Life
	}
	e.tls.tickets.Use(c.TicketSecrets, life)
	e.turnTickets()
}

// reportStaples says once of each OCSP answer that it has expired.
func (e *Edge) reportStaples(said map[string]time.Time) {
	for _, z := range e.Config().Zones {
		until := z.Staple.Until
		if z.Staple.Raw == nil || e.now().Before(until) || said[z.Name].Equal(until) {
			continue
		}
		said[z.Name] = until
		e.log.Warn("not stapled any more: the OCSP answer has expired", "zone", z.Name, "expired", until.UTC().Format(time.RFC3339))
	}
}

func visitorConfig(minVersion uint16, get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:     minVersion,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: get,
	}
}

func (st *state) newTLS() {
	st.fallback = visitorConfig(tls.VersionTLS12, func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return st.ca.Certificate(fallbackName)
	})
	alt := altSvc(st.cfg.Listen.HTTP3)
	for _, z := range st.routes.zones {
		z.tls = st.zoneTLS(z)
		if z.NoHTTP2 {
			z.tls.NextProtos = []string{"http/1.1"}
		}
		if !z.NoHTTP3 && len(st.cfg.Listen.HTTP3) > 0 {
			z.quic, z.altSvc = overQUIC(z.tls), alt
		}
	}
}

func (st *state) zoneTLS(z *zone) *tls.Config {
	version := z.MinTLS
	if version == 0 {
		version = tls.VersionTLS12
	}
	if z.Certificate != nil {
		return visitorConfig(version, st.given(z))
	}
	return visitorConfig(version, func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name := strings.ToLower(hello.ServerName)
		if z.ACME && st.acme != nil {
			if c := st.acme.Certificate(hello); c != nil {
				return c, nil
			}
		}
		// Only names that exist get a certificate: an endless supply of names must not fill
		// the disk.
		if _, s := st.routes.find([]byte(name)); s == nil {
			return st.ca.Certificate(fallbackName)
		} else if strings.HasPrefix(s.name, "*.") {
			return st.ca.Certificate(wildcardName(s.name, name))
		}
		return st.ca.Certificate(name)
	})
}

// given gives the zone's own certificate, with its OCSP answer while that is valid.
func (st *state) given(z *zone) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	plain := z.Certificate
	if z.Staple.Raw == nil {
		return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return plain, nil }
	}
	stapled := *plain
	stapled.OCSPStaple = z.Staple.Raw
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if st.now().Before(z.Staple.Until) {
			return &stapled, nil
		}
		return plain, nil
	}
}

// wildcardName is the name to certify for a visitor's name under a wildcard
// record. One label deep, one certificate serves all; deeper names, which a
// certificate's wildcard does not reach, are certified by the wildcard of their parent.
func wildcardName(record, name string) string { return "*." + parent(name) }
