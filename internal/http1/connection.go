package http1

import "bytes"

// nominated are the field names that Connection lists.
type nominated struct {
	known [(int(fieldEnd) + 63) / 64]uint64
	other [maxNominated][]byte
	n     int
}

// finishConnection reads the Connection lines: whether the connection persists (RFC 9112
// section 9.3), whether an upgrade is asked for, and which other fields are hop-by-hop.
func (r *Reader) finishConnection(h *Head, side Side) *ParseError {
	upgrade, nominates := false, false
	for i := range h.Fields {
		if h.Fields[i].ID != FieldConnection {
			continue
		}
		for list := h.Fields[i].Value; ; {
			token, rest, ok := nextToken(list)
			if !ok {
				break
			}
			list = rest
			switch {
			case len(token) == 0:
			case equalFold(token, "keep-alive"):
				h.KeepAliveToken = true
			case equalFold(token, "close"):
				h.Close = true
			case equalFold(token, "upgrade"):
				upgrade = true
			default:
				nominates = true
			}
		}
	}
	h.KeepAlive = !h.Close && (h.Minor > 0 || h.KeepAliveToken)
	if upgrade && h.Minor > 0 { // RFC 9110 section 7.8: ignored in HTTP/1.0
		h.Upgrade = h.GetID(FieldUpgrade)
	}
	if nominates {
		return r.nominate(h, side)
	}
	return nil
}

// nominate marks the fields that Connection lists as hop-by-hop. Host and the framing
// fields cannot be taken away by it: that would change the message for the next hop.
func (r *Reader) nominate(h *Head, side Side) *ParseError {
	var set nominated
	for i := range h.Fields {
		if h.Fields[i].ID != FieldConnection {
			continue
		}
		for list := h.Fields[i].Value; ; {
			token, rest, ok := nextToken(list)
			if !ok {
				break
			}
			list = rest
			if !set.add(token) {
				at := r.start + max(0, bytes.Index(r.cur.b[r.start:r.line], h.Fields[i].Value))
				return r.fault(BadConnection, side, PartFields, at, at)
			}
		}
	}
	for i := range h.Fields {
		f := &h.Fields[i]
		if set.has(f) && f.ID != FieldHost && f.ID != FieldContentLength {
			f.Hop = true
		}
	}
	return nil
}

// add is false when there are too many.
func (s *nominated) add(token []byte) bool {
	if len(token) == 0 || equalFold(token, "close") {
		return true
	}
	if id := LookupField(token); id != FieldOther {
		s.known[id/64] |= 1 << (id % 64)
		return true
	}
	if s.n == len(s.other) {
		return false
	}
	s.other[s.n] = token
	s.n++
	return true
}

func (s *nominated) has(f *Field) bool {
	if f.ID != FieldOther {
		return s.known[f.ID/64]&(1<<(f.ID%64)) != 0
	}
	for _, name := range s.other[:s.n] {
		if equalFold(f.Name, name) {
			return true
		}
	}
	return false
}
