package http1

import "bytes"

// trailer parses the trailer section once it has arrived whole; most are one empty line.
func (b *Body) trailer() (more bool, _ *ParseError) {
	r := b.r
	unread := r.cur.b[r.rd:r.wr]
	if len(unread) >= 2 && unread[0] == '\r' && unread[1] == '\n' {
		r.rd += 2
		b.state = bodyDone
		return false, nil
	}
	size, whole := trailerEnd(unread)
	if size > r.limits.Trailer {
		e := r.fault(TrailerTooLarge, b.side, PartTrailer, r.rd, r.rd+r.limits.Trailer)
		e.Want, e.Have = int64(r.limits.Trailer), int64(size)
		return false, e
	}
	if !whole {
		return true, nil
	}
	for at := r.rd; ; {
		lf := at + bytes.IndexByte(r.cur.b[at:r.wr], '\n')
		end := lf
		if end > at && r.cur.b[end-1] == '\r' {
			end--
		} else { // on both sides, as in chunk framing
			return false, r.fault(BareLF, b.side, PartTrailer, at, lf)
		}
		if end == at {
			r.rd = lf + 1
			b.state = bodyDone
			return false, nil
		}
		if e := b.trailerField(r.cur.b[at:end:end], at); e != nil {
			return false, e
		}
		at = lf + 1
	}
}

// trailerEnd returns the size of the trailer section with its empty line, or of what has arrived of it.
func trailerEnd(b []byte) (size int, whole bool) {
	if len(b) > 0 && b[0] == '\n' {
		return 1, true
	}
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return len(b), false
		}
		at += i + 1
		switch {
		case at < len(b) && b[at] == '\n':
			return at + 1, true
		case at+1 < len(b) && b[at] == '\r' && b[at+1] == '\n':
			return at + 2, true
		}
	}
}

// trailerField parses one trailer line and keeps it when such a field may stand in a trailer.
func (b *Body) trailerField(line []byte, at int) *ParseError {
	r := b.r
	if line[0] == ' ' || line[0] == '\t' {
		return r.fault(ObsFold, b.side, PartTrailer, at, at)
	}
	if len(b.trailers) >= r.limits.Fields {
		e := r.fault(TooManyFields, b.side, PartTrailer, at, at)
		e.Want, e.Have = int64(r.limits.Fields), int64(len(b.trailers)+1)
		return e
	}
	var f Field
	quirk, kind, i := parseField(line, b.side, &f)
	if kind != KindNone {
		return r.fault(kind, b.side, PartTrailer, at, at+i)
	}
	b.quirks |= quirk
	if f.ID.inTrailer() {
		b.trailers = append(b.trailers, f)
	}
	return nil
}
