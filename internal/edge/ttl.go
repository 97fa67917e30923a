package edge

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// The standard resolver does not tell how long an answer is good. Its connections
// are ours, though, so the answers can be read as they pass.

// ttl is the shortest time to live that the answers to one look-up gave.
type ttl struct {
	mu    sync.Mutex
	known bool          // guarded by mu
	least time.Duration // guarded by mu
}

// ttlKey is where a look-up's context holds its ttl.
type ttlKey struct{}

// life is how long the answer is used.
func (t *ttl) life() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known {
		return answerLife
	}
	return min(max(t.least, minLife), maxLife)
}

// message takes note of a DNS message.
func (t *ttl) message(b []byte) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || !h.Response || h.RCode != dnsmessage.RCodeSuccess || p.SkipAllQuestions() != nil {
		return // the resolver has its own opinion of it
	}
	for {
		r, err := p.AnswerHeader()
		if err != nil || p.SkipAnswer() != nil {
			return
		}
		d := time.Duration(r.TTL) * time.Second
		t.mu.Lock()
		if !t.known || d < t.least {
			t.known, t.least = true, d
		}
		t.mu.Unlock()
	}
}

// listenTTL reads along on a connection of the resolver's.
func listenTTL(ctx context.Context, c net.Conn) net.Conn {
	t, ok := ctx.Value(ttlKey{}).(*ttl)
	if !ok {
		return c
	}
	switch c := c.(type) {
	case *net.UDPConn: // the resolver tells the kinds apart by their methods
		return &ttlUDP{c, t}
	case *net.TCPConn:
		return &ttlTCP{TCPConn: c, t: t}
	}
	return c
}

type ttlUDP struct {
	*net.UDPConn
	t *ttl
}

func (c *ttlUDP) Read(p []byte) (int, error) {
	n, err := c.UDPConn.Read(p)
	c.t.message(p[:n])
	return n, err
}

type ttlTCP struct {
	*net.TCPConn
	t    *ttl
	have []byte // of the message under way, behind its length (RFC 1035 section 4.2.2)
}

func (c *ttlTCP) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.have = append(c.have, p[:n]...)
	for len(c.have) >= 2 {
		size := int(binary.BigEndian.Uint16(c.have))
		if len(c.have) < 2+size {
			break
		}
		c.t.message(c.have[2 : 2+size])
		c.have = c.have[2+size:]
	}
	return n, err
}
