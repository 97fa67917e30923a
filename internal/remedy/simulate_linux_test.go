package remedy

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/originward/originward/internal/firewall"
	"github.com/originward/originward/internal/netns"
	"github.com/originward/originward/internal/netns/nstest"
)

// host is a namespace with one public address and rules.
func hostWith(t *testing.T, rules string) *netns.NS {
	t.Helper()
	if !has("nft") {
		t.Skip("skipped: nft is not installed")
	}
	_, ns := nstest.Pair(t, "203.0.113.1/24", "", "203.0.113.10/24", "")
	if err := ns.AddRoute(netns.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr("203.0.113.1")}); err != nil {
		t.Fatal(err)
	}
	if _, err := ns.RunInput(t.Context(), rules, "nft", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	return ns
}

const lockRules = `table inet f {
	chain in { type filter hook input priority 0; policy drop;
		ct state established,related accept
		tcp dport 22 accept
		tcp dport 443 drop
	}
}`

// TestLockOut: steps that would cut the operator's connection are refused, each
// for its own reason; one that does not is not.
func TestLockOut(t *testing.T) {
	all := []string{"ct state established,related accept", "tcp dport 22 accept", "tcp dport 443 drop"}
	edit := func(to ...string) []Step {
		return []Step{step("nft", "edit", &NFT{Chains: []NFTChain{{"inet", "f", "in", listEdit{all, to}}}})}
	}
	ssh := login{netip.MustParseAddr("198.51.100.77"), netip.MustParseAddrPort("203.0.113.10:22")}
	on443 := login{ssh.Client, netip.MustParseAddrPort("203.0.113.10:443")}
	for _, tt := range []struct {
		name  string
		steps []Step
		who   login
		cut   string
	}{
		{"the port is opened", edit(all[0], all[1]), ssh, ""},
		{"the SSH rule goes", edit(all[0], all[2]), ssh, "would meet drop"},
		{"a rule before it drops the operator", edit(all[0], "ip saddr 198.51.100.0/24 drop", all[1], all[2]), ssh, "would meet drop"},
		{"a rule before it rejects others", edit(all[0], "ip saddr 192.0.2.0/24 reject", all[1], all[2]), ssh, ""},
		{"the connection lives by its state, and the rule goes", edit(all[1], all[2]), on443, "established"},
		{"the connection lives by its state, and the rule stays", edit(all[0], all[1]), on443, ""},
		{"replies take another way", []Step{step("route", "route", &Route{Delete: []RouteEntry{{"unicast", netip.MustParsePrefix("0.0.0.0/0"), ""}}})}, ssh, "another way"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ns := hostWith(t, lockRules)
			before := nstest.Run(t, ns, "nft", "list", "ruleset") + nstest.Run(t, ns, "ip", "route")
			p := Plan{Steps: tt.steps}
			ask := []firewall.Question{{Dst: netip.MustParseAddr("203.0.113.10"), Port: 443, Ranges: cdnRanges()}}
			err := ns.Do(func() error { return simulate(context.Background(), &p, ask, []login{tt.who}) })
			switch {
			case tt.cut == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.cut == "" && len(p.Checks) < 2:
				t.Errorf("checks: %q", p.Checks)
			case tt.cut != "" && (!errors.Is(err, ErrLockOut) || !strings.Contains(err.Error(), tt.cut)):
				t.Errorf("got %v, want a refusal for %q", err, tt.cut)
			}
			if after := nstest.Run(t, ns, "nft", "list", "ruleset") + nstest.Run(t, ns, "ip", "route"); after != before {
				t.Errorf("the simulation changed the host:\n%s", after)
			}
			t.Log(p.Checks)
		})
	}
}

// TestSSHConnection reads what ssh(1) puts into the environment.
func TestSSHConnection(t *testing.T) {
	l, ok := parseSSH("198.51.100.77 50000 203.0.113.10 22")
	if !ok || l.String() != "198.51.100.77 to 203.0.113.10:22" {
		t.Errorf("got %v %v", l, ok)
	}
	for _, bad := range []string{"", "a b c d", "198.51.100.77 50000 203.0.113.10", "198.51.100.77 1 203.0.113.10 99999"} {
		if _, ok := parseSSH(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
	if ap, ok := procAddr("0A7100CB:01BB"); ok && ap.String() != "203.0.113.10:443" {
		t.Errorf("address of /proc/net/tcp read as %s", ap)
	}
}
