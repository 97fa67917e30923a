package xt

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// matches lists the matches that can be decoded. To add one: a line here, a case in the evaluator, and one in the
// legacy parser.
var matches = map[string]entry{
	"tcp":        {0, matchTCP},
	"udp":        {0, never("udp", 0)},
	"udplite":    {0, never("udplite", 0)},
	"sctp":       {0, never("sctp", 0)},
	"dccp":       {0, never("dccp", 0)},
	"icmp":       {0, never("icmp", 0)},
	"icmp6":      {0, never("icmp6", 0)},
	"esp":        {0, never("esp", 0)},
	"ah":         {0, never("ah", 0)},
	"ipcomp":     {0, never("ipcomp", 0)},
	"mh":         {0, never("mh", 0)},
	"frag":       {0, never("frag", 0)},
	"rt":         {0, never("rt", 0)},
	"hbh":        {0, never("hbh", 0)},
	"dst":        {0, never("dst", 0)},
	"multiport":  {1, matchMultiport},
	"set":        {4, matchSet},
	"conntrack":  {3, matchConntrack},
	"state":      {1, matchState},
	"addrtype":   {1, matchAddrType},
	"iprange":    {1, matchIPRange},
	"comment":    {0, matchComment},
	"mark":       {1, matchMark},
	"connmark":   {1, matchConnmark},
	"limit":      {0, matchLimit},
	"hashlimit":  {3, matchHashlimit},
	"connlimit":  {1, matchConnlimit},
	"recent":     {1, matchRecent},
	"statistic":  {0, matchStatistic},
	"quota":      {0, opaque(Stateful{Name: "quota"})},
	"quota2":     {3, opaque(Stateful{Name: "quota2"})},
	"connbytes":  {0, opaque(Stateful{Name: "connbytes"})},
	"rateest":    {0, opaque(Stateful{Name: "rateest"})},
	"nfacct":     {1, opaque(Always{Name: "nfacct"})},
	"rpfilter":   {0, matchRPFilter},
	"mac":        {0, matchMAC},
	"pkttype":    {0, matchPktType},
	"time":       {0, matchTime},
	"length":     {0, matchLength},
	"ttl":        {0, matchTTL},
	"hl":         {0, matchTTL},
	"tcpmss":     {0, matchTCPMSS},
	"dscp":       {0, matchDSCP},
	"tos":        {1, matchTOS},
	"policy":     {0, matchPolicy},
	"helper":     {0, matchHelper},
	"owner":      {1, matchOwner},
	"devgroup":   {0, matchDevGroup},
	"physdev":    {0, matchPhysDev},
	"socket":     {3, opaque(Socket{Name: "socket"})},
	"cgroup":     {2, opaque(Socket{Name: "cgroup"})},
	"ecn":        {1, opaque(Packet{Name: "ecn"})},
	"string":     {1, opaque(Packet{Name: "string"})},
	"cpu":        {0, opaque(Packet{Name: "cpu"})},
	"osf":        {0, opaque(Packet{Name: "osf"})},
	"ipvs":       {0, opaque(External{Name: "ipvs"})},
	"ipv6header": {0, matchIPv6Header},
}

// opaque is a match whose parameters do not matter, because the result is not ours to decide.
func opaque(v any) blobFunc {
	return func(r *reader, _ uint32, _ ruleset.Family) (any, error) {
		r.at = len(r.b)
		return v, nil
	}
}

func never(name string, _ int) blobFunc { return opaque(NeverTCP{Name: name}) }

func matchTCP(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	var m TCP
	m.Src = PortRange{r.u16(), r.u16()}
	m.Dst = PortRange{r.u16(), r.u16()}
	m.Option, m.FlagMask, m.FlagComp, m.Inv = r.u8(), r.u8(), r.u8(), r.u8()
	return m, nil
}

func matchMultiport(r *reader, rev uint32, _ ruleset.Family) (any, error) {
	m := Multiport{Mode: r.u8()}
	n := int(r.u8())
	var ports [15]uint16
	for i := range ports {
		ports[i] = r.u16()
	}
	if n > len(ports) || m.Mode > 2 {
		return nil, fmt.Errorf("%d ports, mode %d", n, m.Mode)
	}
	var ranged [15]byte
	if rev >= 1 {
		copy(ranged[:], r.take(15))
		m.Inv = r.flag8()
	}
	for i := 0; i < n; i++ {
		p := PortRange{ports[i], ports[i]}
		if ranged[i] != 0 {
			if i+1 >= n {
				return nil, errors.New("a port range without its end")
			}
			i++
			p.Hi = ports[i]
		}
		m.Ports = append(m.Ports, p)
	}
	return m, nil
}

// setInfo reads struct xt_set_info (revision 1 and up).
func setInfo(r *reader) (index uint16, dim, flags uint8) { return r.u16(), r.u8(), r.u8() }

func srcDims(flags uint8) (src [6]bool) {
	for i := range src {
		src[i] = flags>>(i+1)&1 != 0 // IPSET_DIM_ONE_SRC is 1 << 1
	}
	return src
}

func matchSet(r *reader, rev uint32, _ ruleset.Family) (any, error) {
	if rev == 0 {
		return nil, errUnknown("match", "set", 0)
	}
	var m SetMatch
	var flags uint8
	m.Index, m.Dim, flags = setInfo(r)
	m.Inv = flags&1 != 0 // IPSET_INV_MATCH is 1 << IPSET_DIM_ZERO
	m.Src = srcDims(flags)
	var cmd uint32
	switch rev {
	case 3:
		var ops [2]uint8
		for i := range ops {
			r.align(8)
			ops[i] = r.u8()
			r.align(8)
			r.skip(8)
		}
		m.Counters = ops[0] != 0 || ops[1] != 0
		cmd = r.u32()
	case 4:
		var ops [2]uint8
		for i := range ops {
			r.align(8)
			r.skip(8)
			ops[i] = r.u8()
		}
		m.Counters = ops[0] != 0 || ops[1] != 0
		r.align(8)
		cmd = r.u32()
	}
	m.ReturnNoMatch = cmd&(1<<7) != 0 // IPSET_FLAG_RETURN_NOMATCH
	return m, nil
}

func matchConntrack(r *reader, rev uint32, fam ruleset.Family) (any, error) {
	if rev == 0 {
		return nil, errUnknown("match", "conntrack", 0)
	}
	var m Conntrack
	m.OrigSrc, m.OrigDst = r.addrMask(fam), r.addrMask(fam)
	m.ReplSrc, m.ReplDst = r.addrMask(fam), r.addrMask(fam)
	m.ExpiresMin, m.ExpiresMax = r.u32(), r.u32()
	m.Proto = r.u16()
	port := r.be16
	if rev >= 3 {
		port = r.u16
	}
	lo := [4]uint16{port(), port(), port(), port()}
	hi := lo
	m.Flags, m.Inv = r.u16(), r.u16()
	if rev == 1 {
		m.State, m.Status = uint16(r.u8()), uint16(r.u8())
	} else {
		m.State, m.Status = r.u16(), r.u16()
	}
	if rev >= 3 {
		hi = [4]uint16{r.u16(), r.u16(), r.u16(), r.u16()}
	}
	for i, p := range []*PortRange{&m.OrigSrcPort, &m.OrigDstPort, &m.ReplSrcPort, &m.ReplDstPort} {
		*p = PortRange{lo[i], hi[i]}
	}
	m.Flags &^= 1 << 13 // XT_CONNTRACK_STATE_ALIAS: how it was written
	if m.Flags>>13 != 0 {
		return nil, fmt.Errorf("flags %#x", m.Flags)
	}
	return m, nil
}

// matchState is the old -m state, whose untracked bit is another (XT_STATE_UNTRACKED is 1 << 6).
func matchState(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	bits := uint16(r.u32())
	m := Conntrack{Flags: CtState, State: bits & 0xf}
	if bits&(1<<6) != 0 {
		m.State |= StateUntracked
	}
	return m, nil
}

func matchAddrType(r *reader, rev uint32, _ ruleset.Family) (any, error) {
	m := AddrType{Src: r.u16(), Dst: r.u16()}
	if rev == 0 {
		m.InvSrc, m.InvDst = r.bool32(), r.bool32()
		return m, nil
	}
	f := r.u32()
	m.InvSrc, m.InvDst, m.LimitIn, m.LimitOut = f&1 != 0, f&2 != 0, f&4 != 0, f&8 != 0
	if f&^0xf != 0 {
		return nil, fmt.Errorf("flags %#x", f)
	}
	return m, nil
}

func matchIPRange(r *reader, rev uint32, fam ruleset.Family) (any, error) {
	if rev == 0 {
		return nil, errUnknown("match", "iprange", 0)
	}
	m := IPRange{SrcMin: r.addr(fam), SrcMax: r.addr(fam), DstMin: r.addr(fam), DstMax: r.addr(fam)}
	f := r.u8()
	m.HasSrc, m.HasDst, m.InvSrc, m.InvDst = f&1 != 0, f&2 != 0, f&0x10 != 0, f&0x20 != 0
	return m, nil
}

func matchComment(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	text := r.str(min(256, len(r.b)))
	r.at = len(r.b)
	return Always{Name: "comment", Text: text}, nil
}

func matchMark(r *reader, rev uint32, _ ruleset.Family) (any, error) {
	if rev == 0 {
		return nil, errUnknown("match", "mark", 0)
	}
	return MarkMatch{Mark: r.u32(), Mask: r.u32(), Inv: r.flag8()}, nil
}

func matchConnmark(r *reader, rev uint32, _ ruleset.Family) (any, error) {
	if rev == 0 {
		return nil, errUnknown("match", "connmark", 0)
	}
	return MarkMatch{Mark: r.u32(), Mask: r.u32(), Inv: r.flag8(), Conn: true}, nil
}

func matchRPFilter(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	f := r.u8()
	if f&^0xf != 0 {
		return nil, fmt.Errorf("flags %#x", f)
	}
	return RPFilter{Loose: f&1 != 0, ValidMark: f&2 != 0, AcceptLocal: f&4 != 0, Inv: f&8 != 0}, nil
}

func matchMAC(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	var m MAC
	copy(m.Addr[:], r.take(6))
	r.align(4)
	m.Inv = r.bool32()
	return m, nil
}

func matchPktType(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	return PktType{Type: r.u32(), Inv: r.bool32()}, nil
}

func matchLength(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	return Length{Min: r.u16(), Max: r.u16(), Inv: r.flag8()}, nil
}

func matchTTL(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	m := TTL{Mode: r.u8(), Value: r.u8()}
	if m.Mode > 3 {
		return nil, fmt.Errorf("mode %d", m.Mode)
	}
	return m, nil
}

func matchTCPMSS(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	return TCPMSS{Min: r.u16(), Max: r.u16(), Inv: r.flag8()}, nil
}

func matchDSCP(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	return DSCP{Mask: 0xfc, Value: r.u8() << 2, Inv: r.flag8()}, nil
}

func matchTOS(r *reader, rev uint32, _ ruleset.Family) (any, error) {
	if rev == 0 {
		return nil, errUnknown("match", "tos", 0)
	}
	return DSCP{Mask: r.u8(), Value: r.u8(), Inv: r.flag8()}, nil
}

func matchPolicy(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	r.skip(4 * 76) // four struct xt_policy_elem: 64 bytes of addresses, 12 of the rest
	f, n := r.u16(), r.u16()
	return Policy{None: f&4 != 0, In: f&1 != 0, Len: int(n)}, nil
}

func matchHelper(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	return Helper{Inv: r.bool32(), Name: r.str(30)}, nil
}

func matchOwner(r *reader, rev uint32, _ ruleset.Family) (any, error) {
	if rev == 0 {
		return nil, errUnknown("match", "owner", 0)
	}
	uid0, uid1, gid0, gid1 := r.u32(), r.u32(), r.u32(), r.u32()
	m := Owner{Match: r.u8(), Inv: r.u8()}
	m.Text = fmt.Sprintf("uid %d-%d gid %d-%d", uid0, uid1, gid0, gid1)
	return m, nil
}

func matchDevGroup(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	return DevGroup{Flags: r.u32(), Src: r.u32(), SrcM: r.u32(), Dst: r.u32(), DstM: r.u32()}, nil
}

func matchPhysDev(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	var m PhysDev
	m.In = r.str(16)
	r.skip(16)
	m.Out = r.str(16)
	r.skip(16)
	m.Inv, m.Op = r.u8(), r.u8()
	return m, nil
}

// matchIPv6Header matches on extension headers, of which a plain SYN has none; in soft mode that still has to be
// compared with what is asked for.
func matchIPv6Header(r *reader, _ uint32, _ ruleset.Family) (any, error) {
	flags, inv, _ := r.u8(), r.u8(), r.u8()
	if inv != 0 || flags&1 != 0 {
		return nil, errors.New("inverted or protocol headers")
	}
	return NeverTCP{Name: "ipv6header"}, nil
}

// addrOrZero keeps an unspecified address invalid.
func addrOrZero(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
