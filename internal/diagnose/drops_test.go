package diagnose

import (
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// TestDropsAreCited: what the kernel dropped while it was watched backs the
// cause whose mechanism it shows, and no other; without a watch nothing is lost.
func TestDropsAreCited(t *testing.T) {
	for _, tt := range []struct {
		world, reason string
		cause         originward.CauseID
		cited         bool
	}{
		{"unit denies", "SOCKET_FILTER", "firewall.host.range-blocked", true},
		{"unit denies", "NO_SOCKET", "firewall.host.range-blocked", false},
		{"range blocked, reset", "NETFILTER_DROP", "firewall.host.range-blocked", true},
		{"range blocked, reset", "SOCKET_FILTER", "firewall.host.range-blocked", false},
	} {
		b := world(tt.world)().Bundle()
		b.Evidence = append(b.Evidence, originward.Evidence{
			Vantage: originward.Host, Question: fact.QDrops, At: b.AskedAt, Text: "drops",
			Fact: fact.Drops{From: b.AskedAt, Window: 5 * time.Second, Ports: []uint16{80, 443}, Groups: []fact.DropGroup{{
				From: bt.Ranges(originward.IP4)[0], CDN: "cloudflare", Dst: bt.Origin4, Port: 443, Reason: tt.reason, Packets: 3, Example: bt.Egress[0],
			}}},
		})
		Number(b)
		id := b.Evidence[len(b.Evidence)-1].ID
		for _, e := range b.Evidence {
			if e.Question == fact.QDrops {
				id = e.ID
			}
		}
		d := Explain(b, Options{})
		if got := stands(d, tt.cause); got != originward.Proved {
			t.Errorf("%s with %s: %s stands %s\n%s", tt.world, tt.reason, tt.cause, got, dump(d))
		}
		cited := false
		for _, f := range d.Findings {
			for _, ref := range f.For {
				cited = cited || f.Cause == tt.cause && ref == id
			}
		}
		if cited != tt.cited {
			t.Errorf("%s with %s: cited %v, want %v\n%s", tt.world, tt.reason, cited, tt.cited, dump(d))
		}
	}
}
