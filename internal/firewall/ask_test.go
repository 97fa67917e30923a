//go:build linux

package firewall_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/originward/originward/internal/firewall"
)

// blockCase is one way a host refuses a CDN address, with what the answer has to say about it.
type blockCase struct {
	name   string
	load   [][2]string
	src    string
	want   firewall.Verdict
	reject firewall.RejectKind
	rule   firewall.RuleRef // the fields that are set are compared
	elem   string
}

var blockCases = []blockCase{
	{
		name: "nft rule",
		load: [][2]string{{"nft -f -", `table inet f { chain i { type filter hook input priority 0; policy accept;
			tcp dport 22 accept
			ip saddr 173.245.48.0/24 counter drop comment "by hand"
			tcp dport 80 accept
		} }`}},
		src: "173.245.48.9", want: firewall.Drop,
		rule: firewall.RuleRef{Engine: firewall.NFT, Family: "inet", Table: "f", Chain: "i", Position: 2, Comment: "by hand",
			Text: `ip saddr 173.245.48.0/24 counter drop comment "by hand"`, Show: "nft -a list chain inet f i"},
	},
	{
		name: "nft set element with a lifetime",
		load: [][2]string{{"nft -f -", `table ip crowdsec { set black { type ipv4_addr; flags interval,timeout; elements = { 104.16.5.0/24 timeout 4h comment "decision 7", 198.51.100.1 } }
			chain c { type filter hook input priority -10; policy accept; ip saddr @black drop; } }`}},
		src: "104.16.5.1", want: firewall.Drop,
		rule: firewall.RuleRef{Engine: firewall.NFT, Table: "crowdsec", Chain: "c", Set: "black"}, elem: "104.16.5.0/24",
	},
	{
		name: "reject in a jumped chain",
		load: [][2]string{{"nft -f -", `table inet f { chain bans { ip saddr 104.16.0.0/16 reject with icmpx type admin-prohibited; }
			chain i { type filter hook input priority 0; policy accept; jump bans; } }`}},
		src: "104.16.0.1", want: firewall.Reject, reject: "icmpx admin-prohibited",
		rule: firewall.RuleRef{Engine: firewall.NFT, Chain: "bans", Position: 1},
	},
	{
		name: "policy",
		load: [][2]string{{"nft -f -", `table inet f { chain i { type filter hook input priority 0; policy drop; ip saddr != 104.16.0.0/13 accept; } }`}},
		src:  "104.16.0.1", want: firewall.Drop,
		rule: firewall.RuleRef{Engine: firewall.NFT, Chain: "i", Policy: true, Text: "policy drop"},
	},
	{
		name: "iptables-nft",
		load: [][2]string{{"iptables-nft-restore", "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:f2b-nginx - [0:0]\n" +
			"-A INPUT -p tcp -m multiport --dports 80,443 -j f2b-nginx\n-A f2b-nginx -s 173.245.50.1/32 -j REJECT --reject-with icmp-port-unreachable\n-A f2b-nginx -j RETURN\nCOMMIT\n"}},
		src: "173.245.50.1", want: firewall.Reject, reject: "icmp port-unreachable",
		rule: firewall.RuleRef{Engine: firewall.IptablesNFT, Family: "ip", Table: "filter", Chain: "f2b-nginx", Position: 1,
			Text: "-s 173.245.50.1/32 -j REJECT --reject-with icmp-port-unreachable"},
	},
	{
		name: "iptables-legacy",
		load: [][2]string{{"iptables-legacy-restore", "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" +
			"-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -s 104.16.0.0/13 -m comment --comment \"no cdn\" -j DROP\nCOMMIT\n"}},
		src: "104.16.0.1", want: firewall.Drop,
		rule: firewall.RuleRef{Engine: firewall.IptablesLegacy, Family: "ip", Table: "filter", Chain: "INPUT", Position: 2, Comment: "no cdn",
			Show: "iptables-legacy -t filter -S INPUT"},
	},
	{
		name: "ipset",
		load: [][2]string{
			{"ipset restore", "create blocklist hash:net timeout 600 comment\nadd blocklist 173.245.48.0/22 timeout 300 comment \"list 4\"\n"},
			{"iptables-nft-restore", "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -m set --match-set blocklist src -j DROP\nCOMMIT\n"},
		},
		src: "173.245.49.1", want: firewall.Drop,
		rule: firewall.RuleRef{Engine: firewall.IptablesNFT, Chain: "INPUT", Set: "blocklist", Show: "ipset list blocklist"}, elem: "173.245.48.0/22",
	},
	{
		name: "the answer is dropped",
		load: [][2]string{{"nft -f -", `table inet f { chain o { type filter hook output priority 0; policy accept; ip daddr 104.16.0.0/13 drop; } }`}},
		src:  "104.16.0.1", want: firewall.Drop,
		rule: firewall.RuleRef{Engine: firewall.NFT, Chain: "o", Position: 1},
	},
}

// TestBlocked asks about each way of blocking, then takes the advice: the command given to remove the rule has to let
// the address through, and the one given to undo that has to bring the same answer back.
func TestBlocked(t *testing.T) {
	for _, c := range blockCases {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, c.load...)
			seg := find(t, h.ask(host4, 80).CDN, c.src)
			if seg.Verdict != c.want || seg.RejectWith != c.reject {
				t.Fatalf("verdict %s %q, want %s %q", seg.Verdict, seg.RejectWith, c.want, c.reject)
			}
			if seg.Rule == nil {
				t.Fatal("no rule is named")
			}
			compareRef(t, *seg.Rule, c.rule)
			if c.elem != "" && (seg.Rule.Element == nil || seg.Rule.Element.Key != c.elem) {
				t.Fatalf("element %+v, want %s", seg.Rule.Element, c.elem)
			}
			if seg.Rule.Policy {
				return
			}
			if seg.Rule.Remove == "" || seg.Rule.RemoveUndo == "" {
				t.Fatalf("no command to remove %+v", *seg.Rule)
			}
			h.run("", "sh", "-c", seg.Rule.Remove)
			if after := find(t, h.ask(host4, 80).CDN, c.src); after.Verdict != firewall.Accept {
				t.Errorf("after %q the verdict is %s", seg.Rule.Remove, after.Verdict)
			}
			h.run("", "sh", "-c", seg.Rule.RemoveUndo)
			again := find(t, h.ask(host4, 80).CDN, c.src)
			if !sameAnswer(seg, again) {
				t.Errorf("after %q\n%+v\nit was\n%+v", seg.Rule.RemoveUndo, *again.Rule, *seg.Rule)
			}
		})
	}
}

// compareRef compares the fields of want that are set.
func compareRef(t *testing.T, got, want firewall.RuleRef) {
	t.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range w.NumField() {
		if !w.Field(i).IsZero() && !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
			t.Errorf("%s is %v, want %v", w.Type().Field(i).Name, g.Field(i), w.Field(i))
		}
	}
}

// sameAnswer compares what two segments say, apart from handles, counters and the time that has passed.
func sameAnswer(a, b firewall.Segment) bool {
	return a.Verdict == b.Verdict && a.RejectWith == b.RejectWith && a.PrefixCount == b.PrefixCount && a.Rule.Text == b.Rule.Text &&
		a.Rule.Position == b.Rule.Position && a.Rule.Chain == b.Rule.Chain && (a.Rule.Element == nil) == (b.Rule.Element == nil) &&
		(a.Rule.Element == nil || a.Rule.Element.Key == b.Rule.Element.Key && a.Rule.Element.Comment == b.Rule.Element.Comment)
}

// TestCDNAgainstEverybody tells "blocks the CDN" from "closed to everyone".
func TestCDNAgainstEverybody(t *testing.T) {
	closed := newHost(t, [2]string{"nft -f -", `table inet f { chain i { type filter hook input priority 0; policy drop; tcp dport 22 accept; } }`}).ask(host4, 80)
	if closed.CDN.Shares.Drop != 1 || math.Abs(closed.Others.Public.Drop-1) > 1e-9 {
		t.Errorf("closed to everyone: CDN %+v, others %+v", closed.CDN.Shares, closed.Others.Public)
	}
	only := newHost(t, [2]string{"nft -f -", `table inet f { chain i { type filter hook input priority 0; policy accept; ip saddr 104.16.0.0/13 drop; } }`}).ask(host4, 80)
	if only.CDN.Shares.Drop < 0.9 || only.Others.Public.Drop > 1e-9 {
		t.Errorf("blocks the CDN: CDN %+v, others %+v", only.CDN.Shares, only.Others.Public)
	}
	allow := newHost(t, [2]string{"nft -f -", `table inet f { chain i { type filter hook input priority 0; policy drop; ip saddr 104.16.0.0/13 tcp dport 80 accept; } }`}).ask(host4, 80)
	stale := find(t, allow.CDN, "173.245.48.1")
	if stale.Verdict != firewall.Drop || stale.Prefixes[0].String() != "173.245.48.0/20" {
		t.Errorf("the range an allow list misses: %+v", stale)
	}
}

// TestNothingThere: a host without rules accepts, and says that no rule did.
func TestNothingThere(t *testing.T) {
	a := newHost(t).ask(host4, 443)
	if a.CDN.Shares.Accept != 1 || len(a.Limits) != 0 || a.Delivery != firewall.DeliveryLocal {
		t.Errorf("%+v", a)
	}
	if s := find(t, a.CDN, "104.16.0.1"); s.Rule != nil || len(s.Path) != 0 {
		t.Errorf("rule %+v, path %+v", s.Rule, s.Path)
	}
	if len(a.In) != 1 || a.In[0].Name != "eth0" || a.In[0].Why != "default-route" {
		t.Errorf("interfaces %+v", a.In)
	}
}

// TestEveryBaseChain: a drop in any base chain wins, whatever accepts before or behind it.
func TestEveryBaseChain(t *testing.T) {
	const two = `table inet a { chain i { type filter hook input priority 0; policy accept; ip saddr 104.16.0.0/13 FIRST; } }
		table inet b { chain i { type filter hook input priority 10; policy accept; ip saddr 104.16.0.0/13 SECOND; } }`
	for _, c := range []struct{ first, second, table string }{{"accept", "drop", "b"}, {"drop", "accept", "a"}, {"accept", "accept", "b"}} {
		rules := strings.NewReplacer("FIRST", c.first, "SECOND", c.second).Replace(two)
		s := find(t, newHost(t, [2]string{"nft -f -", rules}).ask(host4, 80).CDN, "104.16.0.1")
		want := firewall.Drop
		if c.first == c.second {
			want = firewall.Accept
		}
		if s.Verdict != want || s.Rule == nil || s.Rule.Table != c.table {
			t.Errorf("%s then %s: %s by %+v", c.first, c.second, s.Verdict, s.Rule)
		}
	}
}

// TestPublished follows a published container port: the rewrite, the forward path with the new destination, the bans that
// count there, and those in the input chain that do not.
func TestPublished(t *testing.T) {
	h := newHost(t, [2]string{"iptables-nft-restore", `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:8080
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER-USER - [0:0]
-A INPUT -s 173.245.48.0/20 -j DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -d 172.17.0.2/32 -o docker0 -p tcp -m tcp --dport 8080 -j ACCEPT
-A DOCKER-USER -s 104.16.0.0/16 -i eth0 -j DROP
COMMIT
`})
	a := h.ask(host4, 80)
	if a.Delivery != firewall.DeliveryForward {
		t.Errorf("delivery %q", a.Delivery)
	}
	banned := find(t, a.CDN, "104.16.0.1")
	if banned.Verdict != firewall.Drop || banned.Hook != "forward" || banned.Rule.Chain != "DOCKER-USER" {
		t.Errorf("banned in DOCKER-USER: %s in %s by %+v", banned.Verdict, banned.Hook, banned.Rule)
	}
	let := find(t, a.CDN, "173.245.48.1")
	if let.Verdict != firewall.Accept {
		t.Errorf("banned in INPUT only, which published ports never see: %s by %+v", let.Verdict, let.Rule)
	}
	if r := let.Redirect; r == nil || r.To != box4 || r.ToPort != 8080 || r.Rule.Chain != "DOCKER" {
		t.Errorf("redirect %+v", r)
	}
	if in := find(t, h.ask(host4, 443).CDN, "173.245.48.1"); in.Verdict != firewall.Drop || in.Rule.Chain != "INPUT" {
		t.Errorf("a port that is not published: %s by %+v", in.Verdict, in.Rule)
	}
}

// TestDepends: what a rate limit decides is never called accepted or dropped.
func TestDepends(t *testing.T) {
	h := newHost(t, [2]string{"nft -f -", `table inet f { chain i { type filter hook input priority 0; policy accept;
		ip saddr 104.16.0.0/16 limit rate over 10/second drop
		ip saddr 104.17.0.0/16 limit rate 10/second accept
		ip saddr 104.17.0.0/16 accept
	} }`})
	a := h.ask(host4, 80)
	s := find(t, a.CDN, "104.16.0.1")
	if s.Verdict != firewall.Depends || len(s.DependsOn) == 0 || s.DependsOn[0].Kind != firewall.TagStateful || s.End != firewall.EndDrop {
		t.Errorf("%s %+v", s.Verdict, s.Outcome)
	}
	if s := find(t, a.CDN, "104.17.0.1"); s.Verdict != firewall.Accept {
		t.Errorf("accepted either way: %s", s.Verdict)
	}
}

// TestUnknownMatch: a match that cannot be read makes unknown what it could decide, and only that.
func TestUnknownMatch(t *testing.T) {
	h := newHost(t, [2]string{"iptables-nft-restore", `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -s 104.16.0.0/16 -m u32 --u32 "0&0xFF=0:255" -j DROP
-A INPUT -s 104.17.0.0/16 -m u32 --u32 "0&0xFF=0:255" -j ACCEPT
COMMIT
`})
	a := h.ask(host4, 80)
	if s := find(t, a.CDN, "104.16.0.1"); s.Verdict != firewall.Unknown || !strings.Contains(s.DependsOn[0].Name, "u32") {
		t.Errorf("%s %+v", s.Verdict, s.DependsOn)
	}
	for _, src := range []string{"104.17.0.1", "173.245.48.1"} {
		if s := find(t, a.CDN, src); s.Verdict != firewall.Accept {
			t.Errorf("%s: %s", src, s.Verdict)
		}
	}
}

// TestStorable: an answer survives being stored.
func TestStorable(t *testing.T) {
	a := newHost(t, blockCases[1].load...).ask(host4, 80)
	j, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var back firewall.Answer
	if err := json.Unmarshal(j, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, back) {
		t.Errorf("stored\n%s", j)
	}
}

// TestIPv6 answers for the other family, and leaves the first alone.
func TestIPv6(t *testing.T) {
	a := newHost(t, [2]string{"nft -f -", `table inet f { chain i { type filter hook input priority 0; policy accept; ip6 saddr 2606:4700::/36 drop; } }`}).ask(host6, 443)
	if s := find(t, a.CDN, "2606:4700::1"); s.Verdict != firewall.Drop || s.Prefixes[0].String() != "2606:4700::/36" {
		t.Errorf("%+v", s)
	}
	if s := find(t, a.CDN, "2606:4700:1000::1"); s.Verdict != firewall.Accept {
		t.Errorf("%+v", s)
	}
}
