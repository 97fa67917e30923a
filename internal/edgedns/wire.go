package edgedns

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// udpSize is the largest answer over UDP (DNS flag day 2020).
const udpSize = 1232

// query is a packet, looked at as far as the usual question needs.
type query struct {
	raw   []byte
	name  []byte // in lower case, in wire format
	qtype uint16
	end   int // of the question in raw
	edns  bool
	do    bool
	size  int // largest answer over UDP
	rd    bool
}

const headerLen = 12

// parse reads the usual query: one question, no more than an OPT record beside
// it. ok is false for everything else, which the library reads.
func (q *query) parse(raw []byte, buf []byte) (ok bool) {
	if len(raw) < headerLen+5 {
		return false
	}
	flags := binary.BigEndian.Uint16(raw[2:])
	// QR, opcode, AA, TC, RA, Z and rcode are 0; RD, AD and CD may be anything.
	if flags&^(1<<8|1<<5|1<<4) != 0 || binary.BigEndian.Uint16(raw[4:]) != 1 || raw[6]|raw[7]|raw[8]|raw[9]|raw[10] != 0 || raw[11] > 1 {
		return false
	}
	q.raw, q.rd, q.edns, q.do, q.size = raw, flags&(1<<8) != 0, false, false, dns.MinMsgSize
	at := headerLen
	for {
		n := int(raw[at])
		if n > 63 || at+n+1 > len(raw)-4 {
			return false
		}
		at += n + 1
		if n == 0 {
			break
		}
	}
	if at-headerLen > 255 {
		return false
	}
	q.name = append(buf[:0], raw[headerLen:at]...)
	for i, c := range q.name { // lengths are below 64: no letters
		if c >= 'A' && c <= 'Z' {
			q.name[i] = c + 'a' - 'A'
		}
	}
	q.qtype = binary.BigEndian.Uint16(raw[at:])
	if binary.BigEndian.Uint16(raw[at+2:]) != dns.ClassINET || q.qtype == dns.TypeAXFR || q.qtype == dns.TypeIXFR {
		return false
	}
	q.end = at + 4
	if raw[11] == 0 {
		return q.end == len(raw)
	}
	return q.parseOPT(raw[q.end:])
}

// parseOPT reads an OPT record; its options are left out: none changes the answer.
func (q *query) parseOPT(b []byte) bool {
	if len(b) < 11 || b[0] != 0 || binary.BigEndian.Uint16(b[1:]) != dns.TypeOPT || b[5] != 0 || b[6] != 0 {
		return false // another version is for the library too
	}
	if int(binary.BigEndian.Uint16(b[9:])) != len(b)-11 {
		return false
	}
	q.edns, q.do = true, b[7]&0x80 != 0
	q.size = min(max(int(binary.BigEndian.Uint16(b[3:])), dns.MinMsgSize), udpSize)
	return true
}

// stamp makes a kept answer the answer to this query: its id, its RD bit, and the
// question's letters as they came.
func (q *query) stamp(out []byte) {
	copy(out[:2], q.raw[:2])
	out[2] &^= 1
	if q.rd {
		out[2] |= 1
	}
	copy(out[headerLen:q.end], q.raw[headerLen:q.end])
}

// truncated is the question alone, with the TC bit: the asker comes again over TCP.
func (q *query) truncated(out, whole []byte) []byte {
	out = append(out[:0], whole[:q.end]...)
	out[2] |= 2
	for i := 6; i < headerLen; i++ {
		out[i] = 0
	}
	if q.edns {
		out[11] = 1
		out = append(out, opt(q.do, 0)...)
	}
	return out
}

// opt is an OPT record.
func opt(do bool, extended byte) []byte {
	b := []byte{0, 0, 41, udpSize >> 8, udpSize & 0xff, extended, 0, 0, 0, 0, 0}
	if do {
		b[7] = 0x80
	}
	return b
}

// reply answers the usual query into out; later tells that it has to be made by
// slow.
func (s *snapshot) reply(q *query, out []byte, tcp bool) (answer []byte, later bool) {
	e := s.cache.get(q)
	if e == nil {
		msg := new(dns.Msg)
		if err := msg.Unpack(q.raw); err != nil {
			return refuse(q.raw, out, dns.RcodeFormatError), false
		}
		r := s.answer(msg, q.do, false)
		if r.later {
			return nil, true
		}
		if e = s.keep(q, r); e == nil {
			return refuse(q.raw, out, dns.RcodeServerFailure), false
		}
	}
	return e.write(q, out, tcp), false
}

// keep packs an answer and keeps it for the same question.
func (s *snapshot) keep(q *query, r *reply) *entry {
	if q.edns {
		r.msg.SetEdns0(udpSize, q.do)
	}
	r.msg.CheckingDisabled = false
	e := newEntry(r.msg, s.now())
	if e != nil && !r.fleeting {
		s.cache.put(q, e)
	}
	return e
}

// slow answers a packet that the usual way does not: it may wait for look-ups
// elsewhere, and it knows the rare forms.
func (s *snapshot) slow(raw []byte, tcp bool) []byte {
	if len(raw) < headerLen || raw[2]&0x80 != 0 {
		return nil // an answer is not answered
	}
	msg := new(dns.Msg)
	err := msg.Unpack(raw)
	switch {
	case msg.Opcode != dns.OpcodeQuery:
		return refuse(raw, nil, dns.RcodeNotImplemented)
	case err != nil || len(msg.Question) != 1:
		return refuse(raw, nil, dns.RcodeFormatError)
	}
	do, size := false, dns.MinMsgSize
	o := msg.IsEdns0()
	if o != nil {
		do, size = o.Do(), min(max(int(o.UDPSize()), dns.MinMsgSize), udpSize)
	}
	var out *dns.Msg
	switch {
	case o != nil && o.Version() != 0:
		out = new(dns.Msg).SetRcode(msg, dns.RcodeBadVers)
	case msg.Question[0].Qtype == dns.TypeAXFR || msg.Question[0].Qtype == dns.TypeIXFR:
		out = new(dns.Msg).SetRcode(msg, dns.RcodeRefused)
	default:
		out = s.answer(msg, do, true).msg
	}
	if o != nil {
		// The extended part of a code stands in the OPT record (RFC 6891 section 6.1.3).
		out.SetEdns0(udpSize, do)
	}
	if !tcp {
		out.Truncate(size)
	}
	b, err := out.Pack()
	if err != nil {
		return refuse(raw, nil, dns.RcodeServerFailure)
	}
	return b
}

// refuse answers a packet with a code alone.
func refuse(raw, out []byte, rcode int) []byte {
	out = append(out[:0], raw[:headerLen]...)
	out[2] = out[2]&0x79 | 0x80 // QR; opcode and RD as they came
	out[3] = byte(rcode)        //nolint:gosec // below 16
	for i := 4; i < headerLen; i++ {
		out[i] = 0
	}
	return out
}
