package h2

import (
	"encoding/binary"
)

// handle handles a frame. Its error ends the connection.
func (c *Conn) handle(f *frame) error {
	switch {
	case !c.greeted && f.kind != frameSettings:
		return &ConnError{ProtocolError, "the first frame is not SETTINGS"}
	case c.block.open && (f.kind != frameContinuation || f.stream != c.block.id):
		return &ConnError{ProtocolError, "another frame within a header block"}
	}
	if c.idling++; c.idling > maxIdleWork {
		return &ConnError{EnhanceYourCalm, "too many frames that bring nothing"}
	}
	switch f.kind {
	case frameData:
		return c.data(f)
	case frameHeaders:
		return c.headers(f)
	case frameContinuation:
		return c.continuation(f)
	case framePriority:
		return c.priority(f)
	case frameRSTStream:
		return c.rstStream(f)
	case frameSettings:
		return c.settings(f)
	case framePing:
		return c.ping(f)
	case frameGoAway:
		if f.stream != 0 {
			return &ConnError{ProtocolError, "GOAWAY on a stream"}
		}
		return nil // the visitor opens no more streams; those under way go on
	case frameWindowUpdate:
		return c.windowUpdate(f)
	case framePushPromise:
		return &ConnError{ProtocolError, "PUSH_PROMISE from a client"}
	}
	return nil // unknown types are ignored (section 4.1)
}

func (c *Conn) ping(f *frame) error {
	switch {
	case f.stream != 0:
		return &ConnError{ProtocolError, "PING on a stream"}
	case len(f.p) != 8:
		return &ConnError{FrameSizeError, "PING of another size than 8"}
	case f.has(flagAck):
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(appendFrameHead(c.out, 8, framePing, flagAck, 0), f.p...)
	return nil
}

func (c *Conn) settings(f *frame) error {
	switch {
	case f.stream != 0:
		return &ConnError{ProtocolError, "SETTINGS on a stream"}
	case f.has(flagAck):
		if len(f.p) != 0 {
			return &ConnError{FrameSizeError, "an acknowledgment of SETTINGS with a payload"}
		}
		return nil
	case len(f.p)%6 != 0:
		return &ConnError{FrameSizeError, "SETTINGS of a size that is no multiple of 6"}
	}
	c.greeted = true
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := f.p; len(p) > 0; p = p[6:] {
		if err := c.settingLocked(binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])); err != nil {
			return err
		}
	}
	c.out = appendFrameHead(c.out, 0, frameSettings, flagAck, 0)
	return nil
}

func (c *Conn) settingLocked(id uint16, value uint32) error {
	switch id {
	case settingEnablePush:
		if value > 1 {
			return &ConnError{ProtocolError, "ENABLE_PUSH is neither 0 nor 1"}
		}
	case settingInitialWindowSize:
		if value > maxWindow {
			return &ConnError{FlowControlError, "INITIAL_WINDOW_SIZE is too large"}
		}
		by := int64(value) - c.initial
		c.initial = int64(value)
		for _, s := range c.streams {
			if s.window += by; s.window > maxWindow {
				return &ConnError{FlowControlError, "INITIAL_WINDOW_SIZE makes a window too large"}
			}
			s.wake.Broadcast()
		}
	case settingMaxFrameSize:
		if value < maxFrame || value > 1<<24-1 {
			return &ConnError{ProtocolError, "MAX_FRAME_SIZE is out of range"}
		}
		c.frame = min(int(value), 4*maxFrame)
	}
	return nil // our encoder has no table, so the others do not concern us
}

func (c *Conn) windowUpdate(f *frame) error {
	if len(f.p) != 4 {
		return &ConnError{FrameSizeError, "WINDOW_UPDATE of another size than 4"}
	}
	by := int64(binary.BigEndian.Uint32(f.p) & maxWindow)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moved {
		c.moved, c.idling = false, 0 // it answers content that we sent
	}
	if f.stream == 0 {
		if c.window += by; by == 0 || c.window > maxWindow {
			code := FlowControlError
			if by == 0 {
				code = ProtocolError
			}
			return &ConnError{code, "WINDOW_UPDATE by nothing, or by too much"}
		}
		for _, s := range c.streams {
			s.wake.Broadcast()
		}
		return nil
	}
	s := c.streams[f.stream]
	switch {
	case s == nil && f.stream > c.last:
		return &ConnError{ProtocolError, "WINDOW_UPDATE on an idle stream"}
	case s == nil:
		return nil
	case by == 0:
		s.refuseLocked(ProtocolError)
	default:
		if s.window += by; s.window > maxWindow {
			s.refuseLocked(FlowControlError)
			return nil
		}
		s.wake.Broadcast()
	}
	return nil
}

func (c *Conn) rstStream(f *frame) error {
	if len(f.p) != 4 {
		return &ConnError{FrameSizeError, "RST_STREAM of another size than 4"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.stream == 0 || f.stream > c.last {
		return &ConnError{ProtocolError, "RST_STREAM on an idle stream"}
	}
	s := c.streams[f.stream]
	if s == nil {
		return nil
	}
	if c.resets++; c.resets > maxResets*c.cfg.MaxStreams {
		return &ConnError{EnhanceYourCalm, "too many requests reset"}
	}
	s.failLocked(&ResetError{Code(binary.BigEndian.Uint32(f.p))})
	delete(c.streams, f.stream)
	return nil
}

func (c *Conn) priority(f *frame) error {
	if f.stream == 0 {
		return &ConnError{ProtocolError, "PRIORITY on no stream"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(f.p) != 5:
		c.streamErrorLocked(f.stream, FrameSizeError)
	case binary.BigEndian.Uint32(f.p)&maxWindow == f.stream:
		c.streamErrorLocked(f.stream, ProtocolError)
	}
	return nil // priorities of this kind are no longer used (section 5.3)
}

// streamErrorLocked ends a stream for what was sent on it.
func (c *Conn) streamErrorLocked(id uint32, code Code) {
	if s := c.streams[id]; s != nil {
		s.refuseLocked(code)
		return
	}
	c.resetLocked(id, code)
}

func (c *Conn) data(f *frame) error {
	size := int64(len(f.p)) // padding counts
	if f.stream == 0 || !f.unpad() {
		return &ConnError{ProtocolError, "DATA on no stream, or with more padding than fits"}
	}
	if len(f.p) > 0 || f.has(flagEndStream) {
		c.idling = 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recv -= size; c.recv < 0 {
		return &ConnError{FlowControlError, "more DATA than the connection's window"}
	}
	s := c.streams[f.stream]
	if s == nil || s.inEnd {
		c.giveBackLocked(size)
		switch {
		case f.stream > c.last:
			return &ConnError{ProtocolError, "DATA on an idle stream"}
		case s != nil:
			s.refuseLocked(StreamClosed)
		case !c.endedByUs(f.stream):
			c.resetLocked(f.stream, StreamClosed)
		}
		return nil
	}
	if s.recv -= size; s.recv < 0 {
		s.refuseLocked(FlowControlError)
		return nil
	}
	c.giveBackLocked(size - int64(len(f.p))) // nobody will consume the padding
	s.recv += size - int64(len(f.p))
	s.takeLocked(f.p, f.has(flagEndStream))
	return nil
}

// giveBackLocked lets the visitor send n bytes more, all in all; in steps, not byte by byte.
func (c *Conn) giveBackLocked(n int64) {
	if c.owed += n; c.owed >= connWindow/4 {
		c.out = appendWord(c.out, frameWindowUpdate, 0, uint32(c.owed))
		c.recv += c.owed
		c.owed = 0
	}
}
