package edge

import "sync"

// outbox gathers records of TLS on their way out. A response that crypto/tls cuts into
// several goes out in one call, and the last one in one with the goodbye behind it.
type outbox struct {
	mu     sync.Mutex // a tunnel's other direction may answer an update of keys
	buf    *[]byte    // lent; nil = nothing lies here
	n      int
	gather bool
}

// worthCopying is the largest record that is copied to save a call.
const worthCopying = 4 << 10

// Write sends a record, or keeps it for the next one.
func (w *tlsWire) Write(p []byte) (int, error) {
	o := &w.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gather && o.take(p) {
		return len(p), nil
	}
	return o.send(w, p)
}

// take keeps a copy, if that is worth it and there is room.
func (o *outbox) take(p []byte) bool {
	if len(p) > worthCopying || o.buf != nil && o.n+len(p) > len(*o.buf) {
		return false
	}
	if o.buf == nil {
		o.buf = wireBuffers.Get()
	}
	o.n += copy((*o.buf)[o.n:], p)
	return true
}

// send sends what is kept, and then p; its number is of p's bytes.
func (o *outbox) send(w *tlsWire, p []byte) (int, error) {
	if o.n == 0 {
		return w.Conn.Write(p)
	}
	n, err := w.WriteBoth((*o.buf)[:o.n], p)
	n = max(0, n-o.n)
	o.drop()
	return n, err
}

func (o *outbox) drop() {
	if o.buf != nil {
		wireBuffers.Put(o.buf)
		o.buf, o.n = nil, 0
	}
}

// gathered writes to a TLS connection with as few calls as may be.
type gathered struct{ *tlsConn }

func (c gathered) Write(p []byte) (int, error) {
	c.wire.collect()
	n, err := c.Conn.Write(p)
	if gone := c.wire.flush(c.last && err == nil); err == nil {
		err = gone
	}
	return n, err
}

func (w *tlsWire) collect() {
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	w.out.gather = true
}

// flush ends the gathering, and sends what is kept unless something will follow.
func (w *tlsWire) flush(follows bool) error {
	o := &w.out
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gather = false
	if o.n == 0 || follows {
		return nil
	}
	_, err := o.send(w, nil)
	return err
}
