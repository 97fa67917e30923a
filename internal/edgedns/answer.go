package edgedns

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// reply is an answer in the making.
type reply struct {
	msg    *dns.Msg
	signed bool // the asker wants signatures
	// later tells that the answer needs a look-up elsewhere, which is not to be waited
	// for here; the message is of no use then.
	later bool
	// fleeting answers are not kept: they hold what others may change at any time.
	fleeting bool
	wait     bool // look-ups elsewhere may be waited for
}

// maxChain bounds CNAMEs that are followed.
const maxChain = 8

// answer answers a question; wait allows look-ups elsewhere.
func (s *snapshot) answer(q *dns.Msg, do, wait bool) *reply {
	r := &reply{msg: new(dns.Msg), signed: do, wait: wait}
	r.msg.SetReply(q)
	r.msg.Compress = true
	question := q.Question[0]
	name := strings.ToLower(question.Name)
	z := s.zoneOf(name)
	if question.Qtype == dns.TypeDS && z != nil && name == z.name {
		// The parent answers for DS; if it is here too, it does.
		if p := s.zoneOf(parent(name)); p != nil {
			z = p
		}
	}
	if z == nil || question.Qclass != dns.ClassINET {
		r.msg.Rcode = dns.RcodeRefused
		return r
	}
	r.msg.Authoritative = true
	s.resolve(r, z, question.Name, name, question.Qtype)
	return r
}

// resolve answers for a name within the server's zones and follows its alias.
func (s *snapshot) resolve(r *reply, z *zone, owner, name string, qtype uint16) {
	for range maxChain {
		if cut := z.cut(name); cut != "" && (name != cut || qtype != dns.TypeDS) {
			s.refer(r, z, cut)
			return
		}
		n, exists := z.find(name)
		if n == nil || !exists || len(n.sets) == 0 && n.alias == "" && !n.proxied {
			r.deny(z, owner, n, exists)
			return
		}
		set := s.set(r, z, n, owner, qtype)
		if r.later {
			return
		}
		if len(set) > 0 {
			r.add(z, set)
			return
		}
		alias := n.sets[dns.TypeCNAME]
		if len(alias) == 0 || n.proxied {
			r.deny(z, owner, n, true)
			return
		}
		r.add(z, renamed(alias, owner))
		owner = alias[0].(*dns.CNAME).Target
		name = strings.ToLower(owner)
		if z = s.zoneOf(name); z == nil {
			return // the asker goes on elsewhere
		}
	}
}

// set gives the records of a type at a node, as if the node had the name owner.
func (s *snapshot) set(r *reply, z *zone, n *node, owner string, qtype uint16) []dns.RR {
	switch {
	case qtype == dns.TypeANY:
		return []dns.RR{&dns.HINFO{Hdr: header(owner, dns.TypeHINFO, nsTTL), Cpu: "RFC8482"}} // RFC 8482 section 4.2
	case qtype == dns.TypeCNAME && (n.proxied || n.alias != ""):
		return nil
	case n.proxied && qtype == dns.TypeA:
		return addrRecords(owner, autoTTL, s.edge4)
	case n.proxied && qtype == dns.TypeAAAA:
		return addrRecords(owner, autoTTL, s.edge6)
	case n.alias != "" && (qtype == dns.TypeA || qtype == dns.TypeAAAA) && len(n.sets[qtype]) == 0:
		addrs, ttl, ok := s.flatten.addrs(n.alias, qtype, r.wait)
		if !ok && !r.wait {
			r.later = true
			return nil
		}
		if !ok {
			r.msg.Rcode, r.fleeting = dns.RcodeServerFailure, true
			return nil
		}
		r.fleeting = true
		return addrRecords(owner, min(ttl, n.ttl), addrs)
	}
	return renamed(n.sets[qtype], owner)
}

// renamed gives records the name that was asked for: of a wildcard's, and in the
// letter case of the question.
func renamed(set []dns.RR, owner string) []dns.RR {
	out := make([]dns.RR, len(set))
	for i, rr := range set {
		out[i] = rr
		if rr.Header().Name != owner {
			out[i] = dns.Copy(rr)
			out[i].Header().Name = owner
		}
	}
	return out
}

func (r *reply) add(z *zone, set []dns.RR) {
	r.msg.Answer = append(r.msg.Answer, r.sign(z, set)...)
}

// sign gives a set with its signature, where that is wanted and made.
func (r *reply) sign(z *zone, set []dns.RR) []dns.RR {
	if r.signed && z.signer != nil {
		if sig := z.signer.sign(set); sig != nil {
			return append(set, sig)
		}
	}
	return set
}

// deny says that a name, or a type of it, does not exist. A signed zone says of
// both that the name has other types only: nothing about its neighbours is given
// away, and one signature is enough (RFC 9824).
func (r *reply) deny(z *zone, owner string, n *node, exists bool) {
	if r.msg.Rcode == dns.RcodeServerFailure {
		r.msg.Authoritative = false
		return
	}
	soa := *z.soa
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	r.msg.Ns = append(r.msg.Ns, r.sign(z, []dns.RR{&soa})...)
	if !r.signed || z.signer == nil {
		if !exists {
			r.msg.Rcode = dns.RcodeNameError
		}
		return
	}
	types := n.types(z)
	if !exists {
		types = append(types, typeNXNAME)
	}
	r.msg.Ns = append(r.msg.Ns, r.sign(z, []dns.RR{denial(owner, types)})...)
}

// typeNXNAME marks a denial of a name that does not exist (RFC 9824 section 3.1).
const typeNXNAME = 128

// denial is the NSEC record of a name whose next name is the smallest that there
// can be.
func denial(owner string, types []uint16) dns.RR {
	next := "\\000." + owner
	if owner == "." || len(owner) > 250 {
		next = owner
	}
	return &dns.NSEC{Hdr: header(owner, dns.TypeNSEC, negativeIn), NextDomain: next, TypeBitMap: types}
}

// refer says who answers for a part of the zone.
func (s *snapshot) refer(r *reply, z *zone, cut string) {
	if len(r.msg.Answer) == 0 {
		r.msg.Authoritative = false
	}
	n := z.nodes[cut]
	r.msg.Ns = append(r.msg.Ns, n.sets[dns.TypeNS]...)
	if r.signed && z.signer != nil {
		if ds := n.sets[dns.TypeDS]; len(ds) > 0 {
			r.msg.Ns = append(r.msg.Ns, r.sign(z, renamed(ds, cut))...)
		} else {
			r.msg.Ns = append(r.msg.Ns, r.sign(z, []dns.RR{denial(cut, []uint16{dns.TypeNS, dns.TypeRRSIG, dns.TypeNSEC})})...)
		}
	}
	for _, rr := range n.sets[dns.TypeNS] {
		if g := z.nodes[strings.ToLower(rr.(*dns.NS).Ns)]; g != nil {
			r.msg.Extra = append(r.msg.Extra, g.sets[dns.TypeA]...)
			r.msg.Extra = append(r.msg.Extra, g.sets[dns.TypeAAAA]...)
		}
	}
}

// localAddrs answers for a name of the server's own zones, for flattening; known
// is false when the name lies elsewhere.
func (s *snapshot) localAddrs(name string, qtype uint16) (addrs []netip.Addr, ttl uint32, next string, known bool) {
	z := s.zoneOf(name)
	if z == nil || z.cut(name) != "" {
		return nil, 0, "", false
	}
	n, _ := z.find(name)
	if n == nil {
		return nil, negativeIn, "", true
	}
	if n.alias != "" {
		return nil, n.ttl, n.alias, true
	}
	if alias := n.sets[dns.TypeCNAME]; len(alias) > 0 && !n.proxied {
		return nil, alias[0].Header().Ttl, strings.ToLower(alias[0].(*dns.CNAME).Target), true
	}
	ttl = autoTTL
	for _, rr := range s.set(&reply{}, z, n, name, qtype) {
		ttl = min(ttl, rr.Header().Ttl)
		addrs = append(addrs, addrOf(rr))
	}
	return addrs, ttl, "", true
}

// addrOf is the address of an A or AAAA record.
func addrOf(rr dns.RR) netip.Addr {
	var raw []byte
	switch x := rr.(type) {
	case *dns.A:
		raw = x.A.To4()
	case *dns.AAAA:
		raw = x.AAAA.To16()
	}
	a, _ := netip.AddrFromSlice(raw)
	return a
}
