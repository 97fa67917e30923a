package h2

import (
	"bytes"
	"errors"

	"github.com/originward/originward/internal/http1"
)

// errEnded is a response after its end: the handler's mistake.
var errEnded = errors.New("h2: the response has ended")

// errWindow ends a response whose visitor takes nothing.
var errWindow = errors.New("the visitor opened no window for too long")

// gather is how much of a response is gathered before it is written.
const gather = 64 << 10

// Head sends a head: a status and HTTP/1.1 field lines ("Name: value\r\n" …). It is
// written together with what follows it; Flush writes it alone. Connection-specific
// fields must not be among them.
func (s *Stream) Head(status int, lines []byte, end bool) error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.sendableLocked(); err != nil {
		return err
	}
	at := len(c.out)
	c.out = appendFrameHead(c.out, 0, frameHeaders, flagEndHeaders, s.id)
	c.out = appendStatus(c.out, status)
	for len(lines) > 0 {
		line := lines
		if i := bytes.IndexByte(lines, '\n'); i >= 0 {
			line, lines = lines[:i], lines[i+1:]
		} else {
			lines = nil
		}
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if i := bytes.Index(line, []byte(": ")); i > 0 {
			c.out = appendField(c.out, line[:i], line[i+2:])
		}
	}
	s.started = s.started || status >= 200
	s.closeBlockLocked(at, end)
	return nil
}

// closeBlockLocked completes the header block whose frame begins at c.out[at],
// splitting it when it is too long for one frame.
func (s *Stream) closeBlockLocked(at int, end bool) {
	c := s.c
	block := c.out[at+frameHead:]
	first := min(len(block), c.frame)
	flags := byte(flagEndHeaders)
	if first < len(block) {
		flags = 0
	}
	if end {
		flags |= flagEndStream
		s.ended = true
	}
	if first == len(block) {
		appendFrameHead(c.out[:at], first, frameHeaders, flags, s.id)
		return
	}
	rest := bytes.Clone(block[first:])
	c.out = c.out[:at+frameHead+first]
	appendFrameHead(c.out[:at], first, frameHeaders, flags, s.id)
	for len(rest) > 0 {
		n := min(len(rest), c.frame)
		flags = 0
		if n == len(rest) {
			flags = flagEndHeaders
		}
		c.out = append(appendFrameHead(c.out, n, frameContinuation, flags, s.id), rest[:n]...)
		rest = rest[n:]
	}
}

// sendableLocked tells whether anything may still be sent.
func (s *Stream) sendableLocked() error {
	switch {
	case s.err != nil:
		return s.err
	case s.c.dead != nil:
		return s.c.dead
	case s.ended:
		return errEnded
	}
	return nil
}

// Data sends content, waiting for room in the windows; end ends the response.
func (s *Stream) Data(p []byte, end bool) error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := s.sendableLocked(); err != nil {
			return err
		}
		n := int(min(int64(len(p)), s.window, c.window, int64(c.frame)))
		if n <= 0 && len(p) > 0 {
			c.flushLocked()
			if s.sendableLocked() == nil && (s.window <= 0 || c.window <= 0) && !s.waitLocked() {
				s.refuseLocked(Cancel)
				return errWindow
			}
			continue
		}
		if n > 0 || end {
			last := end && n == len(p)
			flags := byte(0)
			if last {
				flags = flagEndStream
			}
			c.out = append(appendFrameHead(c.out, n, frameData, flags, s.id), p[:n]...)
			s.window -= int64(n)
			c.window -= int64(n)
			c.moved = true
			s.ended = last
			p = p[n:]
		}
		if len(p) == 0 {
			c.flushLocked()
			return nil
		}
		if len(c.out) >= gather {
			c.flushLocked()
		}
	}
}

// Flush writes what was gathered.
func (s *Stream) Flush() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.flushLocked()
}

// Trailer ends the response with trailer fields; without any it just ends it.
func (s *Stream) Trailer(fields []http1.Field) error {
	if len(fields) == 0 {
		return s.Data(nil, true)
	}
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.sendableLocked(); err != nil {
		return err
	}
	at := len(c.out)
	c.out = appendFrameHead(c.out, 0, frameHeaders, flagEndHeaders, s.id)
	for i := range fields {
		c.out = appendField(c.out, fields[i].Name, fields[i].Value)
	}
	s.closeBlockLocked(at, true)
	c.flushLocked()
	return nil
}

// Started tells that the final head was sent.
func (s *Stream) Started() bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.started
}
