//go:build linux

package firewall_test

import (
	"context"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/originward/originward/internal/firewall"
	"github.com/originward/originward/internal/netns"
	"github.com/originward/originward/internal/netns/nstest"
)

// liveHost is an origin with a neighbour that counts what comes out of it.
type liveHost struct {
	t        *testing.T
	peer, ns *netns.NS
}

// peerRules count every answer a probe could bring about: probes have source ports from 20000.
const peerRules = `table inet peer {
set seen { type ipv4_addr . inet_service; flags dynamic; size 64; }
set seen6 { type ipv6_addr . inet_service; flags dynamic; size 64; }
chain in { type filter hook prerouting priority -300; tcp dport 20000-20999 counter
tcp dport 20000-20999 add @seen { ip daddr . tcp dport }
tcp dport 20000-20999 add @seen6 { ip6 daddr . tcp dport }
tcp dport 20000-20999 tcp flags & (syn|ack) == syn|ack counter
tcp dport 20000-20999 tcp flags & rst == rst counter
icmp type destination-unreachable counter
icmpv6 type destination-unreachable counter
}
}`

func newLiveHost(t *testing.T) *liveHost {
	t.Helper()
	h := &liveHost{t: t}
	h.peer, h.ns = nstest.Pair(t, "203.0.113.1/24", "2001:db8::1/64", "203.0.113.10/24", "2001:db8::10/64")
	h.sh(h.ns, "ip link set lo up; ip route add default via 203.0.113.1; ip -6 route add default via 2001:db8::1; sysctl -qw net.ipv4.ip_forward=1")
	h.sh(h.peer, "ip link set lo up; for a in 173.245.48.9/20 104.16.0.1/13; do ip addr add $a dev lo; done; nft -f - <<'N'\n"+peerRules+"\nN")
	for _, l := range []string{"203.0.113.10:80", "[2001:db8::10]:80"} {
		s, err := h.ns.Listen("tcp", l)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
	}
	// Neighbours are known now, so that an answer would leave at once, and the counters count.
	h.sh(h.peer, "for i in 1 2 3 4 5 6 7 8 9; do ping -6 -qc1 -W1 2001:db8::10 >/dev/null && break; done; ping -qc1 -W2 203.0.113.10 >/dev/null; curl -so /dev/null --local-port 20900-20999 -m 0.3 http://203.0.113.10/ || true")
	if n := h.counted(); n == 0 {
		t.Fatal("the peer counts nothing of a real connection")
	}
	for range 100 { // until the ends of those connections are over
		if h.sh(h.peer, "sleep 0.05"); h.counted() == 0 {
			break
		}
	}
	return h
}

func (h *liveHost) sh(n *netns.NS, script string) string {
	h.t.Helper()
	out, err := n.Run(h.t.Context(), "sh", "-ec", script)
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// counted sums the peer's counters and sets them back.
func (h *liveHost) counted() (n int) {
	h.t.Helper()
	out := h.sh(h.peer, "nft reset counters >/dev/null 2>&1; nft list table inet peer; nft -f - <<'N'\ndelete table inet peer\n"+peerRules+"\nN")
	for _, f := range strings.Split(out, "packets ")[1:] {
		if !strings.HasPrefix(f, "0 ") {
			n++
		}
	}
	if n > 0 {
		h.t.Log(out)
	}
	return n
}

// live collects, asks and injects.
func (h *liveHost) live(dst netip.Addr) (a firewall.Answer, p firewall.Proof) {
	h.t.Helper()
	err := h.ns.Do(func() error {
		s, err := firewall.Collect(context.Background(), firewall.Options{})
		if err != nil {
			return err
		}
		a = s.Ask(firewall.Question{Dst: dst, Port: 80, Ranges: cdn})
		if p, err = s.ProveLive(context.Background(), a); err != nil {
			return err
		}
		// What the guards did to the ruleset is not another's change: both kinds of proof can follow.
		for _, again := range []func(context.Context, firewall.Answer) (firewall.Proof, error){s.Prove, s.ProveLive} {
			if q, err := again(context.Background(), a); err != nil || q.Done != p.Done && p.Done {
				h.t.Errorf("again: %+v %v", q, err)
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return a, p
}

// quiet checks that the probes left nothing behind and nothing got out.
func (h *liveHost) quiet() {
	h.t.Helper()
	if n := h.counted(); n != 0 {
		h.t.Errorf("%d kinds of answers reached the peer", n)
	}
	if out := h.sh(h.ns, "ss -Htn state syn-recv"); out != "" {
		h.t.Errorf("half-open connections: %s", out)
	}
	if out := h.sh(h.ns, "nft list tables"); strings.Contains(out, "originward") {
		h.t.Errorf("left behind: %s", out)
	}
	if _, err := exec.LookPath("conntrack"); err == nil {
		if out := h.sh(h.ns, "conntrack -L 2>/dev/null | grep -v 'src=203.0.113.1 \\|src=2001:db8::1 \\|src=127.0.0.1' || true"); strings.Contains(out, "dport=80") {
			h.t.Errorf("connections are remembered: %s", out)
		}
	}
}

// TestLive injects into the host's own interface: the kernel's trace agrees with the model, and nobody outside notices.
func TestLive(t *testing.T) {
	h := newLiveHost(t)
	for _, tt := range []struct {
		name, load string
		dst        netip.Addr
	}{
		{"no rules", "true", host4},
		{"no rules, IPv6", "true", host6},
		{"every end", `nft -f - <<'N'
table inet f {
	set bad { type ipv4_addr; flags interval; elements = { 173.245.50.0/24 }; }
	chain pre { type filter hook prerouting priority -300; ip saddr 173.245.49.0/24 drop; }
	chain i { type filter hook input priority 0; policy drop;
		ct state established accept
		ip saddr 173.245.48.0/24 reject with tcp reset
		ip saddr @bad reject
		ip6 saddr 2606:4700:1::/48 reject with icmpv6 type admin-prohibited
		ip6 saddr 2606:4700:2::/48 reject with tcp reset
		tcp dport 80 ct state new accept
	}
	chain o { type filter hook output priority 0; ip daddr 104.16.0.0/16 tcp sport 80 drop; }
}
N`, host4},
		{"every end, IPv6", "true", host6},
		{"redirected", `nft delete table inet f; nft -f - <<'N'
table ip n {
	chain pre { type nat hook prerouting priority -100; ip saddr 104.16.0.0/13 tcp dport 80 dnat to 203.0.113.1:8080; tcp dport 80 redirect to :81; }
	chain post { type nat hook postrouting priority 100; masquerade; }
	chain through { type filter hook forward priority 0; ip saddr 104.17.0.0/16 drop; }
}
N`, host4},
		{"iptables", `nft delete table ip n; iptables-nft -A INPUT -p tcp -m multiport --dports 80,443 -s 104.16.0.0/16 -j REJECT; iptables-legacy -A INPUT -s 173.245.48.0/24 -j DROP`, host4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			h.sh(h.ns, tt.load)
			h.counted()
			a, p := h.live(tt.dst)
			if !p.Done || p.Probes < 3 || p.Agreed != p.Probes {
				t.Errorf("%+v", p)
			}
			h.quiet()
			p.Apply(&a)
			if s := a.CDN.Segments[0]; !s.Confirmed {
				t.Errorf("not confirmed: %+v", s)
			}
		})
	}
}

// TestLiveLeavesListsAlone: what remembers senders never gets a probe; the rest of the sources is tried.
func TestLiveLeavesListsAlone(t *testing.T) {
	h := newLiveHost(t)
	for _, tt := range []struct{ name, load, shows, undo string }{
		{"log", `nft 'add table inet f; add chain inet f i { type filter hook input priority 0; }; add rule inet f i ip saddr 104.16.0.0/13 log; add rule inet f i ip saddr 104.16.0.0/13 drop'`, "log", "nft flush ruleset"},
		{"set", `nft 'add table inet f; add set inet f seen { type ipv4_addr; flags dynamic; size 100; }; add chain inet f i { type filter hook prerouting priority 0; }; add rule inet f i ip saddr 104.16.0.0/13 add @seen { ip saddr }'`, "set seen",
			"nft list set inet f seen | grep -q 'elements' && echo remembered; nft flush ruleset"},
		{"recent", `iptables-nft -A INPUT -s 104.16.0.0/13 -p tcp -m recent --name scan --set -j DROP`, "match recent", "cat /proc/net/xt_recent/scan; nft flush ruleset"},
		{"hashlimit", `iptables-nft -A INPUT -s 104.16.0.0/13 -p tcp -m hashlimit --hashlimit-name h --hashlimit-mode srcip --hashlimit-upto 5/min -j ACCEPT`, "match hashlimit", "cat /proc/net/ipt_hashlimit/h; nft flush ruleset"},
		{"ipset", `ipset create banned hash:ip; iptables-nft -A INPUT -s 104.16.0.0/13 -p tcp -j SET --add-set banned src`, "target SET", "ipset list banned | sed '1,/Members/d'; nft flush ruleset; ipset destroy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			h.sh(h.ns, tt.load)
			a, p := h.live(host4)
			var why []string
			for _, l := range p.Limits {
				why = append(why, l.Why)
			}
			if text := strings.Join(why, "; "); !strings.Contains(text, "not tried") || !strings.Contains(text, tt.shows) {
				t.Errorf("limits %q, want %q", text, tt.shows)
			}
			for _, src := range p.Sources {
				if netip.MustParsePrefix("104.16.0.0/13").Contains(src) {
					t.Errorf("%s was tried", src)
				}
			}
			if !p.Done || len(p.Sources) == 0 || len(p.Disagree) > 0 {
				t.Errorf("the other sources: %+v", p)
			}
			if out := h.sh(h.ns, tt.undo); strings.TrimSpace(out) != "" {
				t.Errorf("remembered: %s", out)
			}
			p.Apply(&a)
			h.quiet()
		})
	}
}

// TestLiveIsRefused where it could do harm, or would speak of other rules.
func TestLiveIsRefused(t *testing.T) {
	h := newLiveHost(t)
	h.sh(h.ns, `nft 'add table netdev d; add chain netdev d i { type filter hook ingress device veth0 priority 0; }; add rule netdev d i ip saddr 1.2.3.4 drop'`)
	if _, p := h.live(host4); p.Done || p.Probes != 0 || !strings.Contains(p.Limits[0].Why, "own hook") {
		t.Errorf("rules on the interface: %+v", p)
	}
	h.sh(h.ns, "nft delete table netdev d")
	err := h.ns.Do(func() error {
		s, err := firewall.Collect(context.Background(), firewall.Options{})
		if err != nil {
			return err
		}
		a := s.Ask(firewall.Question{Dst: host4, Port: 80, Ranges: cdn})
		if out, err := exec.Command("nft", "add table inet other").CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
		p, err := s.ProveLive(context.Background(), a)
		if p.Done || p.Probes != 0 {
			t.Errorf("of an older ruleset: %+v", p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h.quiet()
}
