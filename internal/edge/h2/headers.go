package h2

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/net/http2/hpack"

	"github.com/originward/originward/internal/http1"
)

// block is a header block on its way.
type block struct {
	open      bool // more of it follows
	id        uint32
	end       bool    // the stream ends with it
	stream    *Stream // that its fields belong to; nil = they are only decoded
	trailer   bool
	size      int  // of its fields as HTTP/2 counts them
	raw       int  // compressed bytes
	bad       bool // its fields are malformed (section 8.1.1)
	regular   bool // a field that is no pseudo-header has come
	selfAbove bool // the stream depends on itself
}

// maxFields bounds the number of fields; it is the codec's for HTTP/1.1.
const maxFields = 1000

func (c *Conn) headers(f *frame) error {
	if f.stream == 0 || f.stream%2 == 0 || !f.unpad() {
		return &ConnError{ProtocolError, "HEADERS on no stream of a client, or with more padding than fits"}
	}
	c.block = block{open: true, id: f.stream, end: f.has(flagEndStream)}
	if f.has(flagPriority) {
		if len(f.p) < 5 {
			return &ConnError{FrameSizeError, "HEADERS too short for its priority"}
		}
		c.block.selfAbove = binary.BigEndian.Uint32(f.p)&maxWindow == f.stream
		f.p = f.p[5:]
	}
	if err := c.openBlock(f.stream); err != nil {
		return err
	}
	return c.fragment(f)
}

// openBlock finds what the block belongs to.
func (c *Conn) openBlock(id uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := &c.block
	s := c.streams[id]
	switch {
	case s != nil && s.inEnd && s.ended:
		return &ConnError{StreamClosed, "HEADERS on a closed stream"}
	case s != nil && s.inEnd:
		s.refuseLocked(StreamClosed)
	case s != nil:
		b.stream, b.trailer, s.pinned = s, true, true
	case id > c.last:
		b.stream = newStream(c, id)
		b.stream.window = c.initial
	case !c.endedByUs(id):
		return &ConnError{StreamClosed, "HEADERS on a closed stream"}
	}
	return nil
}

func (c *Conn) continuation(f *frame) error {
	if !c.block.open {
		return &ConnError{ProtocolError, "CONTINUATION without HEADERS"}
	}
	return c.fragment(f)
}

// fragment decodes a piece of the block; the last one completes it.
func (c *Conn) fragment(f *frame) error {
	b := &c.block
	// What does not fit is decoded, because the table has to stay the same, but not without end.
	if b.raw += len(f.p); b.raw > 2*c.cfg.MaxFields {
		return &ConnError{EnhanceYourCalm, "a header block without end"}
	}
	if _, err := c.dec.Write(f.p); err != nil {
		return &ConnError{CompressionError, "header block: " + err.Error()}
	}
	if !f.has(flagEndHeaders) {
		return nil
	}
	if err := c.dec.Close(); err != nil {
		return &ConnError{CompressionError, "header block: " + err.Error()}
	}
	b.open = false
	s := b.stream
	b.stream = nil
	if s == nil {
		return nil
	}
	c.idling = 0
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.trailer {
		s.trailerLocked(b)
		return nil
	}
	c.last = max(c.last, s.id)
	return c.beginLocked(s, b)
}

// beginLocked starts a request.
func (c *Conn) beginLocked(s *Stream, b *block) error {
	switch {
	case c.away: // the visitor may repeat it elsewhere
		c.resetLocked(s.id, RefusedStream)
		s.free()
		return nil
	case b.bad || b.selfAbove || !s.complete():
		c.resetLocked(s.id, ProtocolError)
		s.free()
		return nil
	case c.active >= c.cfg.MaxStreams:
		c.resetLocked(s.id, RefusedStream)
		s.free()
		if c.resets++; c.resets > maxResets*c.cfg.MaxStreams {
			return &ConnError{EnhanceYourCalm, "too many requests at once"}
		}
		return nil
	}
	s.inEnd, s.NoBody = b.end, b.end
	if b.end && s.Length > 0 {
		c.resetLocked(s.id, ProtocolError) // a body was declared and does not come
		s.free()
		return nil
	}
	c.streams[s.id] = s
	c.active++
	c.busyLocked()
	c.workers.Go(s.serve)
	return nil
}

// emit takes a decoded field.
func (c *Conn) emit(f hpack.HeaderField) {
	b := &c.block
	b.size += len(f.Name) + len(f.Value) + 32
	s := b.stream
	if s == nil || b.bad {
		return
	}
	if b.size > c.cfg.MaxFields || len(s.Fields) >= maxFields {
		s.TooLarge = !b.trailer
		b.bad = b.bad || b.trailer
		return
	}
	if !b.trailer && len(f.Name) > 0 && f.Name[0] == ':' {
		b.bad = b.regular || !s.pseudo(f.Name, f.Value)
		return
	}
	b.regular = true
	if !validName(f.Name) || !validValue(f.Value) {
		b.bad = true
		return
	}
	if b.trailer {
		s.trailer(f.Name, f.Value)
		return
	}
	b.bad = !s.field(f.Name, f.Value)
}

// validName tells a token in lower case (section 8.2.1).
func validName(s string) bool {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return false
		}
	}
	return http1.ValidFieldName(s)
}

// validValue tells a value without control bytes, and without space around it.
func validValue(s string) bool {
	if n := len(s); n > 0 && (s[0] == ' ' || s[0] == '\t' || s[n-1] == ' ' || s[n-1] == '\t') {
		return false
	}
	return http1.ValidFieldValue(s)
}

// pseudo takes a pseudo-header; each may come once, and none may be empty but the authority.
func (s *Stream) pseudo(name, value string) bool {
	var to *[]byte
	switch name {
	case ":method":
		to = &s.Method
	case ":scheme":
		to = &s.Scheme
	case ":path":
		to = &s.Path
	case ":authority":
		to = &s.Authority
	default:
		return false
	}
	if *to != nil || value == "" || !http1.ValidFieldValue(value) {
		return false
	}
	*to = s.keep(value)
	return true
}

// field takes a field; false when HTTP/2 forbids it.
func (s *Stream) field(name, value string) bool {
	f := http1.Field{Name: s.keep(name), Value: s.keep(value)}
	f.ID = http1.LookupField(f.Name)
	switch f.ID {
	case http1.FieldConnection, http1.FieldKeepAlive, http1.FieldProxyConnection, http1.FieldTransferEncoding, http1.FieldUpgrade:
		return false
	case http1.FieldTE:
		if value != "trailers" {
			return false
		}
		f.Hop = true
	case http1.FieldHost:
		// It may repeat the authority, or stand in for it (section 8.3.1); two hosts are none.
		if s.host != nil {
			return false
		}
		s.host = f.Value
		return true
	case http1.FieldContentLength:
		n, ok := decimal(value)
		if !ok || s.Length >= 0 && s.Length != n {
			return false
		}
		s.Length = n
	case http1.FieldCookie:
		s.cookies++
	}
	for _, ch := range f.Name {
		f.Odd = f.Odd || ch == '_' || ch == '.'
	}
	s.Fields = append(s.Fields, f)
	return true
}

// joinCookies makes one Cookie field of the crumbs: over HTTP/1.1 there is one line (section 8.2.3).
func (s *Stream) joinCookies() {
	var v []byte
	keep := s.Fields[:0]
	at := 0
	for _, f := range s.Fields {
		if f.ID != http1.FieldCookie {
			keep = append(keep, f)
			continue
		}
		if v == nil {
			at = len(keep)
			keep = append(keep, f)
		} else {
			v = append(v, "; "...)
		}
		v = append(v, f.Value...)
	}
	s.Fields = keep
	s.Fields[at].Value = v
}

// complete tells whether the pseudo-headers make a request.
func (s *Stream) complete() bool {
	if s.cookies > 1 {
		s.joinCookies()
	}
	switch {
	case s.Method == nil:
		return false
	case s.Authority == nil:
		s.Authority = s.host
	case s.host != nil && !bytes.EqualFold(s.host, s.Authority):
		return false
	}
	if string(s.Method) == "CONNECT" {
		return s.Path == nil && s.Scheme == nil && s.Authority != nil
	}
	return s.Path != nil && s.Scheme != nil
}

// trailer takes a trailer field; those that must not stand in one are left out.
func (s *Stream) trailer(name, value string) {
	f := http1.Field{Name: []byte(name), Value: []byte(value)}
	f.ID = http1.LookupField(f.Name)
	if http1.InTrailer(f.ID) {
		s.late = append(s.late, f)
	}
}

// decimal reads digits only.
func decimal(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
