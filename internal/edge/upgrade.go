package edge

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/http1"
)

var errUnasked = errors.New("the origin switched protocols without having been asked")

// switchProtocols joins visitor and origin after a 101: from here on both
// directions are bytes.
func (v *visit) switchProtocols(conn *exchange.Conn, h *http1.ResponseHead) {
	r, ok := v.out.(*respond1)
	if v.upgrade == nil || !ok {
		_ = conn.Close()
		v.fail(&originward.Fault{Phase: originward.PhaseHeaders, Type: originward.HTTPProtocolError, Err: errUnasked})
		return
	}
	r.begin()
	r.keep, r.close = false, true
	b := http1.AppendStatusLine(r.buf[:0], 101, h.Reason)
	b = v.responseFields(b, h, false)
	b = v.edgeLines(b, false)
	b = append(b, "Connection: Upgrade\r\nUpgrade: "...)
	if h.Upgrade != nil {
		b = append(b, h.Upgrade...)
	} else {
		b = append(b, v.upgrade...)
	}
	b = append(b, "\r\n\r\n"...)
	r.buf = b
	if _, err := r.c.w.Write(b); err != nil {
		v.cut = true
		_ = conn.Close()
		return
	}
	in, out := conn.Tunnel()
	if in == nil {
		_ = conn.Close()
		return
	}
	v.sent = r.c.tunnel(in, out)
	_ = conn.Close()
}

// tunnel copies both ways until both have ended; it returns the bytes that went to
// the visitor. An end on one side is passed on as an end, a failure ends both.
func (c *visitor) tunnel(in *http1.Body, origin net.Conn) (sent int64) {
	c.setRead(time.Time{}) // silence is allowed; TCP keepalive finds the dead
	up := make(chan struct{})
	go func() {
		defer close(up)
		_, err := c.reader.Tunnel().WriteTo(origin)
		endWrite(origin, err)
		if err != nil {
			c.tcp.Close()
		}
	}()
	sent, err := in.WriteTo(c.w)
	endWrite(c.w, err)
	if err != nil {
		origin.Close()
	}
	// The other direction ends by itself, or because this one failed. A peer that has
	// ended its own direction and takes forever with the other is not waited for.
	select {
	case <-up:
	case <-time.After(c.timers.client):
	}
	origin.Close()
	c.tcp.Close()
	<-up
	return sent
}

// endWrite passes the proper end of one direction on.
func endWrite(w io.Writer, err error) {
	if half, ok := w.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite() // the other direction shows whether the peer is gone
	}
}
