package render

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward/internal/firewall/interval"
)

// kind is how a value is written.
type kind uint8

const (
	kindHex kind = iota
	kindAddr
	kindPort
	kindName
	kindNumber // big-endian
	kindHost   // number in the host's order
	kindMark
	kindProto
	kindEther
	kindMAC
	kindState
	kindStatus
	kindFlags
	kindFamily
	kindPktType
	kindDirection
	kindAddrType
	kindIndex
	kindBool
	kindAddrPair
	kindPortPair
)

var protoNames = map[uint64]string{
	1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 33: "dccp", 47: "gre", 50: "esp", 51: "ah", 58: "ipv6-icmp", 132: "sctp", 136: "udplite",
}

var tcpFlagNames = []string{"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"}

var stateNames = []string{"invalid", "established", "related", "new", "", "", "untracked"}

var statusNames = []string{"expected", "seen-reply", "assured", "confirmed", "snat", "dnat", "", "", "", "dying"}

// bits names the bits of a number.
func bits(v uint64, names []string, sep string) string {
	var out []string
	for i, n := range names {
		if v>>i&1 == 0 {
			continue
		}
		if n == "" {
			n = fmt.Sprintf("%#x", 1<<i)
		}
		out = append(out, n)
		v &^= 1 << i
	}
	if v != 0 || len(out) == 0 {
		out = append(out, fmt.Sprintf("%#x", v))
	}
	return strings.Join(out, sep)
}

func host(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.NativeEndian.Uint16(b))
	case 4:
		return uint64(binary.NativeEndian.Uint32(b))
	case 8:
		return binary.NativeEndian.Uint64(b)
	}
	return interval.FromBytes(b[:min(len(b), 16)]).Lo
}

func big(b []byte) uint64 { return interval.FromBytes(b[:min(len(b), 16)]).Lo }

// value writes a constant.
func value(k kind, b []byte) string {
	switch k {
	case kindAddr:
		if a, ok := netip.AddrFromSlice(b); ok {
			return a.String()
		}
	case kindPort, kindNumber:
		return strconv.FormatUint(big(b), 10)
	case kindHost:
		return strconv.FormatUint(host(b), 10)
	case kindName:
		return ifname(b)
	case kindMark:
		return fmt.Sprintf("%#08x", host(b))
	case kindProto:
		if n, ok := protoNames[big(b)]; ok {
			return n
		}
		return strconv.FormatUint(big(b), 10)
	case kindEther:
		if n, ok := map[uint64]string{0x0800: "ip", 0x86dd: "ip6", 0x0806: "arp", 0x8100: "vlan"}[big(b)]; ok {
			return n
		}
	case kindMAC:
		parts := make([]string, len(b))
		for i := range b {
			parts[i] = hex.EncodeToString(b[i : i+1])
		}
		return strings.Join(parts, ":")
	case kindState:
		return bits(host(b), stateNames, ",")
	case kindStatus:
		return bits(host(b), statusNames, ",")
	case kindFlags:
		return bits(big(b), tcpFlagNames, "|")
	case kindFamily:
		if n, ok := map[uint64]string{2: "ipv4", 10: "ipv6"}[big(b)]; ok {
			return n
		}
	case kindPktType:
		if n, ok := map[uint64]string{0: "host", 1: "broadcast", 2: "multicast", 3: "other"}[big(b)]; ok {
			return n
		}
	case kindDirection:
		return map[bool]string{true: "original", false: "reply"}[big(b) == 0]
	case kindAddrType:
		names := []string{"unspec", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit"}
		if n := host(b); n < uint64(len(names)) {
			return names[n]
		}
	case kindBool:
		return map[bool]string{true: "exists", false: "missing"}[host(b) != 0]
	case kindIndex:
		return strconv.FormatUint(host(b), 10)
	}
	return "0x" + hex.EncodeToString(b)
}

// ifname writes an interface name; one that is not NUL-terminated is a prefix.
func ifname(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return quote(safe(string(b[:i])))
		}
	}
	return quote(safe(string(b)) + "*")
}

// rangeText writes lo to hi, as a prefix where it is one.
func rangeText(k kind, lo, hi []byte) string {
	if string(lo) == string(hi) {
		return value(k, lo)
	}
	if k == kindAddr && (len(lo) == 4 || len(lo) == 16) {
		iv := interval.Iv{Lo: interval.FromBytes(lo), Hi: interval.FromBytes(hi)}
		if p, n := interval.Prefixes(iv, len(lo)*8, 2); n == 1 {
			return p[0].String()
		}
	}
	if k == kindName {
		return ifname([]byte(strings.TrimRight(string(lo), "\x00")))
	}
	return value(k, lo) + "-" + value(k, hi)
}

// Duration writes a lifetime the way nft does.
func Duration(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%dms", d.Milliseconds())
	}
	var b strings.Builder
	for _, u := range []struct {
		n time.Duration
		s string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / u.n; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.s)
			d -= n * u.n
		}
	}
	return b.String()
}

func msec(n uint64) time.Duration { return time.Duration(n) * time.Millisecond }
