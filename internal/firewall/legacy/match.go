package legacy

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

// parseFunc builds a match or target from its options.
type parseFunc func(own []option, fam ruleset.Family) (any, error)

// matches lists the matches whose text is understood. To add one: a line here, and its type in package xt.
var matches = map[string]parseFunc{
	"tcp":       parseTCP,
	"multiport": parseMultiport,
	"set":       parseSet,
	"conntrack": parseConntrack,
	"state":     parseState,
	"addrtype":  parseAddrType,
	"iprange":   parseIPRange,
	"comment":   parseComment,
	"mark":      parseMark,
	"connmark":  parseConnmark,
	"recent":    parseRecent,
	"rpfilter":  parseRPFilter,
	"mac":       parseMAC,
	"pkttype":   parsePktType,
	"length":    parseLength,
	"ttl":       parseTTL,
	"hl":        parseTTL,
	"tcpmss":    parseTCPMSS,
	"policy":    parsePolicy,
	"devgroup":  parseDevGroup,
	"physdev":   parsePhysDev,
	"helper":    parseHelper,
	"owner":     parseOwner,
	"time":      func(own []option, _ ruleset.Family) (any, error) { return xt.Time{Text: written("time", own)}, nil },
	"limit":     stateful("limit"),
	"hashlimit": stateful("hashlimit"),
	"connlimit": stateful("connlimit"),
	"statistic": stateful("statistic"),
	"quota":     stateful("quota"),
	"connbytes": stateful("connbytes"),
	"rateest":   stateful("rateest"),
	"nfacct":    constant(xt.Always{Name: "nfacct"}),
	"udp":       constant(xt.NeverTCP{Name: "udp"}),
	"udplite":   constant(xt.NeverTCP{Name: "udplite"}),
	"sctp":      constant(xt.NeverTCP{Name: "sctp"}),
	"dccp":      constant(xt.NeverTCP{Name: "dccp"}),
	"icmp":      constant(xt.NeverTCP{Name: "icmp"}),
	"icmp6":     constant(xt.NeverTCP{Name: "icmp6"}),
	"icmpv6":    constant(xt.NeverTCP{Name: "icmpv6"}),
	"esp":       constant(xt.NeverTCP{Name: "esp"}),
	"ah":        constant(xt.NeverTCP{Name: "ah"}),
	"frag":      constant(xt.NeverTCP{Name: "frag"}),
	"rt":        constant(xt.NeverTCP{Name: "rt"}),
	"hbh":       constant(xt.NeverTCP{Name: "hbh"}),
	"dst":       constant(xt.NeverTCP{Name: "dst"}),
	"socket":    constant(xt.Socket{Name: "socket"}),
	"cgroup":    constant(xt.Socket{Name: "cgroup"}),
	"string":    packet("string"),
	"ecn":       packet("ecn"),
	"cpu":       packet("cpu"),
	"dscp":      packet("dscp"),
	"tos":       packet("tos"),
	"eui64":     packet("eui64"),
	"osf":       packet("osf"),
	"ipvs":      constant(xt.External{Name: "ipvs"}),
}

func constant(v any) parseFunc {
	return func([]option, ruleset.Family) (any, error) { return v, nil }
}

// written puts options back together.
func written(name string, own []option) string {
	parts := []string{name}
	for _, o := range own {
		if o.inv {
			parts = append(parts, "!")
		}
		parts = append(parts, o.name)
		parts = append(parts, o.args...)
	}
	return strings.Join(parts, " ")
}

func stateful(name string) parseFunc {
	return func(own []option, _ ruleset.Family) (any, error) {
		return xt.Stateful{Name: name, Text: written(name, own)}, nil
	}
}

func packet(name string) parseFunc {
	return func(own []option, _ ruleset.Family) (any, error) {
		return xt.Packet{Name: name, Text: written(name, own)}, nil
	}
}

// unknownOption is the error for an option a match is not known to have.
func unknownOption(o option) error { return fmt.Errorf("option %s is not known", o.name) }

// portRange reads N, N:M, :M or N:.
func portRange(s string) (xt.PortRange, error) {
	lo, hi, isRange := strings.Cut(s, ":")
	r := xt.PortRange{Lo: 0, Hi: 65535}
	for _, p := range []struct {
		text string
		into *uint16
	}{{lo, &r.Lo}, {hi, &r.Hi}} {
		if p.text == "" {
			continue
		}
		n, err := strconv.ParseUint(p.text, 10, 16)
		if err != nil {
			return r, fmt.Errorf("port %q", s)
		}
		*p.into = uint16(n)
	}
	if !isRange {
		r.Hi = r.Lo
	}
	return r, nil
}

func parseTCP(own []option, _ ruleset.Family) (any, error) {
	all := xt.PortRange{Lo: 0, Hi: 65535}
	m := xt.TCP{Src: all, Dst: all}
	for _, o := range own {
		var err error
		switch o.name {
		case "--sport", "--source-port":
			m.Src, err = portRange(o.arg(0))
			m.Inv |= invIf(o, xt.InvSrcPort)
		case "--dport", "--destination-port":
			m.Dst, err = portRange(o.arg(0))
			m.Inv |= invIf(o, xt.InvDstPort)
		case "--syn":
			m.FlagMask, m.FlagComp = 0x17, 0x02
			m.Inv |= invIf(o, xt.InvFlags)
		case "--tcp-flags":
			if m.FlagMask, err = flags(o.arg(0)); err == nil {
				m.FlagComp, err = flags(o.arg(1))
			}
			m.Inv |= invIf(o, xt.InvFlags)
		case "--tcp-option":
			var n uint64
			n, err = strconv.ParseUint(o.arg(0), 10, 8)
			m.Option = uint8(n)
			m.Inv |= invIf(o, xt.InvOption)
		default:
			err = unknownOption(o)
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

func invIf(o option, bit uint8) uint8 {
	if o.inv {
		return bit
	}
	return 0
}

// flags reads FIN,SYN,RST,ACK or ALL or NONE.
func flags(s string) (uint8, error) {
	var v uint8
	for _, n := range strings.Split(s, ",") {
		bit, ok := map[string]uint8{
			"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0,
		}[n]
		if !ok {
			return 0, fmt.Errorf("TCP flag %q", n)
		}
		v |= bit
	}
	return v, nil
}

func parseMultiport(own []option, _ ruleset.Family) (any, error) {
	var m xt.Multiport
	for _, o := range own {
		mode, ok := map[string]uint8{
			"--sports": 0, "--source-ports": 0, "--dports": 1, "--destination-ports": 1, "--ports": 2,
		}[o.name]
		if !ok {
			return nil, unknownOption(o)
		}
		m.Mode, m.Inv = mode, o.inv
		for _, s := range strings.Split(o.arg(0), ",") {
			r, err := portRange(s)
			if err != nil {
				return nil, err
			}
			m.Ports = append(m.Ports, r)
		}
	}
	return m, nil
}

func parseSet(own []option, _ ruleset.Family) (any, error) {
	var m xt.SetMatch
	for _, o := range own {
		switch o.name {
		case "--match-set":
			m.Name, m.Inv = o.arg(0), o.inv
			for i, d := range strings.Split(o.arg(1), ",") {
				if i >= len(m.Src) {
					return nil, fmt.Errorf("%q has too many dimensions", o.arg(1))
				}
				m.Src[i] = d == "src"
				m.Dim++
			}
		case "--return-nomatch":
			m.ReturnNoMatch = true
		case "--update-counters", "--update-subcounters":
		case "--packets-eq", "--packets-lt", "--packets-gt", "--bytes-eq", "--bytes-lt", "--bytes-gt":
			m.Counters = true
		default:
			return nil, unknownOption(o)
		}
	}
	if m.Name == "" {
		return nil, fmt.Errorf("no set is named")
	}
	return m, nil
}

func parseState(own []option, fam ruleset.Family) (any, error) {
	for i := range own {
		if own[i].name == "--state" {
			own[i].name = "--ctstate"
		}
	}
	return parseConntrack(own, fam)
}

func parseAddrType(own []option, _ ruleset.Family) (any, error) {
	var m xt.AddrType
	names := map[string]uint16{
		"UNSPEC": 1, "UNICAST": 2, "LOCAL": 4, "BROADCAST": 8, "ANYCAST": 16, "MULTICAST": 32, "BLACKHOLE": 64,
		"UNREACHABLE": 128, "PROHIBIT": 256, "THROW": 512, "NAT": 1024, "XRESOLVE": 2048,
	}
	mask := func(s string) (uint16, error) {
		var v uint16
		for _, n := range strings.Split(s, ",") {
			bit, ok := names[n]
			if !ok {
				return 0, fmt.Errorf("address type %q", n)
			}
			v |= bit
		}
		return v, nil
	}
	for _, o := range own {
		var err error
		switch o.name {
		case "--src-type":
			m.Src, err = mask(o.arg(0))
			m.InvSrc = o.inv
		case "--dst-type":
			m.Dst, err = mask(o.arg(0))
			m.InvDst = o.inv
		case "--limit-iface-in":
			m.LimitIn = true
		case "--limit-iface-out":
			m.LimitOut = true
		default:
			err = unknownOption(o)
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

func parseIPRange(own []option, _ ruleset.Family) (any, error) {
	var m xt.IPRange
	for _, o := range own {
		lo, hi, _ := strings.Cut(o.arg(0), "-")
		a, err := netip.ParseAddr(lo)
		if err != nil {
			return nil, err
		}
		b := a
		if hi != "" {
			if b, err = netip.ParseAddr(hi); err != nil {
				return nil, err
			}
		}
		switch o.name {
		case "--src-range":
			m.HasSrc, m.InvSrc, m.SrcMin, m.SrcMax = true, o.inv, a, b
		case "--dst-range":
			m.HasDst, m.InvDst, m.DstMin, m.DstMax = true, o.inv, a, b
		default:
			return nil, unknownOption(o)
		}
	}
	return m, nil
}

func parseComment(own []option, _ ruleset.Family) (any, error) {
	m := xt.Always{Name: "comment"}
	for _, o := range own {
		m.Text = o.arg(0)
	}
	return m, nil
}

// number reads a 32-bit number in any base, with an optional /MASK.
func number(s string) (v, mask uint32, err error) {
	a, m, has := strings.Cut(s, "/")
	n, err := strconv.ParseUint(a, 0, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("number %q", s)
	}
	mask = 0xffffffff
	if has {
		k, err := strconv.ParseUint(m, 0, 32)
		if err != nil {
			return 0, 0, fmt.Errorf("mask %q", s)
		}
		mask = uint32(k)
	}
	return uint32(n), mask, nil
}

func parseMark(own []option, _ ruleset.Family) (any, error) {
	var m xt.MarkMatch
	for _, o := range own {
		if o.name != "--mark" {
			return nil, unknownOption(o)
		}
		var err error
		if m.Mark, m.Mask, err = number(o.arg(0)); err != nil {
			return nil, err
		}
		m.Inv = o.inv
	}
	return m, nil
}

func parseConnmark(own []option, fam ruleset.Family) (any, error) {
	v, err := parseMark(own, fam)
	if err != nil {
		return nil, err
	}
	m := v.(xt.MarkMatch)
	m.Conn = true
	return m, nil
}

func parseRecent(own []option, _ ruleset.Family) (any, error) {
	for _, o := range own {
		if o.name == "--set" {
			return xt.RecentSet{Inv: o.inv}, nil
		}
	}
	return xt.Stateful{Name: "recent", Text: written("recent", own)}, nil
}

func parseMAC(own []option, _ ruleset.Family) (any, error) {
	var m xt.MAC
	for _, o := range own {
		b, err := hex.DecodeString(strings.ReplaceAll(o.arg(0), ":", ""))
		if o.name != "--mac-source" || err != nil || len(b) != 6 {
			return nil, fmt.Errorf("MAC address %q", o.arg(0))
		}
		copy(m.Addr[:], b)
		m.Inv = o.inv
	}
	return m, nil
}
