package h2

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/originward/originward/internal/sock"
)

// Config is how connections are served.
type Config struct {
	// MaxStreams is how many requests of one connection are under way at once.
	MaxStreams int
	// MaxFields bounds a request's fields in bytes, as HTTP/2 counts them.
	MaxFields int
	// Idle ends a connection without requests; Slow one that stops in the middle of a
	// frame, and a stream whose visitor sends or takes nothing.
	Idle, Slow time.Duration
	// Handler serves one request; it has ended with it.
	Handler func(*Stream)
}

// Windows for what visitors send: per stream and for the connection. They bound what
// a connection can make us hold.
const (
	streamWindow = 256 << 10
	connWindow   = 1 << 20
)

// Bounds of what brings nothing. A visitor may reset requests, but not nearly all of
// many; it may ping, but not without end (CVE-2023-44487, CVE-2019-9512 to 9518).
const (
	maxResets   = 4    // times MaxStreams: resets beyond the requests that were answered
	maxIdleWork = 2000 // frames in a row that carry neither a request nor content
	maxOut      = 128 << 10
)

// Conn is one visitor's connection.
type Conn struct {
	cfg *Config
	nc  net.Conn
	dec *hpack.Decoder
	in  *sock.Pool
	buf *[]byte // lent; nil = nothing lies here
	rd  int
	wr  int

	block   block // header block under way
	resets  int   // by the visitor, beyond answered requests
	idling  int   // frames in a row that brought nothing
	grace   bool  // a deadline fired within the current frame
	greeted bool  // the visitor's SETTINGS have come

	mu sync.Mutex
	// mu guards the following.
	streams map[uint32]*Stream
	active  int // handlers that run
	// unfinished are streams that have been answered, and whose visitor has not ended.
	unfinished int
	last       uint32
	ours       [32]uint32 // streams that we ended early, whose frames may still be coming
	oursNext   int
	window     int64       // what the connection takes
	initial    int64       // what new streams take
	frame      int         // size of frames that the visitor takes
	recv       int64       // what the visitor may still send
	owed       int64       // consumed, and not yet given back
	drain      *time.Timer // runs when the end of the connection was announced
	away       bool        // GOAWAY was sent: no new streams
	dead       error       // the connection has ended
	seen       time.Time
	workers    sync.WaitGroup

	out     []byte // frames that wait
	spare   []byte
	lent    *outBuffers
	moved   bool // content was sent since the reader looked
	writing bool
	room    sync.Cond // out was written
}

// buffers hold one frame and what came with it.
var buffers = sock.NewPool(2 * (maxFrame + frameHead))

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Serve serves the connection until its end and closes it; every handler has
// returned then. nc may have a method Await() error that blocks until a read will
// not.
func Serve(nc net.Conn, cfg *Config, ready func(*Conn)) error {
	c := &Conn{
		cfg: cfg, nc: nc, in: buffers, streams: map[uint32]*Stream{}, window: baseWindow, initial: baseWindow,
		frame: maxFrame, recv: connWindow, seen: time.Now(),
	}
	c.room.L = &c.mu
	c.dec = hpack.NewDecoder(4096, c.emit)
	c.dec.SetMaxStringLength(cfg.MaxFields)
	ready(c)
	err := c.run()
	c.end(err)
	c.workers.Wait()
	return err
}

func (c *Conn) run() error {
	c.mu.Lock()
	b := appendFrameHead(c.out, 18, frameSettings, 0, 0)
	b = appendSetting(b, settingMaxStreams, uint32(c.cfg.MaxStreams))
	b = appendSetting(b, settingInitialWindowSize, streamWindow)
	b = appendSetting(b, settingMaxHeaderListSize, uint32(c.cfg.MaxFields))
	c.out = appendWord(b, frameWindowUpdate, 0, connWindow-baseWindow)
	c.flushLocked()
	c.mu.Unlock()
	if err := c.need(len(preface)); err != nil {
		return err
	}
	if string((*c.buf)[c.rd:c.rd+len(preface)]) != preface {
		return &ConnError{ProtocolError, "no connection preface"}
	}
	c.take(len(preface))
	for {
		f, err := c.read()
		if err != nil {
			return err
		}
		size := len(f.p)
		if err := c.handle(&f); err != nil {
			return err
		}
		c.take(size)
	}
}

// end tells the visitor why, closes the connection and wakes all streams.
func (c *Conn) end(err error) {
	var ce *ConnError
	c.mu.Lock()
	if errors.As(err, &ce) && c.dead == nil {
		b := appendFrameHead(c.out, 8+len(ce.Why), frameGoAway, 0, 0)
		b = binary.BigEndian.AppendUint32(b, c.last)
		c.out = append(binary.BigEndian.AppendUint32(b, uint32(ce.Code)), ce.Why...)
	}
	if c.dead == nil {
		_ = c.nc.SetWriteDeadline(time.Now().Add(lastWords)) // a closed connection says so below
		c.flushLocked()
		c.dead = err
	}
	for _, s := range c.streams {
		s.failLocked(err)
	}
	if c.drain != nil {
		c.drain.Stop()
	}
	c.room.Broadcast()
	c.mu.Unlock()
	if ce != nil {
		c.linger()
	}
	_ = c.nc.Close() // whatever its state, it has ended
	if c.buf != nil {
		c.in.Put(c.buf)
		c.buf = nil
	}
}

// lastWords is how long the visitor may take to hear why the connection ends.
const lastWords = time.Second

// linger ends our direction and reads on for a moment: closing with unread bytes
// would reset the connection, and the visitor might never see the reason.
func (c *Conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(lastWords))
	_, _ = io.Copy(io.Discard, c.nc) // ends with the deadline at the latest
}

// lastCall is how long after the announcement that the connection ends requests are
// still taken: those that cross with it would otherwise have to be repeated
// (RFC 9113 section 6.8 asks for a round trip at least).
const lastCall = time.Second

// Drain announces the connection's end, and lets requests finish.
func (c *Conn) Drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drain != nil || c.away || c.dead != nil {
		return
	}
	c.goAwayLocked(maxWindow)
	c.flushLocked()
	c.drain = time.AfterFunc(lastCall, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.away || c.dead != nil {
			return
		}
		c.away = true
		c.goAwayLocked(c.last)
		c.flushLocked()
		_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // the reader looks whether it is over
	})
}

func (c *Conn) goAwayLocked(last uint32) {
	b := appendFrameHead(c.out, 8, frameGoAway, 0, 0)
	c.out = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, last), uint32(NoError))
}

// need has n bytes lie in the buffer.
func (c *Conn) need(n int) error {
	for c.wr-c.rd < n {
		if c.buf == nil {
			if err := c.idle(); err != nil {
				return err
			}
			c.buf, c.rd, c.wr = c.in.Get(), 0, 0
		}
		if c.rd > 0 && c.rd+n > len(*c.buf) {
			c.wr = copy(*c.buf, (*c.buf)[c.rd:c.wr])
			c.rd = 0
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
	return nil
}

// take drops n bytes, and the buffer when it is empty.
func (c *Conn) take(n int) {
	c.rd += n
	if c.rd == c.wr {
		c.in.Put(c.buf)
		c.buf, c.rd, c.wr = nil, 0, 0
	}
}

var errIdle = errors.New("the connection was idle for too long")

// idle waits for the beginning of a frame.
func (c *Conn) idle() error {
	waiter, ok := c.nc.(interface{ Await() error })
	for {
		c.mu.Lock()
		c.flushLocked()
		over := c.away && c.active == 0
		if !over {
			_ = c.nc.SetReadDeadline(time.Now().Add(c.cfg.Slow))
		}
		c.mu.Unlock()
		if over {
			return io.EOF
		}
		if !ok {
			return nil
		}
		err := waiter.Await()
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if err := c.late(); err != nil {
			return err
		}
	}
}

// late decides what a deadline at a frame's beginning means.
func (c *Conn) late() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil {
		return c.dead
	}
	if c.active > 0 && !c.block.open {
		return nil
	}
	if c.away || time.Since(c.seen) >= c.cfg.Idle || c.block.open {
		c.away = true
		c.goAwayLocked(c.last)
		c.flushLocked()
		return errIdle
	}
	return nil
}

// fill reads once behind what lies in the buffer.
func (c *Conn) fill() error {
	c.mu.Lock()
	c.flushLocked() // what the frames so far have caused goes out
	c.mu.Unlock()
	for {
		n, err := c.nc.Read((*c.buf)[c.wr:])
		c.wr += n
		if n > 0 || err == nil {
			return nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if err := c.late(); err != nil {
			return err
		}
		// The deadline is older than the frame: in the middle of one it is moved on once.
		if c.wr > c.rd {
			if c.grace {
				return err
			}
			c.grace = true
		}
		c.mu.Lock()
		_ = c.nc.SetReadDeadline(time.Now().Add(c.cfg.Slow))
		c.mu.Unlock()
	}
}

// read reads a frame.
func (c *Conn) read() (frame, error) {
	if err := c.need(frameHead); err != nil {
		return frame{}, err
	}
	h := (*c.buf)[c.rd:]
	size := int(h[0])<<16 | int(h[1])<<8 | int(h[2])
	f := frame{kind: h[3], flags: h[4], stream: binary.BigEndian.Uint32(h[5:]) & maxWindow}
	if size > maxFrame {
		return f, &ConnError{FrameSizeError, "a frame larger than SETTINGS_MAX_FRAME_SIZE"}
	}
	if err := c.need(frameHead + size); err != nil {
		return f, err
	}
	c.grace = false
	c.rd += frameHead
	f.p = (*c.buf)[c.rd : c.rd+size]
	return f, nil
}
