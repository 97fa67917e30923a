package edge

import "github.com/originward/originward/internal/http1"

// Fields of a visitor's request that the edge writes itself or must not pass on
// (cloudflare http-headers): they would speak in the edge's name.
func edgeField(id http1.FieldID) bool {
	switch id {
	case http1.FieldHost, http1.FieldContentLength, http1.FieldExpect, http1.FieldAcceptEncoding,
		http1.FieldXForwardedFor, http1.FieldXForwardedProto, http1.FieldXRealIP, http1.FieldTrueClientIP,
		http1.FieldCDNLoop, http1.FieldCFConnectingIP, http1.FieldCFConnectingIPv6, http1.FieldCFPseudoIPv4,
		http1.FieldCFRay, http1.FieldCFIPCountry, http1.FieldCFVisitor, http1.FieldCFWorker, http1.FieldCFEWVia:
		return true
	}
	return false
}

// disguised tells a name such as CF_Connecting_IP, which CGI-like servers read as
// the edge's own field.
func disguised(f *http1.Field) bool {
	if !f.Odd || len(f.Name) > 32 {
		return false
	}
	var b [32]byte
	n := copy(b[:], f.Name)
	for i, c := range b[:n] {
		if c == '_' || c == '.' {
			b[i] = '-'
		}
	}
	return edgeField(http1.LookupField(b[:n]))
}

// originEncodings is what origins are asked for, whatever the visitor takes
// (cloudflare http-headers).
const originEncodings = "Accept-Encoding: br, gzip\r\n"

// requestHead writes the head that the origin gets: the visitor's fields in their
// order, then the edge's (cloudflare http-headers).
func (v *visit) requestHead() []byte {
	b := http1.AppendRequestLine(v.buf[:0], []byte(v.method), v.originTarget())
	b = append(b, "Host: "...)
	if v.routing.HostHeader != "" {
		b = append(b, v.routing.HostHeader...)
	} else {
		b = append(b, v.authority...)
	}
	b = append(b, "\r\n"...)
	edits := !v.toOrigin.Empty()
	traced := v.edge.tracer != nil
	var forwarded, loops, te, ranged, encodings bool
	for i := range v.head.Fields {
		f := &v.head.Fields[i]
		switch f.ID {
		case http1.FieldXForwardedFor:
			forwarded = forwarded || len(f.Value) > 0
		case http1.FieldCDNLoop:
			loops = loops || len(f.Value) > 0
		case http1.FieldTE:
			te = true
		case http1.FieldRange:
			ranged = true
		case http1.FieldAcceptEncoding:
			encodings = true
		}
		if f.Hop || edgeField(f.ID) || disguised(f) || edits && v.toOrigin.Drops(f.Name) || v.cache.leads && conditional(f.ID) || traced && v.traceField(f.Name) {
			continue
		}
		b = http1.AppendField(b, f)
	}
	for _, f := range v.toOrigin.Add {
		b = http1.AppendHeader(b, f[0], f[1])
	}
	if v.cache.leads {
		b, ranged = v.cache.ask(b), false // the whole response is wanted, for others too
	}
	// Part of a compressed body cannot be decoded, so for ranges the visitor's own word holds.
	if !ranged {
		b = append(b, originEncodings...)
	} else if encodings {
		b = v.joined(b, "Accept-Encoding: ", http1.FieldAcceptEncoding, ", ")
		b = append(b, "\r\n"...)
	}
	if te && v.head.HasToken("TE", "trailers") {
		b = append(b, "TE: trailers\r\n"...)
	}
	b = v.bodyFields(b)
	return v.edgeFields(b, forwarded, loops)
}

// bodyFields says how the request's body is framed, and asks for the origin's consent.
func (v *visit) bodyFields(b []byte) []byte {
	f := v.body.Framing()
	switch {
	case f.Kind == http1.ChunkedBody:
		b = http1.AppendChunked(b)
	case f.Kind == http1.LengthBody && (f.Length > 0 || v.head.ContentLength >= 0):
		b = http1.AppendContentLength(b, f.Length)
	}
	if v.expect {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	return b
}

func (v *visit) edgeFields(b []byte, forwarded, loops bool) []byte {
	b = append(b, "X-Forwarded-For: "...)
	if forwarded {
		b = v.values(b, http1.FieldXForwardedFor, ",")
		b = append(b, ',')
	}
	b = append(b, v.conn.text...)
	b = append(b, "\r\nX-Forwarded-Proto: "...)
	b = append(b, v.conn.scheme()...)
	b = append(b, "\r\nCF-Connecting-IP: "...)
	b = append(b, v.conn.text...)
	b = append(b, "\r\nCF-Ray: "...)
	b = append(b, v.rayID[:]...)
	if country := v.country(); country != "" {
		b = append(b, "\r\nCF-IPCountry: "...)
		b = append(b, country...)
	}
	b = append(b, "\r\nCF-Visitor: {\"scheme\":\""...)
	b = append(b, v.conn.scheme()...)
	b = append(b, "\"}\r\nCDN-Loop: "...)
	if loops {
		b = v.values(b, http1.FieldCDNLoop, ", ")
		b = append(b, ", "...)
	}
	b = append(b, v.edge.loopID...)
	b = v.traceLine(b)
	if v.upgrade != nil {
		b = append(b, "\r\nConnection: Upgrade\r\nUpgrade: "...)
		b = append(b, v.upgrade...)
		return append(b, "\r\n\r\n"...)
	}
	return append(b, "\r\nConnection: Keep-Alive\r\n\r\n"...)
}

// joined appends a name and the values of all its lines.
func (v *visit) joined(b []byte, name string, id http1.FieldID, sep string) []byte {
	return v.values(append(b, name...), id, sep)
}

// values appends the values of all lines of a field as one list.
func (v *visit) values(b []byte, id http1.FieldID, sep string) []byte {
	first := true
	for i := range v.head.Fields {
		f := &v.head.Fields[i]
		if f.ID != id || len(f.Value) == 0 {
			continue
		}
		if !first {
			b = append(b, sep...)
		}
		first = false
		b = append(b, f.Value...)
	}
	return b
}
