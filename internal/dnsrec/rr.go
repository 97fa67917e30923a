package dnsrec

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/originward/originward"
)

// RR is the record as a DNS server answers it.
func (r Record) RR(ttl uint32) (dns.RR, error) {
	h := dns.RR_Header{Name: dns.Fqdn(r.Name), Class: dns.ClassINET, Ttl: ttl, Rrtype: dns.StringToType[string(r.Type)]}
	switch r.Type { // those that need no parser, and that a parser must not see
	case originward.RecordA, originward.RecordAAAA:
		a, err := netip.ParseAddr(r.Content)
		if err != nil {
			return nil, err
		}
		if r.Type == originward.RecordA {
			return &dns.A{Hdr: h, A: net.IP(a.AsSlice())}, nil
		}
		return &dns.AAAA{Hdr: h, AAAA: net.IP(a.AsSlice())}, nil
	case originward.RecordCNAME:
		return &dns.CNAME{Hdr: h, Target: dns.Fqdn(r.Content)}, nil
	case "MX":
		return &dns.MX{Hdr: h, Preference: uint16(r.Priority), Mx: dns.Fqdn(r.Content)}, nil //nolint:gosec // checked
	case "NS":
		return &dns.NS{Hdr: h, Ns: dns.Fqdn(r.Content)}, nil
	case "PTR":
		return &dns.PTR{Hdr: h, Ptr: dns.Fqdn(r.Content)}, nil
	case "TXT":
		texts, err := texts(r.Content)
		return &dns.TXT{Hdr: h, Txt: texts}, err
	}
	data := r.Content
	if HasPriority(r.Type) {
		data = fmt.Sprintf("%d %s", r.Priority, data)
	}
	if strings.ContainsAny(data, "\r\n") {
		return nil, errors.New("a line break")
	}
	rr, err := dns.NewRR(fmt.Sprintf(". %d IN %s %s", ttl, r.Type, data))
	if err != nil {
		return nil, err
	}
	if rr == nil || rr.Header().Rrtype != h.Rrtype {
		return nil, errors.New("no data")
	}
	rr.Header().Name = h.Name
	return rr, nil
}

// maxText is the longest string of a TXT record (RFC 1035 section 3.3).
const maxText = 255

// texts are the strings of a TXT record: as quoted in the content, or the content
// itself, cut where it is too long for one.
func texts(content string) ([]string, error) {
	parts := []token{{text: content}}
	if strings.HasPrefix(strings.TrimSpace(content), `"`) {
		var err error
		if parts, err = split(content); err != nil {
			return nil, err
		}
	}
	var out []string
	for _, p := range parts {
		s := p.text
		for len(s) > maxText {
			out, s = append(out, escape(s[:maxText])), s[maxText:]
		}
		out = append(out, escape(s))
	}
	return out, nil
}

// escape writes a text as the DNS library keeps it: with backslashes escaped.
func escape(s string) string {
	q := quote(s)
	return q[1 : len(q)-1]
}

// FromRR is a record of a zone file in the form of the API.
func FromRR(rr dns.RR) Record {
	h := rr.Header()
	r := Record{Type: originward.RecordType(dns.TypeToString[h.Rrtype]), Name: strings.TrimSuffix(strings.ToLower(h.Name), ".")}
	switch x := rr.(type) {
	case *dns.MX:
		r.Priority, r.Content = int(x.Preference), strings.TrimSuffix(x.Mx, ".")
		if x.Mx == "." {
			r.Content = "."
		}
	case *dns.TXT:
		var parts []string
		for _, t := range x.Txt {
			parts = append(parts, `"`+t+`"`)
		}
		r.Content = strings.Join(parts, " ")
	default:
		r.Content = strings.TrimSpace(strings.TrimPrefix(rr.String(), h.String()))
	}
	return r
}
