package edge

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"time"

	"github.com/originward/originward/internal/edge/acme"
)

// spareShakers is how many goroutines wait for the next handshake with the stack that
// the last one grew: growing one costs more than keeping it.
const spareShakers = 32

// shake does the handshake of a connection, and serves it.
func (e *Edge) shake(c *visitor) {
	select {
	case e.shaken <- c:
	default: // nobody waits
		e.work.Go(func() { e.shaker(c) })
	}
}

func (e *Edge) shaker(c *visitor) {
	for {
		c.open()
		if e.spare.Add(1) > spareShakers {
			e.spare.Add(-1)
			return
		}
		select {
		case c = <-e.shaken:
			e.spare.Add(-1)
		case <-e.stop:
			return
		}
	}
}

// open does the handshake. A handshake needs a deep stack, so a request that has come
// with its end is served on that, too; an idle connection gets a goroutine that begins
// with a small one.
func (c *visitor) open() {
	if !c.handshake() {
		c.end()
		return
	}
	if c.tls.ConnectionState().NegotiatedProtocol != "h2" && !c.first() {
		c.dropReader()
		c.end()
		return
	}
	c.edge.work.Go(c.serve)
}

// first serves a request that is here already; false when the connection is to be closed.
func (c *visitor) first() bool {
	here, err := c.tls.wire.look()
	if err != nil || !here {
		return err == nil
	}
	c.w = gathered{c.tls}
	c.needReader()
	return c.one()
}

// handshake does the TLS handshake within the timer for heads.
func (c *visitor) handshake() bool {
	wire := &tlsWire{Conn: c.sock}
	conn := tls.Server(wire, c.edge.tls.base)
	c.setRead(time.Now().Add(c.timers.header))
	if err := conn.HandshakeContext(context.Background()); err != nil {
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) && plain.Conn != nil && looksLikeHTTP(plain.RecordHeader) {
			// Nothing can be done when this visitor has gone, too.
			_, _ = io.WriteString(plain.Conn, "HTTP/1.1 400 Bad Request\r\n"+serverLine+
				"Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: 55\r\n\r\nThis port speaks TLS, and the request was plain HTTP.\r\n")
			c.linger()
		}
		c.edge.log.Debug("TLS handshake with a visitor", "client", c.info.text, "error", err)
		wire.free()
		return false
	}
	st := conn.ConnectionState()
	if st.NegotiatedProtocol == acme.Protocol { // the handshake was all that was wanted (RFC 8737 section 3)
		_ = conn.Close()
		wire.free()
		return false
	}
	c.info.sni = lower(st.ServerName)
	c.info.tls = tlsInfo{version: tlsVersionName(st.Version), cipher: tls.CipherSuiteName(st.CipherSuite)}
	if st.CurveID != 0 {
		c.info.tls.curve = st.CurveID.String()
	}
	dropBuffers(conn)
	c.tls = &tlsConn{Conn: conn, wire: wire}
	return true
}

func lower(s string) string { return string(bytes.ToLower([]byte(s))) }

// looksLikeHTTP tells a request line from other things that are no TLS record.
func looksLikeHTTP(b [5]byte) bool {
	switch string(b[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH", "CONNE":
		return true
	}
	return false
}

// tlsVersionName is the version as /cdn-cgi/trace shows it: TLSv1.3.
func tlsVersionName(v uint16) string {
	switch v {
	case tls.VersionTLS10:
		return "TLSv1"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return ""
}
