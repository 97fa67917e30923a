package legacy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

// targets lists the targets whose text is understood. To add one: a line here, and its type in package xt.
var targets = map[string]parseFunc{
	"REJECT":      parseReject,
	"DNAT":        nat("DNAT", "--to-destination"),
	"SNAT":        nat("SNAT", "--to-source"),
	"REDIRECT":    nat("REDIRECT", "--to-ports"),
	"MASQUERADE":  nat("MASQUERADE", "--to-ports"),
	"NETMAP":      nat("NETMAP", "--to"),
	"MARK":        parseMarkTarget,
	"CONNMARK":    parseConnmarkTarget,
	"CT":          parseCT,
	"NOTRACK":     constant(xt.CT{NoTrack: true}),
	"NFQUEUE":     parseQueue,
	"SET":         parseSetTarget,
	"TPROXY":      parseTProxy,
	"SYNPROXY":    constant(xt.Synproxy{}),
	"LOG":         goesOn("LOG"),
	"NFLOG":       goesOn("NFLOG"),
	"ULOG":        goesOn("ULOG"),
	"AUDIT":       goesOn("AUDIT"),
	"TRACE":       goesOn("TRACE"),
	"TCPMSS":      goesOn("TCPMSS"),
	"TCPOPTSTRIP": goesOn("TCPOPTSTRIP"),
	"CHECKSUM":    goesOn("CHECKSUM"),
	"CLASSIFY":    goesOn("CLASSIFY"),
	"TEE":         goesOn("TEE"),
	"LED":         goesOn("LED"),
	"IDLETIMER":   goesOn("IDLETIMER"),
	"RATEEST":     goesOn("RATEEST"),
	"SECMARK":     goesOn("SECMARK"),
	"CONNSECMARK": goesOn("CONNSECMARK"),
}

func goesOn(name string) parseFunc {
	return func(own []option, _ ruleset.Family) (any, error) {
		return xt.Continue{Name: name, Text: written(name, own)}, nil
	}
}

func parseReject(own []option, fam ruleset.Family) (any, error) {
	t := xt.Reject{With: "icmp-port-unreachable"}
	if fam == ruleset.IP6 {
		t.With = "icmp6-port-unreachable"
	}
	for _, o := range own {
		if o.name != "--reject-with" {
			return nil, unknownOption(o)
		}
		t.With = o.arg(0)
	}
	return t, nil
}

// natFlags are options that change how a choice among several is made, not what is chosen from.
var natFlags = map[string]uint32{"--random": 1 << 2, "--persistent": 1 << 3, "--random-fully": 1 << 4}

func nat(name, to string) parseFunc {
	return func(own []option, fam ruleset.Family) (any, error) {
		t := xt.NAT{Name: name}
		for _, o := range own {
			bit, isFlag := natFlags[o.name]
			switch {
			case isFlag:
				t.Flags |= bit
			case o.name == to && to == "--to-ports":
				if err := natPorts(&t, o.arg(0)); err != nil {
					return nil, err
				}
			case o.name == to && to == "--to":
				p, err := netip.ParsePrefix(o.arg(0))
				if err != nil {
					return nil, fmt.Errorf("network %q: %w", o.arg(0), err)
				}
				iv := interval.FromPrefix(p)
				t.Flags |= xt.NATMapIPs | xt.NATNetmap
				t.AddrMin, t.AddrMax = iv.Lo.Addr(p.Addr().BitLen()), iv.Hi.Addr(p.Addr().BitLen())
			case o.name == to:
				if err := natTo(&t, o.arg(0)); err != nil {
					return nil, err
				}
			default:
				return nil, unknownOption(o)
			}
		}
		return t, nil
	}
}

// natTo reads ADDR[-ADDR][:PORT[-PORT]], with IPv6 addresses in brackets when ports follow.
func natTo(t *xt.NAT, s string) error {
	addrs, ports := s, ""
	if strings.HasPrefix(s, "[") {
		i := strings.LastIndex(s, "]")
		if i < 0 {
			return fmt.Errorf("address %q", s)
		}
		ports = strings.TrimPrefix(s[i+1:], ":")
		addrs = strings.NewReplacer("[", "", "]", "").Replace(s[:i])
	} else if strings.Count(s, ":") == 1 {
		addrs, ports, _ = strings.Cut(s, ":")
	}
	if addrs != "" {
		lo, hi, ranged := strings.Cut(addrs, "-")
		a, err := netip.ParseAddr(lo)
		if err != nil {
			return fmt.Errorf("address %q: %w", s, err)
		}
		t.AddrMin, t.AddrMax = a, a
		if ranged {
			if t.AddrMax, err = netip.ParseAddr(hi); err != nil {
				return fmt.Errorf("address %q: %w", s, err)
			}
		}
		t.Flags |= xt.NATMapIPs
	}
	if ports != "" {
		return natPorts(t, ports)
	}
	return nil
}

func natPorts(t *xt.NAT, s string) error {
	if p, base, ok := strings.Cut(s, "/"); ok {
		n, err := strconv.ParseUint(base, 10, 16)
		if err != nil {
			return fmt.Errorf("port %q", s)
		}
		t.PortOff, t.Flags, s = uint16(n), t.Flags|xt.NATOffset, p
	}
	r, err := portRange(strings.Replace(s, "-", ":", 1))
	if err != nil {
		return err
	}
	t.PortMin, t.PortMax = r.Lo, r.Hi
	t.Flags |= xt.NATPorts
	return nil
}

func parseMarkTarget(own []option, _ ruleset.Family) (any, error) {
	var t xt.MarkSet
	for _, o := range own {
		v, mask, err := number(o.arg(0))
		if err != nil {
			return nil, err
		}
		switch o.name {
		case "--set-xmark":
			t.Mark, t.Mask = v, mask
		case "--set-mark":
			t.Mark, t.Mask = v, mask|v
		case "--and-mark":
			t.Mark, t.Mask = 0, ^v
		case "--or-mark":
			t.Mark, t.Mask = v, v
		case "--xor-mark":
			t.Mark, t.Mask = v, 0
		default:
			return nil, unknownOption(o)
		}
	}
	return t, nil
}

func parseConnmarkTarget(own []option, _ ruleset.Family) (any, error) {
	t := xt.ConnmarkSet{CtMask: 0xffffffff, NfMask: 0xffffffff}
	for _, o := range own {
		if o.name == "--save-mark" {
			t.Mode = 1
			continue
		}
		if o.name == "--restore-mark" {
			t.Mode = 2
			continue
		}
		v, mask, err := number(o.arg(0))
		if err != nil {
			return nil, err
		}
		switch o.name {
		case "--set-xmark":
			t.CtMark, t.CtMask = v, mask
		case "--set-mark":
			t.CtMark, t.CtMask = v, mask|v
		case "--and-mark":
			t.CtMark, t.CtMask = 0, ^v
		case "--or-mark":
			t.CtMark, t.CtMask = v, v
		case "--xor-mark":
			t.CtMark, t.CtMask = v, 0
		case "--nfmask":
			t.NfMask = v
		case "--ctmask":
			t.CtMask = v
		case "--mask":
			t.NfMask, t.CtMask = v, v
		default:
			return nil, unknownOption(o)
		}
	}
	return t, nil
}

func parseCT(own []option, _ ruleset.Family) (any, error) {
	var t xt.CT
	for _, o := range own {
		switch o.name {
		case "--notrack":
			t.NoTrack = true
		case "--zone", "--zone-orig", "--zone-reply":
			n, _ := strconv.ParseUint(o.arg(0), 0, 16)
			t.Zone = uint16(max(n, 1))
		case "--helper":
			t.Helper = o.arg(0)
		case "--timeout", "--ctevents", "--expevents":
		default:
			return nil, unknownOption(o)
		}
	}
	return t, nil
}

func parseQueue(own []option, _ ruleset.Family) (any, error) {
	t := xt.Queue{Total: 1}
	for _, o := range own {
		switch o.name {
		case "--queue-num", "--queue-balance":
			r, err := portRange(o.arg(0))
			if err != nil {
				return nil, err
			}
			t.Num, t.Total = r.Lo, r.Hi-r.Lo+1
		case "--queue-bypass":
			t.Bypass = true
		case "--queue-cpu-fanout":
		default:
			return nil, unknownOption(o)
		}
	}
	return t, nil
}

func parseSetTarget(own []option, _ ruleset.Family) (any, error) {
	var t xt.SetTarget
	for _, o := range own {
		switch o.name {
		case "--add-set":
			t.Add, t.Name = true, o.arg(0)
		case "--del-set":
			t.Del, t.Name = true, o.arg(0)
		case "--map-set":
			t.Map, t.Name = true, o.arg(0)
		case "--exist", "--timeout", "--map-mark", "--map-prio", "--map-queue":
		default:
			return nil, unknownOption(o)
		}
	}
	return t, nil
}

func parseTProxy(own []option, _ ruleset.Family) (any, error) {
	var t xt.TProxy
	for _, o := range own {
		var err error
		switch o.name {
		case "--on-port":
			var r xt.PortRange
			r, err = portRange(o.arg(0))
			t.Port = r.Lo
		case "--on-ip":
			t.Addr, err = netip.ParseAddr(o.arg(0))
		case "--tproxy-mark":
			t.Mark, t.Mask, err = number(o.arg(0))
		default:
			err = unknownOption(o)
		}
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}
