//go:build !linux

package sock

import "net"

// Conn is a TCP connection.
type Conn struct{ *net.TCPConn }

// New wraps a connection.
func New(c *net.TCPConn) (*Conn, error) { return &Conn{c}, nil }

// TCP is the connection underneath.
func (c *Conn) TCP() *net.TCPConn { return c.TCPConn }

// ReadFresh reads n bytes, at least one, into a buffer lent by the pool. With an
// error there is no buffer.
func (c *Conn) ReadFresh(pool *Pool) (b *[]byte, n int, err error) {
	b = pool.Get()
	if n, err = c.Read(*b); err != nil {
		pool.Put(b)
		return nil, 0, err
	}
	return b, n, nil
}

// ReadNow finds nothing: this system is not asked without waiting.
func (c *Conn) ReadNow(*Pool) (b *[]byte, n int, err error) { return nil, 0, nil }

// WriteBoth writes all of p and then of more.
func (c *Conn) WriteBoth(p, more []byte) (int, error) {
	n, err := c.Write(p)
	if err != nil || len(more) == 0 {
		return n, err
	}
	m, err := c.Write(more)
	return n + m, err
}

// Gone is false: this system is not asked.
func (c *Conn) Gone() bool { return false }
