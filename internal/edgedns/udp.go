package edgedns

import (
	"errors"
	"net"
	"net/netip"
)

// maxPacket is the largest question that is read; real ones have some 60 bytes.
const maxPacket = 4096

// serveUDP answers what comes to a socket; several do it at once.
func (s *Server) serveUDP(c *net.UDPConn) {
	var name [256]byte
	in, out, oob := make([]byte, maxPacket), make([]byte, 0, maxPacket), make([]byte, 128)
	local, _ := netip.ParseAddrPort(c.LocalAddr().String())
	anywhere := local.Addr().IsUnspecified()
	for {
		var n, control int
		var from netip.AddrPort
		var err error
		if anywhere {
			n, control, _, from, err = c.ReadMsgUDPAddrPort(in, oob)
		} else {
			n, from, err = c.ReadFromUDPAddrPort(in)
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < headerLen {
			continue
		}
		// An answer to a socket on every address leaves from the one that was asked.
		source := replySource(oob[:control])
		state := s.state.Load()
		var q query
		if !q.parse(in[:n], name[:0]) {
			s.answerLater(c, state, in[:n], from, source)
			continue
		}
		answer, later := state.reply(&q, out, false)
		if later {
			s.answerLater(c, state, in[:n], from, source)
			continue
		}
		switch s.limit.check(from.Addr().Unmap(), q.name, s.now()) {
		case drop:
			continue
		case truncate:
			answer = q.truncated(answer, append([]byte(nil), answer...))
		}
		send(c, answer, source, from)
		out = answer[:0]
	}
}

func send(c *net.UDPConn, answer, source []byte, to netip.AddrPort) {
	if source == nil {
		_, _ = c.WriteToUDPAddrPort(answer, to) // who asked asks again
		return
	}
	_, _, _ = c.WriteMsgUDPAddrPort(answer, source, to)
}

// answerLater answers what the usual way does not, beside it. When too many wait
// already, the question is dropped: who asked asks again.
func (s *Server) answerLater(c *net.UDPConn, state *snapshot, in []byte, from netip.AddrPort, source []byte) {
	select {
	case s.slots <- struct{}{}:
	default:
		return
	}
	packet, source := append([]byte(nil), in...), append([]byte(nil), source...)
	if len(source) == 0 {
		source = nil
	}
	s.work.Go(func() {
		defer func() { <-s.slots }()
		answer := state.slow(packet, false)
		if answer == nil || s.limit.check(from.Addr().Unmap(), packet[headerLen:], s.now()) != pass {
			return
		}
		send(c, answer, source, from)
	})
}
