package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// TestSeenWhereUndecided: without a cause the page shows what was met; with
// one, the cause's own evidence says it.
func TestSeenWhereUndecided(t *testing.T) {
	d := &originward.Diagnosis{
		Host: "shop.example", Status: originward.StatusBroken,
		Evidence: []originward.Evidence{
			{ID: "e1", Vantage: originward.Outside, Fact: fact.Exchange{Fault: &fact.Fault{}}, Text: "sends no usable response"},
			{ID: "e2", Vantage: originward.Outside, Fact: fact.Exchange{Variant: fact.VariantBare, Fault: &fact.Fault{}}, Text: "a variant"},
			{ID: "e3", Vantage: originward.Host, Fact: fact.Logs{}, Text: "quiet logs"},
			{ID: "e4", Vantage: originward.Edge, Fact: fact.EdgeAnswer{Status: 520}, Text: "a visitor gets 520"},
		},
	}
	var b bytes.Buffer
	if err := Text(&b, d, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	visit, direct := strings.Index(out, "a visitor gets 520"), strings.Index(out, "sends no usable response")
	if visit < 0 || direct < visit {
		t.Errorf("the visit and then the direct exchange are wanted:\n%s", out)
	}
	for _, not := range []string{"a variant", "quiet logs"} {
		if strings.Contains(out, not) {
			t.Errorf("%q tells nothing:\n%s", not, out)
		}
	}
	d.RootCauses = []originward.CauseID{"listener.none"}
	if s := NewPage(d).Seen; s != nil {
		t.Errorf("beside a named cause: %v", s)
	}
}
