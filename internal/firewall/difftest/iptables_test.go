//go:build linux

package difftest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/internal/firewall/eval"
	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/ipset"
	"github.com/originward/originward/internal/firewall/legacy"
	"github.com/originward/originward/internal/firewall/nft"
	"github.com/originward/originward/internal/firewall/replica"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// ipt writes rulesets in iptables-restore's language, with ipsets.
type ipt struct {
	gen
	v6s  bool
	sets []iptSet
	// table and chain being written.
	table, at string
	chains    []string
}

type iptSet struct{ name, typ, dims string }

func (g *ipt) ip() string {
	if g.v6s {
		return "ip6"
	}
	return "ip"
}

// ipsets writes `ipset restore` input.
func (g *ipt) ipsets() string {
	var b strings.Builder
	g.sets = nil
	fam := map[bool]string{false: "inet", true: "inet6"}[g.v6s]
	for i := range 1 + g.r.IntN(3) {
		name := fmt.Sprintf("set%d", i)
		switch g.r.IntN(8) {
		case 0, 1:
			fmt.Fprintf(&b, "create %s hash:net family %s%s\n", name, fam, g.pick("", " timeout 600", " comment"))
			for _, a := range g.disjoint(g.v6s, 6) {
				fmt.Fprintf(&b, "add %s %s\n", name, a)
			}
			for range 2 {
				p := g.addr(g.v6s, true)
				if p.Bits() > 0 {
					fmt.Fprintf(&b, "add %s %s nomatch -exist\n", name, p)
				}
			}
			g.sets = append(g.sets, iptSet{name, "hash:net", "src"})
		case 2:
			fmt.Fprintf(&b, "create %s hash:ip family %s\n", name, fam)
			for _, a := range g.singles(g.v6s, 5) {
				fmt.Fprintf(&b, "add %s %s -exist\n", name, a)
			}
			g.sets = append(g.sets, iptSet{name, "hash:ip", "src"})
		case 3:
			fmt.Fprintf(&b, "create %s hash:ip,port family %s\n", name, fam)
			for _, a := range g.singles(g.v6s, 5) {
				fmt.Fprintf(&b, "add %s %s,tcp:%s -exist\n", name, a, g.pick("80", "443"))
			}
			g.sets = append(g.sets, iptSet{name, "hash:ip,port", "src,dst"})
		case 4:
			fmt.Fprintf(&b, "create %s hash:net,port family %s\n", name, fam)
			for range 5 {
				if p := g.addr(g.v6s, true); p.Bits() > 0 {
					fmt.Fprintf(&b, "add %s %s,tcp:%s%s -exist\n", name, p, g.pick("80", "443", "8080"), g.pick("", "", " nomatch"))
				}
			}
			g.sets = append(g.sets, iptSet{name, "hash:net,port", "src,dst"})
		case 5:
			fmt.Fprintf(&b, "create %s bitmap:port range 0-65535\nadd %s 80\nadd %s 1000-1002\n", name, name, name)
			g.sets = append(g.sets, iptSet{name, "bitmap:port", "dst"})
		case 6:
			fmt.Fprintf(&b, "create %s hash:ip,port,net family %s\n", name, fam)
			for range 3 {
				if p := g.addr(g.v6s, true); p.Bits() > 0 {
					fmt.Fprintf(&b, "add %s %s,tcp:%s,%s -exist\n", name, g.self(g.v6s), g.pick("80", "443"), p)
				}
			}
			g.sets = append(g.sets, iptSet{name, "hash:ip,port,net", "dst,dst,src"})
		case 7:
			fmt.Fprintf(&b, "create %s hash:net,iface family %s\n", name, fam)
			for range 3 {
				if p := g.addr(g.v6s, true); p.Bits() > 0 {
					fmt.Fprintf(&b, "add %s %s,%s -exist\n", name, p, g.pick("eth0", "docker0"))
				}
			}
			g.sets = append(g.sets, iptSet{name, "hash:net,iface", "src,src"})
		}
	}
	return b.String()
}

func (g *ipt) bang() string {
	if g.chance(20) {
		return "! "
	}
	return ""
}

// match writes general options and matches.
func (g *ipt) matches() string {
	var parts []string
	side := "-s"
	if g.at == "OUTPUT" && g.chance(80) {
		side = "-d"
	}
	if g.chance(55) {
		parts = append(parts, g.bang()+side+" "+g.addr(g.v6s, false).String())
	}
	if side == "-s" && g.chance(15) {
		parts = append(parts, g.bang()+"-d "+g.self(g.v6s))
	}
	if g.table != "nat" && g.chance(15) {
		switch g.at {
		case "OUTPUT", "POSTROUTING":
			parts = append(parts, g.bang()+"-o "+g.pick("eth0", "eth+", "docker0"))
		default:
			parts = append(parts, g.bang()+"-i "+g.pick("eth0", "eth+", "docker0", "lo"))
		}
	}
	if g.chance(60) {
		parts = append(parts, "-p tcp")
		if g.chance(50) {
			parts = append(parts, g.tcp())
		}
	}
	if g.chance(50) {
		if m := g.ext(); m != "" {
			parts = append(parts, m)
		}
	}
	return strings.Join(parts, " ")
}

func (g *ipt) tcp() string {
	return g.pick(
		"-m tcp --dport 80", "-m tcp --dport 443", "-m tcp ! --dport 22", "-m tcp --dport 79:81", "-m tcp --sport 1024:65535",
		"-m tcp --sport 1:1023", "-m tcp --tcp-flags FIN,SYN,RST,ACK SYN", "-m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN",
		"-m tcp --tcp-flags ALL NONE", "-m tcp --sport 30000:40000", "-m multiport --dports 80,443", "-m multiport ! --dports 22,8000:9000",
		"-m multiport --ports 80,30000:31000", "-m multiport --sports 1024:2000", "-m tcp --tcp-flags SYN,ACK SYN,ACK", "-m tcpmss --mss 1:500",
	)
}

// ext writes an extension match.
func (g *ipt) ext() string {
	if len(g.sets) > 0 && g.chance(30) {
		s := g.sets[g.r.IntN(len(g.sets))]
		if s.typ != "hash:net,iface" || g.at != "OUTPUT" && g.at != "POSTROUTING" {
			dims := s.dims
			if g.at == "OUTPUT" {
				dims = strings.NewReplacer("src", "dst", "dst", "src").Replace(dims)
			}
			return fmt.Sprintf("-m set %s--match-set %s %s", g.bang(), s.name, dims)
		}
	}
	choices := []string{
		"-m conntrack --ctstate NEW", "-m conntrack --ctstate RELATED,ESTABLISHED", "-m conntrack --ctstate INVALID",
		"-m conntrack ! --ctstate NEW", "-m conntrack --ctstate DNAT", "-m conntrack --ctstate NEW,UNTRACKED", "-m conntrack --ctdir ORIGINAL",
		"-m conntrack --ctdir REPLY", "-m state --state NEW", "-m state --state RELATED,ESTABLISHED",
		"-m addrtype --dst-type LOCAL", "-m addrtype ! --dst-type LOCAL", "-m addrtype --src-type UNICAST", "-m addrtype --src-type LOCAL",
		"-m mark --mark 0x1", "-m mark ! --mark 0x0/0xff", "-m connmark --mark 0x1", "-m pkttype --pkt-type unicast",
		`-m comment --comment "a \"quoted\" remark"`, "-m iprange --src-range " + g.span(g.v6s), "-m length --length 0:2000",
		"-m conntrack ! --ctorigdst " + g.self(g.v6s), "-m conntrack --ctorigdst " + g.self(g.v6s) + " --ctstate NEW",
		"-m devgroup --src-group 0x0",
	}
	if g.at == "OUTPUT" || g.at == "POSTROUTING" {
		choices = choices[:len(choices)-1]
	}
	if g.table == "raw" || g.table == "mangle" {
		choices = append(choices, "-m rpfilter", "-m rpfilter --invert", "-m rpfilter --loose")
		if g.at != "PREROUTING" {
			choices = choices[:len(choices)-3]
		}
	}
	if g.stateful {
		choices = append(choices[:0:0], choices...)
		choices = append(choices,
			"-m limit --limit 5/min --limit-burst 3", "-m statistic --mode random --probability 0.5", "-m statistic --mode nth --every 2",
			"-m recent --name x --set", "-m recent --name x --rcheck --seconds 60", "-m recent --name x --update --hitcount 2",
			"-m hashlimit --hashlimit-upto 5/sec --hashlimit-name h --hashlimit-mode srcip", "-m connlimit --connlimit-above 3",
			"-m time --timestart 08:00 --timestop 09:00", "-m "+map[bool]string{false: "ttl --ttl", true: "hl --hl"}[g.v6s]+"-lt 30",
			"-m connbytes --connbytes 5: --connbytes-dir both --connbytes-mode packets", "-m quota --quota 100000")
	}
	return choices[g.r.IntN(len(choices))]
}

func (g *ipt) reject() string {
	if g.v6s {
		return g.pick("-j REJECT", "-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT --reject-with icmp6-adm-prohibited", "-j REJECT --reject-with icmp6-no-route")
	}
	return g.pick("-j REJECT", "-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT --reject-with icmp-host-prohibited",
		"-j REJECT --reject-with icmp-admin-prohibited", "-j REJECT --reject-with icmp-net-unreachable")
}

func (g *ipt) target() string {
	if len(g.chains) > 0 && g.chance(25) {
		return g.pick("-j ", "-j ", "-g ") + g.chains[g.r.IntN(len(g.chains))]
	}
	switch g.r.IntN(12) {
	case 0, 1, 2:
		return "-j ACCEPT"
	case 3, 4, 5:
		return "-j DROP"
	case 6:
		return "-j RETURN"
	case 7:
		if g.table == "filter" {
			return g.reject()
		}
		return "-j DROP"
	case 8:
		if g.table == "mangle" {
			return g.pick("-j MARK --set-xmark 0x1/0xffffffff", "-j MARK --or-mark 0x2", "-j CONNMARK --save-mark", "-j CONNMARK --set-xmark 0x1/0xff", "-j CONNMARK --restore-mark")
		}
		return "-j NFLOG --nflog-group 77"
	case 9:
		if g.table == "raw" {
			return "-j CT --notrack"
		}
		return ""
	case 10:
		for _, s := range g.sets {
			if s.typ == "hash:ip" && g.chance(50) {
				return "-j SET --add-set " + s.name + " src"
			}
		}
	}
	return "-j ACCEPT"
}

func (g *ipt) rules(n int) {
	for range n {
		t := g.target()
		m := g.matches()
		if p, ok := strings.CutPrefix(t, "-p tcp "); ok {
			if t = p; !strings.Contains(m, "-p tcp") {
				m = "-p tcp " + m
			}
		}
		g.line("-A %s %s %s", g.at, m, t)
	}
}

func (g *ipt) natRules(n int) {
	box, addr := box4.String(), box4.String()
	if g.v6s {
		box, addr = box6.String(), "["+box6.String()+"]"
	}
	for range n {
		m := g.matches()
		if strings.Contains(m, "connlimit") {
			m = ""
		}
		tcp := "-p tcp "
		if strings.Contains(m, "-p tcp") {
			tcp = ""
		}
		switch g.at {
		case "PREROUTING":
			g.line("-A %s %s%s %s", g.at, tcp, m, g.pick(
				"-m tcp --dport 80 -j DNAT --to-destination "+addr+":8080", "-j DNAT --to-destination "+box, "-j REDIRECT --to-ports 8080",
				"-j RETURN", "-j ACCEPT", "-m tcp --dport 443 -j REDIRECT", "-j DNAT --to-destination "+addr+":443"))
		default:
			g.line("-A %s %s%s %s", g.at, tcp, m, g.pick("-o docker0 -j MASQUERADE", "-j ACCEPT", "-j MASQUERADE", "-j RETURN"))
		}
	}
}

var builtin = map[string][]string{
	"filter": {"INPUT", "INPUT", "FORWARD", "OUTPUT"}, "mangle": {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"},
	"raw": {"PREROUTING", "OUTPUT"}, "nat": {"PREROUTING", "POSTROUTING"},
}

// restore writes input for iptables-restore.
func (g *ipt) restore() string {
	g.b.Reset()
	for _, table := range []string{"raw", "mangle", "nat", "filter"} {
		if table != "filter" && !g.chance(35) {
			continue
		}
		g.table, g.chains = table, nil
		g.line("*%s", table)
		policy := map[string]string{}
		for _, c := range builtin[table] {
			policy[c] = "ACCEPT"
			if table == "filter" && g.chance(15) {
				policy[c] = "DROP"
			}
		}
		for _, c := range []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"} {
			if p, ok := policy[c]; ok {
				g.line(":%s %s [0:0]", c, p)
			}
		}
		var own []string
		if table == "filter" {
			own = []string{"u0", "u1", "u2"}[:g.r.IntN(4)]
		}
		for _, c := range own {
			g.line(":%s - [0:0]", c)
		}
		for _, c := range own {
			g.at = c
			g.rules(1 + g.r.IntN(4))
			g.chains = append(g.chains, c)
		}
		jumps := g.chains
		for c, p := range policy {
			g.at, g.chains = c, jumps
			if p == "DROP" && g.chance(80) {
				g.line("-A %s -p tcp -m multiport --dports 80,443,8080 -j ACCEPT", c)
				g.line("-A %s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", c)
			}
			if table == "nat" {
				g.natRules(1 + g.r.IntN(3))
			} else if g.chance(80) {
				g.rules(1 + g.r.IntN(5))
			}
		}
		g.line("COMMIT")
	}
	return g.b.String()
}

// readAll takes the model's view of everything, legacy tables and ipsets included.
func readAll(w *replica.World) (*eval.Host, error) {
	h := &eval.Host{}
	err := w.Do(func() error {
		ctx := context.Background()
		rs, err := nft.Read(ctx, nft.Options{MaxElements: 1 << 20, Now: time.Now})
		if err != nil {
			return err
		}
		d, err := ipset.Read(ctx, 1<<20)
		if err != nil {
			return err
		}
		rs.IPSets, rs.IPSetNames = d.Sets, d.ByIndex
		for _, fam := range []ruleset.Family{ruleset.IP, ruleset.IP6} {
			t, _, err := legacy.Read(ctx, "/proc", fam, "")
			if err != nil {
				return err
			}
			rs.Tables = append(rs.Tables, t...)
		}
		n, err := fib.Read("/proc")
		h.Rules, h.Net = rs, n
		return err
	})
	return h, err
}

// oneIptables runs one generated iptables ruleset through the given flavour.
func oneIptables(t *testing.T, seed uint64, flavour string, stateful bool) (tally, string) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0x6970))
	g := &ipt{gen: gen{r: r, stateful: stateful}, v6s: r.IntN(2) == 1}
	g.fam = g.ip()
	w := newWorld(t)
	defer w.Close()
	sets := g.ipsets()
	if out, err := run(w, sets, "ipset", "restore"); err != nil {
		return tally{refused: 1}, sets + out
	}
	rules := g.restore()
	tool := map[bool]string{false: "iptables", true: "ip6tables"}[g.v6s] + "-" + flavour + "-restore"
	if out, err := run(w, rules, tool); err != nil {
		return tally{refused: 1}, sets + rules + out
	}
	if flavour == "legacy" && g.chance(30) {
		// The old and the new engine on the same hooks.
		(&g.gen).table(0)
		g.b.Reset()
		(&g.gen).table(0)
		more := g.b.String()
		if _, err := run(w, more, "nft", "-f", "-"); err == nil {
			rules += more
		}
	}
	h, err := readAll(w)
	if err != nil {
		t.Fatalf("seed %d: read: %v\n%s", seed, err, rules)
	}
	qs := questions[:2]
	if g.v6s {
		qs = questions[2:]
	}
	y, err := compare(w, h, r, qs, 4)
	if err != nil {
		t.Fatalf("seed %d: %v\n%s", seed, err, rules)
	}
	return y, sets + rules
}

func fuzzIptables(t *testing.T, name, flavour string, stateful bool) {
	needRoot(t, "nft", "ipset", "iptables-"+flavour+"-restore")
	loop(t, name, func(seed uint64) (tally, string) { return oneIptables(t, seed, flavour, stateful) })
}

func TestIptablesNFT(t *testing.T)         { fuzzIptables(t, "iptables-nft", "nft", false) }
func TestIptablesNFTStateful(t *testing.T) { fuzzIptables(t, "ipt-nft state", "nft", true) }
func TestIptablesLegacy(t *testing.T)      { fuzzIptables(t, "iptables-legacy", "legacy", false) }
func TestIptablesLegacyStateful(t *testing.T) {
	fuzzIptables(t, "legacy stateful", "legacy", true)
}
