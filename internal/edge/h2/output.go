package h2

import (
	"sync"
	"time"
)

// flushLocked writes what waits, unless somebody is writing, who will. c.mu is held,
// and given up meanwhile.
func (c *Conn) flushLocked() {
	if c.writing {
		for len(c.out) > maxOut && c.writing && c.dead == nil {
			c.room.Wait() // the visitor takes nothing: do not gather more
		}
		return
	}
	c.writing = true
	for len(c.out) > 0 && c.dead == nil {
		p := c.out
		c.out = c.spare[:0]
		c.mu.Unlock()
		_, err := c.nc.Write(p)
		c.mu.Lock()
		c.spare = p[:0]
		if err != nil && c.dead == nil {
			c.dead = err
			for _, s := range c.streams {
				s.failLocked(err)
			}
			_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // the reader ends the connection
		}
	}
	c.writing = false
	c.room.Broadcast()
}

// outBuffers are what a connection gathers frames in while it has requests.
type outBuffers struct{ a, b []byte }

var outs = sync.Pool{New: func() any { return new(outBuffers) }}

// busyLocked lends the connection buffers.
func (c *Conn) busyLocked() {
	if c.lent != nil {
		return
	}
	c.lent, _ = outs.Get().(*outBuffers)
	c.out, c.spare = append(c.lent.a[:0], c.out...), c.lent.b[:0]
}

// restLocked takes them back when nothing is under way: an idle connection holds none.
func (c *Conn) restLocked() {
	if c.lent == nil || c.active > 0 || c.writing || len(c.out) > 0 {
		return
	}
	if cap(c.out) <= maxOut && cap(c.spare) <= maxOut {
		c.lent.a, c.lent.b = c.out[:0], c.spare[:0]
		outs.Put(c.lent)
	}
	c.lent, c.out, c.spare = nil, nil, nil
}

// resetLocked sends RST_STREAM. c.mu is held.
func (c *Conn) resetLocked(id uint32, code Code) {
	c.out = appendWord(c.out, frameRSTStream, id, uint32(code))
	c.ours[c.oursNext] = id
	c.oursNext = (c.oursNext + 1) % len(c.ours)
}

// endedByUs tells a stream that we ended before the visitor had sent all of it.
func (c *Conn) endedByUs(id uint32) bool {
	for _, x := range c.ours {
		if x == id {
			return true
		}
	}
	return false
}
