//go:build linux

package difftest

import (
	"fmt"
	"strings"
)

// verdict writes how a rule ends.
func (g *gen) verdict() string {
	switch g.r.IntN(16) {
	case 0, 1, 2, 3:
		return "accept"
	case 4, 5, 6, 7:
		return "drop"
	case 8, 9:
		if g.hook != "postrouting" && g.fam != "netdev" && !g.nat {
			return g.reject()
		}
		return "drop"
	case 10, 11, 12:
		if len(g.chain) > 0 {
			return g.pick("jump", "jump", "goto") + " " + g.chain[g.r.IntN(len(g.chain))]
		}
		return "accept"
	case 13:
		return "return"
	case 14:
		return "continue"
	}
	return "accept"
}

func (g *gen) reject() string {
	choices := []string{"reject with tcp reset", "reject with tcp reset"}
	switch g.fam {
	case "ip":
		choices = append(choices, "reject", "reject with icmp type host-prohibited", "reject with icmp type admin-prohibited", "reject with icmp type net-unreachable")
	case "ip6":
		choices = append(choices, "reject", "reject with icmpv6 type no-route", "reject with icmpv6 type admin-prohibited")
	default:
		choices = append(choices, "reject", "reject with icmpx type admin-prohibited", "reject with icmpx type no-route")
	}
	return g.pick(choices...)
}

// action writes a statement that lets the packet go on.
func (g *gen) action() string {
	v6 := g.v6()
	if g.fam == "netdev" {
		return g.pick("counter", "meta mark set 0x1")
	}
	switch g.r.IntN(11) {
	case 0:
		return "counter"
	case 1:
		return "meta mark set " + g.pick("0x1", "0x2", "0x0")
	case 2:
		return "meta mark set meta mark or 0x1"
	case 3:
		return "ct mark set " + g.pick("0x1", "meta mark")
	case 4:
		return "meta mark set ct mark"
	case 5:
		list := g.disjoint(v6, 3)
		var el []string
		for i, a := range list {
			el = append(el, fmt.Sprintf("%s : %#x", a, i+1))
		}
		return fmt.Sprintf("meta mark set %s saddr map { %s }", l3(v6), strings.Join(el, ", "))
	case 6:
		for _, s := range g.sets {
			if s.dynamic && g.fits(s) {
				return fmt.Sprintf("add @%s { %s saddr }", s.name, map[string]string{"4": "ip", "6": "ip6"}[s.key])
			}
		}
		return "counter"
	case 7:
		if g.hook == "raw" {
			return "notrack"
		}
		return "meta mark set meta mark and 0xfffffffe"
	case 8:
		return "meta mark set meta mark xor 0x3"
	case 9:
		return "log group 77"
	}
	return "counter"
}

// vmap writes a rule that dispatches by a verdict map.
func (g *gen) vmap() string {
	v6 := g.v6()
	end := func() string {
		for {
			if v := g.verdict(); !strings.HasPrefix(v, "reject") {
				return v
			}
		}
	}
	switch g.r.IntN(5) {
	case 0:
		return fmt.Sprintf("tcp dport vmap { 80 : %s, 443 : %s }", end(), end())
	case 1:
		var el []string
		for _, a := range g.disjoint(v6, 4) {
			el = append(el, a+" : "+end())
		}
		return fmt.Sprintf("%s saddr vmap { %s }", l3(v6), strings.Join(el, ", "))
	case 2:
		if g.fam == "netdev" {
			return "counter"
		}
		return fmt.Sprintf("ct state vmap { new : %s, established : accept, invalid : %s }", end(), end())
	case 3:
		return fmt.Sprintf("%s saddr . tcp dport vmap { %s . 80 : %s, %s . 443 : %s }", l3(v6), text(g.addr(v6, true)), end(), text(g.addr(v6, true)), end())
	}
	for _, s := range g.sets {
		if s.verdict && g.fits(s) {
			return fmt.Sprintf("%s saddr vmap @%s", map[string]string{"4": "ip", "6": "ip6"}[s.key], s.name)
		}
	}
	return fmt.Sprintf("meta mark vmap { 0x0 : %s, 0x1 : %s }", end(), end())
}

// rule writes one rule.
func (g *gen) rule() string {
	g.six = g.chance(50)
	if g.nat {
		return g.natRule()
	}
	if g.chance(12) {
		return g.vmap()
	}
	var parts []string
	for range g.r.IntN(3) {
		parts = append(parts, g.match())
	}
	if g.stateful && g.chance(20) {
		parts = append(parts, g.pick("limit rate 5/second", "limit rate over 3/minute", "quota over 1000 bytes", "numgen random mod 2 0", "numgen inc mod 3 < 2", "ct count over 5"))
		if g.fam == "netdev" {
			parts = parts[:len(parts)-1]
		}
	}
	if g.chance(20) {
		parts = append(parts, g.action())
	}
	if g.chance(15) {
		parts = append(parts, "counter")
	}
	if len(parts) == 0 {
		parts = append(parts, g.match())
	}
	if g.chance(85) {
		parts = append(parts, g.verdict())
	} else if g.chance(50) {
		parts = append(parts, g.action())
	}
	return strings.Join(parts, " ")
}

// natRule writes a rule for a nat chain.
func (g *gen) natRule() string {
	var parts []string
	for range g.r.IntN(2) {
		parts = append(parts, g.match())
	}
	v6 := g.v6()
	f, box := "ip", box4.String()
	if v6 {
		f, box = "ip6", box6.String()
	}
	if g.fam != "inet" {
		f = ""
	} else {
		parts = append(parts, "meta nfproto "+map[bool]string{true: "ipv6", false: "ipv4"}[v6])
	}
	addr := box
	if v6 {
		addr = "[" + box + "]"
	}
	parts = append(parts, "meta l4proto tcp")
	switch g.hook {
	case "prerouting":
		switch g.r.IntN(6) {
		case 0, 1:
			parts = append(parts, fmt.Sprintf("tcp dport %s dnat %s to %s:%s", g.onePort(), f, addr, g.onePort()))
		case 2:
			parts = append(parts, fmt.Sprintf("dnat %s to %s", f, box))
		case 3:
			parts = append(parts, "redirect to :"+g.onePort())
		case 4:
			parts = append(parts, "tcp dport 80 redirect")
		default:
			parts = append(parts, g.pick("accept", "drop", "return", "counter"))
		}
	case "postrouting":
		parts = append(parts, g.pick(`oifname "docker0" masquerade`, "masquerade", "accept", `oifname "docker0" snat `+f+" to "+g.self(v6)))
	default:
		parts = append(parts, g.pick("accept", "counter"))
	}
	return strings.Join(parts, " ")
}

// elements declares a named set.
func (g *gen) set(i int) {
	name := fmt.Sprintf("s%d", i)
	g.six = g.chance(50)
	v6 := g.v6()
	key, typ := "4", "ipv4_addr"
	if v6 {
		key, typ = "6", "ipv6_addr"
	}
	switch g.r.IntN(9) {
	case 0:
		g.line("\tset %s { type %s; elements = { %s } }", name, typ, strings.Join(g.singles(v6, 5), ", "))
	case 1, 2:
		g.line("\tset %s { type %s; flags interval; elements = { %s } }", name, typ, strings.Join(g.disjoint(v6, 8), ", "))
	case 3:
		g.line("\tset %s { type %s; flags interval,timeout; timeout 1h; elements = { %s timeout 10m } }", name, typ, strings.Join(g.disjoint(v6, 5), ", "))
	case 4:
		g.line("\tset %s { type inet_service; flags interval; elements = { 80, 8000-9000 } }", name)
		key = "port"
	case 5:
		var el []string
		for range 4 {
			el = append(el, fmt.Sprintf("%s . %s", text(g.addr(v6, true)), g.pick("80", "443", "1-1000")))
		}
		g.line("\tset %s { type %s . inet_service; flags interval; elements = { %s } }", name, typ, strings.Join(el, ", "))
		key += "port"
	case 6:
		g.line("\tset %s { type %s; size 1000; flags dynamic,timeout; timeout 1m; elements = { %s } }", name, typ, strings.Join(g.singles(v6, 3), ", "))
		g.sets = append(g.sets, namedSet{name: name, key: key, dynamic: true})
		return
	case 7:
		var el []string
		for _, a := range g.disjoint(v6, 5) {
			el = append(el, a+" : "+g.pick("accept", "drop", "return", "continue"))
		}
		g.line("\tmap %s { type %s : verdict; flags interval; elements = { %s } }", name, typ, strings.Join(el, ", "))
		g.sets = append(g.sets, namedSet{name: name, key: key, verdict: true})
		return
	case 8:
		g.line("\tset %s { type ifname; elements = { \"eth0\", \"tun0\" } }", name)
		key = "name"
	}
	g.sets = append(g.sets, namedSet{name: name, key: key})
}

// table writes a table with sets, regular chains and base chains.
func (g *gen) table(i int) {
	g.fam = g.pick("ip", "ip6", "inet", "inet", "inet")
	g.sets, g.chain = nil, nil
	g.line("table %s t%d {", g.fam, i)
	for k := range g.r.IntN(4) {
		g.set(k)
	}
	g.hook = "input"
	for k := range g.r.IntN(4) {
		g.hook = g.pick("input", "input", "forward")
		name := fmt.Sprintf("c%d", k)
		g.line("\tchain %s {", name)
		g.rules(1 + g.r.IntN(5))
		g.line("\t}")
		g.chain = append(g.chain, name)
	}
	for k := range 1 + g.r.IntN(3) {
		g.baseChain(fmt.Sprintf("b%d", k))
	}
	g.line("}")
}

// plainChains are jump targets that hold nothing a base chain's hook could refuse.
func (g *gen) rules(n int) {
	for range n {
		g.line("\t\t%s", g.rule())
	}
}

func (g *gen) baseChain(name string) {
	type place struct {
		typ, hook, prio string
	}
	p := []place{
		{"filter", "input", ""}, {"filter", "input", ""}, {"filter", "input", ""}, {"filter", "prerouting", ""},
		{"filter", "forward", ""}, {"filter", "output", ""}, {"filter", "postrouting", ""}, {"nat", "prerouting", ""}, {"nat", "postrouting", ""},
	}[g.r.IntN(9)]
	prio := g.pick("0", "-150", "10", "-10", "50", "-300", "-250", "300")
	if p.typ == "nat" {
		prio = map[string]string{"prerouting": g.pick("-100", "-100", "-90"), "postrouting": "100"}[p.hook]
	}
	policy := "accept"
	if g.chance(15) && p.typ == "filter" {
		policy = "drop"
	}
	g.hook = p.hook
	if p.hook == "prerouting" && strings.HasPrefix(prio, "-3") {
		g.hook = "raw"
	}
	g.nat = p.typ == "nat"
	jumps := g.chain
	if p.hook == "prerouting" || p.hook == "postrouting" || p.hook == "output" || g.nat {
		g.chain = nil // their rules may hold rejects that other hooks refuse
	}
	g.line("\tchain %s { type %s hook %s priority %s; policy %s;", name, p.typ, p.hook, prio, policy)
	if policy == "drop" && p.hook != "output" && g.chance(80) {
		g.line("\t\ttcp dport { 80, 443 } ct state new accept")
	}
	if policy == "drop" && (p.hook == "output" || p.hook == "postrouting" || p.hook == "forward") && g.chance(80) {
		g.line("\t\tct state established accept")
	}
	g.rules(1 + g.r.IntN(6))
	g.line("\t}")
	g.nat = false
	g.chain = jumps
}

// ingress writes a netdev table.
func (g *gen) ingress() {
	g.fam, g.sets, g.chain, g.hook = "netdev", nil, nil, "ingress"
	g.line("table netdev n0 {")
	g.line("\tchain i { type filter hook ingress device \"eth0\" priority %s; policy accept;", g.pick("0", "-500", "10"))
	g.rules(1 + g.r.IntN(4))
	g.line("\t}\n}")
}

// ruleset writes a whole ruleset.
func (g *gen) ruleset() string {
	g.b.Reset()
	if g.chance(15) {
		g.ingress()
	}
	for i := range 1 + g.r.IntN(3) {
		g.table(i)
	}
	return g.b.String()
}
