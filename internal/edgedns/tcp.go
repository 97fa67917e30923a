package edgedns

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// Timers of TCP connections (RFC 7766 section 6.2.3: some seconds).
const (
	tcpIdle  = 10 * time.Second
	tcpWrite = 10 * time.Second
)

// serveTCP accepts connections; those above the bound wait in the system's queue.
func (s *Server) serveTCP(l net.Listener) {
	for {
		select {
		case s.conns <- struct{}{}:
		case <-s.stop:
			return
		}
		c, err := l.Accept()
		if err != nil {
			<-s.conns
			select {
			case <-s.stop:
				return
			case <-time.After(10 * time.Millisecond): // out of descriptors, for example
			}
			continue
		}
		if !s.track(c) {
			_ = c.Close() // the server ends
			<-s.conns
			return
		}
		s.work.Go(func() {
			defer func() { <-s.conns }()
			s.serveConn(c)
			s.mu.Lock()
			delete(s.open, c)
			s.mu.Unlock()
			_ = c.Close() // whatever there was to say is said
		})
	}
}

func (s *Server) track(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.open[c] = struct{}{}
	return true
}

// serveConn answers the questions of one connection, one after the other.
func (s *Server) serveConn(c net.Conn) {
	var length [2]byte
	for {
		s.mu.Lock()
		if !s.ended {
			_ = c.SetReadDeadline(time.Now().Add(tcpIdle))
		}
		s.mu.Unlock()
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		in := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, in); err != nil {
			return
		}
		if zone := transferOf(in); zone != nil {
			if !s.transfer(c, zone) {
				return
			}
			continue
		}
		if !s.writeTCP(c, s.answerTCP(in)) {
			return
		}
	}
}

func (s *Server) answerTCP(in []byte) []byte {
	state := s.state.Load()
	var q query
	var name [256]byte
	if q.parse(in, name[:0]) {
		if answer, later := state.reply(&q, nil, true); !later {
			return answer
		}
	}
	return state.slow(in, true)
}

func (s *Server) writeTCP(c net.Conn, answer []byte) bool {
	if answer == nil || len(answer) > dns.MaxMsgSize {
		return false
	}
	_ = c.SetWriteDeadline(time.Now().Add(tcpWrite))
	out := binary.BigEndian.AppendUint16(make([]byte, 0, len(answer)+2), uint16(len(answer))) //nolint:gosec // bounded above
	_, err := c.Write(append(out, answer...))
	return err == nil
}

// transferOf reads a question for a whole zone; nil = it is none.
func transferOf(in []byte) *dns.Msg {
	m := new(dns.Msg)
	if len(in) < headerLen || in[2]&0xf8 != 0 || m.Unpack(in) != nil || len(m.Question) != 1 {
		return nil
	}
	if t := m.Question[0].Qtype; t != dns.TypeAXFR && t != dns.TypeIXFR {
		return nil
	}
	return m
}

// transferSize is how many records one message of a transfer holds.
const transferSize = 100

// transfer gives a whole zone to those who may have it (RFC 5936). Proxied names
// have the edge's addresses in it, as everywhere.
func (s *Server) transfer(c net.Conn, q *dns.Msg) bool {
	state := s.state.Load()
	from, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	allowed := slices.ContainsFunc(s.conf.Load().Transfer, func(p netip.Prefix) bool { return p.Contains(from.Addr().Unmap()) })
	z := state.zones[dns.CanonicalName(q.Question[0].Name)]
	if !allowed || z == nil {
		b, err := new(dns.Msg).SetRcode(q, dns.RcodeRefused).Pack()
		return err == nil && s.writeTCP(c, b)
	}
	all := append([]dns.RR{z.soa}, state.everything(z)...)
	all = append(all, z.soa)
	for part := range slices.Chunk(all, transferSize) {
		m := new(dns.Msg)
		m.SetReply(q)
		m.Authoritative, m.Compress, m.Answer = true, true, part
		b, err := m.Pack()
		if err != nil || !s.writeTCP(c, b) {
			return false
		}
	}
	return true
}

// everything is a zone's records without its SOA, by name.
func (s *snapshot) everything(z *zone) []dns.RR {
	names := make([]string, 0, len(z.nodes))
	for name := range z.nodes {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []dns.RR
	for _, name := range names {
		n := z.nodes[name]
		types := []uint16{dns.TypeA, dns.TypeAAAA}
		for t := range n.sets {
			if t != dns.TypeA && t != dns.TypeAAAA && t != dns.TypeSOA {
				types = append(types, t)
			}
		}
		slices.Sort(types)
		for _, t := range types {
			out = append(out, s.set(&reply{wait: true}, z, n, name, t)...)
		}
	}
	return out
}
