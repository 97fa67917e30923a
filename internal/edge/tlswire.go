package edge

import (
	"crypto/tls"

	"github.com/originward/originward/internal/sock"
)

// wireBuffers hold what has come from a TLS visitor and was not yet taken: a whole
// record of the largest size (RFC 8446 section 5.1: 2^14 + 256 bytes behind its head).
var wireBuffers = sock.NewPool(recordHead + 1<<14 + 256)

const recordHead = 5

// tlsWire is the connection under crypto/tls. It gives out one record at a time, so
// that crypto/tls never holds bytes of the next one, and it reads into a lent buffer.
// So a connection that waits holds no buffer at all.
type tlsWire struct {
	*sock.Conn
	buf    *[]byte // lent; nil = nothing lies here
	rd, wr int
	head   [recordHead]byte // of the record that is given out
	got    int              // bytes of it that have been given out, below recordHead
	left   int              // bytes of the record behind its head
	out    outbox
}

// Read gives bytes of one record.
func (w *tlsWire) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if w.buf == nil {
		if err := w.fill(); err != nil {
			return 0, err
		}
	}
	n := 0
	have := (*w.buf)[w.rd:w.wr]
	if w.left == 0 {
		n = copy(p[:min(len(p), recordHead-w.got)], have)
		w.got += copy(w.head[w.got:], p[:n])
		have = have[n:]
		if w.got == recordHead {
			w.left, w.got = int(w.head[3])<<8|int(w.head[4]), 0
		}
	}
	if w.left > 0 {
		m := copy(p[n:min(len(p), n+w.left)], have)
		w.left -= m
		n += m
	}
	w.take(n)
	return n, nil
}

func (w *tlsWire) fill() (err error) {
	w.buf, w.wr, err = w.ReadFresh(wireBuffers)
	w.rd = 0
	return err
}

// look tells whether bytes are there, without waiting for them.
func (w *tlsWire) look() (bool, error) {
	if w.buf != nil {
		return true, nil
	}
	var err error
	w.buf, w.wr, err = w.ReadNow(wireBuffers)
	w.rd = 0
	return w.buf != nil, err
}

// take drops n bytes that have been given out.
func (w *tlsWire) take(n int) {
	w.rd += n
	if w.rd == w.wr {
		wireBuffers.Put(w.buf)
		w.buf = nil
	}
}

// free gives the buffers back when the connection has ended.
func (w *tlsWire) free() {
	w.out.mu.Lock()
	w.out.drop()
	w.out.mu.Unlock()
	if w.buf != nil {
		wireBuffers.Put(w.buf)
		w.buf = nil
	}
}

// tlsConn is a visitor's TLS connection that can be waited upon without a buffer.
type tlsConn struct {
	*tls.Conn
	wire *tlsWire
	more bool // the last read may have left decrypted bytes
	last bool // what is written next is the last: it goes out with the goodbye
}

// Read reads decrypted bytes.
func (c *tlsConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.more = n == len(p)
	return n, err
}

// Await blocks until the visitor has sent something, or the connection fails.
func (c *tlsConn) Await() error {
	if c.more || c.wire.buf != nil {
		return nil
	}
	return c.wire.fill()
}
