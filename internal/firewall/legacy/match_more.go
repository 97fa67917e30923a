package legacy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

var ctStates = map[string]uint16{
	"INVALID": xt.StateInvalid, "ESTABLISHED": xt.StateEstablished, "RELATED": xt.StateRelated, "NEW": xt.StateNew,
	"SNAT": xt.StateSNAT, "DNAT": xt.StateDNAT, "UNTRACKED": xt.StateUntracked,
}

var ctStatuses = map[string]uint16{"NONE": 0, "EXPECTED": 1, "SEEN_REPLY": 2, "ASSURED": 4, "CONFIRMED": 8}

// named folds a list of names into bits.
func named(s string, names map[string]uint16) (uint16, error) {
	var v uint16
	for _, n := range strings.Split(s, ",") {
		bit, ok := names[n]
		if !ok {
			return 0, fmt.Errorf("%q is not known", n)
		}
		v |= bit
	}
	return v, nil
}

func parseConntrack(own []option, fam ruleset.Family) (any, error) {
	var m xt.Conntrack
	for _, o := range own {
		flag, err := conntrackOption(&m, o, fam)
		if err != nil {
			return nil, err
		}
		m.Flags |= flag
		if o.inv {
			m.Inv |= flag
		}
	}
	return m, nil
}

// conntrackOption reads one option and returns its flag.
func conntrackOption(m *xt.Conntrack, o option, fam ruleset.Family) (flag uint16, err error) {
	switch o.name {
	case "--ctstate":
		m.State, err = named(o.arg(0), ctStates)
		return xt.CtState, err
	case "--ctstatus":
		m.Status, err = named(o.arg(0), ctStatuses)
		return xt.CtStatus, err
	case "--ctproto":
		n, ok := protocols[strings.ToLower(o.arg(0))]
		if !ok {
			v, err := strconv.ParseUint(o.arg(0), 10, 8)
			if err != nil {
				return 0, fmt.Errorf("protocol %q", o.arg(0))
			}
			n = uint8(v)
		}
		m.Proto = uint16(n)
		return xt.CtProto, nil
	case "--ctdir":
		if o.arg(0) == "REPLY" {
			m.Inv |= xt.CtDirection
		}
		return xt.CtDirection, nil
	case "--ctexpire":
		return xt.CtExpires, nil
	}
	addrs := map[string]struct {
		into *xt.AddrMask
		flag uint16
	}{
		"--ctorigsrc": {&m.OrigSrc, xt.CtOrigSrc}, "--ctorigdst": {&m.OrigDst, xt.CtOrigDst},
		"--ctreplsrc": {&m.ReplSrc, xt.CtReplSrc}, "--ctrepldst": {&m.ReplDst, xt.CtReplDst},
	}
	if a, ok := addrs[o.name]; ok {
		base, mask, err := network(o.arg(0), fam)
		if err != nil {
			return 0, err
		}
		a.into.Addr, _ = netip.AddrFromSlice(base)
		a.into.Mask, _ = netip.AddrFromSlice(mask)
		return a.flag, nil
	}
	ports := map[string]struct {
		into *xt.PortRange
		flag uint16
	}{
		"--ctorigsrcport": {&m.OrigSrcPort, xt.CtOrigSrcPort}, "--ctorigdstport": {&m.OrigDstPort, xt.CtOrigDstPort},
		"--ctreplsrcport": {&m.ReplSrcPort, xt.CtReplSrcPort}, "--ctrepldstport": {&m.ReplDstPort, xt.CtReplDstPort},
	}
	if p, ok := ports[o.name]; ok {
		*p.into, err = portRange(o.arg(0))
		return p.flag, err
	}
	return 0, unknownOption(o)
}

func parseRPFilter(own []option, _ ruleset.Family) (any, error) {
	var m xt.RPFilter
	for _, o := range own {
		switch o.name {
		case "--loose":
			m.Loose = true
		case "--validmark":
			m.ValidMark = true
		case "--accept-local":
			m.AcceptLocal = true
		case "--invert":
			m.Inv = true
		default:
			return nil, unknownOption(o)
		}
	}
	return m, nil
}

func parsePktType(own []option, _ ruleset.Family) (any, error) {
	var m xt.PktType
	for _, o := range own {
		n, ok := map[string]uint32{"unicast": 0, "host": 0, "broadcast": 1, "multicast": 2}[o.arg(0)]
		if o.name != "--pkt-type" || !ok {
			return nil, fmt.Errorf("packet type %q", o.arg(0))
		}
		m.Type, m.Inv = n, o.inv
	}
	return m, nil
}

func parseLength(own []option, _ ruleset.Family) (any, error) {
	var m xt.Length
	for _, o := range own {
		r, err := portRange(o.arg(0))
		if o.name != "--length" || err != nil {
			return nil, fmt.Errorf("length %q", o.arg(0))
		}
		m.Min, m.Max, m.Inv = r.Lo, r.Hi, o.inv
	}
	return m, nil
}

func parseTCPMSS(own []option, _ ruleset.Family) (any, error) {
	var m xt.TCPMSS
	for _, o := range own {
		r, err := portRange(o.arg(0))
		if o.name != "--mss" || err != nil {
			return nil, fmt.Errorf("MSS %q", o.arg(0))
		}
		m.Min, m.Max, m.Inv = r.Lo, r.Hi, o.inv
	}
	return m, nil
}

func parseTTL(own []option, _ ruleset.Family) (any, error) {
	var m xt.TTL
	for _, o := range own {
		n, err := strconv.ParseUint(o.arg(0), 10, 8)
		if err != nil {
			return nil, fmt.Errorf("TTL %q", o.arg(0))
		}
		m.Value = uint8(n)
		switch {
		case strings.HasSuffix(o.name, "-eq") && o.inv:
			m.Mode = 1
		case strings.HasSuffix(o.name, "-eq"):
		case strings.HasSuffix(o.name, "-lt"):
			m.Mode = 2
		case strings.HasSuffix(o.name, "-gt"):
			m.Mode = 3
		default:
			return nil, unknownOption(o)
		}
	}
	return m, nil
}

func parsePolicy(own []option, _ ruleset.Family) (any, error) {
	var m xt.Policy
	for _, o := range own {
		switch o.name {
		case "--pol":
			m.None = o.arg(0) == "none"
		case "--dir":
			m.In = o.arg(0) == "in"
		}
	}
	return m, nil
}

func parseDevGroup(own []option, _ ruleset.Family) (any, error) {
	var m xt.DevGroup
	for _, o := range own {
		text := o.arg(0)
		if text == "default" {
			text = "0" // the one name every system has (/etc/iproute2/group)
		}
		v, mask, err := number(text)
		if err != nil {
			return nil, err
		}
		switch o.name {
		case "--src-group":
			m.Flags, m.Src, m.SrcM = m.Flags|1, v, mask
			if o.inv {
				m.Flags |= 2
			}
		case "--dst-group":
			m.Flags, m.Dst, m.DstM = m.Flags|4, v, mask
			if o.inv {
				m.Flags |= 8
			}
		default:
			return nil, unknownOption(o)
		}
	}
	return m, nil
}

func parsePhysDev(own []option, _ ruleset.Family) (any, error) {
	var m xt.PhysDev
	for _, o := range own {
		bit, ok := map[string]uint8{
			"--physdev-in": 1, "--physdev-out": 2, "--physdev-is-bridged": 4, "--physdev-is-in": 8, "--physdev-is-out": 16,
		}[o.name]
		if !ok {
			return nil, unknownOption(o)
		}
		m.Op |= bit
		m.Inv |= invIf(o, bit)
	}
	return m, nil
}

func parseHelper(own []option, _ ruleset.Family) (any, error) {
	var m xt.Helper
	for _, o := range own {
		m.Name, m.Inv = o.arg(0), o.inv
	}
	return m, nil
}

func parseOwner(own []option, _ ruleset.Family) (any, error) {
	m := xt.Owner{Text: written("owner", own)}
	for _, o := range own {
		bit := map[string]uint8{"--uid-owner": 1, "--gid-owner": 2, "--socket-exists": 4, "--suppl-groups": 8}[o.name]
		m.Match |= bit
		m.Inv |= invIf(o, bit)
	}
	return m, nil
}
