package http1

// maxNominated is how many unknown field names Connection may nominate. Each costs a
// comparison with every field, and no client is known to nominate more than two or three.
const maxNominated = 32

// parseField splits a field line. at is the index of the fault in line, or that of
// the value when there is none.
func parseField(line []byte, side Side, f *Field) (quirk Quirk, kind Kind, at int) {
	all := isPlain
	i := 0
	for ; i < len(line); i++ {
		c := class[line[i]]
		if c&isToken == 0 { // a colon is none either
			break
		}
		all &= c
	}
	colon := i
	if i == len(line) {
		return 0, MissingColon, len(line)
	}
	if line[i] != ':' {
		for colon < len(line) && (line[colon] == ' ' || line[colon] == '\t') {
			colon++
		}
		if colon == i || colon == len(line) || line[colon] != ':' {
			return 0, badName(line, i), i
		}
	}
	if i == 0 {
		return 0, BadFieldName, 0
	}
	f.Name = line[:i:i]
	f.ID = LookupField(f.Name)
	f.Hop = f.ID.hop()
	f.Odd = all == 0
	if colon > i {
		if side == Request || f.ID != FieldOther && f.ID < fieldActedUpon || line[colon-1] == '\t' {
			return 0, SpaceAroundName, i
		}
		quirk |= QuirkNameSpace
	}
	f.Value = trimOWS(line[colon+1:])
	at = cap(line) - cap(f.Value)
	f.Value = f.Value[:len(f.Value):len(f.Value)]
	ctl, high := scanText(f.Value)
	if ctl >= 0 {
		if ctl = firstForbidden(f.Value, ctl); ctl >= 0 {
			return quirk, valueFault(f.Value[ctl]), at + ctl
		}
		high = indexHigh(f.Value) >= 0
	}
	if high {
		quirk |= QuirkObsText
	}
	return quirk, KindNone, at
}

// badName tells a line without a colon from one with a bad byte in its name.
func badName(line []byte, at int) Kind {
	if line[at] == '\r' {
		return BareCR
	}
	for _, c := range line[at:] {
		if c == ':' {
			return BadFieldName
		}
	}
	return MissingColon
}

// firstForbidden returns the index, from i on, of the first control byte that is not HTAB, -1 when there is none.
func firstForbidden(b []byte, i int) int {
	for ; i < len(b); i++ {
		if (b[i] < 0x20 && b[i] != '\t') || b[i] == 0x7f {
			return i
		}
	}
	return -1
}

// indexHigh returns the index of the first byte above 0x7f, -1 when there is none.
func indexHigh(b []byte) int {
	for i, c := range b {
		if c > 0x7f {
			return i
		}
	}
	return -1
}

func valueFault(c byte) Kind {
	if c == '\r' {
		return BareCR
	}
	return BadFieldValue
}

// headField parses one field line of a head and takes note of what it means.
func (r *Reader) headField(h *Head, side Side, line []byte, from int) *ParseError {
	if line[0] == ' ' || line[0] == '\t' {
		kind := ObsFold
		if r.lines == 1 {
			kind = SpaceAroundName
		}
		return r.fault(kind, side, PartFields, from, from)
	}
	fields := r.cur.fields
	if len(fields) >= r.limits.Fields {
		e := r.fault(TooManyFields, side, PartFields, from, from)
		e.Want, e.Have = int64(r.limits.Fields), int64(len(fields)+1)
		return e
	}
	if len(fields) == cap(fields) {
		fields = append(make([]Field, 0, max(2*len(fields), 32)), fields...)
	}
	fields = fields[:len(fields)+1]
	r.cur.fields = fields
	f := &fields[len(fields)-1]
	quirk, kind, at := parseField(line, side, f)
	if kind != KindNone {
		return r.fault(kind, side, PartFields, from, from+at)
	}
	h.Quirks |= quirk
	if f.ID != FieldOther && f.ID < fieldActedUpon {
		return r.actUpon(h, side, f, from, from+at)
	}
	return nil
}

// actUpon notes a field that means something to the codec. from and value are the
// places of its line and value in the buffer.
func (r *Reader) actUpon(h *Head, side Side, f *Field, from, value int) *ParseError {
	switch f.ID {
	case FieldContentLength:
		n, ok := parseDecimal(f.Value)
		if !ok {
			return r.fault(BadContentLength, side, PartFields, from, value)
		}
		if h.ContentLength >= 0 {
			// A second line is refused in requests even when it agrees: nginx refuses it, and
			// which of the two a third party drops is its own business.
			if side == Request || n != h.ContentLength {
				return r.fault(DuplicateContentLength, side, PartFields, from, from)
			}
			h.Quirks |= QuirkSameLength
			f.Hop = true // one is enough for the next hop
		}
		h.ContentLength = n
		if h.Chunked {
			return r.fault(CLandTE, side, PartFields, from, from)
		}
	case FieldTransferEncoding:
		if h.Chunked || !equalFold(f.Value, "chunked") || h.Minor == 0 {
			return r.fault(BadTransferEncoding, side, PartFields, from, value)
		}
		h.Chunked = true
		if h.ContentLength >= 0 {
			return r.fault(CLandTE, side, PartFields, from, from)
		}
	case FieldHost:
		if side == Request {
			return r.hostField(f, from, value)
		}
	case FieldExpect:
		if side == Request && h.Minor > 0 { // RFC 9110 section 10.1.1: ignored in HTTP/1.0
			if equalFold(f.Value, "100-continue") {
				r.req.ExpectContinue = true
			} else {
				r.req.ExpectOther = true
			}
		}
	}
	return nil
}
