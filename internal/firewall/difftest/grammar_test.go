//go:build linux

package difftest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
)

// gen writes random rulesets in nft's language.
type gen struct {
	r *rand.Rand
	b strings.Builder
	// fam is the family of the table being written: ip, ip6, inet, netdev.
	fam   string
	sets  []namedSet
	chain []string // regular chains written so far, that later ones may jump to
	hook  string
	nat   bool
	six   bool // the rule being written is about IPv6, where the family leaves a choice
	// stateful allows limits, quotas and random numbers, whose result the model only bounds.
	stateful bool
}

type namedSet struct {
	name, key string // key: 4, 6, port, 4port, 6port, name, mark
	verdict   bool   // a verdict map
	dynamic   bool
}

func (g *gen) pick(ss ...string) string { return ss[g.r.IntN(len(ss))] }

func (g *gen) chance(percent int) bool { return g.r.IntN(100) < percent }

func (g *gen) line(format string, args ...any) { fmt.Fprintf(&g.b, format+"\n", args...) }

// cdn are prefixes that rules are likely to name.
var cdn4 = []string{"173.245.48.0/20", "103.21.244.0/22", "104.16.0.0/13", "172.64.0.0/13", "131.0.72.0/22", "198.41.128.0/17"}

var cdn6 = []string{"2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2a06:98c0::/29"}

// addr is a random address or prefix near the CDN's ranges.
func (g *gen) addr(v6, prefixOnly bool) netip.Prefix {
	list, width := cdn4, 32
	if v6 {
		list, width = cdn6, 128
	}
	p := netip.MustParsePrefix(list[g.r.IntN(len(list))])
	bits := p.Bits() + g.r.IntN(width-p.Bits()+1)
	switch g.r.IntN(10) {
	case 0:
		bits = g.r.IntN(p.Bits() + 1)
	case 1, 2:
		bits = width
	}
	a := p.Addr().AsSlice()
	for i := p.Bits(); i < width; i++ {
		if g.r.IntN(2) == 1 {
			a[i/8] ^= 1 << (7 - i%8)
		}
	}
	addr, _ := netip.AddrFromSlice(a)
	if g.chance(5) && !prefixOnly {
		if v6 {
			addr = host6
		} else {
			addr = host4
		}
	}
	return netip.PrefixFrom(addr, bits).Masked()
}

func text(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// span is a random address range.
func (g *gen) span(v6 bool) string {
	a, b := g.addr(v6, true).Addr(), g.addr(v6, true).Addr()
	if b.Less(a) {
		a, b = b, a
	}
	if a == b {
		return a.String()
	}
	return a.String() + "-" + b.String()
}

// disjoint returns n prefixes none of which contains another.
func (g *gen) disjoint(v6 bool, n int) []string {
	var ps []netip.Prefix
	for k := 0; k < 4*n && len(ps) < n; k++ {
		p := g.addr(v6, true)
		ok := true
		for _, q := range ps {
			ok = ok && !p.Overlaps(q)
		}
		if ok {
			ps = append(ps, p)
		}
	}
	var out []string
	for _, p := range ps {
		out = append(out, text(p))
	}
	return out
}

func (g *gen) singles(v6 bool, n int) []string {
	seen := map[string]bool{}
	var out []string
	for range n {
		a := g.addr(v6, true).Addr().String()
		if !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	return out
}

// v6 says whether the next address match is for IPv6, as the family allows.
func (g *gen) v6() bool {
	switch g.fam {
	case "ip":
		return false
	case "ip6":
		return true
	}
	return g.six
}

func l3(v6 bool) string {
	if v6 {
		return "ip6"
	}
	return "ip"
}

func (g *gen) port() string {
	return g.pick("80", "443", "8080", "22", "81", "1024-65535", "79-81", "400-500")
}

func (g *gen) onePort() string { return g.pick("80", "443", "8080", "22", "8443") }

// saddrField is the source address as the current direction has it: of a reply the client is the destination.
func (g *gen) client() string {
	if g.hook == "output" && g.chance(85) || g.hook == "postrouting" && g.chance(50) {
		return "daddr"
	}
	if g.chance(8) {
		return "daddr"
	}
	return "saddr"
}

func (g *gen) not() string {
	if g.chance(20) {
		return "!= "
	}
	return ""
}

// match writes one random condition.
func (g *gen) match() string {
	v6 := g.v6()
	switch g.r.IntN(24) {
	case 0, 1, 2, 3:
		return fmt.Sprintf("%s %s %s%s", l3(v6), g.client(), g.not(), text(g.addr(v6, false)))
	case 4:
		return fmt.Sprintf("%s %s %s%s", l3(v6), g.client(), g.not(), g.span(v6))
	case 5, 6:
		list := g.disjoint(v6, 1+g.r.IntN(6))
		return fmt.Sprintf("%s %s %s{ %s }", l3(v6), g.client(), g.not(), strings.Join(list, ", "))
	case 7:
		return fmt.Sprintf("tcp dport %s%s", g.not(), g.port())
	case 8:
		return fmt.Sprintf("tcp dport %s{ %s, %s }", g.not(), g.onePort(), g.pick("21", "25", "9000-9100"))
	case 9:
		return fmt.Sprintf("tcp sport %s", g.pick("1024-65535", "0-1023", "30000-40000", "443", "> 50000", "!= 40000-50000", "!= 5000"))
	case 10:
		return g.device()
	case 11:
		return g.flags()
	case 12, 13:
		return g.conntrack()
	case 14:
		return g.mark()
	case 15:
		return g.fib()
	case 16, 17:
		if m := g.named(); m != "" {
			return m
		}
		return "meta l4proto tcp"
	case 18:
		return g.concat(v6)
	case 19:
		return fmt.Sprintf("%s %s %s %s", l3(v6), g.client(), g.pick("<", "<=", ">", ">="), g.addr(v6, true).Addr())
	case 20:
		return fmt.Sprintf("%s saddr . %s daddr %s{ %s . %s }", l3(v6), l3(v6), g.not(), g.addr(v6, true).Addr(), g.self(v6))
	case 21:
		return g.odd(v6)
	case 22:
		return fmt.Sprintf("%s saddr %s %s daddr %s", l3(v6), text(g.addr(v6, false)), l3(v6), g.self(v6))
	}
	return fmt.Sprintf("%s %s %s", l3(v6), g.client(), text(g.addr(v6, false)))
}

func (g *gen) self(v6 bool) string {
	if v6 {
		return g.pick(host6.String(), box6.String(), "2001:db8::11")
	}
	return g.pick(host4.String(), box4.String(), "203.0.113.11")
}

func (g *gen) device() string {
	switch g.hook {
	case "output", "postrouting":
		return g.pick(`oifname "eth0"`, `oifname != "eth0"`, `oif 2`, `oifname "docker0"`, `oifname "e*"`)
	case "forward":
		return g.pick(`iifname "eth0" oifname "docker0"`, `oifname "docker0"`, `iifname != "docker0"`, `oifgroup 7`, `iif 5`)
	}
	return g.pick(`iifname "eth0"`, `iifname != "eth0"`, `iif 2`, `iif 5`, `iifname "eth*"`, `iifname { "eth0", "eth1" }`, `iiftype 1`, `iifgroup 0`, `iifname "docker0"`)
}

func (g *gen) flags() string {
	return g.pick(
		"tcp flags syn", "tcp flags & (fin|syn|rst|ack) == syn", "tcp flags != syn", "tcp flags & (syn|ack) == (syn|ack)",
		"tcp flags & (fin|syn) == (fin|syn)", "tcp flags == 0x0", "tcp flags { syn, syn|ack }", "tcp flags & ack == ack",
	)
}

func (g *gen) conntrack() string {
	if g.fam == "netdev" {
		return "meta l4proto tcp"
	}
	return g.pick(
		"ct state new", "ct state established,related", "ct state invalid", "ct state != invalid", "ct state { new, untracked }",
		"ct state untracked", "ct status dnat", "ct direction original", "ct direction reply",
		"ct mark 0x1", "ct mark != 0x0", "ct state new,related", "ct status snat", "ct state != new",
	)
}

func (g *gen) mark() string {
	return g.pick("meta mark 0x1", "meta mark 0x0", "meta mark != 0x2", "meta mark & 0xf == 0x1", "meta mark 0x1-0x10", "meta mark { 0x1, 0x3 }")
}

func (g *gen) fib() string {
	if g.fam == "netdev" {
		return "meta pkttype host"
	}
	switch g.hook {
	case "prerouting":
		return g.pick("fib daddr type local", "fib saddr . iif oif missing", "fib saddr . iif oif exists", "fib saddr type unicast",
			"fib daddr . iif type local", "fib saddr oif 2", `fib saddr oifname "eth0"`, "fib saddr . mark . iif oif exists")
	case "input":
		return g.pick("fib daddr type local", "fib saddr . iif oif exists", "fib saddr type { unicast, local }", "fib saddr oif 2")
	}
	return g.pick("fib daddr type local", "fib daddr type unicast", "fib saddr type local")
}

// odd are rarer expressions.
func (g *gen) odd(v6 bool) string {
	choices := []string{
		"meta l4proto tcp", "meta pkttype host", "meta length < 2000", "meta length > 30", "tcp option maxseg size 1-500",
		"tcp option maxseg exists", "meta protocol " + l3(v6), "@th,16,16 80", "tcp window > 100000000", "meta secpath missing",
	}
	choices = append(choices[:8], "meta ipsec missing")
	if v6 {
		choices = append(choices, "ip6 nexthdr tcp", "exthdr frag missing", "ip6 hoplimit > 0")
	} else {
		choices = append(choices, "ip protocol tcp", "ip frag-off & 0x1fff != 0", "ip ttl > 0", "@nh,96,32 & 0xff000000 == 0x68000000",
			"ip saddr & 255.255.3.0 == 104.16.1.0")
	}
	return g.pick(choices...)
}

func (g *gen) concat(v6 bool) string {
	var el []string
	for range 1 + g.r.IntN(4) {
		a := g.addr(v6, true)
		p := g.onePort()
		if g.chance(60) {
			el = append(el, fmt.Sprintf("%s . %s", text(a), g.pick(p, "80-443", "1-1024")))
		} else {
			el = append(el, fmt.Sprintf("%s . %s", a.Addr(), p))
		}
	}
	return fmt.Sprintf("%s saddr . tcp dport %s{ %s }", l3(v6), g.not(), strings.Join(el, ", "))
}

// fits reports whether a set's addresses are of the family the rule is about.
func (g *gen) fits(s namedSet) bool {
	switch s.key[0] {
	case '4':
		return !g.v6()
	case '6':
		return g.v6()
	}
	return true
}

// named looks up in one of the table's sets.
func (g *gen) named() string {
	if len(g.sets) == 0 {
		return ""
	}
	s := g.sets[g.r.IntN(len(g.sets))]
	if s.verdict || !g.fits(s) {
		return ""
	}
	switch s.key {
	case "4":
		return fmt.Sprintf("ip %s %s@%s", g.client(), g.not(), s.name)
	case "6":
		return fmt.Sprintf("ip6 %s %s@%s", g.client(), g.not(), s.name)
	case "port":
		return fmt.Sprintf("tcp dport %s@%s", g.not(), s.name)
	case "4port":
		return fmt.Sprintf("ip saddr . tcp dport %s@%s", g.not(), s.name)
	case "6port":
		return fmt.Sprintf("ip6 saddr . tcp dport %s@%s", g.not(), s.name)
	case "name":
		return fmt.Sprintf("iifname %s@%s", g.not(), s.name)
	case "mark":
		return fmt.Sprintf("meta mark %s@%s", g.not(), s.name)
	}
	return ""
}
