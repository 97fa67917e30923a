package replica

import (
	"encoding/binary"
	"net/netip"
)

// Flow is one packet's identity.
type Flow struct {
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
}

// Reverse is the flow of the answer.
func (f Flow) Reverse() Flow {
	return Flow{Src: f.Dst, Dst: f.Src, SrcPort: f.DstPort, DstPort: f.SrcPort}
}

// TCP flags.
const (
	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

// segment is a TCP packet with an MSS option and right checksums: connection tracking calls a packet with a wrong one
// invalid, and rules then see another state than a real client's.
func segment(f Flow, flags byte, seq, ack uint32) []byte {
	tcp := make([]byte, 24)
	binary.BigEndian.PutUint16(tcp[0:], f.SrcPort)
	binary.BigEndian.PutUint16(tcp[2:], f.DstPort)
	binary.BigEndian.PutUint32(tcp[4:], seq)
	binary.BigEndian.PutUint32(tcp[8:], ack)
	tcp[12], tcp[13] = 6<<4, flags
	binary.BigEndian.PutUint16(tcp[14:], 64240)
	copy(tcp[20:], []byte{2, 4, 0x05, 0xb4}) // MSS 1460
	if f.Src.Is4() {
		binary.BigEndian.PutUint16(tcp[16:], checksum(tcp, pseudo4(f, len(tcp))))
		return append(ipv4(f, len(tcp)), tcp...)
	}
	binary.BigEndian.PutUint16(tcp[16:], checksum(tcp, pseudo6(f, len(tcp))))
	return append(ipv6(f, len(tcp)), tcp...)
}

func ipv4(f Flow, n int) []byte {
	h := make([]byte, 20)
	h[0] = 0x45
	binary.BigEndian.PutUint16(h[2:], uint16(20+n))
	h[6] = 0x40 // don't fragment
	h[8], h[9] = 57, 6
	src, dst := f.Src.As4(), f.Dst.As4()
	copy(h[12:], src[:])
	copy(h[16:], dst[:])
	binary.BigEndian.PutUint16(h[10:], checksum(h, 0))
	return h
}

func ipv6(f Flow, n int) []byte {
	h := make([]byte, 40)
	h[0] = 0x60
	binary.BigEndian.PutUint16(h[4:], uint16(n))
	h[6], h[7] = 6, 57
	src, dst := f.Src.As16(), f.Dst.As16()
	copy(h[8:], src[:])
	copy(h[24:], dst[:])
	return h
}

func pseudo4(f Flow, n int) uint32 {
	src, dst := f.Src.As4(), f.Dst.As4()
	return sum(src[:]) + sum(dst[:]) + 6 + uint32(n)
}

func pseudo6(f Flow, n int) uint32 {
	src, dst := f.Src.As16(), f.Dst.As16()
	return sum(src[:]) + sum(dst[:]) + 6 + uint32(n)
}

func sum(b []byte) (s uint32) {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func checksum(b []byte, start uint32) uint16 {
	s := start + sum(b)
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}

// ethernet puts a frame header in front.
func ethernet(dst []byte, v4 bool, ip []byte) []byte {
	b := make([]byte, 14, 14+len(ip))
	copy(b, dst)
	copy(b[6:], []byte{0x02, 0, 0, 0, 0xed, 0x6e}) // a sender that is nobody on the host
	binary.BigEndian.PutUint16(b[12:], 0x86dd)
	if v4 {
		binary.BigEndian.PutUint16(b[12:], 0x0800)
	}
	return append(b, ip...)
}

// seen is a packet that came out of the namespace's interfaces.
type seen struct {
	flow Flow
	// kind is syn, synack, rst or icmp.
	kind string
	// icmpType and icmpCode belong to kind icmp; flow is then that of the packet it complains about.
	icmpType, icmpCode uint8
	// seq is the sequence number of the SYN this packet is, answers or complains about: it names the probe, whatever
	// address translation did to the rest.
	seq uint32
}

// parseFrame reads what came out of an interface; ok is false for anything that is not ours.
func parseFrame(b []byte) (s seen, ok bool) {
	if len(b) < 14 {
		return s, false
	}
	switch binary.BigEndian.Uint16(b[12:]) {
	case 0x0800, 0x86dd:
		return parseIP(b[14:])
	}
	return s, false
}

func parseIP(b []byte) (s seen, ok bool) {
	proto, f, rest, ok := splitIP(b)
	if !ok {
		return s, false
	}
	switch {
	case proto == 6 && len(rest) >= 20:
		s.flow = withPorts(f, rest)
		s.seq = binary.BigEndian.Uint32(rest[8:]) - 1
		switch fl := rest[13]; {
		case fl&flagRST != 0:
			s.kind = "rst"
		case fl&(flagSYN|flagACK) == flagSYN|flagACK:
			s.kind = "synack"
		case fl&flagSYN != 0:
			s.kind = "syn"
			s.seq = binary.BigEndian.Uint32(rest[4:])
		default:
			return s, false
		}
		return s, true
	case (proto == 1 || proto == 58) && len(rest) >= 8:
		_, inner, tcp, ok := splitIP(rest[8:])
		if !ok || len(tcp) < 14 || tcp[13]&(flagSYN|flagACK) != flagSYN {
			return s, false // not about the SYN
		}
		s.seq = binary.BigEndian.Uint32(tcp[4:])
		s.kind, s.icmpType, s.icmpCode = "icmp", rest[0], rest[1]
		s.flow = withPorts(inner, tcp)
		return s, true
	}
	return s, false
}

func withPorts(f Flow, tcp []byte) Flow {
	f.SrcPort, f.DstPort = binary.BigEndian.Uint16(tcp), binary.BigEndian.Uint16(tcp[2:])
	return f
}

func splitIP(b []byte) (proto byte, f Flow, rest []byte, ok bool) {
	if len(b) < 1 {
		return 0, f, nil, false
	}
	switch {
	case b[0]>>4 == 4 && len(b) >= 20 && int(b[0]&15)*4 >= 20 && len(b) >= int(b[0]&15)*4:
		f.Src, f.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		return b[9], f, b[int(b[0]&15)*4:], true
	case b[0]>>4 == 6 && len(b) >= 40:
		f.Src, f.Dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		return b[6], f, b[40:], true
	}
	return 0, f, nil, false
}
