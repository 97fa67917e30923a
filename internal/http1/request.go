package http1

import "bytes"

// maxMethod is the most bytes of a method; the longest registered one
// (UPDATEREDIRECTREF) has 17.
const maxMethod = 32

// firstLine parses a request line; what fails to be one may be another protocol.
func (r *Reader) firstLine(line []byte, from int) *ParseError {
	e := r.requestLine(line, from)
	if e != nil {
		if looks := r.looks(Request); looks != LooksUnknown {
			return r.notHTTP(Request, looks)
		}
	}
	return e
}

// requestLine parses "method SP request-target SP HTTP/1.x": exactly one space each
// (RFC 9112 section 3 allows to be lenient here; two parsers that are lenient in two ways
// disagree about the target).
func (r *Reader) requestLine(line []byte, from int) *ParseError {
	sp := bytes.IndexByte(line, ' ')
	method := line
	if sp >= 0 {
		method = line[:sp:sp]
	}
	if i := indexNot(method, isToken); i >= 0 || len(method) > maxMethod || sp == 0 {
		return r.badMethod(line, from, max(i, 0))
	}
	if sp < 0 {
		return r.fault(BadRequestLine, Request, PartStart, from, from+len(line))
	}
	h := &r.req
	h.Method = method
	rest := line[sp+1:]
	at := from + sp + 1
	end := bytes.IndexByte(rest, ' ')
	target := rest
	if end >= 0 {
		target = rest[:end:end]
	}
	if len(target) > r.limits.Target {
		return r.targetTooLong(at, len(target))
	}
	if len(target) == 0 {
		return r.fault(BadRequestLine, Request, PartStart, from, at)
	}
	if i := indexNot(target, isTarget); i >= 0 {
		if target[i] == '\r' {
			return r.fault(BareCR, Request, PartStart, from, at+i)
		}
		return r.fault(BadTarget, Request, PartStart, from, at+i)
	}
	if end < 0 {
		// "GET /path" alone is an HTTP/0.9 request; no body or reply could be framed.
		return r.fault(BadRequestLine, Request, PartStart, from, from+len(line))
	}
	h.Target = target
	if e := r.requestVersion(rest[end+1:], from, at+end+1); e != nil {
		return e
	}
	return r.target(h, from, at)
}

// requestVersion parses the last part of a request line, at cur.b[at].
func (r *Reader) requestVersion(v []byte, from, at int) *ParseError {
	if len(v) == 8 && string(v[:7]) == "HTTP/1." && class[v[7]]&isDigit != 0 {
		r.req.Minor = v[7] - '0'
		if r.req.Minor > 1 {
			r.req.Quirks |= QuirkMinorVersion
		}
		return nil
	}
	if i := bytes.IndexByte(v, '\r'); i >= 0 {
		return r.fault(BareCR, Request, PartStart, from, at+i)
	}
	if len(v) >= 5 && string(v[:5]) == "HTTP/" && bytes.IndexByte(v, ' ') < 0 {
		return r.fault(BadVersion, Request, PartStart, from, at)
	}
	return r.fault(BadRequestLine, Request, PartStart, from, at)
}

// badMethod reports a request that does not begin with a method.
func (r *Reader) badMethod(line []byte, from, at int) *ParseError {
	if at < len(line) && line[at] == '\r' {
		return r.fault(BareCR, Request, PartStart, from, from+at)
	}
	// Bytes that are no text say that this is another protocol, or the middle of something.
	if ctl, high := scanText(line[:min(len(line), maxMethod)]); high || ctl >= 0 && line[ctl] != '\t' {
		return r.notHTTP(Request, r.looks(Request))
	}
	if len(line) == 0 {
		return r.fault(BadRequestLine, Request, PartStart, from, from)
	}
	return r.fault(BadMethod, Request, PartStart, from, from+at)
}

func (r *Reader) targetTooLong(at, size int) *ParseError {
	e := r.fault(TargetTooLong, Request, PartStart, at, at+r.limits.Target)
	e.Want, e.Have = int64(r.limits.Target), int64(size)
	e.Got = append([]byte(nil), r.cur.b[at:min(at+MaxSample, r.wr)]...)
	e.GotAt = r.offset(at)
	return e
}

// target checks the request target's form (RFC 9112 section 3.2), which is at cur.b[at].
func (r *Reader) target(h *RequestHead, from, at int) *ParseError {
	t := h.Target
	switch {
	case string(h.Method) == "CONNECT":
		host, port, ok := splitHost(t)
		if !ok || len(port) == 0 {
			return r.fault(BadTarget, Request, PartStart, from, at)
		}
		h.Path, h.Host, h.Hostname, h.Port = t, t, host, port
		return nil
	case t[0] == '/':
		return r.path(h, t, from, at)
	case len(t) == 1 && t[0] == '*' && string(h.Method) == "OPTIONS":
		h.Path = t
		return nil
	}
	scheme := 0
	switch {
	case len(t) > 7 && equalFold(t[:7], "http://"):
		scheme = 4
	case len(t) > 8 && equalFold(t[:8], "https://"):
		scheme = 5
	default:
		return r.fault(BadTarget, Request, PartStart, from, at)
	}
	h.Absolute, h.Scheme = true, t[:scheme:scheme]
	rest := t[scheme+3:]
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, port, ok := splitHost(rest[:end:end])
	if !ok {
		return r.fault(BadTarget, Request, PartStart, from, at+scheme+3)
	}
	// Host must name the same below; it is set from the field, which is what is passed on.
	r.authority = rest[:end:end]
	r.authorityHost, r.authorityPort = host, port
	return r.absolutePath(h, rest[end:], from, at+scheme+3+end)
}

// absolutePath sets the origin-form of an absolute-form target from what follows its authority.
func (r *Reader) absolutePath(h *RequestHead, p []byte, from, at int) *ParseError {
	switch {
	case len(p) == 0 && string(h.Method) == "OPTIONS":
		h.Target = []byte("*") // RFC 9112 section 3.2.4
		h.Path = h.Target
		return nil
	case len(p) == 0:
		h.Target = []byte("/")
		h.Path = h.Target
		return nil
	case p[0] == '?':
		h.Target = append([]byte("/"), p...)
		h.Path, h.Query = h.Target[:1:1], h.Target[2:]
		return nil
	}
	h.Target = p
	return r.path(h, p, from, at)
}

// path splits an origin-form target and checks the escapes of its path: "%" without two
// digits is refused by nginx and Go alike, for a decoder's guess decides which file is meant.
// In a query, which nobody but the application decodes, it is common and left alone.
func (r *Reader) path(h *RequestHead, t []byte, from, at int) *ParseError {
	h.Path = t
	if q := bytes.IndexByte(t, '?'); q >= 0 {
		h.Path, h.Query = t[:q:q], t[q+1:]
	}
	p := h.Path
	for i := bytes.IndexByte(p, '%'); i >= 0; {
		if i+2 >= len(p) || class[p[i+1]]&class[p[i+2]]&isHex == 0 {
			return r.fault(BadTarget, Request, PartStart, from, at+i)
		}
		next := bytes.IndexByte(p[i+3:], '%')
		if next < 0 {
			break
		}
		i += 3 + next
	}
	return nil
}

// finishRequest checks what only the whole head shows, and decides the framing.
func (r *Reader) finishRequest(h *RequestHead) *ParseError {
	if e := r.finishConnection(&h.Head, Request); e != nil {
		return e
	}
	if e := r.finishHost(h); e != nil {
		return e
	}
	switch {
	case h.Chunked:
		h.Framing = Framing{Kind: ChunkedBody}
	case h.ContentLength >= 0:
		h.Framing = Framing{Kind: LengthBody, Length: h.ContentLength}
	default:
		h.Framing = Framing{Kind: NoBody}
	}
	return nil
}
