//go:build linux

package firewall_test

import (
	"fmt"
	"slices"
	"testing"
)

func TestSourceSets(t *testing.T) {
	h := newHost(t,
		[2]string{"ipset restore", "create ow-allow hash:net\ncreate ow-deny hash:ip\nadd ow-deny 192.0.2.1\ncreate ow-both list:set\nadd ow-both ow-allow\nadd ow-both ow-deny\n"},
		[2]string{"iptables-nft-restore", `*filter
:INPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 443 -m set --match-set ow-allow src -j ACCEPT
-A INPUT -p tcp -m multiport --dports 25,8000:8100 -m set --match-set ow-deny src -j DROP
-A INPUT -p tcp -m multiport --dports 80,443 -m set ! --match-set ow-both src -j REJECT
-A INPUT -p udp -m udp --dport 443 -m set --match-set ow-deny src -j DROP
COMMIT
`},
		[2]string{"nft -f -", `table inet edge {
	set cf4 { type ipv4_addr; flags interval; elements = { 104.16.0.0/13, 173.245.48.0/20 } }
	set cf6 { type ipv6_addr; flags interval; }
	set pairs { type ipv4_addr . inet_service; elements = { 192.0.2.1 . 443 } }
	set ban { type ipv4_addr; }
	chain in {
		type filter hook input priority 0; policy accept;
		tcp dport { 80, 443 } ip saddr @cf4 accept
		tcp dport 443 ip6 saddr @cf6 accept comment "never drop"
		tcp dport 22 ip saddr @ban accept
		tcp dport != 22 ip saddr != @ban counter return
		tcp dport 440-450 ip saddr . tcp dport @pairs reject
		udp dport 443 ip saddr @ban drop
		ip saddr { 192.0.2.0/24 } drop
		ip daddr @cf4 drop
	}
}`})
	s := h.collect()
	var got []string
	sets, all := s.SourceSets(443)
	if !all {
		t.Error("port 443: not all sets are listed")
	}
	for _, x := range sets {
		got = append(got, fmt.Sprintf("%s %s %s %s %d %v", x.Engine, x.Family, x.Table, x.Name, x.Elements, x.Accepts))
	}
	slices.Sort(got)
	want := []string{
		"ipset ip filter ow-allow 0 true",
		"ipset ip filter ow-both 1 true",
		"nft inet edge ban 0 false",
		"nft inet edge cf4 2 true",
		"nft inet edge cf6 0 true",
		"nft inet edge pairs 1 false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	sets, _ = s.SourceSets(8050)
	for _, x := range sets {
		if x.Engine == "ipset" && x.Name != "ow-deny" {
			t.Errorf("port 8050: %+v", x)
		}
	}
}

// TestSourceSetsUnlisted: a set that stands in a map, or before a jump, is not
// listed, and that is told.
func TestSourceSetsUnlisted(t *testing.T) {
	for name, rule := range map[string]string{
		"map":  "tcp dport 443 ip saddr vmap @who",
		"jump": "tcp dport 443 ip saddr @cf4 jump web",
	} {
		h := newHost(t, [2]string{"nft -f -", `table inet edge {
	set cf4 { type ipv4_addr; flags interval; }
	map who { type ipv4_addr : verdict; }
	chain web { accept; }
	chain in { type filter hook input priority 0; policy drop; ` + rule + `; }
}`})
		if sets, all := h.collect().SourceSets(443); all || len(sets) > 0 {
			t.Errorf("%s: all=%v %+v", name, all, sets)
		}
		if sets, all := h.collect().SourceSets(22); !all || len(sets) > 0 {
			t.Errorf("%s, another port: all=%v %+v", name, all, sets)
		}
	}
}
