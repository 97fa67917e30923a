package causes

import (
	"net/netip"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Ports and modes are those of the CDN whose configuration was read: what Cloudflare
// carries says nothing of another.
func TestVendorOfTheConfiguration(t *testing.T) {
	for provider, want := range map[string]struct {
		verdicts int
		other    bool
	}{"cloudflare": {1, false}, "originward": {1, false}, "fastly": {0, true}, "": {1, false}} {
		b := &originward.Bundle{Host: "shop.example", Evidence: []originward.Evidence{
			{ID: "e1", Vantage: originward.Edge, Question: fact.QEdgeAnswer, Fact: fact.EdgeAnswer{
				Target: netip.MustParseAddrPort("198.51.100.10:9443"), Scheme: "https", Host: "shop.example",
				Failure: &fact.Fault{Phase: originward.PhaseConnect, Type: originward.ConnectionRefused},
			}},
			{ID: "e2", Vantage: originward.CDN, Question: fact.QCDNZone, Fact: fact.CDNZone{Provider: provider, Name: "shop.example", Status: "active"}},
		}}
		v := NewView(b)
		if got := judgePortUnsupported(v); len(got) != want.verdicts || v.otherVendor() != want.other {
			t.Errorf("%q: %d verdicts, another vendor %t", provider, len(got), v.otherVendor())
		}
	}
}
