package http1

import "bytes"

// ReadRequestHead reads a request head and decides the framing of its body. The
// head is r's own and holds until the next call, Release or Reset. The error is a
// *ParseError; the connection cannot be used for further requests after one.
func (r *Reader) ReadRequestHead(limits Limits) (*RequestHead, error) {
	r.limits = limits.withDefaults()
	if e := r.wait(Request); e != nil {
		return nil, e
	}
	h := &r.req
	if e := r.readHead(&h.Head, Request); e != nil {
		return nil, e
	}
	if e := r.finishRequest(h); e != nil {
		return nil, e
	}
	r.consumeHead(&h.Head, Request)
	return h, nil
}

// ReadResponseHead reads a response head, interim ones included, and decides the
// framing of its body; reqMethod is the method of the request it answers, for HEAD
// and CONNECT. The head is r's own and holds until the next call, Release or Reset.
// The error is a *ParseError.
func (r *Reader) ReadResponseHead(limits Limits, reqMethod string) (*ResponseHead, error) {
	r.limits = limits.withDefaults()
	if e := r.wait(Response); e != nil {
		return nil, e
	}
	h := &r.resp
	if e := r.readHead(&h.Head, Response); e != nil {
		return nil, e
	}
	if e := r.finishResponse(h, reqMethod); e != nil {
		return nil, e
	}
	r.consumeHead(&h.Head, Response)
	return h, nil
}

// consumeHead makes the parsed head the current one and starts its body.
func (r *Reader) consumeHead(h *Head, side Side) {
	if r.blank {
		h.Quirks |= QuirkBlankLine
		r.blank = false
	}
	h.Raw = r.cur.b[r.start:r.line:r.line]
	r.rd, r.pin = r.line, r.line
	r.body.start(side, h.Framing)
}

// readHead reads and parses lines up to the empty one. A line is looked at once, when it is complete.
func (r *Reader) readHead(h *Head, side Side) *ParseError {
	r.restart()
	for {
		unread := r.cur.b[r.scan:r.wr]
		i := bytes.IndexByte(unread, '\n')
		if i < 0 {
			if e := r.partialLine(side); e != nil {
				return e
			}
			r.scan = r.wr
			if e := r.moreHead(side); e != nil {
				return e
			}
			continue
		}
		lf := r.scan + i
		if lf+1-r.start > r.limits.Head {
			return r.headTooLarge(side)
		}
		done, e := r.headLine(h, side, lf)
		if e != nil {
			return e
		}
		r.lines++
		if done {
			h.Fields = r.cur.fields
			return nil
		}
	}
}

// headLine parses the line that ends with the LF at lf, and moves behind it.
func (r *Reader) headLine(h *Head, side Side, lf int) (done bool, _ *ParseError) {
	from, end := r.line, lf
	first := r.lines == 0
	if end > from && r.cur.b[end-1] == '\r' {
		end--
	} else if side == Request || first && end == from {
		if looks := r.looks(side); first && looks != LooksUnknown {
			return false, r.notHTTP(side, looks)
		}
		return false, r.fault(BareLF, side, r.part(), from, lf)
	}
	if first {
		r.resetHead(h, side)
	}
	if end == lf {
		h.Quirks |= QuirkBareLF
	}
	line := r.cur.b[from:end:end]
	var e *ParseError
	switch {
	case first && side == Request:
		e = r.firstLine(line, from)
	case first:
		e = r.statusLine(line, from)
	case len(line) == 0:
		done = true
	default:
		e = r.headField(h, side, line, from)
	}
	r.line, r.scan = lf+1, lf+1
	return done, e
}

// resetHead empties the head that is about to be filled.
func (r *Reader) resetHead(h *Head, side Side) {
	if side == Request {
		r.req = RequestHead{}
	} else {
		r.resp = ResponseHead{}
	}
	h.ContentLength = -1
}

// part is the part of the head that is being read.
func (r *Reader) part() Part {
	if r.lines == 0 {
		return PartStart
	}
	return PartFields
}

// moreHead reads on, unless the head is over its limit already.
func (r *Reader) moreHead(side Side) *ParseError {
	if r.wr-r.start > r.limits.Head {
		return r.headTooLarge(side)
	}
	err := r.fillHead()
	if err == nil {
		return nil
	}
	e := r.fault(HeadTruncated, side, r.part(), r.line, r.wr)
	e.Err = err
	return e
}

// headTooLarge reports a head over its limit; the sample shows its longest line.
func (r *Reader) headTooLarge(side Side) *ParseError {
	at := r.start + r.limits.Head
	from, size := r.start, 0
	for i := r.start; i < r.wr; {
		n := bytes.IndexByte(r.cur.b[i:r.wr], '\n') + 1
		if n == 0 {
			n = r.wr - i
		}
		if n > size {
			from, size = i, n
		}
		i += n
	}
	e := &ParseError{
		Kind: HeadTooLarge, Side: side, Part: r.part(), Offset: r.offset(at),
		GotAt: r.offset(from), Got: append([]byte(nil), r.cur.b[from:min(from+MaxSample, r.wr)]...),
		Want: int64(r.limits.Head), Have: int64(r.wr - r.start),
	}
	return e
}

// looks sniffs at the first bytes of the message; what is expected on this side is unknown to it.
func (r *Reader) looks(side Side) Protocol {
	b := r.cur.b[r.start:r.wr]
	if r.blank && r.start >= 2 {
		b = r.cur.b[r.start-2 : r.wr] // the signature of a binary PROXY header begins with empty lines
	}
	p := Sniff(b)
	if side == Request && p == LooksRequest || side == Response && p == LooksReply ||
		side == Request && (p == LooksGreeter || p == LooksBlank) {
		return LooksUnknown
	}
	return p
}

// notHTTP reports a message that is none.
func (r *Reader) notHTTP(side Side, looks Protocol) *ParseError {
	e := r.fault(NotHTTP, side, PartStart, r.start, r.start)
	e.Looks = looks
	return e
}

// partialLine looks at a line that has no end yet: what can never become a start line
// is refused at once, for a peer that speaks another protocol may never send an LF.
func (r *Reader) partialLine(side Side) *ParseError {
	if r.lines > 0 {
		return nil
	}
	b := r.cur.b[r.line:r.wr]
	if side == Response {
		return r.statusPrefix(b, r.line)
	}
	if looks := r.looks(side); looks != LooksUnknown && looks != LooksProxyV1 {
		return r.notHTTP(side, looks)
	}
	if class[b[0]]&isToken == 0 {
		if b[0] == '\r' && len(b) == 1 {
			return nil
		}
		return r.badMethod(b, r.line, 0)
	}
	sp := bytes.IndexByte(b[:min(len(b), maxMethod+1)], ' ')
	switch {
	case sp < 0 && len(b) > maxMethod:
		return r.badMethod(b, r.line, max(indexNot(b, isToken), 0))
	case sp >= 0 && len(b)-sp-1 > r.limits.Target && bytes.IndexByte(b[sp+1:sp+1+r.limits.Target+1], ' ') < 0:
		return r.targetTooLong(r.line+sp+1, len(b)-sp-1)
	}
	return nil
}

// HeadComplete tells, without I/O, whether a whole head is buffered: a proxy that
// answers pipelined requests flushes before it would have to wait.
func (r *Reader) HeadComplete() bool {
	if r.rd == r.wr {
		return false
	}
	b := r.cur.b[r.rd:r.wr]
	return bytes.Contains(b, []byte("\n\r\n")) || bytes.Contains(b, []byte("\n\n"))
}
