package packetfilter

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/firewall"
)

// TestOwner names the tool by the names that its layout has in the packet
// filter, as the tools write them (fail2ban 1.0, ufw 0.36, firewalld 1.3,
// CrowdSec's bouncer 0.0.25, CSF 14, Docker 24).
func TestOwner(t *testing.T) {
	for _, tt := range []struct {
		table, chain, set string
		policy            bool
		below             string
		owner, jail       string
	}{
		{"f2b-table", "f2b-chain", "addr-set-nginx-limit-req", false, "", "fail2ban", "nginx-limit-req"},
		{"f2b-table", "f2b-chain", "addr6-set-sshd", false, "", "fail2ban", "sshd"},
		{"f2b-table", "f2b-chain", "", false, "", "fail2ban", ""},
		{"filter", "f2b-nginx-http-auth", "", false, "", "fail2ban", "nginx-http-auth"},
		{"filter", "INPUT", "f2b-apache-auth", false, "", "fail2ban", "apache-auth"},
		{"filter", "INPUT", "f2b-recidive6", false, "", "fail2ban", "recidive"},
		{"filter", "fail2ban-SSH", "", false, "", "fail2ban", "SSH"},
		{"crowdsec", "crowdsec-chain", "crowdsec-blacklists", false, "", "crowdsec", "crowdsec-blacklists"},
		{"filter", "INPUT", "crowdsec-blacklists", false, "", "crowdsec", "crowdsec-blacklists"},
		{"filter", "ufw-user-input", "", false, "", "ufw", ""},
		{"filter", "ufw6-reject-input", "", false, "", "ufw", ""},
		{"filter", "INPUT", "", true, "INPUT ufw-before-input ufw-user-input", "ufw", ""},
		{"firewalld", "filter_IN_public_deny", "", false, "", "firewalld", ""},
		{"filter", "IN_public_allow", "", false, "", "firewalld", ""},
		{"filter", "DENYIN", "chain_DENY", false, "", "csf", ""},
		{"filter", "LOCALINPUT", "", false, "", "csf", ""},
		{"filter", "CC_DENY", "cc_us", false, "", "csf", ""},
		{"filter", "DOCKER-USER", "", false, "", "docker", ""},
		{"filter", "FORWARD", "", true, "FORWARD DOCKER-USER DOCKER", "", ""},
		{"nat", "KUBE-SERVICES", "", false, "", "kubernetes", ""},
		{"sshguard", "blacklist", "attackers", false, "", "sshguard", "attackers"},
		{"filter", "INPUT_imunify360", "i360.ipv4.block", false, "", "imunify360", "i360.ipv4.block"},
		{"filter", "INPUT", "", false, "INPUT ufw-before-input", "", ""}, // a rule of its own, not ufw's
		{"filter", "INPUT", "cloudflare4", false, "", "", ""},
		{"filter", "input", "", true, "input", "", ""},
		{"filter", "INPUT", "", true, "ufw-before-input LOCALINPUT", "", ""}, // two tools: nobody's for sure
	} {
		r := &fact.FirewallRule{Table: tt.table, Chain: tt.chain, Set: tt.set, Policy: tt.policy}
		attribute(r, strings.Fields(tt.below))
		if r.Owner != tt.owner || r.Jail != tt.jail {
			t.Errorf("%s %s %s: %q %q, want %q %q", tt.table, tt.chain, tt.set, r.Owner, r.Jail, tt.owner, tt.jail)
		}
	}
}

func packets(n uint64) *uint64 { return &n }

func TestAnswer(t *testing.T) {
	cdn := netip.MustParsePrefix("173.245.48.0/20")
	a := firewall.Answer{
		Question: firewall.Question{Dst: netip.MustParseAddr("203.0.113.10"), Port: 443},
		In:       []firewall.Ingress{{Name: "eth0", Index: 2}},
		CDN: firewall.Side{Segments: []firewall.Segment{{
			Prefixes: []netip.Prefix{cdn}, PrefixCount: 1, Verdict: firewall.Reject,
			Outcome: firewall.Outcome{
				End: firewall.EndReject, RejectWith: "icmp port-unreachable", Hook: "input",
				Rule: &firewall.RuleRef{Engine: firewall.IptablesNFT, Family: "ip", Table: "filter", Chain: "f2b-web", Handle: 7, Position: 3, Text: "-s 173.245.48.0/20 -j REJECT",
					Packets: packets(9), Show: "iptables -S f2b-web", Remove: "iptables -D f2b-web 3", RemoveUndo: "iptables -I f2b-web 3 …"},
				Path: []firewall.Step{{Family: "ip", Table: "filter", Chain: "INPUT", Verdict: "jump"}, {Family: "ip", Table: "filter", Chain: "f2b-web", Verdict: "reject"}},
			},
		}}},
		Others: firewall.Side{Segments: []firewall.Segment{
			{Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, PrefixCount: 1, Verdict: firewall.Depends,
				Outcome:      firewall.Outcome{End: firewall.EndDrop, DependsOn: []firewall.Tag{{Kind: firewall.TagStateful, Name: "limit", Text: "rate 10/second"}}},
				Alternatives: []firewall.Outcome{{End: firewall.EndAccept, DependsOn: []firewall.Tag{{Kind: firewall.TagStateful, Name: "limit", Text: "rate 10/second"}, {Kind: firewall.TagTime, Name: "time"}}}}},
			{Prefixes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/1")}, PrefixCount: 1, Verdict: firewall.Accept, Outcome: firewall.Outcome{Redirect: &firewall.Redirect{Kind: "dnat", To: netip.MustParseAddr("172.17.0.2")}}},
			{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, PrefixCount: 80, Verdict: firewall.Unknown},
		}},
	}
	f := answer(a)
	s := f.CDN[0]
	if f.Iface != "eth0" || f.Family != "ip4" || !s.All || s.Verdict != fact.VerdictReject || s.With != "icmp-port-unreachable" || s.Hook != "input" || s.Addresses != "4096" || len(s.Path) != 2 {
		t.Errorf("%+v", s)
	}
	if r := s.Rule; r.Owner != "fail2ban" || r.Jail != "web" || r.Line != 3 || r.Packets != 9 || r.Remove != "fail2ban-client set web unbanip 173.245.48.0/20" || r.Restore != "fail2ban-client set web banip 173.245.48.0/20" {
		t.Errorf("%+v", s.Rule)
	}
	o := f.Others
	if len(o) != 3 || o[0].Addresses != "2147483648" || o[0].Redirect != netip.MustParseAddrPort("172.17.0.2:443") || o[0].All {
		t.Errorf("others, the largest first: %+v", o)
	}
	if o[1].Verdict != fact.VerdictMayDrop || strings.Join(o[1].DependsOn, "; ") != "stateful: limit (rate 10/second); time: time" {
		t.Errorf("%+v", o[1])
	}
	if o[2].Verdict != fact.VerdictUnknown || o[2].Addresses != "" {
		t.Errorf("cut list of prefixes: %+v", o[2])
	}
}

func TestBanCommands(t *testing.T) {
	for _, tt := range []struct {
		ref    firewall.RuleRef
		remove string
	}{
		{firewall.RuleRef{Table: "crowdsec", Chain: "crowdsec-chain", Set: "crowdsec-blacklists", Element: &firewall.Element{Key: "173.245.48.7", Expires: 3 * time.Hour}}, "cscli decisions delete --ip 173.245.48.7"},
		{firewall.RuleRef{Table: "crowdsec", Chain: "crowdsec-chain", Set: "crowdsec-blacklists", Element: &firewall.Element{Key: "104.16.5.0/24"}}, "cscli decisions delete --range 104.16.5.0/24"},
		{firewall.RuleRef{Table: "f2b-table", Chain: "f2b-chain", Set: "addr-set-a b", Element: &firewall.Element{Key: "2400:cb00::1"}}, "fail2ban-client set 'a b' unbanip 2400:cb00::1"},
		{firewall.RuleRef{Table: "f2b-table", Chain: "f2b-chain", Set: "addr-set-x", Element: &firewall.Element{Key: "173.245.48.1-173.245.48.9"}, Remove: "nft delete …"}, "nft delete …"},
		{firewall.RuleRef{Table: "firewalld", Chain: "filter_IN_public_deny", Text: "ip saddr 104.16.0.0/13 reject with icmp port-unreachable", Remove: "nft delete …"},
			`firewall-cmd --zone=public '--remove-rich-rule=rule family="ipv4" source address="104.16.0.0/13" reject'`},
		{firewall.RuleRef{Table: "firewalld", Chain: "filter_IN_dmz_deny", Text: "ip6 saddr 2400:cb00::1 drop", Remove: "nft delete …"},
			`firewall-cmd --zone=dmz '--remove-rich-rule=rule family="ipv6" source address="2400:cb00::1" drop'`},
		{firewall.RuleRef{Table: "firewalld", Chain: "filter_IN_public_deny", Text: "ip saddr 104.16.0.0/13 tcp dport 443 drop", Remove: "nft delete …"}, "nft delete …"},
		{firewall.RuleRef{Table: "filter", Chain: "INPUT", Remove: "iptables -D INPUT 4"}, "iptables -D INPUT 4"},
	} {
		r := rule(tt.ref, nil, nil)
		if r.Remove != tt.remove {
			t.Errorf("%+v: %s, want %s", tt.ref, r.Remove, tt.remove)
		}
		if tt.ref.Element != nil && tt.ref.Element.Expires > 0 && r.Expires != "3h0m0s" {
			t.Errorf("expires %q", r.Expires)
		}
	}
}

func TestWith(t *testing.T) {
	for in, want := range map[firewall.RejectKind]string{
		"tcp-reset": "tcp-reset", "icmp port-unreachable": "icmp-port-unreachable", "icmpv6 admin-prohibited": "icmp-admin-prohibited",
		"icmpx no-route": "icmp-no-route", "": "",
	} {
		if got := with(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
