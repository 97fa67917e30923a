package lab

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/originward/originward"
)

// dnsServer is the world's public DNS: it answers for the site as the CDN
// would, the edge's address for proxied records and the content for others.
type dnsServer struct {
	udp, tcp *dns.Server
	records  []originward.Record
	names    []Name
	front    netip.Addr // where proxied records lead visitors
}

func (s *Stage) startDNS(context.Context) error {
	s.dns = &dnsServer{records: s.records(), names: s.World.Names, front: s.World.front()}
	return s.Edge.NS.Do(func() error { return s.dns.start(netip.AddrPortFrom(Resolver, 53)) })
}

func (d *dnsServer) start(at netip.AddrPort) error {
	pc, err := net.ListenPacket("udp", at.String())
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		return errors.Join(err, pc.Close())
	}
	d.udp, d.tcp = &dns.Server{PacketConn: pc, Handler: d}, &dns.Server{Listener: l, Handler: d}
	go d.udp.ActivateAndServe() // ends with close
	go d.tcp.ActivateAndServe()
	return nil
}

func (d *dnsServer) close() error { return errors.Join(d.udp.Shutdown(), d.tcp.Shutdown()) }

// ServeDNS answers one question.
func (d *dnsServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	if len(q.Question) == 1 {
		name := strings.ToLower(strings.TrimSuffix(q.Question[0].Name, "."))
		known := false
		for _, r := range d.records {
			if r.Name != name {
				continue
			}
			known = true
			if rr := d.answer(q.Question[0], r); rr != nil {
				m.Answer = append(m.Answer, rr)
			}
		}
		for _, n := range d.names {
			if n.Name == name && !known {
				if rr := d.answer(q.Question[0], n.record()); rr != nil {
					m.Answer = append(m.Answer, rr)
				}
				known = true
			}
		}
		if !known {
			m.Rcode = dns.RcodeNameError
		}
	}
	_ = w.WriteMsg(m) // a visitor that left needs no answer
}

// record is the name as a DNS-only record.
func (n Name) record() originward.Record {
	r := originward.Record{Type: originward.RecordCNAME, Name: n.Name, Content: n.Content}
	if a, err := netip.ParseAddr(n.Content); err == nil {
		r.Type = originward.RecordA
		if a.Is6() {
			r.Type = originward.RecordAAAA
		}
	}
	return r
}

func (d *dnsServer) answer(q dns.Question, r originward.Record) dns.RR {
	head := dns.RR_Header{Name: q.Name, Class: dns.ClassINET, Ttl: 300}
	if r.Proxied {
		if q.Qtype != dns.TypeA {
			return nil
		}
		head.Rrtype = dns.TypeA
		return &dns.A{Hdr: head, A: d.front.AsSlice()}
	}
	switch {
	case r.Type == originward.RecordCNAME:
		head.Rrtype = dns.TypeCNAME
		return &dns.CNAME{Hdr: head, Target: dns.Fqdn(r.Content)}
	case r.Type == originward.RecordA && q.Qtype == dns.TypeA:
		head.Rrtype = dns.TypeA
		return &dns.A{Hdr: head, A: net.ParseIP(r.Content)}
	case r.Type == originward.RecordAAAA && q.Qtype == dns.TypeAAAA:
		head.Rrtype = dns.TypeAAAA
		return &dns.AAAA{Hdr: head, AAAA: net.ParseIP(r.Content)}
	}
	return nil
}
