package render

import (
	"fmt"

	"github.com/originward/originward/internal/firewall/nft"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// ip is the name of the network protocol, th that of the transport, as far as the rule has said.
func (p *printer) ip() string {
	if p.l3 == ruleset.IP6 {
		return "ip6"
	}
	return "ip"
}

func (p *printer) th() string {
	switch p.proto {
	case 6, 17, 132, 33, 136:
		return protoNames[p.proto]
	}
	return "th"
}

// payload names a header field.
func (p *printer) payload(e *ruleset.Expr) operand {
	o := operand{payload: true, base: e.Base, off: e.Off, n: int(e.Len)}
	switch e.Base {
	case 0:
		switch {
		case e.Off == 6 && e.Len == 6:
			o.text, o.kind = "ether saddr", kindMAC
		case e.Off == 0 && e.Len == 6:
			o.text, o.kind = "ether daddr", kindMAC
		case e.Off == 12 && e.Len == 2:
			o.text, o.kind = "ether type", kindEther
		}
	case 1:
		p.network(e, &o)
	case 2:
		p.transport(e, &o)
	}
	if o.text == "" {
		o.text = fmt.Sprintf("@%s,%d,%d", [...]string{"ll", "nh", "th", "ih"}[min(e.Base, 3)], int(e.Off)*8, int(e.Len)*8)
		o.kind = kindHex
	}
	return o
}

func (p *printer) network(e *ruleset.Expr, o *operand) {
	src, n := uint8(12), uint8(4)
	if p.l3 == ruleset.IP6 {
		src, n = 8, 16
	} else if p.l3 != ruleset.IP {
		return
	}
	o.n = int(n)
	switch {
	case e.Off == src && e.Len <= n:
		o.text, o.kind = p.ip()+" saddr", kindAddr
	case e.Off == src+n && e.Len <= n:
		o.text, o.kind = p.ip()+" daddr", kindAddr
	case e.Off == src && e.Len == 2*n:
		o.text, o.kind = p.ip()+" saddr", kindAddrPair
	case p.l3 == ruleset.IP && e.Off == 9 && e.Len == 1:
		o.text, o.kind, o.payload = "ip protocol", kindProto, false
	case p.l3 == ruleset.IP && e.Off == 8 && e.Len == 1:
		o.text, o.kind = "ip ttl", kindNumber
	case p.l3 == ruleset.IP && e.Off == 2 && e.Len == 2:
		o.text, o.kind = "ip length", kindNumber
	case p.l3 == ruleset.IP && e.Off == 6 && e.Len == 2:
		o.text, o.kind = "ip frag-off", kindHex
	case p.l3 == ruleset.IP6 && e.Off == 6 && e.Len == 1:
		o.text, o.kind, o.payload = "ip6 nexthdr", kindProto, false
	case p.l3 == ruleset.IP6 && e.Off == 7 && e.Len == 1:
		o.text, o.kind = "ip6 hoplimit", kindNumber
	default:
		o.n = int(e.Len)
	}
}

func (p *printer) transport(e *ruleset.Expr, o *operand) {
	switch {
	case e.Off == 0 && e.Len == 2:
		o.text, o.kind = p.th()+" sport", kindPort
	case e.Off == 2 && e.Len == 2:
		o.text, o.kind = p.th()+" dport", kindPort
	case e.Off == 0 && e.Len == 4 && p.th() != "th":
		o.text, o.kind = p.th()+" sport", kindPortPair
	case e.Off == 13 && e.Len == 1 && p.proto == 6:
		o.text, o.kind = "tcp flags", kindFlags
	case e.Off == 0 && e.Len == 1 && p.proto == 1:
		o.text, o.kind = "icmp type", kindNumber
	case e.Off == 0 && e.Len == 1 && p.proto == 58:
		o.text, o.kind = "icmpv6 type", kindNumber
	}
}

// metas names the meta keys, by number.
var metas = []struct {
	text string
	kind kind
}{
	{"meta length", kindHost}, {"meta protocol", kindEther}, {"meta priority", kindMark}, {"meta mark", kindMark},
	{"iif", kindIndex}, {"oif", kindIndex}, {"iifname", kindName}, {"oifname", kindName}, {"iiftype", kindHost},
	{"oiftype", kindHost}, {"meta skuid", kindHost}, {"meta skgid", kindHost}, {"meta nftrace", kindHost},
	{"meta rtclassid", kindHost}, {"meta secmark", kindHost}, {"meta nfproto", kindFamily}, {"meta l4proto", kindProto},
	{"meta ibrname", kindName}, {"meta obrname", kindName}, {"meta pkttype", kindPktType}, {"meta cpu", kindHost},
	{"iifgroup", kindHost}, {"oifgroup", kindHost}, {"meta cgroup", kindHost}, {"meta random", kindHost},
	{"meta ipsec", kindBool}, {"meta iifkind", kindName}, {"meta oifkind", kindName}, {"meta ibrpvid", kindHost},
	{"meta ibrvproto", kindHost}, {"meta time", kindHost}, {"meta day", kindHost}, {"meta hour", kindHost},
	{"meta sdif", kindIndex}, {"meta sdifname", kindName},
}

func metaOperand(key uint8) operand {
	if int(key) < len(metas) {
		return operand{text: metas[key].text, kind: metas[key].kind}
	}
	return operand{text: fmt.Sprintf("meta key %d", key), kind: kindHex}
}

// cts names the ct keys, by number.
var cts = []struct {
	text string
	kind kind
}{
	{"state", kindState}, {"direction", kindDirection}, {"status", kindStatus}, {"mark", kindMark}, {"secmark", kindHost},
	{"expiration", kindHost}, {"helper", kindName}, {"l3proto", kindFamily}, {"saddr", kindAddr}, {"daddr", kindAddr},
	{"protocol", kindProto}, {"proto-src", kindPort}, {"proto-dst", kindPort}, {"label", kindHex}, {"packets", kindHost},
	{"bytes", kindHost}, {"avgpkt", kindHost}, {"zone", kindHost}, {"event", kindHost}, {"ip saddr", kindAddr},
	{"ip daddr", kindAddr}, {"ip6 saddr", kindAddr}, {"ip6 daddr", kindAddr}, {"id", kindHost},
}

func ctOperand(e *ruleset.Expr) operand {
	if int(e.Op) >= len(cts) {
		return operand{text: fmt.Sprintf("ct key %d", e.Op), kind: kindHex}
	}
	dir := ""
	if e.Base != nft.NoDirection {
		dir = map[uint8]string{0: "original ", 1: "reply "}[e.Base]
	}
	return operand{text: "ct " + dir + cts[e.Op].text, kind: cts[e.Op].kind}
}

func fibOperand(e *ruleset.Expr) operand {
	var parts string
	for i, n := range []string{"saddr", "daddr", "mark", "iif", "oif"} {
		if e.Flags>>i&1 != 0 {
			if parts != "" {
				parts += " . "
			}
			parts += n
		}
	}
	o := operand{text: "fib " + parts}
	switch {
	case e.Flags&32 != 0:
		o.text, o.kind = o.text+" oif", kindBool
	case e.Op == 1:
		o.text, o.kind = o.text+" oif", kindIndex
	case e.Op == 2:
		o.text, o.kind = o.text+" oifname", kindName
	default:
		o.text, o.kind = o.text+" type", kindAddrType
	}
	return o
}
