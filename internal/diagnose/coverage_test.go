package diagnose

import (
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/causes"
)

// TestEveryCauseHasAWorld: a cause that no bundle of these tests names is a
// cause that nobody has seen named.
func TestEveryCauseHasAWorld(t *testing.T) {
	named := map[originward.CauseID]bool{}
	for _, c := range all() {
		for _, id := range c.want {
			named[id] = true
		}
	}
	for _, c := range causes.Catalogue() {
		if !named[c.ID] && !answer(c.ID) && !neverNamed[c.ID] {
			t.Errorf("%s is named in no world", c.ID)
		}
	}
}

// neverNamed are causes that are possible at most: what would prove them
// cannot be seen from any of the vantages.
var neverNamed = map[originward.CauseID]bool{
	"firewall.provider-ddos":      true, // the provider's mitigation log
	"cdn.edge-incident":           true, // the CDN's status page
	"lookalike.stray-rst":         true, // harms no visitor
	"lookalike.visitor-isp-block": true, // another provider's visitor
}
