//go:build linux

package difftest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// load is input for one tool.
type load struct{ tool, text string }

// layout writes rules the way a well-known program lays them out, with random bans and openings.
type layout struct {
	name  string
	write func(g *gen) []load
}

var layouts = []layout{
	{"ufw", ufwLayout},
	{"firewalld", firewalldLayout},
	{"fail2ban-nft", fail2banNFT},
	{"fail2ban-ipt", fail2banIptables},
	{"crowdsec", crowdsec},
	{"csf", csf},
	{"docker", docker},
}

// bans are a few addresses and networks to refuse.
func (g *gen) bans(v6 bool) []string { return g.disjoint(v6, 1+g.r.IntN(6)) }

// openTCP are ports to open; 80 and 443 mostly among them.
func (g *gen) openTCP() []string {
	var out []string
	for _, p := range []string{"22", "80", "443"} {
		if g.chance(80) {
			out = append(out, p)
		}
	}
	return append(out, "8080")
}

func ufwLayout(g *gen) []load {
	var out []load
	for _, v6 := range []bool{false, true} {
		var b strings.Builder
		p := func(s string, args ...any) { fmt.Fprintf(&b, s+"\n", args...) }
		u := map[bool]string{false: "ufw", true: "ufw6"}[v6]
		icmp := map[bool]string{false: "icmp", true: "ipv6-icmp"}[v6]
		p("*filter\n:INPUT %s [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]", g.pick("DROP", "DROP", "ACCEPT"))
		chains := []string{"before-logging-input", "before-input", "after-input", "after-logging-input", "reject-input", "track-input"}
		for _, c := range append(chains, "before-forward", "after-forward", "before-output", "user-output", "user-input", "user-limit",
			"user-limit-accept", "not-local", "logging-deny", "skip-to-policy-input") {
			p(":%s-%s - [0:0]", u, c)
		}
		for _, c := range chains {
			p("-A INPUT -j %s-%s", u, c)
		}
		p("-A FORWARD -j %s-before-forward\n-A OUTPUT -j %s-before-output", u, u)
		p("-A %s-before-input -i lo -j ACCEPT", u)
		p("-A %s-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", u)
		p("-A %s-before-input -m conntrack --ctstate INVALID -j %s-logging-deny", u, u)
		p("-A %s-before-input -m conntrack --ctstate INVALID -j DROP", u)
		p("-A %s-before-input -p %s -j ACCEPT", u, icmp)
		p("-A %s-before-input -j %s-not-local", u, u)
		p("-A %s-not-local -m addrtype --dst-type LOCAL -j RETURN", u)
		if !v6 {
			p("-A %s-not-local -m addrtype --dst-type MULTICAST -j RETURN", u)
			p("-A %s-not-local -m addrtype --dst-type BROADCAST -j RETURN", u)
		}
		p("-A %s-not-local -m limit --limit 3/min --limit-burst 10 -j %s-logging-deny", u, u)
		p("-A %s-not-local -j DROP", u)
		p("-A %s-before-input -j %s-user-input", u, u)
		for _, a := range g.bans(v6) {
			p("-A %s-user-input -s %s %s", u, a, g.pick("-j DROP", "-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT", "-p tcp -m tcp --dport 443 -j DROP"))
		}
		for _, port := range g.openTCP() {
			if g.chance(15) {
				p("-A %s-user-input -s %s -p tcp -m tcp --dport %s -j ACCEPT", u, text(g.addr(v6, false)), port)
				continue
			}
			p("-A %s-user-input -p tcp -m tcp --dport %s -j ACCEPT", u, port)
		}
		p("-A %s-user-input -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set", u)
		p("-A %s-user-input -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 -j %s-user-limit", u, u)
		p("-A %s-user-limit -j REJECT\n-A %s-user-limit-accept -j ACCEPT", u, u)
		p("-A %s-after-input -p udp -m udp --dport 137 -j %s-skip-to-policy-input", u, u)
		p("-A %s-after-input -p tcp -m tcp --dport 445 -j %s-skip-to-policy-input", u, u)
		p("-A %s-skip-to-policy-input -j DROP", u)
		p("-A %s-after-logging-input -m limit --limit 3/min --limit-burst 10 -j NFLOG", u)
		p("-A %s-logging-deny -m limit --limit 3/min --limit-burst 10 -j NFLOG", u)
		p("-A %s-before-output -o lo -j ACCEPT\n-A %s-before-output -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", u, u)
		p("-A %s-before-output -j %s-user-output\nCOMMIT", u, u)
		out = append(out, load{map[bool]string{false: "iptables-nft-restore", true: "ip6tables-nft-restore"}[v6], b.String()})
	}
	return out
}

func firewalldLayout(g *gen) []load {
	var b strings.Builder
	p := func(s string, args ...any) { fmt.Fprintf(&b, s+"\n", args...) }
	p("table inet firewalld {")
	for _, c := range []string{"pre", "log", "deny", "allow", "post"} {
		p("\tchain filter_IN_public_%s {", c)
		switch c {
		case "deny":
			for _, a := range g.bans(false) {
				p("\t\tip saddr %s %s", a, g.pick("drop", "reject", "reject with icmp type host-prohibited"))
			}
			for _, a := range g.bans(true) {
				p("\t\tip6 saddr %s %s", a, g.pick("drop", "reject"))
			}
		case "allow":
			for _, port := range g.openTCP() {
				p("\t\ttcp dport %s %saccept", port, g.pick("", "ct state { new, untracked } "))
			}
			if g.chance(50) {
				p("\t\tip saddr %s tcp dport 80 accept", text(g.addr(false, false)))
			}
		}
		p("\t}")
	}
	p("\tchain filter_IN_public {")
	for _, c := range []string{"pre", "log", "deny", "allow", "post"} {
		p("\t\tjump filter_IN_public_%s", c)
	}
	p("\t\tmeta l4proto { icmp, ipv6-icmp } accept\n\t\treject with icmpx type admin-prohibited\n\t}")
	p("\tchain filter_IN_drop {\n\t\tdrop\n\t}")
	p("\tchain filter_IN_trusted {\n\t\taccept\n\t}")
	p("\tchain filter_INPUT_ZONES {")
	for _, a := range g.bans(false) {
		p("\t\tip saddr %s goto filter_IN_%s", a, g.pick("drop", "trusted"))
	}
	for _, a := range g.bans(true) {
		p("\t\tip6 saddr %s goto filter_IN_%s", a, g.pick("drop", "trusted"))
	}
	p("\t\tiifname \"eth0\" goto filter_IN_public\n\t\tgoto filter_IN_public\n\t}")
	p("\tchain filter_PREROUTING { type filter hook prerouting priority 10; policy accept;")
	p("\t\ticmpv6 type { nd-router-advert, nd-neighbor-solicit } accept\n\t\tmeta nfproto ipv6 fib saddr . mark . iif oif missing drop\n\t}")
	p("\tchain filter_INPUT { type filter hook input priority 10; policy accept;")
	p("\t\tct state { established, related } accept\n\t\tct status dnat accept\n\t\tiifname \"lo\" accept\n\t\tct state { invalid } drop")
	p("\t\tjump filter_INPUT_ZONES\n\t\treject with icmpx type admin-prohibited\n\t}")
	p("\tchain filter_OUTPUT { type filter hook output priority 10; policy accept;")
	p("\t\tct state { established, related } accept\n\t\toifname \"lo\" accept")
	p("\t\tip6 daddr { ::/96, ::ffff:0.0.0.0/96, 2002::/24 } reject with icmpv6 type addr-unreachable\n\t}")
	p("\tchain nat_PREROUTING { type nat hook prerouting priority -90; policy accept;")
	if g.chance(40) {
		p("\t\tip daddr %s tcp dport 443 redirect to :8443", host4)
	}
	p("\t}\n}")
	return []load{{"nft", b.String()}}
}

func fail2banNFT(g *gen) []load {
	verdict := g.pick("drop", "reject", "reject with icmp type port-unreachable", "reject with tcp reset")
	return []load{{"nft", fmt.Sprintf(`table inet f2b-table {
	set addr-set-nginx { type ipv4_addr; elements = { %s } }
	set addr6-set-nginx { type ipv6_addr; flags interval; elements = { %s } }
	chain f2b-chain { type filter hook input priority filter - 1; policy accept;
		tcp dport { 80, 443 } ip saddr @addr-set-nginx %s
		tcp dport { 80, 443 } ip6 saddr @addr6-set-nginx %s
	}
}
`, strings.Join(g.singles(false, 6), ", "), strings.Join(g.bans(true), ", "), verdict, strings.ReplaceAll(verdict, "icmp type", "icmpv6 type"))}}
}

func fail2banIptables(g *gen) []load {
	flavour := g.pick("nft", "legacy")
	var b strings.Builder
	p := func(s string, args ...any) { fmt.Fprintf(&b, s+"\n", args...) }
	var out []load
	p("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:f2b-nginx - [0:0]\n:f2b-sshd - [0:0]")
	block := g.pick("REJECT --reject-with icmp-port-unreachable", "DROP", "REJECT --reject-with icmp-host-prohibited")
	if g.chance(40) {
		set := "create f2b-ip hash:ip timeout 600\n"
		for _, a := range g.singles(false, 5) {
			set += fmt.Sprintf("add f2b-ip %s timeout 500 -exist\n", a)
		}
		out = append(out, load{"ipset", set})
		p("-A INPUT -p tcp -m multiport --dports 80,443 -m set --match-set f2b-ip src -j %s", block)
	}
	p("-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n-A INPUT -p tcp -m multiport --dports 80,443 -j f2b-nginx")
	for _, a := range g.bans(false) {
		p("-A f2b-nginx -s %s -j %s", a, block)
	}
	p("-A f2b-sshd -s %s -j %s\n-A f2b-sshd -j RETURN\n-A f2b-nginx -j RETURN\nCOMMIT", text(g.addr(false, false)), block)
	return append(out, load{"iptables-" + flavour + "-restore", b.String()})
}

func crowdsec(g *gen) []load {
	return []load{{"nft", fmt.Sprintf(`table ip crowdsec {
	set crowdsec-blacklists { type ipv4_addr; flags timeout; elements = { %s } }
	chain crowdsec-chain { type filter hook input priority filter - 10; policy accept;
		ip saddr @crowdsec-blacklists %sdrop
	}
	chain crowdsec-forward { type filter hook forward priority filter - 10; policy accept;
		ip saddr @crowdsec-blacklists drop
	}
}
table ip6 crowdsec6 {
	set crowdsec6-blacklists { type ipv6_addr; flags timeout; elements = { %s } }
	chain crowdsec6-chain { type filter hook input priority filter - 10; policy accept;
		ip6 saddr @crowdsec6-blacklists drop
	}
}
`, strings.Join(withTimeout(g.singles(false, 12)), ", "), g.pick("", "counter "), strings.Join(withTimeout(g.singles(true, 8)), ", "))}}
}

func withTimeout(in []string) []string {
	for i := range in {
		in[i] += " timeout 4h"
	}
	return in
}

func csf(g *gen) []load {
	flavour := g.pick("nft", "legacy")
	var b, set strings.Builder
	p := func(s string, args ...any) { fmt.Fprintf(&b, s+"\n", args...) }
	set.WriteString("create chain_DENY hash:net\ncreate chain_ALLOW hash:net\ncreate bl_SPAMDROP hash:net\n")
	for _, s := range []string{"chain_DENY", "chain_ALLOW", "bl_SPAMDROP"} {
		for _, a := range g.bans(false) {
			fmt.Fprintf(&set, "add %s %s -exist\n", s, a)
		}
	}
	p("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]")
	for _, c := range []string{"LOCALINPUT", "LOCALOUTPUT", "DENYIN", "ALLOWIN", "INVALID", "INVDROP", "LOGDROPIN", "SPAMDROP", "SYNFLOOD", "CONNLIMIT", "PORTFLOOD"} {
		p(":%s - [0:0]", c)
	}
	p("-A INPUT ! -i lo -j LOCALINPUT\n-A INPUT -i lo -j ACCEPT\n-A INPUT ! -i lo -p tcp -j INVALID")
	if g.chance(50) {
		p("-A INPUT ! -i lo -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j SYNFLOOD")
	}
	p("-A INPUT ! -i lo -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
	for _, port := range g.openTCP() {
		p("-A INPUT ! -i lo -p tcp -m conntrack --ctstate NEW -m tcp --dport %s -j ACCEPT", port)
	}
	p("-A INPUT ! -i lo -j LOGDROPIN\n-A OUTPUT ! -o lo -j LOCALOUTPUT\n-A OUTPUT -o lo -j ACCEPT")
	p("-A OUTPUT ! -o lo -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
	p("-A LOCALINPUT ! -i lo -j ALLOWIN\n-A LOCALINPUT ! -i lo -j DENYIN\n-A LOCALINPUT ! -i lo -m set --match-set bl_SPAMDROP src -j SPAMDROP")
	p("-A ALLOWIN ! -i lo -m set --match-set chain_ALLOW src -j ACCEPT")
	p("-A DENYIN ! -i lo -m set --match-set chain_DENY src -j DROP")
	for _, a := range g.bans(false) {
		p("-A DENYIN -s %s ! -i lo -j DROP", a)
	}
	p("-A SPAMDROP -j DROP\n-A INVALID -m conntrack --ctstate INVALID -j INVDROP")
	p("-A INVALID -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j INVDROP")
	p("-A INVALID -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -j INVDROP\n-A INVDROP -j DROP")
	p("-A LOGDROPIN -p tcp -m tcp --dport 23 -j DROP\n-A LOGDROPIN -p tcp -m limit --limit 30/min -j NFLOG\n-A LOGDROPIN -j DROP")
	p("-A SYNFLOOD -m limit --limit 100/sec --limit-burst 150 -j RETURN\n-A SYNFLOOD -j DROP\nCOMMIT")
	return []load{{"ipset", set.String()}, {"iptables-" + flavour + "-restore", b.String()}}
}

func docker(g *gen) []load {
	flavour := g.pick("nft", "legacy")
	var b strings.Builder
	p := func(s string, args ...any) { fmt.Fprintf(&b, s+"\n", args...) }
	inner := g.pick("80", "8080")
	p("*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]")
	p("-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER")
	p("-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n-A POSTROUTING -s %s/32 -d %s/32 -p tcp -m tcp --dport %s -j MASQUERADE", box4, box4, inner)
	p("-A DOCKER -i docker0 -j RETURN\n-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination %s:%s\nCOMMIT", box4, inner)
	p("*filter\n:INPUT %s [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]", g.pick("ACCEPT", "DROP"))
	for _, c := range []string{"DOCKER", "DOCKER-USER", "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2"} {
		p(":%s - [0:0]", c)
	}
	p("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT")
	p("-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-ISOLATION-STAGE-1")
	p("-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -o docker0 -j DOCKER")
	p("-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n-A FORWARD -i docker0 -o docker0 -j ACCEPT")
	port := inner
	if g.chance(20) {
		port = "81" // the rule names an old port: the DNAT goes nowhere
	}
	p("-A DOCKER -d %s/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport %s -j ACCEPT", box4, port)
	p("-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2\n-A DOCKER-ISOLATION-STAGE-1 -j RETURN")
	p("-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP\n-A DOCKER-ISOLATION-STAGE-2 -j RETURN")
	for _, a := range g.bans(false) {
		p("-A DOCKER-USER -s %s -i eth0 %s", a, g.pick("-j DROP", "-p tcp -m conntrack --ctorigdstport 80 -j DROP", "-p tcp -j REJECT --reject-with tcp-reset", "-j RETURN"))
	}
	if g.chance(30) {
		p("-A DOCKER-USER ! -s %s -i eth0 -p tcp -m conntrack --ctdir ORIGINAL --ctorigdstport 80 -j DROP", text(g.addr(false, false)))
	}
	p("-A DOCKER-USER -j RETURN\nCOMMIT")
	return []load{{"iptables-" + flavour + "-restore", b.String()}}
}

// TestLayouts lays one to three of the programs' rules over each other, as hosts have them.
func TestLayouts(t *testing.T) {
	needRoot(t, "nft", "ipset", "iptables-nft-restore", "iptables-legacy-restore")
	loop(t, "tool layouts", func(seed uint64) (tally, string) {
		r := rand.New(rand.NewPCG(seed, 0x6c61))
		g := &gen{r: r, fam: "inet"}
		w := newWorld(t)
		defer w.Close()
		var all strings.Builder
		first := r.IntN(len(layouts))
		for k := range 1 + r.IntN(3) {
			l := layouts[(first+k*2)%len(layouts)]
			for _, in := range l.write(g) {
				fmt.Fprintf(&all, "# %s: %s\n%s", l.name, in.tool, in.text)
				args := map[string][]string{"nft": {"-f", "-"}, "ipset": {"restore", "-exist"}}[in.tool]
				if strings.HasPrefix(in.tool, "ip") && in.tool != "ipset" {
					args = []string{"--noflush"}
				}
				if out, err := run(w, in.text, in.tool, args...); err != nil {
					return tally{refused: 1}, all.String() + out
				}
			}
		}
		h, err := readAll(w)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		y, err := compare(w, h, r, questions, 5)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, all.String())
		}
		return y, all.String()
	})
}
