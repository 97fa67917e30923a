package http1

import "io"

// Reader reads the messages of one connection. It holds a pooled buffer only while
// bytes are buffered or a head is in use. It is not safe for concurrent use.
type Reader struct {
	src io.Reader
	raw *rawSource // non-nil when src can be waited upon without holding a buffer
	// await is src when it can say so itself: it blocks until a read will not, or fails.
	await interface{ Await() error }

	// cur.b[rd:wr] is received and not consumed; cur.b[:pin] is the current head and must
	// not be overwritten. held is the buffer of the head once the body has moved to another one.
	cur, held   *buffer
	rd, wr, pin int
	// base + i is the message offset of cur.b[i].
	base int64
	// total counts bytes taken from src; pending is an error that came along with bytes.
	total   int64
	pending error

	limits Limits
	blank  bool // an empty line was skipped before this request
	// Progress through the head: it starts at start, its first unread line at line, and
	// cur.b[line:scan] holds no LF.
	start, line, scan int
	lines             int
	// The authority of an absolute-form target, and its parts, until Host is read.
	authority, authorityHost, authorityPort []byte

	req  RequestHead
	resp ResponseHead
	body Body
}

// NewReader returns a reader over src. When src is a *net.TCPConn, or has a method
// TCP that gives one, waiting for a message holds no buffer, and bodies can be spliced.
// When it has a method Await() error, which blocks until a read will not, waiting
// holds no buffer either.
func NewReader(src io.Reader) *Reader {
	r := new(Reader)
	r.Reset(src)
	return r
}

// Reset makes r read from src, dropping all that was buffered. Reset(nil) gives every
// buffer back when the connection is done with.
func (r *Reader) Reset(src io.Reader) {
	putBuffer(r.cur)
	putBuffer(r.held)
	raw := r.raw
	*r = Reader{src: src}
	r.body = Body{r: r, state: bodyDone}
	if src != nil {
		r.raw = newRawSource(raw, src)
		r.await, _ = src.(interface{ Await() error })
	}
}

// Release gives the buffers back when nothing unread is in them; the current head
// is invalid after it. Call it before a connection idles. Unread bytes are kept.
func (r *Reader) Release() {
	r.forget()
	putBuffer(r.held)
	r.held = nil
	r.pin = 0
	if r.rd == r.wr && r.cur != nil {
		r.base += int64(r.rd)
		r.rd, r.wr = 0, 0
		putBuffer(r.cur)
		r.cur = nil
	}
}

// forget drops everything that points into the buffers.
func (r *Reader) forget() {
	r.req = RequestHead{}
	r.resp = ResponseHead{}
	clear(r.body.trailers)
	r.body.trailers = r.body.trailers[:0]
}

// WaitRequest blocks until the first byte of a request is buffered. Its error is a
// ParseError of kind NoRequest.
func (r *Reader) WaitRequest() error { return wrap(r.wait(Request)) }

// WaitResponse blocks until the first byte of a response is buffered. Its error is a
// ParseError of kind EmptyReply. Use it to time the first byte.
func (r *Reader) WaitResponse() error { return wrap(r.wait(Response)) }

// Buffered returns the number of bytes received and not yet consumed.
func (r *Reader) Buffered() int { return r.wr - r.rd }

// Received returns the number of bytes taken from the connection since NewReader or Reset.
func (r *Reader) Received() int64 { return r.total }

// Body is the body of the message whose head was read last. It holds until the next head is read.
func (r *Reader) Body() *Body { return &r.body }

// Tunnel leaves HTTP: what is buffered and everything that follows, until the peer
// closes, is the returned body's content. Call it after a 101 or a 2xx to CONNECT,
// on both readers. The head stays valid until Release.
func (r *Reader) Tunnel() *Body {
	r.body.start(r.body.side, Framing{Kind: TunnelBody})
	return &r.body
}

// CheckIdle tells, after a complete response and before the next request, whether
// the connection can be used: nil, or a ParseError of kind ExtraBytes when bytes have
// come that belong to no response, EmptyReply when the peer has closed or reset the
// connection meanwhile, or BodyUnread. It never waits. What came after the last read is
// seen on a TCP connection; on others only what is buffered.
func (r *Reader) CheckIdle() error {
	if !r.body.Done() {
		return &ParseError{Kind: BodyUnread, Side: r.body.side, Part: PartBody, Offset: r.offset(r.rd)}
	}
	if r.rd == r.wr && r.pending == nil && r.raw != nil {
		if r.cur != nil && r.wr == len(r.cur.b) {
			r.moveBody()
		}
		if err := r.raw.poll(r); err != nil {
			return &ParseError{Kind: EmptyReply, Side: r.body.side, Part: PartAfter, Offset: r.offset(r.rd), Err: err}
		}
	}
	if r.rd < r.wr {
		e := r.fault(ExtraBytes, r.body.side, PartAfter, r.rd, r.rd)
		e.Have = int64(r.wr - r.rd)
		return e
	}
	return nil
}

// wrap keeps a nil *ParseError from becoming a non-nil error.
func wrap(e *ParseError) error {
	if e == nil {
		return nil
	}
	return e
}

// offset is the message offset of cur.b[i].
func (r *Reader) offset(i int) int64 { return r.base + int64(i) }

// fault describes a fault at cur.b[at]; the sample starts at cur.b[from] unless the
// fault lies too far behind it.
func (r *Reader) fault(k Kind, side Side, part Part, from, at int) *ParseError {
	e := &ParseError{Kind: k, Side: side, Part: part, Offset: r.offset(at)}
	if r.cur == nil {
		return e
	}
	from = max(from, min(at-MaxSample/2, r.wr))
	to := min(from+MaxSample, r.wr)
	if from < to {
		e.Got = append([]byte(nil), r.cur.b[from:to]...)
		e.GotAt = r.offset(from)
	}
	return e
}

// begin makes the reader ready for the next message.
func (r *Reader) begin(side Side) *ParseError {
	if !r.body.Done() {
		return &ParseError{Kind: BodyUnread, Side: side, Part: PartStart, Offset: r.offset(r.rd)}
	}
	putBuffer(r.held)
	r.held = nil
	if r.cur != nil {
		clear(r.cur.fields)
		r.cur.fields = r.cur.fields[:0]
		if r.rd == r.wr {
			r.rd, r.wr = 0, 0
			if len(r.cur.b) != smallBuffer {
				putBuffer(r.cur)
				r.cur = nil
			}
		}
	}
	r.pin = 0
	r.start = r.rd
	r.base = -int64(r.rd)
	r.body.side = side
	return nil
}

// wait blocks until a byte of the next message is buffered, skipping the one empty
// line that may come before a request.
func (r *Reader) wait(side Side) *ParseError {
	if e := r.begin(side); e != nil {
		return e
	}
	for {
		if side == Request && !r.blank {
			r.skipBlank()
		}
		if r.rd < r.wr && !(side == Request && !r.blank && r.wr-r.rd == 1 && r.cur.b[r.rd] == '\r') {
			return nil
		}
		var err error
		if r.rd == r.wr {
			r.rd, r.wr, r.start, r.base = 0, 0, 0, 0
			err = r.firstRead(smallBuffer)
		} else {
			err = r.fillHead()
		}
		if err != nil {
			kind := EmptyReply
			if side == Request {
				kind = NoRequest
			}
			return &ParseError{Kind: kind, Side: side, Part: PartStart, Err: err}
		}
	}
}

// skipBlank drops an empty line at the start of a request.
func (r *Reader) skipBlank() {
	if r.wr-r.rd >= 2 && r.cur.b[r.rd] == '\r' && r.cur.b[r.rd+1] == '\n' {
		r.blank = true
		r.rd += 2
		r.start = r.rd
		r.base = -int64(r.rd)
	}
}
