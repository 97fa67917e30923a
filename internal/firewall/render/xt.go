package render

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

// Xt writes an xtables match or target the way iptables-save does, without -m or -j.
func Xt(e *ruleset.Expr) string {
	s, _ := xtArgs(e.X.Xt, nil)
	return s
}

// xtArgs writes a match or target with its name in front. exact is false when a parameter is missing.
func xtArgs(x *ruleset.Xt, ipsets map[uint16]string) (text string, exact bool) {
	switch i := x.Info.(type) {
	case nil:
		return safe(x.Name), false
	case xt.Always:
		if i.Name == "comment" {
			return "comment --comment " + quote(safe(i.Text)), true
		}
		return i.Name, false
	case xt.TCP:
		return tcpArgs(i), i.Option == 0
	case xt.NeverTCP:
		return i.Name, false
	case xt.Multiport:
		word := [...]string{"--sports", "--dports", "--ports"}[i.Mode]
		return "multiport " + not(i.Inv) + word + " " + ports(i.Ports, ","), true
	case xt.SetMatch:
		return setArgs(i, ipsets)
	case xt.Conntrack:
		return conntrackArgs(i)
	case xt.Stateful:
		return i.Text, i.Name == "limit" || i.Name == "statistic"
	case xt.RecentSet:
		return "recent " + not(i.Inv) + "--set --name " + i.Name, false
	case xt.Time:
		return i.Text, false
	case xt.MarkMatch:
		name := "mark"
		if i.Conn {
			name = "connmark"
		}
		return fmt.Sprintf("%s %s--mark %s", name, not(i.Inv), masked(i.Mark, i.Mask)), true
	case xt.IPRange:
		return ipRangeArgs(i), true
	case xt.AddrType:
		return addrTypeArgs(i), true
	}
	return xtRest(x)
}

func xtRest(x *ruleset.Xt) (string, bool) {
	switch i := x.Info.(type) {
	case xt.PktType:
		n := [...]string{"unicast", "broadcast", "multicast"}
		if int(i.Type) < len(n) {
			return "pkttype " + not(i.Inv) + "--pkt-type " + n[i.Type], true
		}
	case xt.Length:
		return fmt.Sprintf("length %s--length %d:%d", not(i.Inv), i.Min, i.Max), true
	case xt.MAC:
		return "mac " + not(i.Inv) + "--mac-source " + strings.ToUpper(value(kindMAC, i.Addr[:])), true
	case xt.TTL:
		return fmt.Sprintf("%s --%s-%s %d", x.Name, x.Name, [...]string{"eq", "eq", "lt", "gt"}[i.Mode], i.Value), i.Mode != 1
	case xt.TCPMSS:
		return fmt.Sprintf("tcpmss %s--mss %d:%d", not(i.Inv), i.Min, i.Max), true
	case xt.RPFilter:
		s := "rpfilter"
		for _, f := range []struct {
			on   bool
			word string
		}{{i.Loose, " --loose"}, {i.ValidMark, " --validmark"}, {i.AcceptLocal, " --accept-local"}, {i.Inv, " --invert"}} {
			if f.on {
				s += f.word
			}
		}
		return s, true
	case xt.Reject:
		return "REJECT --reject-with " + i.With, true
	case xt.NAT:
		return natArgs(i), true
	case xt.MarkSet:
		return "MARK --set-xmark " + masked(i.Mark, i.Mask), true
	case xt.ConnmarkSet:
		return connmarkArgs(i), i.Shift == 0
	case xt.CT:
		if i.NoTrack {
			return "CT --notrack", true
		}
		return "CT", false
	case xt.Queue:
		s := fmt.Sprintf("NFQUEUE --queue-num %d", i.Num)
		if i.Total > 1 {
			s = fmt.Sprintf("NFQUEUE --queue-balance %d:%d", i.Num, i.Num+i.Total-1)
		}
		if i.Bypass {
			s += " --queue-bypass"
		}
		return s, true
	case xt.Continue:
		if i.Text != "" {
			return i.Text, false
		}
	}
	return safe(x.Name), false
}

func not(inv bool) string {
	if inv {
		return "! "
	}
	return ""
}

func masked(v, mask uint32) string { return fmt.Sprintf("%#x/%#x", v, mask) }

func ports(ps []xt.PortRange, sep string) string {
	var out []string
	for _, p := range ps {
		if p.Lo == p.Hi {
			out = append(out, fmt.Sprint(p.Lo))
		} else {
			out = append(out, fmt.Sprintf("%d:%d", p.Lo, p.Hi))
		}
	}
	return strings.Join(out, sep)
}

func tcpArgs(i xt.TCP) string {
	s := "tcp"
	full := xt.PortRange{Lo: 0, Hi: 65535}
	if i.Src != full || i.Inv&xt.InvSrcPort != 0 {
		s += " " + not(i.Inv&xt.InvSrcPort != 0) + "--sport " + ports([]xt.PortRange{i.Src}, "")
	}
	if i.Dst != full || i.Inv&xt.InvDstPort != 0 {
		s += " " + not(i.Inv&xt.InvDstPort != 0) + "--dport " + ports([]xt.PortRange{i.Dst}, "")
	}
	if i.FlagMask != 0 {
		s += " " + not(i.Inv&xt.InvFlags != 0) + "--tcp-flags " + tcpFlags(i.FlagMask) + " " + tcpFlags(i.FlagComp)
	}
	return s
}

func tcpFlags(v uint8) string {
	if v == 0 {
		return "NONE"
	}
	return strings.ToUpper(bits(uint64(v), tcpFlagNames, ","))
}

func setArgs(i xt.SetMatch, names map[uint16]string) (string, bool) {
	name, exact := i.Name, true
	if name == "" {
		if name = names[i.Index]; name == "" {
			name, exact = fmt.Sprintf("index:%d", i.Index), false
		}
	}
	var dims []string
	for k := range min(int(i.Dim), len(i.Src)) {
		if i.Src[k] {
			dims = append(dims, "src")
		} else {
			dims = append(dims, "dst")
		}
	}
	return fmt.Sprintf("set %s--match-set %s %s", not(i.Inv), safe(name), strings.Join(dims, ",")), exact && !i.Counters
}

var xtStates = []string{"INVALID", "ESTABLISHED", "RELATED", "NEW", "", "", "SNAT", "DNAT", "UNTRACKED"}

func conntrackArgs(i xt.Conntrack) (string, bool) {
	s := "conntrack"
	if i.Flags&xt.CtState != 0 {
		s += " " + not(i.Inv&xt.CtState != 0) + "--ctstate " + bits(uint64(i.State), xtStates, ",")
	}
	if i.Flags&xt.CtStatus != 0 {
		s += " " + not(i.Inv&xt.CtStatus != 0) + "--ctstatus " +
			bits(uint64(i.Status), []string{"EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"}, ",")
	}
	if i.Flags&xt.CtDirection != 0 {
		s += " --ctdir " + map[bool]string{true: "REPLY", false: "ORIGINAL"}[i.Inv&xt.CtDirection != 0]
	}
	return s, i.Flags&^(xt.CtState|xt.CtStatus|xt.CtDirection) == 0
}

func ipRangeArgs(i xt.IPRange) string {
	s := "iprange"
	if i.HasSrc {
		s += fmt.Sprintf(" %s--src-range %s-%s", not(i.InvSrc), i.SrcMin, i.SrcMax)
	}
	if i.HasDst {
		s += fmt.Sprintf(" %s--dst-range %s-%s", not(i.InvDst), i.DstMin, i.DstMax)
	}
	return s
}

func addrTypeArgs(i xt.AddrType) string {
	names := []string{
		"UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "THROW", "NAT", "XRESOLVE",
	}
	s := "addrtype"
	if i.Src != 0 {
		s += " " + not(i.InvSrc) + "--src-type " + bits(uint64(i.Src), names, ",")
	}
	if i.Dst != 0 {
		s += " " + not(i.InvDst) + "--dst-type " + bits(uint64(i.Dst), names, ",")
	}
	if i.LimitIn {
		s += " --limit-iface-in"
	}
	if i.LimitOut {
		s += " --limit-iface-out"
	}
	return s
}

func natArgs(i xt.NAT) string {
	to := ""
	if i.Flags&xt.NATMapIPs != 0 && i.AddrMin.IsValid() {
		to = i.AddrMin.String()
		if i.AddrMin.Is6() && i.Flags&xt.NATPorts != 0 {
			to = "[" + to + "]"
		}
		if i.AddrMax.IsValid() && i.AddrMax != i.AddrMin {
			to += "-" + i.AddrMax.String()
		}
	}
	port := ""
	if i.Flags&xt.NATPorts != 0 {
		port = fmt.Sprint(i.PortMin)
		if i.PortMax != i.PortMin {
			port += fmt.Sprintf("-%d", i.PortMax)
		}
	}
	switch i.Name {
	case "DNAT", "SNAT":
		if port != "" {
			to += ":" + port
		}
		word := map[string]string{"DNAT": "--to-destination", "SNAT": "--to-source"}[i.Name]
		return i.Name + " " + word + " " + to
	case "NETMAP":
		if p, ok := netmap(i); ok {
			return "NETMAP --to " + p
		}
	}
	if port != "" {
		return i.Name + " --to-ports " + port
	}
	return i.Name
}

func netmap(i xt.NAT) (string, bool) {
	if !i.AddrMin.IsValid() || !i.AddrMax.IsValid() {
		return "", false
	}
	iv := interval.Iv{Lo: interval.FromAddr(i.AddrMin), Hi: interval.FromAddr(i.AddrMax)}
	p, n := interval.Prefixes(iv, i.AddrMin.BitLen(), 1)
	return p[0].String(), n == 1
}

func connmarkArgs(i xt.ConnmarkSet) string {
	switch i.Mode {
	case 0:
		return "CONNMARK --set-xmark " + masked(i.CtMark, i.CtMask)
	case 1:
		return fmt.Sprintf("CONNMARK --save-mark --nfmask %#x --ctmask %#x", i.NfMask, i.CtMask)
	}
	return fmt.Sprintf("CONNMARK --restore-mark --nfmask %#x --ctmask %#x", i.NfMask, i.CtMask)
}

// addrText writes an address or network the way iptables-save does.
func addrText(b []byte, bits int) string {
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return "?"
	}
	return fmt.Sprintf("%s/%d", a, bits)
}
