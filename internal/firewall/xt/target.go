package xt

import (
	"fmt"
	"net/netip"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// targets lists the targets that can be decoded. To add one: a line here and a case in the evaluator.
var targets = map[string]entry{
	"REJECT":      {0, targetReject},
	"DNAT":        {2, targetNAT("DNAT")},
	"SNAT":        {2, targetNAT("SNAT")},
	"REDIRECT":    {0, targetNAT("REDIRECT")},
	"MASQUERADE":  {0, targetNAT("MASQUERADE")},
	"NETMAP":      {0, targetNAT("NETMAP")},
	"MARK":        {2, targetMark},
	"CONNMARK":    {2, targetConnmark},
	"CT":          {2, targetCT},
	"NOTRACK":     {0, opaque(CT{NoTrack: true})},
	"NFQUEUE":     {3, targetQueue},
	"SET":         {3, targetSet},
	"TPROXY":      {1, targetTProxy},
	"SYNPROXY":    {0, opaque(Synproxy{})},
	"LOG":         {0, targetLog},
	"NFLOG":       {0, targetNFLog},
	"ULOG":        {0, opaque(Continue{Name: "ULOG"})},
	"AUDIT":       {1, opaque(Continue{Name: "AUDIT"})},
	"TRACE":       {0, opaque(Continue{Name: "TRACE"})},
	"TCPMSS":      {0, opaque(Continue{Name: "TCPMSS"})},
	"TCPOPTSTRIP": {0, opaque(Continue{Name: "TCPOPTSTRIP"})},
	"CHECKSUM":    {0, opaque(Continue{Name: "CHECKSUM"})},
	"CLASSIFY":    {0, opaque(Continue{Name: "CLASSIFY"})},
	"TEE":         {1, opaque(Continue{Name: "TEE"})},
	"LED":         {0, opaque(Continue{Name: "LED"})},
	"IDLETIMER":   {1, opaque(Continue{Name: "IDLETIMER"})},
	"RATEEST":     {0, opaque(Continue{Name: "RATEEST"})},
	"SECMARK":     {1, opaque(Continue{Name: "SECMARK"})},
	"CONNSECMARK": {0, opaque(Continue{Name: "CONNSECMARK"})},
}

var reject4 = []string{
	"icmp-net-unreachable", "icmp-host-unreachable", "icmp-proto-unreachable", "icmp-port-unreachable", "",
	"icmp-net-prohibited", "icmp-host-prohibited", "tcp-reset", "icmp-admin-prohibited",
}

var reject6 = []string{
	"icmp6-no-route", "icmp6-adm-prohibited", "icmp6-not-neighbour", "icmp6-addr-unreachable", "icmp6-port-unreachable", "",
	"tcp-reset", "icmp6-policy-fail", "icmp6-reject-route",
}

func targetReject(r *reader, _ uint32, fam ruleset.Family) (any, error) {
	names := reject4
	if fam == ruleset.IP6 {
		names = reject6
	}
	n := r.u32()
	if int(n) >= len(names) || names[n] == "" {
		return nil, fmt.Errorf("reject type %d", n)
	}
	return Reject{With: names[n]}, nil
}

// targetNAT decodes the address rewriting targets. IPv4 revision 0 (and REDIRECT, MASQUERADE, NETMAP always) use the
// old range, the others nf_nat_range or nf_nat_range2.
func targetNAT(name string) blobFunc {
	return func(r *reader, rev uint32, fam ruleset.Family) (any, error) {
		t := NAT{Name: name}
		if fam != ruleset.IP6 && rev == 0 {
			if n := r.u32(); n != 1 {
				return nil, fmt.Errorf("%d ranges", n)
			}
			t.Flags = r.u32()
			t.AddrMin = addrOrZero(netip.AddrFrom4([4]byte(r.take(4))))
			t.AddrMax = addrOrZero(netip.AddrFrom4([4]byte(r.take(4))))
			t.PortMin, t.PortMax = r.be16(), r.be16()
			return t, nil
		}
		t.Flags = r.u32()
		t.AddrMin, t.AddrMax = addrOrZero(r.addr(fam)), addrOrZero(r.addr(fam))
		t.PortMin, t.PortMax = r.be16(), r.be16()
		if rev >= 2 {
			t.PortOff = r.be16()
		}
		return t, nil
	}
}

func targetMark(r *reader, rev uint32, _ ruleset.Family) (any, error) {
	if rev != 2 {
		return nil, errUnknown("target", "MARK", rev)
	}
	return MarkSet{Mark: r.u32(), Mask: r.u32()}, nil
}

func targetConnmark(r *reader, rev uint32, _ ruleset.Family) (any, error) {
	if rev == 0 {
		return nil, errUnknown("target", "CONNMARK", 0)
	}
	t := ConnmarkSet{CtMark: r.u32(), CtMask: r.u32(), NfMask: r.u32()}
	if rev >= 2 {
		t.ShiftRight, t.Shift = r.flag8(), r.u8()
	}
	t.Mode = r.u8()
	if t.Mode > 2 {
		return nil, fmt.Errorf("mode %d", t.Mode)
	}
	return t, nil
}

func targetCT(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	f := r.u16()
	t := CT{NoTrack: f&1 != 0, Zone: r.u16()}
	r.skip(8)
	t.Helper = r.str(16)
	if r.bad {
		return nil, fmt.Errorf("too short")
	}
	r.at = len(r.b)
	return t, nil
}

func targetQueue(r *reader, rev uint32, _ ruleset.Family) (any, error) {
	t := Queue{Num: r.u16(), Total: 1}
	if rev >= 1 {
		t.Total = r.u16()
	}
	if rev >= 2 {
		t.Bypass = r.u16()&1 != 0
	}
	return t, nil
}

func targetSet(r *reader, rev uint32, _ ruleset.Family) (any, error) {
	if rev == 0 {
		return nil, errUnknown("target", "SET", 0)
	}
	const none = 0xffff // IPSET_INVALID_ID
	add, dim, flags := setInfo(r)
	t := SetTarget{Index: add, Dim: dim, Src: srcDims(flags), Add: add != none}
	del, _, _ := setInfo(r)
	if t.Del = del != none; t.Del && !t.Add {
		t.Index = del
	}
	if rev >= 3 {
		m, _, _ := setInfo(r)
		t.Map = m != none
	}
	r.at = len(r.b)
	return t, nil
}

func targetTProxy(r *reader, rev uint32, fam ruleset.Family) (any, error) {
	t := TProxy{Mask: r.u32(), Mark: r.u32()}
	if rev == 0 {
		t.Addr = addrOrZero(netip.AddrFrom4([4]byte(r.take(4))))
	} else {
		t.Addr = addrOrZero(r.addr(fam))
	}
	t.Port = r.be16()
	return t, nil
}

func targetLog(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	level, _ := r.u8(), r.u8()
	text := fmt.Sprintf("LOG --log-level %d", level)
	if p := r.str(30); p != "" {
		text += fmt.Sprintf(" --log-prefix %q", p)
	}
	return Continue{Name: "LOG", Text: text}, nil
}

func targetNFLog(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	_, group := r.u32(), r.u16()
	r.skip(6)
	text := fmt.Sprintf("NFLOG --nflog-group %d", group)
	if p := r.str(64); p != "" {
		text += fmt.Sprintf(" --nflog-prefix %q", p)
	}
	return Continue{Name: "NFLOG", Text: text}, nil
}
