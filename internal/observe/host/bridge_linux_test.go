package host

import (
	"slices"
	"testing"

	"github.com/originward/originward/fact"
)

// TestBridge: what containers behind a bridge meet on their way to the host's
// own applications, and an address on the bridge that nobody has any more.
func TestBridge(t *testing.T) {
	n := origin(t)
	sh(t, n, `
ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up
ip neigh add 172.17.0.9 dev docker0 nud failed
nft 'add table ip f; add chain ip f in { type filter hook input priority 0; }; add rule ip f in iifname "docker0" drop'`)
	listen(t, n, "tcp4", "0.0.0.0:3000")
	listen(t, n, "tcp4", "127.0.0.1:3001")
	listen(t, n, "tcp4", "0.0.0.0:443")
	b, _ := look(t, n, question{}, 0)
	var ports []uint16
	for _, a := range only[fact.Firewall](t, b).Answers {
		if a.Iface != "docker0" {
			continue
		}
		ports = append(ports, a.Port)
		if len(a.Others) != 1 || a.Others[0].Verdict != fact.VerdictDrop || a.Dst.String() != "172.17.0.1" || len(a.CDN) != 0 {
			t.Errorf("%+v", a)
		}
	}
	if !slices.Equal(ports, []uint16{3000}) {
		t.Errorf("asked for the ports %v of the bridge, want those of applications beside the edge's", ports)
	}
	silent := 0
	for _, r := range fact.All[fact.Routes](b) {
		for _, s := range r.Fact.Silent {
			if s.Addr.String() == "172.17.0.9" && s.Iface == "docker0" && s.State == "failed" {
				silent++
			}
		}
	}
	if silent == 0 {
		t.Error("the address that does not answer is not told")
	}
}
