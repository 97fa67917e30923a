package http1

// statusPrefix checks the beginning of a response, which may still be incomplete.
func (r *Reader) statusPrefix(b []byte, from int) *ParseError {
	const prefix = "HTTP/1."
	for i := range min(len(b), len(prefix)) {
		if b[i] == prefix[i] {
			continue
		}
		if i < len("HTTP/") {
			return r.notHTTP(Response, r.looks(Response))
		}
		return r.fault(BadVersion, Response, PartStart, from, from+len("HTTP/"))
	}
	return nil
}

// statusLine parses "HTTP/1.x SP 3DIGIT SP [reason]", with the tolerances of quirk.go.
func (r *Reader) statusLine(line []byte, from int) *ParseError {
	if e := r.statusPrefix(line, from); e != nil {
		return e
	}
	h := &r.resp
	bad := func(i int) *ParseError {
		kind := BadStatusLine
		if i < len(line) && line[i] == '\r' {
			kind = BareCR
		}
		return r.fault(kind, Response, PartStart, from, from+i)
	}
	switch {
	case len(line) < len("HTTP/"):
		return r.notHTTP(Response, r.looks(Response))
	case len(line) <= len("HTTP/1."):
		return bad(len(line))
	case class[line[7]]&isDigit == 0:
		return r.fault(BadVersion, Response, PartStart, from, from+len("HTTP/"))
	case len(line) == 8 || line[8] != ' ':
		if len(line) > 8 && line[8] != '\r' && line[8] != '\t' {
			return r.fault(BadVersion, Response, PartStart, from, from+len("HTTP/"))
		}
		return bad(8)
	}
	h.Minor = line[7] - '0'
	if h.Minor > 1 {
		h.Quirks |= QuirkMinorVersion
	}
	i := 9
	for i < len(line) && line[i] == ' ' {
		i++
	}
	if i > 9 {
		h.Quirks |= QuirkStatusSpaces
	}
	for n := range 3 {
		if i+n >= len(line) || class[line[i+n]]&isDigit == 0 {
			return bad(i + n)
		}
		h.Status = h.Status*10 + int(line[i+n]-'0')
	}
	if h.Status < 100 {
		return r.fault(BadStatusCode, Response, PartStart, from, from+i)
	}
	if h.Status > 599 {
		h.Quirks |= QuirkUnusualStatus
	}
	return r.reason(h, line, from, i+3)
}

// reason takes the rest of the status line, from line[i] on.
func (r *Reader) reason(h *ResponseHead, line []byte, from, i int) *ParseError {
	if i == len(line) {
		h.Quirks |= QuirkNoReason
		h.Reason = line[i:]
		return nil
	}
	kind := BadStatusLine
	if line[i] != ' ' {
		if line[i] == '\r' {
			kind = BareCR
		}
		return r.fault(kind, Response, PartStart, from, from+i)
	}
	h.Reason = line[i+1:]
	ctl, _ := scanText(h.Reason)
	if ctl >= 0 {
		ctl = firstForbidden(h.Reason, ctl)
	}
	if ctl >= 0 {
		if h.Reason[ctl] == '\r' {
			kind = BareCR
		}
		return r.fault(kind, Response, PartStart, from, from+i+1+ctl)
	}
	if indexHigh(h.Reason) >= 0 {
		h.Quirks |= QuirkObsText
	}
	return nil
}

// finishResponse decides the framing by RFC 9112 section 6.3.
func (r *Reader) finishResponse(h *ResponseHead, reqMethod string) *ParseError {
	if e := r.finishConnection(&h.Head, Response); e != nil {
		return e
	}
	if h.ContentLength >= 0 && (h.Status < 200 || h.Status == 204) {
		for i := range h.Fields {
			if h.Fields[i].ID == FieldContentLength {
				h.Fields[i].Hop = true
			}
		}
	}
	tunnel := h.Status == 101 || reqMethod == "CONNECT" && h.Status/100 == 2
	switch {
	case tunnel:
		h.Framing = Framing{Kind: NoBody}
		h.KeepAlive = false
	case h.Status < 200 || h.Status == 204 || h.Status == 304 || reqMethod == "HEAD":
		h.Framing = Framing{Kind: NoBody}
	case h.Chunked:
		h.Framing = Framing{Kind: ChunkedBody}
	case h.ContentLength >= 0:
		h.Framing = Framing{Kind: LengthBody, Length: h.ContentLength}
	default:
		h.Framing = Framing{Kind: UntilCloseBody}
		h.KeepAlive = false
	}
	return nil
}
